"""A small room for tests of what works with a log: boxes with unique names, into which things are put.

It is made of the same pieces as a real one: event types, appliers, a table that is only written by them.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry

from blazon.clock import Clock, SystemClock
from blazon.log import (
    CURSOR,
    MIGRATIONS,
    Apply,
    Catalogue,
    Event,
    EventType,
    Kind,
    Log,
    Operation,
    Record,
    SubjectKind,
)
from blazon.storage import Database, Statement, migrate

__all__ = [
    "APPLIERS",
    "BOX",
    "BROKEN",
    "CATALOGUE",
    "MADE",
    "PUT",
    "SEEN",
    "TABLE",
    "Made",
    "Put",
    "Seen",
    "look",
    "make",
    "make_log",
    "open_log",
    "operation",
    "prepare",
    "put",
    "writing",
]

BOX: Final = SubjectKind("box", "boxes")


class Made(msgspec.Struct, frozen=True):
    """A box was made."""

    id: str
    name: str


class Put(msgspec.Struct, frozen=True):
    """So much was put into a box, which holds `total` now."""

    id: str
    amount: int
    total: int


class Seen(msgspec.Struct, frozen=True):
    """Somebody looked into a box."""

    id: str


MADE: Final = EventType("toy", "box.make", Kind.FACT, Made, lambda _, data: {"id": data.id, "name": data.name})
PUT: Final = EventType("toy", "box.put", Kind.FACT, Put, lambda _, data: {"id": data.id, "total": data.total})
SEEN: Final = EventType("toy", "box.view", Kind.OBSERVATION, Seen, lambda _, data: {"id": data.id})
BROKEN: Final = EventType("toy", "box.break", Kind.FACT, Seen, lambda _, data: {"id": data.id})
CATALOGUE: Final = Catalogue((MADE, PUT, SEEN, BROKEN))

TABLE: Final = """CREATE TABLE boxes (
  id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, total BIGINT NOT NULL, revision BIGINT NOT NULL)"""


def _make(record: Record, data: Made) -> Iterable[Statement]:
    yield Statement(
        "INSERT INTO boxes (id, name, total, revision) VALUES (?, ?, 0, ?)", (data.id, data.name, record.sequence)
    )


def _put(record: Record, data: Put) -> Iterable[Statement]:
    yield Statement("UPDATE boxes SET total = ?, revision = ? WHERE id = ?", (data.total, record.sequence, data.id))


def _break(_: Record, data: Seen) -> Iterable[Statement]:
    raise RuntimeError(f"a bug in the applier of {data.id}")


APPLIERS: Final[dict[tuple[str, str], Apply]] = {
    ("toy", "box.make"): _make,
    ("toy", "box.put"): _put,
    ("toy", "box.break"): _break,
}


def make(name: str, identifier: str | None = None) -> Event:
    """An event that makes a box."""
    identifier = identifier or name
    return MADE.event(BOX.of(identifier), Made(identifier, name))


def put(identifier: str, amount: int, total: int) -> Event:
    """An event that puts something into a box."""
    return PUT.event(BOX.of(identifier), Put(identifier, amount, total))


def look(identifier: str) -> Event:
    """An observation of a box."""
    return SEEN.event(BOX.of(identifier), Seen(identifier))


def operation(*events: Event, **relies: int) -> Operation:
    """An operation; `relies` are boxes by id with the revisions they must have."""
    return Operation(events=events, relies={BOX.of(name): revision for name, revision in relies.items()})


async def prepare(database: Database) -> None:
    """Makes the tables."""
    await migrate(database, (MIGRATIONS,))
    async with database.transaction() as tx:
        await tx.script(TABLE)


def make_log(database: Database, clock: Clock | None = None) -> Log:
    """A log over a prepared database. Its writer does not run yet."""
    kinds = {BOX.name: BOX, CURSOR.name: CURSOR}
    return Log(database, CATALOGUE, kinds, APPLIERS, clock or SystemClock(), CollectorRegistry())


@contextlib.asynccontextmanager
async def open_log(database: Database, clock: Clock | None = None) -> AsyncIterator[Log]:
    """A log whose writer runs, over an empty database."""
    await prepare(database)
    async with writing(make_log(database, clock)) as log:
        yield log


@contextlib.asynccontextmanager
async def writing(log: Log) -> AsyncIterator[Log]:
    """Runs the writer of a log, and ends it in order."""
    task = asyncio.create_task(log.writer.run())
    try:
        yield log
    finally:
        log.writer.stop()
        await task
        await log.close()
