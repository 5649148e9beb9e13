"""Fixtures of the tests of HTTP."""

from collections.abc import AsyncIterator

import pytest

from tests.running import Running
from tests.users.support import Stream
from tests.web.support import Operation, operations


@pytest.fixture
async def stream(blazon: Running) -> AsyncIterator[Stream]:
    """The stream of the module's Blazon: what is not on it did not happen."""
    async with Stream(blazon) as opened:
        yield opened


@pytest.fixture(scope="module")
async def routes(blazon: Running) -> list[Operation]:
    """Every operation of the OpenAPI document."""
    return await operations(blazon)
