"""The log as the rooms see it: decide, commit, observe, read."""

import asyncio
import contextlib
import os
import random
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

from prometheus_client import CollectorRegistry

from blazon.caller import Caller
from blazon.clock import Clock
from blazon.errors import Conflict, IntegrityConflict, StorageUnavailable, Unavailable
from blazon.log import once
from blazon.log.batch import look_at_head
from blazon.log.listeners import Listener, Listeners
from blazon.log.operation import Apply, Decision, Operation, Stale
from blazon.log.reader import Pulse, Reader
from blazon.log.record import Event, Record, uuid7
from blazon.log.tail import Tail
from blazon.log.types import Catalogue, SubjectKind
from blazon.log.writer import CHANNEL, Writer
from blazon.storage import Database

__all__ = ["Log"]

_PATIENCE = 5.0
"""Seconds a decision that goes stale again and again is made anew."""

_TRIES_AGAINST_A_CONSTRAINT = 3
_CATCH_UP = 1000
_READ = 5.0
"""Records of others read at once, and seconds that may take."""

_CURRENT = 5.0
"""Seconds after which a process that could not read what others recorded no longer relies on what it remembers."""


Decide = Callable[[], Awaitable[Decision]]


class Log:
    """The event log of one process."""

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        kinds: Mapping[str, SubjectKind],
        appliers: Mapping[tuple[str, str], Apply],
        clock: Clock,
        registry: CollectorRegistry,
    ) -> None:
        self.database = database
        self.catalogue = catalogue
        self.clock = clock
        self.reader = Reader(database)
        self.pulse = Pulse()
        self.writer = Writer(database, catalogue, kinds, appliers, clock, registry)
        self._listeners = Listeners(shared=database.shared)
        self._tail = Tail(shared=database.shared)
        self._current_at = time.monotonic()
        self.writer.listen(self._tail.add)
        self.writer.listen(self._listeners.own)
        self.writer.listen(self._beat)

    def new_id(self) -> str:
        """An id for a new thing: a UUIDv7.

        Ids that begin with their time are put side by side into an index; random ones would touch a page each, and
        more than halve the rate of commits.
        """
        return uuid7(self.clock.now(), os.urandom(8).hex())

    def listen(self, listener: Listener) -> None:
        """Calls `listener` with new facts: of this process before their callers are answered, of others soon.

        It hears each fact once, and of one subject never an older one after a newer one.
        """
        self._listeners.add(listener)

    async def begin(self) -> None:
        """Notes where the log ends. What others record from now on, `hear_others` will tell.

        To be called before a listener reads what is there already.
        """
        await self.check_time()
        self._current_at = time.monotonic()
        self._listeners.position = (await self.reader.head()).sequence
        self.pulse.beat(self._listeners.position)

    async def check_time(self) -> None:
        """Compares the clock with that of the database's server and with the time of the log, as each batch does."""
        self.writer.timing.now(await look_at_head(self.database))

    async def commit(self, caller: Caller, decide: Decide) -> Sequence[Record]:
        """Decides and commits, again when the decision went stale, and returns the records.

        A request that was committed before under the same Idempotency-Key is not decided again: its records are
        returned. No records when the decision is that nothing shall happen.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _PATIENCE
        constraint_failures = 0
        while True:
            if caller.once is not None and (records := await once.find(self.database, caller.once)):
                return records
            decision = await decide()
            if not decision.events:
                return ()
            try:
                return await self.writer.commit(_operation(caller, decision))
            except Stale:
                pass
            except IntegrityConflict as error:
                constraint_failures += 1
                if constraint_failures == _TRIES_AGAINST_A_CONSTRAINT:
                    raise Conflict("something with the same unique value was made at the same time") from error
            if loop.time() > deadline:
                raise Unavailable("it is being changed by too many requests at once; try again in a moment")
            await asyncio.sleep(random.uniform(0, 0.002))  # noqa: S311 - jitter

    def observe(self, caller: Caller, *events: Event) -> None:
        """Records observations without waiting for them."""
        self.writer.observe(Operation(events=events, actor=caller.id, traceparent=caller.traceparent))

    async def after(self, position: int, limit: int) -> Sequence[Record]:
        """At most `limit` records after a position, in order: from memory when they were recorded just now."""
        found = self._tail.after(position, limit)
        return found if found is not None else await self.reader.after(position, limit)

    async def of_types(
        self, position: int, types: Collection[tuple[str, str]], limit: int
    ) -> tuple[int, Sequence[Record]]:
        """Those of the next `limit` records after a position that have one of the services and types.

        With the position up to which that was looked: it is the one given when there is nothing after it.
        """
        found = self._tail.after(position, limit)
        if found is not None:
            through = found[-1].sequence if found else position
            return through, [record for record in found if (record.service, record.type) in types]
        through = min((await self.reader.head()).sequence, position + limit)
        return through, await self.reader.of_types(position, through, types, limit)

    def _beat(self, records: Sequence[Record]) -> None:
        if records:
            self.pulse.beat(records[-1].sequence)

    def is_current(self) -> bool:
        """Whether the listeners have heard what others recorded up to a few seconds ago.

        A process that is cut off from the database hears nothing, and must not take what it remembers for the truth.
        """
        return not self.database.shared or time.monotonic() - self._current_at < _CURRENT

    async def hear_others(self) -> None:
        """Brings what other processes recorded to the listeners of this one. Runs for ever.

        With a database of one process there is nothing to hear and it only waits.
        """
        async with contextlib.aclosing(self.database.signals(CHANNEL)) as signals:
            async for _ in signals:
                # What fails now is tried again with the next signal, which comes within a second.
                with contextlib.suppress(StorageUnavailable, TimeoutError):
                    await self._catch_up()

    async def _catch_up(self) -> None:
        while True:
            began = time.monotonic()
            # The connection may have been dropped without a word: another one is tried soon.
            async with asyncio.timeout(_READ):
                records = await self.reader.after(self._listeners.position, _CATCH_UP)
            if records:
                self._listeners.others(records)
                self.pulse.beat(self._listeners.position)
            if len(records) < _CATCH_UP:
                self._current_at = began
            if not records:
                return


def _operation(caller: Caller, decision: Decision) -> Operation:
    key = caller.once
    return Operation(
        events=decision.events,
        relies=decision.relies,
        actor=caller.id,
        traceparent=caller.traceparent,
        also=None if key is None else lambda records: once.remember(key, records),
    )
