"""Work that goes on for as long as Blazon runs: it is started, watched, named and stopped in one place."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from enum import IntEnum
from typing import Any

import msgspec
import structlog

from blazon.tasks import end

__all__ = ["Service", "Services", "Stage"]

_log = structlog.get_logger("blazon")


class Stage(IntEnum):
    """When a service is stopped. Those of one stage stop together, after those of the stages before have ended."""

    LISTENER = 0
    """It takes requests. The requests that were sent before are answered."""

    WORK = 1
    """It works beside the requests: consumers of the log, timers."""

    RELAY = 2
    """It hands on what is recorded, what the stages before recorded included."""

    LOG = 3
    """It records."""

    CHILD = 4
    """It looks after a server that Blazon started and that the stages before use."""


class Service(msgspec.Struct, frozen=True):
    """Work that goes on.

    `run` goes on until it is stopped: what fails it tries again, for when it returns or raises by itself, Blazon ends.
    `stop` tells it to return, after it has finished what it began; without `stop` it is cancelled.
    """

    name: str
    run: Callable[[], Coroutine[Any, Any, None]]
    stage: Stage = Stage.WORK
    stop: Callable[[], None] | None = None


class Services:
    """The services of one process."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[None], Service] = {}

    def start(self, services: Iterable[Service]) -> None:
        """Starts services, in the order given."""
        for service in services:
            self._tasks[asyncio.create_task(service.run(), name=service.name)] = service

    async def watch(self, stop: asyncio.Event) -> None:
        """Returns when `stop` is set. Raises what ended a service that ended by itself, or RuntimeError."""
        stopping = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait([stopping, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
        for task in done - {stopping}:
            _log.critical("a service ended", service=task.get_name())
            await task
            raise RuntimeError(f"{task.get_name()} ended")

    async def stop(self) -> None:
        """Stops every service, stage by stage, and waits for it."""
        for stage in Stage:
            tasks = [task for task, service in self._tasks.items() if service.stage is stage]
            cancelled = []
            for task in tasks:
                stop = self._tasks[task].stop
                if stop is None:
                    cancelled.append(task)
                else:
                    stop()
            await end(cancelled)
            await asyncio.gather(*tasks, return_exceptions=True)

    async def cancel(self) -> None:
        """Ends whatever still runs at once, and waits for it."""
        await end(self._tasks)
