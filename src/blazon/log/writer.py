"""The writer: the only one that appends to the log and the only one that writes tables made from it.

Operations that wait at the same time are committed together, in one transaction:

    1. take the head of the log; other processes wait here
    2. read the revisions the operations rest on; who rests on a stale one is turned away
    3. make records: sequence number, time, id, hash
    4. append them, apply them, run what goes with them, move the head
    5. commit
    6. tell the listeners, then the callers

If the transaction fails because one operation breaks a constraint, the operations are tried one by one, each in a
savepoint, so that only that one fails. If the database is away, every caller is told so and nothing is kept; only
observations, whose callers have long been answered, wait for it to come back.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence

import structlog
from prometheus_client import CollectorRegistry

from blazon.clock import Clock
from blazon.errors import (
    BlazonError,
    IntegrityConflict,
    LogWentBack,
    OutcomeUnknown,
    StorageUnavailable,
    Unavailable,
)
from blazon.log.batch import Plan, Scribe, relied_subjects, revisions, take_checked_head, take_head
from blazon.log.metrics import WriterMetrics
from blazon.log.operation import Apply, Operation, Stale
from blazon.log.position import Newest
from blazon.log.record import Record
from blazon.log.timing import Timing
from blazon.log.types import Catalogue, SubjectKind
from blazon.storage import Database, Transaction

__all__ = ["CHANNEL", "Writer"]

CHANNEL = "blazon_log"
"""Where writers of other processes are told that the log has grown."""

_BATCH = 1024
"""Most events in a batch; an operation with more is a batch of its own."""

_WAITING = 20_000
"""Most operations that may wait; beyond it a caller is told to come back."""

_OBSERVATIONS_WAITING = 100_000
"""Most observations that may wait for a database that is away; beyond it the newest are dropped and counted."""

_GATHER = 0.005
"""Seconds observations wait for company while no operation waits: nobody is waiting for them, and each commit costs."""

_PAUSE = 0.2
"""Seconds to wait after the database failed, before observations are tried again."""

_SETTLE = 30.0
"""Seconds to go on asking what became of a commit whose answer was lost."""

_log = structlog.get_logger("blazon.log")


class _Entry:
    """An operation that waits. An observation has nobody waiting for it."""

    __slots__ = ("done", "operation")

    def __init__(self, operation: Operation, done: "asyncio.Future[Sequence[Record]] | None") -> None:
        self.operation = operation
        self.done = done

    def succeed(self, records: Sequence[Record]) -> None:
        if self.done is not None and not self.done.done():
            self.done.set_result(records)

    def fail(self, error: BaseException) -> None:
        if self.done is not None and not self.done.done():
            self.done.set_exception(error)


Recorded = Callable[[Sequence[Record]], None]
"""What is called with the records of a batch."""

_Outcome = list[tuple[_Entry, Sequence[Record] | BaseException]]


class Writer:
    """Commits operations. `run` must be running for anything to be committed."""

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        kinds: Mapping[str, SubjectKind],
        appliers: Mapping[tuple[str, str], Apply],
        clock: Clock,
        newest: Newest,
        registry: CollectorRegistry,
    ) -> None:
        self._database = database
        self._newest = newest
        self._kinds = kinds
        readers = {(declared.service, declared.name): declared.read for declared in catalogue}
        self._appliers = {key: (readers[key], apply) for key, apply in appliers.items()}
        self.timing = Timing(clock, registry)
        self._queue: deque[_Entry] = deque()
        self._operations = 0
        self._observations = 0
        self._work = asyncio.Event()
        self._urgent = asyncio.Event()
        self._stopping = False
        self._listeners: list[Recorded] = []
        self.metrics = WriterMetrics(registry, lambda: len(self._queue))

    def listen(self, listener: Recorded) -> None:
        """Calls `listener` with the records of every batch, after its commit and before its callers are answered."""
        self._listeners.append(listener)

    async def commit(self, operation: Operation) -> Sequence[Record]:
        """Commits an operation and returns its records.

        Raises Stale and IntegrityConflict when it must be decided again; Unavailable, StorageUnavailable and
        OutcomeUnknown when it cannot be committed now.
        """
        if self._stopping:
            raise Unavailable("Blazon is stopping; try again in a moment")
        if self._operations >= _WAITING:
            raise Unavailable("too many operations are waiting; try again in a moment")
        entry = _Entry(operation, asyncio.get_running_loop().create_future())
        self._queue.append(entry)
        self._operations += 1
        self._work.set()
        self._urgent.set()
        assert entry.done is not None
        return await entry.done

    def observe(self, operation: Operation) -> None:
        """Records observations with the next batch. Does not wait, and does not fail."""
        if self._observations >= _OBSERVATIONS_WAITING:
            self.metrics.dropped.inc(len(operation.events))
            return
        self._queue.append(_Entry(operation, None))
        self._observations += 1
        self._work.set()
        if self._observations >= _BATCH:
            self._urgent.set()

    async def run(self) -> None:
        """Commits what waits, until `stop` was called and everything is written."""
        while self._queue or not self._stopping:
            if not self._queue:
                self._work.clear()
                await self._work.wait()
                continue
            if not self._operations:
                await self._gather()
            failed = await self._write(self._take())
            if failed:
                if self._stopping:
                    self._give_up_observations()
                await asyncio.sleep(_PAUSE)

    def stop(self) -> None:
        """Lets `run` end once everything that waits is written; new operations are turned away."""
        self._stopping = True
        self._work.set()
        self._urgent.set()

    def _put_off(self, observations: Sequence[_Entry]) -> None:
        """Keeps observations for when the database is back, behind the operations: those have callers who wait."""
        waiting = [entry for entry in self._queue if entry.done is not None]
        others = [entry for entry in self._queue if entry.done is None]
        self._queue = deque((*waiting, *observations, *others))
        self._observations += len(observations)

    def _give_up_observations(self) -> None:
        given_up = [entry for entry in self._queue if entry.done is None]
        self.metrics.dropped.inc(sum(len(entry.operation.events) for entry in given_up))
        self._queue = deque(entry for entry in self._queue if entry.done is not None)
        self._observations = 0

    async def _gather(self) -> None:
        """Lets more observations come, until an operation does, there are enough, or some time has passed."""
        if self._stopping or self._observations >= _BATCH:
            return
        self._urgent.clear()
        timer = asyncio.get_running_loop().call_later(_GATHER, self._urgent.set)
        await self._urgent.wait()
        timer.cancel()

    def _take(self) -> list[_Entry]:
        """The next batch: what came first, whatever it is, so that the log tells things in the order they happened."""
        batch: list[_Entry] = []
        size = 0
        while self._queue:
            size += len(self._queue[0].operation.events)
            if batch and size > _BATCH:
                break
            batch.append(self._queue.popleft())
        observations = sum(entry.done is None for entry in batch)
        self._observations -= observations
        self._operations -= len(batch) - observations
        return batch

    async def _write(self, batch: list[_Entry]) -> bool:
        """Commits a batch and answers its callers. True when the database could not do it."""
        try:
            with self.metrics.commit_seconds.time():
                outcome = await self._commit_batch(batch)
        except (StorageUnavailable, OutcomeUnknown) as error:
            _log.error("batch not committed", operations=len(batch), reason=error.reason)
            self.metrics.failures.inc()
            if isinstance(error, LogWentBack):
                # What waits was decided on records that are gone.
                batch = [*batch, *self._queue]
                self._queue.clear()
                self._operations = self._observations = 0
            for entry in batch:
                entry.fail(type(error)(error.reason))  # one each: a traceback belongs to one caller
            observations = [entry for entry in batch if entry.done is None]
            if isinstance(error, StorageUnavailable):
                self._put_off(observations)
            else:
                self.metrics.dropped.inc(sum(len(entry.operation.events) for entry in observations))
            return True
        except Exception as error:  # noqa: BLE001 - one bad batch must not end the writer
            _log.exception("batch failed", operations=len(batch))
            for entry in batch:
                entry.fail(BlazonError(f"the writer failed: {type(error).__name__}"))
            return False
        self._publish(outcome)
        return False

    async def _commit_batch(self, batch: list[_Entry]) -> _Outcome:
        try:
            return await self._together(batch)
        except (StorageUnavailable, OutcomeUnknown):
            raise
        except IntegrityConflict:
            self.metrics.retried.inc()
        except Exception:  # noqa: BLE001
            # A bug in one applier must not take the other operations with it.
            _log.exception("batch failed; trying its operations one by one", operations=len(batch))
            self.metrics.retried.inc()
        return await self._one_by_one(batch)

    async def _together(self, batch: list[_Entry]) -> _Outcome:
        outcome: _Outcome = []
        plan = Plan(self._appliers)
        try:
            async with self._database.transaction() as tx:
                scribe = await self._begin(tx)
                current = await self._revisions(tx, batch)
                for entry in batch:
                    outcome.append((entry, _admit(entry.operation, scribe, current, plan)))
                await plan.run(tx)
                await plan.append(tx, scribe.head)
                await tx.signal(CHANNEL)
        except OutcomeUnknown:
            if not plan.records:  # a cursor that moved, say: nothing in the log tells whether it did
                raise
            if not await self._was_committed(plan.records):
                raise StorageUnavailable("the database, or its disk, went away; nothing was kept") from None
        return outcome

    async def _one_by_one(self, batch: list[_Entry]) -> _Outcome:
        outcome: _Outcome = []
        written: list[Record] = []
        try:
            async with self._database.transaction() as tx:
                scribe = await self._begin(tx)
                for entry in batch:
                    outcome.append((entry, await self._alone(tx, entry, scribe, written)))
                await tx.signal(CHANNEL)
        except OutcomeUnknown:
            if not written:
                raise
            if not await self._was_committed(written):
                raise StorageUnavailable("the database, or its disk, went away; nothing was kept") from None
        return outcome

    async def _alone(
        self, tx: Transaction, entry: _Entry, scribe: Scribe, written: list[Record]
    ) -> Sequence[Record] | BaseException:
        before = scribe.head
        plan = Plan(self._appliers)
        try:
            async with tx.savepoint():
                current = await self._revisions(tx, [entry])
                admitted = _admit(entry.operation, scribe, current, plan)
                await plan.run(tx)
                await plan.append(tx, scribe.head)
        except (StorageUnavailable, OutcomeUnknown):
            raise
        except Exception as error:  # noqa: BLE001 - it goes to the one who asked
            if not isinstance(error, BlazonError):
                _log.exception("an operation failed", types=[event.type for event in entry.operation.events])
            scribe.head = before
            return error
        written.extend(plan.records)
        return admitted

    async def _begin(self, tx: Transaction) -> Scribe:
        taken = await take_checked_head(tx, self._database.dialect, self._newest)
        # After the log went back, times still grow past those of the records it lost: a stream may hold them.
        return Scribe(taken.head, max(self.timing.now(taken), self._newest.time + 1))

    async def _revisions(self, tx: Transaction, batch: list[_Entry]) -> dict[str, int]:
        subjects = relied_subjects(entry.operation for entry in batch)
        return await revisions(tx, subjects, self._kinds) if subjects else {}

    async def _was_committed(self, records: list[Record]) -> bool:
        """What became of a commit whose answer was lost. Taking the head waits until the old transaction has ended."""
        try:
            async with asyncio.timeout(_SETTLE):
                while True:
                    try:
                        async with self._database.transaction() as tx:
                            await take_head(tx, self._database.dialect)
                            row = await tx.row("SELECT id FROM events WHERE sequence = ?", (records[0].sequence,))
                            return row is not None and row[0] == records[0].id
                    except (StorageUnavailable, OutcomeUnknown):
                        await asyncio.sleep(_PAUSE)
        except TimeoutError:
            raise OutcomeUnknown(
                "the database, or its disk, went away while it committed and has not come back: it may or may not"
                " have happened; send it again with the same Idempotency-Key"
            ) from None

    def _publish(self, outcome: _Outcome) -> None:
        records = [record for _, made in outcome if not isinstance(made, BaseException) for record in made]
        self.metrics.count(records)
        # Listeners first: an answered change is visible to the next request.
        for listener in self._listeners:
            try:
                listener(records)
            except Exception:  # noqa: BLE001 - what is committed stays committed
                _log.exception("a listener of the log failed")
        for entry, made in outcome:
            if isinstance(made, BaseException):
                entry.fail(made)
            else:
                entry.succeed(made)


def _admit(
    operation: Operation, scribe: Scribe, current: dict[str, int], plan: Plan
) -> Sequence[Record] | BaseException:
    """Lets an operation into the batch, unless something it rests on has changed."""
    for subject, revision in operation.relies.items():
        if current[subject] != revision:
            return Stale(f"{subject} has changed")
    before = scribe.head
    records = scribe.write(operation)
    try:
        plan.add(records, operation.also(records) if operation.also is not None else ())
    except BaseException:
        scribe.head = before
        raise
    for record in records:
        if record.is_fact:
            current[record.subject] = record.sequence
    return records
