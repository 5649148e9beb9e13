"""Rests for engines that failed: who asks without signing in is not to make them, or the log, work for nothing."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from blazon.engines import EngineUnavailable

__all__ = ["Pauses"]

_PAUSE: Final = 5.0
"""Seconds."""


class Pauses:
    """CAs whose engine failed a moment ago, and what it said."""

    def __init__(self) -> None:
        self._failed: dict[str, tuple[float, str]] = {}

    @contextmanager
    def of(self, ca_id: str) -> Iterator[None]:
        """A block that asks the engine of a CA: refused for some seconds after one that failed.

        Raises EngineUnavailable, with the words of the failure.
        """
        self.check(ca_id)
        try:
            yield
        except EngineUnavailable as error:
            # One that was refused further in makes the pause no longer: who asks often would never see its end.
            if ca_id not in self._failed:
                self._failed[ca_id] = (time.monotonic() + _PAUSE, error.reason)
            raise

    def check(self, ca_id: str) -> None:
        """Raises EngineUnavailable while the engine of a CA rests."""
        failed = self._failed.get(ca_id)
        if failed is None:
            return
        until, reason = failed
        if time.monotonic() < until:
            raise EngineUnavailable(reason)
        del self._failed[ca_id]
