"""Fixtures of this room."""

from collections.abc import AsyncIterator

import pytest

from tests.running import Running
from tests.streams import Stream


@pytest.fixture
async def stream(blazon: Running) -> AsyncIterator[Stream]:
    """The stream of the module's Blazon."""
    async with Stream(blazon, "users") as opened:
        yield opened
