"""The log as the rooms see it: decide, commit, observe, read."""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

from prometheus_client import CollectorRegistry

from blazon.caller import Caller
from blazon.clock import Clock
from blazon.errors import Conflict, IntegrityConflict, RequestError, Unavailable
from blazon.health import Health
from blazon.log import once
from blazon.log.batch import look_at_head
from blazon.log.knowledge import Knowledge
from blazon.log.listeners import Listeners, Memory
from blazon.log.metadata import METADATA_BYTES, MetadataRule
from blazon.log.metrics import KnowledgeMetrics
from blazon.log.operation import Apply, Decision, Operation, Stale, joined
from blazon.log.position import Newest, Position
from blazon.log.procedure import Decide, Procedure
from blazon.log.reader import Reader
from blazon.log.record import Event, Record, uuid7
from blazon.log.rewind import Rewind
from blazon.log.types import Catalogue, SubjectKind
from blazon.log.writer import Writer
from blazon.storage import Database

__all__ = ["Log"]

_PATIENCE = 5.0
"""Seconds a decision that goes stale again and again is made anew."""

_TRIES_AGAINST_A_CONSTRAINT = 3


class Log:
    """The event log of one process. `metadata` is the rule for the metadata that events may carry."""

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        kinds: Mapping[str, SubjectKind],
        appliers: Mapping[tuple[str, str], Apply],
        clock: Clock,
        registry: CollectorRegistry,
        *,
        health: Health | None = None,
        max_staleness: float = 1.0,
        metadata_bytes: int = METADATA_BYTES,
    ) -> None:
        """`max_staleness` in seconds: see `current`."""
        self.database = database
        self.metadata = MetadataRule(metadata_bytes)
        self.catalogue = catalogue
        self.clock = clock
        self.reader = Reader(database)
        self._newest = Newest()
        self.writer = Writer(database, catalogue, kinds, appliers, clock, self._newest, registry)
        metrics = KnowledgeMetrics(registry)
        self._listeners = Listeners(shared=database.shared, failed=metrics.failures.inc)
        self._knowledge = Knowledge(
            database, clock, self._newest, self._listeners, metrics, health or Health(registry), max_staleness
        )
        self.pulse = self._knowledge.pulse
        self.writer.listen(self._recorded)

    def new_id(self) -> str:
        """An id for a new thing: a UUIDv7.

        Ids that begin with their time are put side by side into an index; random ones would touch a page each, and
        more than halve the rate of commits.
        """
        return uuid7(self.clock.now(), os.urandom(8).hex())

    def listen(self, memory: Memory) -> None:
        """Keeps a memory current from `begin` on. Whoever answers from it asks `is_current` or `current` first."""
        self._listeners.add(memory)

    async def begin(self) -> None:
        """Loads every memory. To be called once, before the first request. Raises StorageUnavailable."""
        await self.check_time()
        await self._knowledge.begin()

    async def keep_current(self) -> None:
        """Brings what other processes recorded to the memories of this one. Runs for ever."""
        await self._knowledge.keep(self._tell_of_rewind)

    async def close(self) -> None:
        """Ends what still reads the log. To be called before the database is closed."""
        await self._knowledge.close()

    def is_current(self) -> bool:
        """Whether memory may answer now. Where it may not, `current` brings it up to date.

        It may not when the log was not read for some tenths of a second, when a memory could not take in a record, or
        when the log went back.
        """
        return self._knowledge.is_current()

    async def current(self) -> None:
        """Returns once memory may answer, after a look at the log where that is needed.

        Raises Unavailable when the log cannot be read for `max_staleness` seconds.
        """
        await self._knowledge.current()

    async def check_time(self) -> None:
        """Compares the clock with that of the database's server and with the time of the log, as each batch does."""
        self.writer.timing.now(await look_at_head(self.database))

    async def commit(self, caller: Caller, decide: Decide) -> Sequence[Record]:
        """Decides and commits, again when the decision went stale, and returns the records.

        A request that was committed before under the same Idempotency-Key is not decided again: its records are
        returned. No records when the decision is that nothing shall happen. `decide` has no effect; what needs one
        is a procedure, see `perform`.
        """
        return await self._commit(caller, decide, _nothing)

    async def perform(self, caller: Caller, *procedures: Procedure) -> Sequence[Record]:
        """Runs procedures and commits their decisions together: all of them, or none. As `commit` otherwise.

        When what they rest on has changed, what they did is taken back, and all begin again with their checks.
        """

        async def undo() -> None:
            for each in procedures:
                await each.undo()

        async def decide() -> Decision:
            await undo()
            checked = [await each.check() for each in procedures]
            done = [await each.act(found) for each, found in zip(procedures, checked, strict=True)]
            return joined([each.record(*both) for each, *both in zip(procedures, checked, done, strict=True)])

        try:
            records = await self._commit(caller, decide, undo)
        except BaseException as error:
            for each in procedures:
                await each.failed(error)
            raise
        for each in procedures:
            await each.recorded()
        return records

    async def _commit(self, caller: Caller, decide: Decide, undo: Callable[[], Awaitable[None]]) -> Sequence[Record]:
        """`undo` takes back what `decide` did when another request with the same Idempotency-Key was faster."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _PATIENCE
        constraint_failures = 0
        while True:
            if records := await self._found(caller):
                await undo()
                return records
            await self.current()
            timeline = self._newest.timeline
            try:
                decision = await decide()
                if not decision.events:
                    return ()
                if timeline != self._newest.timeline:
                    raise Stale("the log went back while this was decided")
                return await self.writer.commit(_operation(caller, decision))
            except Stale:
                pass
            except RequestError:
                # A request with the same key may have been recorded since we looked, and its effect refuses this one.
                if records := await self._found(caller):
                    await undo()
                    return records
                raise
            except IntegrityConflict as error:
                constraint_failures += 1
                if constraint_failures == _TRIES_AGAINST_A_CONSTRAINT:
                    raise Conflict("something with the same unique value was made at the same time") from error
            if loop.time() > deadline:
                raise Unavailable("it is being changed by too many requests at once; try again in a moment")
            await asyncio.sleep(random.uniform(0, 0.002))  # noqa: S311 - jitter

    async def _found(self, caller: Caller) -> Sequence[Record] | None:
        """The records of an earlier request with the Idempotency-Key of this one."""
        return None if caller.once is None else await once.find(self.database, caller.once)

    def observe(self, caller: Caller, *events: Event) -> None:
        """Records observations without waiting for them."""
        self.writer.observe(Operation(events=events, actor=caller.id, traceparent=caller.traceparent))

    async def behind(self, position: Position, limit: int) -> Sequence[Record]:
        """At most `limit` records after a position, in order: from memory when they were recorded just now.

        Raises LogWentBack when the log does not have the record of the position any more.
        """
        found = self._knowledge.tail.behind(position, limit)
        if found is not None:
            return found
        with self._newest.watching():
            records = await self.reader.behind(position, limit)
        if records:
            self._newest.saw(records[-1])
        return records

    async def of_types(
        self, position: Position, types: Collection[tuple[str, str]], limit: int
    ) -> tuple[Position, Sequence[Record]]:
        """Some of the next `limit` records after a position: the first that have one of the services and types.

        With the position to go on from: the last of those records, the end of what was looked through when there is
        none, or the position itself when nothing is behind it. Raises LogWentBack.
        """
        found = self._knowledge.tail.behind(position, limit)
        if found is not None:
            through = Position.of(found[-1]) if found else position
            return through, [record for record in found if (record.service, record.type) in types]
        head = await self.reader.head()
        with self._newest.watching():
            there = await self.reader.position(position.sequence)
            position.check(there.id or None, head.sequence, head.trimmed)
        end = min(head.sequence, position.sequence + limit)
        records = await self.reader.of_types(position.sequence, end, types, limit)
        return Position.of(records[-1]) if records else await self.reader.position(end), records

    def _recorded(self, records: Sequence[Record]) -> None:
        """What the writer calls after each commit, before the callers are answered."""
        if records:
            self._newest.saw(records[-1])
            self._knowledge.tail.add(records)
            self._listeners.own(records)
            self.pulse.beat(records[-1].sequence)

    async def _tell_of_rewind(self, rewind: Rewind) -> None:
        statement = rewind.remember()
        await self.writer.commit(Operation(also=lambda _: (statement,)))


async def _nothing() -> None:
    """A decision alone has done nothing that has to be undone."""


def _operation(caller: Caller, decision: Decision) -> Operation:
    key = caller.once
    return Operation(
        events=decision.events,
        relies=decision.relies,
        actor=caller.id,
        traceparent=caller.traceparent,
        also=None if key is None else lambda records: once.remember(key, records),
    )
