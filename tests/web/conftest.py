"""Fixtures of the tests of HTTP."""

from collections.abc import AsyncIterator

import pytest

from tests.running import Running
from tests.streams import Stream
from tests.web.support import Operation, operations


@pytest.fixture
async def stream(blazon: Running) -> AsyncIterator[Stream]:
    """Every stream of the module's Blazon: what is not there did not happen.

    Without `user.identify`, which things record once a minute when they are asked by a user (decision A18).
    """
    async with Stream(blazon, "users", "things", without=["user.identify"]) as opened:
        yield opened


@pytest.fixture(scope="module")
async def routes(blazon: Running) -> list[Operation]:
    """Every operation of the OpenAPI document."""
    return await operations(blazon)
