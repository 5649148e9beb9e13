"""The work on a request in a task: how long it may take, and how it is cut off."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from blazon.errors import BlazonError, OutcomeUnknown
from blazon.web.deadline import Deadline
from blazon.web.request import Request

__all__ = ["Work"]


class Work:
    """The work of one connection, which is on one request at a time.

    `request` is that request, `cut` what its client is told if the work was cut off. `streaming` is true while the
    response is being sent.
    """

    __slots__ = ("_deadline", "_loop", "_seconds", "cut", "request", "streaming", "task")

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        """`seconds` is how long it may take until there is a response."""
        self._loop = loop
        self._seconds = seconds
        self._deadline = Deadline(loop, self._is_late)
        self.request: Request | None = None
        self.task: asyncio.Task[None] | None = None
        self.cut: BlazonError | None = None
        self.streaming = False

    def begin(self, request: Request, work: Coroutine[Any, Any, None]) -> None:
        """Works on a request. `work` calls `end` when it is done."""
        self.request, self.cut = request, None
        self._deadline.start(self._seconds)
        self.task = self._loop.create_task(work)

    def answered(self) -> None:
        """There is a response. Its client has as long as it reads."""
        self._deadline.stop()

    def end(self) -> None:
        """The work is done."""
        self.request = self.task = None
        self._deadline.stop()

    def close(self) -> None:
        """The connection is gone. What is not a stream goes on until it is done or late."""
        if self.task is None:
            self._deadline.close()
        else:
            self.end_stream()

    def end_stream(self) -> None:
        """Ends a stream, if the response is one."""
        if self.streaming and self.task is not None:
            self.task.cancel()

    def cut_off(self, reason: BlazonError) -> None:
        """Cancels the work."""
        if self.task is not None:
            self.cut = reason
            self.task.cancel()

    def _is_late(self) -> None:
        late = f"this took longer than {self._seconds:g} seconds and may still happen"
        self.cut_off(OutcomeUnknown(f"{late}; a request with an Idempotency-Key can safely be sent again"))
