"""Fixtures for tests of relays."""

import itertools

import pytest

_names = itertools.count(1)


@pytest.fixture
def exchange() -> str:
    """An exchange of the test's own."""
    return f"exchange-{next(_names)}"
