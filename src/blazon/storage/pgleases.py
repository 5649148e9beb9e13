"""What a PostgreSQL session holds for others to wait for, and how it is taken from a process that stands still.

Two things are held: a lease, which is an advisory lock of a session of its own, and the rows a transaction has changed,
the head of the log among them.
"""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from blazon.errors import StorageUnavailable
from blazon.storage.engine import Lease
from blazon.storage.pgconnections import translated

__all__ = ["HOLD", "LEASE", "key_of", "leading", "unhindered"]

_LEADER_POLL = 0.5
"""Seconds between two tries to become the leader."""

LEASE = 5.0
"""Seconds after which the server takes a lease from a process that stands still or is cut off."""

_RENEW = 1.0
"""Seconds between two renewals of a lease."""

HOLD = 3.0
"""Seconds a transaction may wait for its own process, which may have been stopped between two statements, before it is
ended and its locks are free. Every other writer waits for the head of the log meanwhile.

The server does that by itself (`idle_in_transaction_session_timeout`), but not for a process that was stopped between
preparing a statement and running it, or while it sent one: whoever waits ends those."""

_END_STALLED = f"""
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND application_name = current_setting('application_name')
  AND wait_event = 'ClientRead' AND backend_xid IS NOT NULL
  AND state_change < clock_timestamp() - interval '{HOLD * 0.9} seconds'
"""


class _SessionLease:
    """An advisory lock. It lasts as long as its session, which the server ends when it is not used for `LEASE`."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._used = time.monotonic()

    @property
    def held(self) -> bool:
        return not self._connection.is_closed() and time.monotonic() - self._used < LEASE

    async def renew(self) -> None:
        """Uses the session now and then, until it ends."""
        with contextlib.suppress(StorageUnavailable):
            while self.held:
                await asyncio.sleep(_RENEW)
                began = time.monotonic()
                with translated():
                    await self._connection.execute("SELECT 1", timeout=LEASE)
                self._used = began


def key_of(name: str) -> int:
    """The number of the advisory lock of that name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


@asynccontextmanager
async def leading(connection: Any, name: str) -> AsyncIterator[Lease]:
    """Waits until a session has the lease of a name, and renews it until the block ends.

    The server must end the session when it is not used for `LEASE`.
    """
    while True:
        lease = _SessionLease(connection)
        with translated():
            if await connection.fetchval("SELECT pg_try_advisory_lock($1)", key_of(name)):
                break
        await asyncio.sleep(_LEADER_POLL)
    renewing = asyncio.create_task(lease.renew())
    try:
        yield lease
    finally:
        renewing.cancel()
        await asyncio.wait([renewing])


@asynccontextmanager
async def unhindered(query: Callable[[str], Awaitable[object]]) -> AsyncIterator[None]:
    """Ends the transactions of processes that stand still, for as long as one in the block may wait for them.

    `query` runs a statement on another connection.
    """

    async def end_stalled() -> None:
        while True:
            with contextlib.suppress(StorageUnavailable):
                await query(_END_STALLED)
            await asyncio.sleep(HOLD / 3)

    ending: list[asyncio.Task[None]] = []
    timer = asyncio.get_running_loop().call_later(HOLD, lambda: ending.append(asyncio.create_task(end_stalled())))
    try:
        yield
    finally:
        timer.cancel()
        for task in ending:
            task.cancel()
            await asyncio.wait([task])
