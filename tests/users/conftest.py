"""Fixtures of this room."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.running import Running
from tests.streams import Stream
from tests.twice import pure_decisions


@pytest.fixture
async def stream(blazon: Running) -> AsyncIterator[Stream]:
    """The stream of the module's Blazon."""
    async with Stream(blazon, "users") as opened:
        yield opened


@pytest.fixture(autouse=True)
def _pure() -> Iterator[None]:
    """Every decision of these tests is made twice."""
    with pure_decisions():
        yield
