"""Ending tasks of asyncio."""

import asyncio
from collections.abc import Collection
from typing import Any

__all__ = ["end"]


async def end(tasks: Collection["asyncio.Task[Any]"], patience: float = 3.0) -> None:
    """Cancels tasks and waits until each has ended; what they raise is dropped.

    A cancellation can get lost: `asyncio.wait_for` of Python 3.11, which libraries use, drops one that comes at the
    moment its own work is done (https://github.com/python/cpython/issues/86296). So a task that still runs after
    `patience` seconds is cancelled again.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=patience)
    await asyncio.gather(*tasks, return_exceptions=True)
