"""What uvicorn's connection holds of the requests on it, where ours differ: a request that came whole, and the pace."""

import asyncio
from collections import deque
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl

__all__ = ["Flow", "Whole"]


class _Nobody:
    """What uvicorn wakes when a message has come, and nobody waits for one."""

    def set(self) -> None:
        """Wakes nobody."""


class Whole:
    """A request that has come whole and is being answered: to uvicorn, what its own cycle is for one that has not."""

    __slots__ = ("disconnected", "keep_alive", "message_event", "more_body", "response_complete")

    def __init__(self, *, keep_alive: bool) -> None:
        self.disconnected = False
        self.keep_alive = keep_alive
        self.message_event = _Nobody()
        self.more_body = False
        self.response_complete = False


class Flow(FlowControl):
    """The pace of a connection: while requests wait in line for their turn, no more are read.

    uvicorn reads on after each answer, and a client that asks and asks and never listens would fill the memory.
    """

    def __init__(self, transport: asyncio.Transport, waiting: deque[Any]) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        """Reads on, unless requests wait."""
        if not self._waiting:
            super().resume_reading()
