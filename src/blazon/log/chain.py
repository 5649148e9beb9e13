"""Verifying the log: every hash, every gap, the head."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

import msgspec

from blazon.errors import LogDamaged, Unavailable
from blazon.log.batch import Head
from blazon.log.reader import Reader
from blazon.log.record import GENESIS, Record
from blazon.log.rewind import Rewind, rewinds
from blazon.storage import Reads, StorageDamaged

__all__ = ["Verified", "verify"]

_KINDS: Final = {kind: tuple(field.type for field in msgspec.structs.fields(kind)) for kind in (Head, Record)}
"""What the columns of the head and of a record hold. A database that was changed may hold anything in any of them."""

_NEXT: Final = "SELECT sequence FROM events WHERE sequence > ? ORDER BY sequence LIMIT 1"


class Verified(NamedTuple):
    """What was found in order."""

    sequence: int
    facts: int
    observations: int
    hash: str
    """Of the last fact, hexadecimal. Keep it elsewhere to notice a log that was made anew."""
    rewinds: tuple[Rewind, ...]
    """Every time the log went back and a running process noticed."""


async def verify(source: Reads) -> Verified:
    """Walks the log from its beginning. `source` should be a snapshot while others write.

    Raises LogDamaged with the first bad position: a record that cannot be read, or whose hash is not what its content
    and the fact before it give, a record that is missing and was not trimmed, a head that does not fit. The position is
    0 when the head itself is damaged, which says where the log ends. Raises StorageUnavailable when the database is
    away.
    """
    reader = Reader(source)
    head = await _head(reader)
    expected, time, fact_hash, facts, observations = 1, 0, GENESIS, 0, 0
    async for page in _pages(source, reader, head.sequence):
        for record in page:
            _check(record, expected, fact_hash, head.trimmed)
            time = record.time
            if record.is_fact:
                fact_hash = record.hash
                facts += 1
            else:
                observations += 1
            expected = record.sequence + 1
    if expected <= head.sequence and head.sequence > head.trimmed:
        raise LogDamaged(f"record {expected} is missing: the head says the log ends at {head.sequence}", expected)
    if fact_hash != head.hash:
        raise LogDamaged("the hash in the head is not that of the last fact: records at the end are gone", expected)
    if head.time != time and (expected > head.sequence or head.time < time):
        raise LogDamaged("the time in the head is not that of the last record", head.sequence)
    with _naming("what is behind the head", head.sequence + 1):
        behind = await reader.after(head.sequence, 1)
    if behind:
        raise LogDamaged("there are records behind the head", head.sequence + 1)
    with _naming("what is known of a log that went back", 0):
        past = await rewinds(source)
    return Verified(head.sequence, facts, observations, fact_hash.hex(), past)


async def _head(reader: Reader) -> Head:
    with _naming("the head of the log", 0):
        head = await reader.head()
    if wrong := _wrong_column(head):
        raise LogDamaged(f"the head of the log holds a value of another type in {wrong}", 0)
    if not 0 <= head.trimmed <= head.sequence:
        raise LogDamaged("the head of the log says that more was trimmed than there was", 0)
    return head


async def _pages(source: Reads, reader: Reader, through: int) -> AsyncIterator[list[Record]]:
    """Every record up to `through`, in pages, and one by one from a page on that cannot be read.

    So what comes before the damage is looked at first.
    """
    position = 0
    try:
        with _naming("a page of the log", 0):
            async for page in reader.all(through):
                yield page
                position = page[-1].sequence if page else position
    except LogDamaged:
        pass  # which record it is, is found out below
    else:
        return
    while page := await _one_after(source, reader, position, through):
        yield page
        position = page[0].sequence


async def _one_after(source: Reads, reader: Reader, position: int, through: int) -> list[Record]:
    with _naming(f"record {position + 1}", position + 1):
        row = await source.row(_NEXT, (position,))
    if row is None or row[0] > through:
        return []
    found = max(row[0], position + 1)
    with _naming(f"record {found}", found):
        return await reader.after(position, 1)


@contextmanager
def _naming(what: str, position: int) -> Iterator[None]:
    """Raises LogDamaged with the position of what is read, when it is there and cannot be read."""
    try:
        yield
    except LogDamaged:
        raise
    except Exception as error:
        if isinstance(error, Unavailable) and not isinstance(error, StorageDamaged):
            raise
        # Of a table or a column that is not there any more each driver tells in its own way.
        raise LogDamaged(f"{what} cannot be read ({error})", position) from error


def _wrong_column(row: Head | Record) -> str:
    """The first column that holds a value of another type than was written; empty when there is none."""
    names, wanted = row.__struct_fields__, _KINDS[type(row)]
    found = map(type, msgspec.structs.astuple(row))
    return next((names[at] for at, kind in enumerate(found) if kind is not wanted[at]), "")


def _check(record: Record, expected: int, fact_hash: bytes, trimmed: int) -> None:
    if record.sequence < expected:
        raise LogDamaged(f"record {record.sequence} stands where record {expected} should", expected)
    if record.sequence != expected and record.sequence - 1 > trimmed:
        missing = max(expected, trimmed + 1)
        raise LogDamaged(f"record {missing} is missing", missing)
    # Before the hash: to the hash a text is what it is in JSON, and a few other values are the same there.
    if wrong := _wrong_column(record):
        raise LogDamaged(f"record {record.sequence} holds a value of another type in {wrong}", record.sequence)
    if record.hash_after(fact_hash) != record.hash:
        raise LogDamaged(
            f"the hash of record {record.sequence} ({record.type!r}, {record.id!r}) does not fit: it, or the fact"
            " before it, was changed or removed",
            record.sequence,
        )
