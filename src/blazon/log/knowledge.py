"""Whether what this process keeps in memory of the log is what the log says now, and bringing it up to date.

A process that stands still, or is cut off from its database, does not hear what others record: a right they took away
would still be given here. So an answer from memory rests on a recent read of the log. Where there is none, the log is
read before the answer, and where that fails there is no answer.

It also notices when the log went back, and starts over from what the log has then.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

import structlog

from blazon.clock import Clock
from blazon.errors import LogWentBack, StorageUnavailable, Unavailable
from blazon.health import Health
from blazon.log.listeners import Listeners
from blazon.log.metrics import KnowledgeMetrics
from blazon.log.position import START, Newest, Position
from blazon.log.reader import Pulse, Reader
from blazon.log.rewind import Rewind
from blazon.log.tail import Tail
from blazon.log.writer import CHANNEL
from blazon.storage import Database
from blazon.tasks import end

__all__ = ["Knowledge"]

_PAGE = 1000
"""Records of others read at once."""

_TRUSTED = 0.25
_EVERY = 0.1
"""How recent a read must be for an answer from memory, and how often the log is read when nothing is heard: parts of
the greatest staleness."""

_RETRY = 0.05
"""Seconds between two tries to read the log."""

_log = structlog.get_logger("blazon.log")


class Knowledge:
    """What one process knows of the log."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        newest: Newest,
        listeners: Listeners,
        metrics: KnowledgeMetrics,
        health: Health,
        max_staleness: float,
    ) -> None:
        """`max_staleness` in seconds: how long an answer waits for a read of the log before it is refused."""
        self.pulse = Pulse()
        self.tail = Tail(shared=database.shared)
        self._database = database
        self._clock = clock
        self._reader = Reader(database)
        self._newest = newest
        self._listeners = listeners
        self._metrics = metrics
        self._health = health
        self._max_staleness = max_staleness
        self._position = START
        self._read_at = -max_staleness
        self._failing = False
        self._reading: asyncio.Task[None] | None = None
        self._untold: Rewind | None = None

    def is_current(self) -> bool:
        """Whether memory may answer now, without another look at the log."""
        return self._is_right_since(time.monotonic() - self._max_staleness * _TRUSTED)

    def _is_right_since(self, moment: float) -> bool:
        """Whether memory holds everything that was recorded before a moment of the monotonic clock."""
        if self._newest.lost or not self._listeners.right:
            return False
        return not self._database.shared or self._read_at >= moment

    async def current(self) -> None:
        """Returns once memory may answer. Raises Unavailable when the log cannot be read in time."""
        if self.is_current():
            return
        asked = time.monotonic()
        if not (self._failing and asked - self._read_at > self._max_staleness):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._max_staleness):
                    while not self._is_right_since(asked):
                        await self._try_to_read()
                    return
        raise Unavailable(
            "this process cannot read the event log now, and does not answer from what it remembers; try again in a"
            " moment"
        )

    async def begin(self) -> None:
        """Loads every memory. To be called once, before the first answer. Raises StorageUnavailable."""
        await self._restart()
        await self._read()

    async def keep(self, tell: Callable[[Rewind], Awaitable[None]]) -> None:
        """Keeps memory current. Runs for ever. `tell` records that the log went back."""
        async with contextlib.aclosing(self._database.signals(CHANNEL, self._max_staleness * _EVERY)) as signals:
            async for _ in signals:
                await self._try_to_read()
                if self._untold is not None:
                    with contextlib.suppress(Unavailable):
                        await tell(self._untold)
                        self._untold = None

    async def close(self) -> None:
        """Ends a look at the log that nobody waits for any more, before its database is closed."""
        if self._reading is not None:
            await end((self._reading,))

    async def _try_to_read(self) -> None:
        """Reads the log once, together with whoever else wants to; waits a little when that fails."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        reading = self._reading
        await asyncio.wait([reading])
        failure = reading.exception()
        if isinstance(failure, TimeoutError):
            self._database.drop_idle()
        if isinstance(failure, StorageUnavailable | TimeoutError):
            self._failing = True
        else:
            reading.result()
        if failure is not None or not self._listeners.right:
            await asyncio.sleep(_RETRY)

    async def _read(self) -> None:
        if self._newest.lost:
            await self._start_over()
        await self._listeners.load()
        while self._database.shared:
            began = time.monotonic()
            # The connection may have been dropped silently; another one is tried then.
            async with asyncio.timeout(self._max_staleness):
                with self._newest.watching():
                    records = await self._reader.behind(self._position, _PAGE)
            if not records:
                self._read_at = began
                break
            self._listeners.others(records)
            self._position = Position.of(records[-1])
            self._newest.saw(records[-1])
            self.pulse.beat(self._position.sequence)
        self._failing = False

    async def _start_over(self) -> None:
        """The log went back: nothing that was remembered of it counts any more."""
        known = self._newest.position.sequence
        kept = await self._newest_kept()
        await self._restart()
        if kept >= known:  # another request found it with what it knew before
            return
        rewind = Rewind(kept, known, self._clock.now())
        self._untold = rewind
        self._metrics.rewinds.inc()
        self._metrics.lost.inc(rewind.lost)
        sentence = (
            f"the database came back without records {kept + 1} to {known}, or some of them, which this process had"
            " seen: a failover or a restore lost them, and what they changed is undone; `blazon log verify` shows when"
        )
        _log.critical("the log went back", kept=kept, known=known, lost_at_most=rewind.lost)
        self._health.degrade("log", sentence)

    async def _newest_kept(self) -> int:
        """The newest position this process remembers that is still in the log."""
        head = await self._reader.head()
        past = self._newest.past()
        low, high = 0, len(past)  # what is before `low` is in the log; what is from `high` on is not
        while low < high:
            middle = (low + high) // 2
            found = await self._reader.position(past[middle].sequence)
            try:
                past[middle].check(found.id or None, head.sequence, head.trimmed)
            except LogWentBack:
                high = middle
            else:
                low = middle + 1
        return past[low - 1].sequence if low else 0

    async def _restart(self) -> None:
        """Goes on from the end of the log."""
        position = await self._reader.end()
        self.tail.clear()
        self._listeners.restart(position.sequence)
        self._position = position
        self.pulse.restart(position.sequence)
        self._newest.restart(position)
