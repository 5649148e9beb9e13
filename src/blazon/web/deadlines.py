"""Ending requests that take too long.

A timer for each request would cost more than many a request. One timer for all looks at them now and then.
"""

import asyncio
from types import TracebackType
from typing import Final, Self

__all__ = ["Deadlines"]

_LOOK: Final = 0.1
"""How often is looked, as a part of the time a request may take."""


class Deadlines:
    """Watches the requests that run. One that runs longer than `seconds`, or a tenth more, is cancelled."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._running: dict[asyncio.Task[object], _Watch] = {}
        self._timer: asyncio.TimerHandle | None = None

    def watch(self) -> "_Watch":
        """For a `with` block, in a task: raises TimeoutError there when it has run for too long."""
        return _Watch(self)

    def begin(self, watch: "_Watch", loop: asyncio.AbstractEventLoop) -> None:
        """The block of a watch begins."""
        watch.deadline = loop.time() + self.seconds
        self._running[watch.task] = watch
        if self._timer is None:
            self._timer = loop.call_later(self.seconds * _LOOK, self._look)

    def end(self, watch: "_Watch") -> None:
        """The block of a watch has ended."""
        del self._running[watch.task]

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for task, watch in self._running.items():
            if now >= watch.deadline and not watch.late:
                watch.late = True
                task.cancel()
        self._timer = loop.call_later(self.seconds * _LOOK, self._look) if self._running else None


class _Watch:
    """One block that is watched."""

    __slots__ = ("_deadlines", "deadline", "late", "task")

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self.deadline = 0.0
        self.late = False

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None
        self.task: asyncio.Task[object] = task
        self._deadlines.begin(self, loop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._deadlines.end(self)
        # Cancelled by us alone: by somebody else too, it stays cancelled (as asyncio.timeout has it).
        if self.late and self.task.uncancel() <= 0 and kind is asyncio.CancelledError:
            raise TimeoutError from error
