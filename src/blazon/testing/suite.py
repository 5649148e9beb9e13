"""What the suites share."""

import pytest

__all__ = ["Suite"]


class Suite:
    """A class of tests, some of them asynchronous, that runs on the event loop Blazon runs on."""

    pytestmark = pytest.mark.anyio

    @pytest.fixture(scope="class")
    @classmethod
    def anyio_backend(cls) -> tuple[str, dict[str, bool]]:
        """The event loop: asyncio with uvloop."""
        return "asyncio", {"use_uvloop": True}
