"""Fixtures of this room."""

from collections.abc import Iterator

import pytest

from tests.twice import pure_decisions


@pytest.fixture(autouse=True)
def _pure() -> Iterator[None]:
    """Every decision of these tests is made twice."""
    with pure_decisions():
        yield
