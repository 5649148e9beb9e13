"""One batch of the writer: which operations get in, as which records, with which statements.

Everything here is without I/O but `Plan.run`, which hands the statements to the transaction.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import monotonic_ns
from typing import Any, NamedTuple

import msgspec

from blazon.errors import LogDamaged
from blazon.log.operation import Apply, Operation
from blazon.log.position import Newest
from blazon.log.record import Record, chain_hash, uuid7
from blazon.log.types import Kind, SubjectKind
from blazon.storage import Dialect, Reads, Statement, Transaction, Value

__all__ = [
    "HEAD_SQL",
    "Head",
    "Plan",
    "Scribe",
    "Taken",
    "look_at_head",
    "relied_subjects",
    "revisions",
    "take_checked_head",
    "take_head",
]

_HEAD = "sequence, time, hash, trimmed"
HEAD_SQL = f"SELECT {_HEAD} FROM log_head WHERE one = 1"
_MOVE_HEAD = "UPDATE log_head SET sequence = ?, time = ?, hash = ? WHERE one = 1"
_APPEND = (
    "INSERT INTO events (sequence, id, type, service, kind, subject, actor, time, traceparent, data, hash)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_RANDOM = 16
"""Random hexadecimal digits in an id."""

_encode = msgspec.json.Encoder().encode


class Head(msgspec.Struct, frozen=True):
    """The end of the log: the last sequence number and time, the hash of the last fact, how far it was trimmed."""

    sequence: int
    time: int
    hash: bytes
    trimmed: int


class Taken(NamedTuple):
    """The head, and the time of the database's server (Unix nanoseconds), which it told at most `took` nanoseconds ago.

    The time is None where the database has no clock but that of this process.
    """

    head: Head
    time: int | None
    took: int


async def take_head(tx: Transaction, dialect: Dialect) -> Taken:
    """Reads the head and keeps every other writer from it until the transaction ends."""
    return (await _read_head(tx, 0, dialect.lock))[0]


async def take_checked_head(tx: Transaction, dialect: Dialect, newest: Newest) -> Taken:
    """As `take_head`, and sees to it that the newest record this process knows is in the log. Raises LogWentBack."""
    position = newest.position  # as it is now: it may move on while this waits for the head
    taken, found = await _read_head(tx, position.sequence, dialect.lock)
    with newest.watching():
        position.check(found, taken.head.sequence, taken.head.trimmed)
    return taken


async def look_at_head(source: Reads) -> Taken:
    """Reads the head, and the clock with it."""
    return (await _read_head(source, 0))[0]


async def _read_head(source: Reads, sequence: int, lock: str = "") -> tuple[Taken, str | None]:
    """The head, and the id of the record with a sequence number."""
    began = monotonic_ns()
    found = "(SELECT id FROM events WHERE sequence = ?)"
    sql = f"SELECT {_HEAD}, {source.dialect.clock}, {found} FROM log_head WHERE one = 1{lock}"
    row = await source.row(sql, (sequence,))
    if row is None:
        raise LogDamaged("the log has lost its head row; restore the database from a copy", 0)
    *head, told, identifier = row
    return Taken(Head(*head), told, monotonic_ns() - began), identifier


class Scribe:
    """Makes records of events, one after the other, from the head of the log on."""

    def __init__(self, head: Head, now: int) -> None:
        self.head = head
        self._now = now
        self._randomness = ""
        self._taken = 0

    def write(self, operation: Operation) -> list[Record]:
        """The records of one operation. The head moves past them."""
        sequence, time, fact_hash = self.head.sequence, self.head.time, self.head.hash
        records = []
        for event in operation.events:
            sequence += 1
            # Never back and never twice: consumers tell events apart by their time, and stream ids are made of it.
            time = max(self._now, time + 1)
            identifier = uuid7(time, self._random())
            data = _encode(event.data).decode()
            envelope = (
                sequence,
                identifier,
                event.type,
                event.service,
                event.kind,
                event.subject,
                operation.actor,
                time,
                operation.traceparent,
            )
            digest = chain_hash(fact_hash, envelope, data)
            if event.kind == Kind.FACT:
                fact_hash = digest
            records.append(Record(*envelope, data, digest))
        self.head = Head(sequence, time, fact_hash, self.head.trimmed)
        return records

    def _random(self) -> str:
        if self._taken == len(self._randomness):
            self._randomness, self._taken = os.urandom(_RANDOM // 2 * 64).hex(), 0
        self._taken += _RANDOM
        return self._randomness[self._taken - _RANDOM : self._taken]


class Plan:
    """The statements of a batch, those that are alike together.

    Statements of different subjects may be run in any order, because an applier touches only rows of its own subject.
    Those of one subject must not: when a subject comes again, what was gathered is closed as a wave and a new one
    begins.
    """

    def __init__(self, appliers: Mapping[tuple[str, str], tuple[Callable[[Record], Any], Apply]]) -> None:
        self._appliers = appliers
        self._waves: list[dict[str, list[tuple[Value, ...]]]] = [{}]
        self._touched: set[str] = set()
        self.records: list[Record] = []

    def add(self, records: Sequence[Record], also: Iterable[Statement] = ()) -> None:
        """Adds the records of one operation, and statements that go with them."""
        for record in records:
            if record.kind == Kind.FACT:
                self._apply(record)
        for sql, parameters in also:
            self._waves[-1].setdefault(sql, []).append(parameters)
        self.records.extend(records)

    def _apply(self, record: Record) -> None:
        applier = self._appliers.get((record.service, record.type))
        if applier is None:
            return
        if record.subject in self._touched:
            self._waves.append({})
            self._touched.clear()
        self._touched.add(record.subject)
        read, apply = applier
        wave = self._waves[-1]
        for sql, parameters in apply(record, read(record)):
            wave.setdefault(sql, []).append(parameters)

    async def run(self, tx: Transaction) -> None:
        """Runs the statements, wave by wave."""
        for wave in self._waves:
            for sql, parameters in wave.items():
                await tx.run_many(sql, parameters)

    async def append(self, tx: Transaction, head: Head) -> None:
        """Appends the records to the log and moves its head behind them."""
        if self.records:
            await tx.run_many(_APPEND, [msgspec.structs.astuple(record) for record in self.records])
            await tx.run(_MOVE_HEAD, (head.sequence, head.time, head.hash))


def relied_subjects(operations: Iterable[Operation]) -> set[str]:
    """Every subject whose revision some operation rests on."""
    return {subject for operation in operations for subject in operation.relies}


async def revisions(tx: Transaction, subjects: Iterable[str], kinds: Mapping[str, SubjectKind]) -> dict[str, int]:
    """The revisions of subjects as they are in this transaction; 0 for one that is not there."""
    found = dict.fromkeys(subjects, 0)
    by_kind: dict[SubjectKind, list[tuple[str, ...]]] = {}
    for subject in found:
        name, _, key = subject.partition(":")
        kind = kinds[name]
        by_kind.setdefault(kind, []).append(tuple(key.split(":", len(kind.keys) - 1)))
    for kind, wanted in by_kind.items():
        current = await tx.column_of(kind.table, kind.column, kind.keys, wanted)
        for values, revision in current.items():
            found[kind.of(*values)] = revision
    return found
