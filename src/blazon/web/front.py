"""What the connections of one server share."""

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, Final

import structlog

from blazon.web import response
from blazon.web.http1 import Stage
from blazon.web.limits import Limits
from blazon.web.writer import Turn, Unread

if TYPE_CHECKING:
    from blazon.web.connection import Connection

__all__ = ["Front"]

_READ: Final = 32 * 1024
"""Bytes of one read, and so the most that a connection keeps unparsed."""


_TURNS: Final = 64
"""Connections that are taken further in one turn of the event loop, of those that have sent more than one request."""

_log = structlog.get_logger("blazon.http")


class Front:
    """What the connections of one server share."""

    def __init__(self, limits: Limits, loop: asyncio.AbstractEventLoop) -> None:
        self.limits = limits
        self.loop = loop
        self.patience = {
            Stage.IDLE: limits.keep_alive_seconds,
            Stage.HEAD: limits.head_seconds,
            Stage.BODY: limits.body_seconds,
        }
        """Seconds that may pass until a connection has received what it waits for."""
        self.turn = Turn(loop)
        self.unread = Unread(limits.unread_bytes)
        self.buffer = memoryview(bytearray(_READ))
        """Where every read ends up first. It is copied before the next one."""
        self.connections: set[Connection] = set()
        self.orphans: set[asyncio.Task[None]] = set()
        """Work on requests whose connections are gone."""
        self.pending_bytes = 0
        """What the connections count against `Limits.pending_bytes`."""
        self.changed = asyncio.Event()
        """Set whenever a connection or an orphan is gone."""
        self._queue: deque[Connection] = deque()
        self._advancing = False
        """Whether the next turn of the loop calls `_advance`."""
        self._second = 0
        self._date = ""

    @property
    def overloaded(self) -> bool:
        """Whether the bodies of unanswered requests take too much memory."""
        return self.pending_bytes > max(self.limits.pending_bytes, self.limits.body_bytes)

    def date(self) -> str:
        """The value of the header Date."""
        now = int(time.time())
        if now != self._second:
            self._second, self._date = now, response.http_date(now)
        return self._date

    def schedule(self, connection: "Connection") -> None:
        """Calls `advance` of a connection when it is its turn: after those that waited before, and after new arrivals.

        A client that sends one request and waits for the response never comes here. Those that send thousands at once
        take turns, and between any two turns of the event loop only a few of them: so they delay each other most.
        """
        self._queue.append(connection)
        if not self._advancing:
            self._advancing = True
            self.loop.call_soon(self._advance)

    def _advance(self) -> None:
        queue = self._queue
        for _ in range(min(len(queue), _TURNS)):
            connection = queue.popleft()
            try:
                connection.advance()
            except Exception:  # noqa: BLE001 - a bug here costs one connection
                _log.exception("a connection failed")
                connection.abort()
        self._advancing = bool(queue)
        if queue:
            self.loop.call_soon(self._advance)

    def remove(self, connection: "Connection", task: "asyncio.Task[None] | None") -> None:
        """Forgets a connection that is gone. Its `task` is kept until it is done."""
        self.connections.discard(connection)
        self.changed.set()
        if task is not None:
            self.orphans.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self.orphans.discard(task)
        self.changed.set()
