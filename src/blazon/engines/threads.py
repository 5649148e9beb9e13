"""Threads for calls that block: bounded, and of each engine its own, so that one that hangs holds up no other.

The default threads of asyncio are few and are everybody's: six calls to a service that does not answer took them all.
"""

import asyncio
import contextvars
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from threading import BoundedSemaphore
from typing import Final, ParamSpec, TypeVar

from blazon.engines.engine import EngineUnavailable

__all__ = ["Threads", "cpu_threads"]

_WAITING: Final = 500
"""Calls that wait for their turn at most: behind an engine that hangs there is no sense in a longer line."""

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """So many threads under a name, and a line before them that is not endless."""

    def __init__(self, name: str, threads: int, waiting: int = _WAITING) -> None:
        """`waiting` is how many calls may wait for a thread."""
        self._name = name
        self._pool = ThreadPoolExecutor(threads, name)
        self._places = BoundedSemaphore(threads + waiting)

    async def run(self, call: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """What a call returns, made in one of the threads. Raises EngineUnavailable when the line is too long.

        Who gives up waiting leaves the line; a call that has begun goes on.
        """
        if not self._places.acquire(blocking=False):
            raise EngineUnavailable(f"too much waits for {self._name} already; try again in a moment")
        try:
            going = self._pool.submit(contextvars.copy_context().run, partial(call, *arguments, **named))
        except BaseException:
            self._places.release()
            raise
        going.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(going)

    def close(self) -> None:
        """Begins nothing more. What has begun goes on, as nothing can stop it."""
        self._pool.shutdown(wait=False, cancel_futures=True)


@cache
def cpu_threads() -> Threads:
    """The threads for what keeps this process's own processors busy and waits for nobody."""
    return Threads("this process", processors())


def processors() -> int:
    """How many there are to compute with, two at least: a long computation is not to keep the others waiting."""
    return max(2, os.cpu_count() or 2)
