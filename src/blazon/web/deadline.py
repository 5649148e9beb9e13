"""Deadlines that are moved far more often than they are missed."""

import asyncio
from collections.abc import Callable

__all__ = ["Deadline"]


class Deadline:
    """Calls back once when its time has passed.

    Cancelling a timer and setting a new one for each request would cost more than many a request. The timer here is
    left alone when the deadline moves away, and set again when it fires too early.
    """

    __slots__ = ("_callback", "_due", "_loop", "_timer", "_timer_at")

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        self._loop = loop
        self._callback = callback
        self._due: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    @property
    def running(self) -> bool:
        """Whether it will call back."""
        return self._due is not None

    def start(self, seconds: float) -> None:
        """Calls back in so many seconds, and not when it would have before."""
        self._due = due = self._loop.time() + seconds
        if self._timer is None:
            self._set(due)
        elif due < self._timer_at:
            self._timer.cancel()
            self._set(due)

    def stop(self) -> None:
        """Does not call back."""
        self._due = None

    def close(self) -> None:
        """Does not call back, and keeps nothing alive."""
        self._due = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set(self, due: float) -> None:
        self._timer_at = due
        self._timer = self._loop.call_at(due, self._fire)

    def _fire(self) -> None:
        self._timer = None
        due = self._due
        if due is None:
            return
        if due > self._loop.time():
            self._set(due)
        else:
            self._due = None
            self._callback()
