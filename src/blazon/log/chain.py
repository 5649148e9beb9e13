"""Verifying the log: every hash, every gap, the head."""

from typing import NamedTuple

from blazon.errors import LogDamaged
from blazon.log.reader import Reader
from blazon.log.record import GENESIS, Record
from blazon.log.rewind import Rewind, rewinds
from blazon.storage import Reads

__all__ = ["Verified", "verify"]


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

    Raises LogDamaged with the first bad position: a record whose hash is not what its content and the fact before it
    give, a record that is missing and was not trimmed, a head that does not fit.
    """
    reader = Reader(source)
    head = await reader.head()
    expected, fact_hash, facts, observations = 1, GENESIS, 0, 0
    async for page in reader.all(head.sequence):
        for record in page:
            _check(record, expected, fact_hash, head.trimmed)
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
    if await reader.after(head.sequence, 1):
        raise LogDamaged("there are records behind the head", head.sequence + 1)
    return Verified(head.sequence, facts, observations, fact_hash.hex(), await rewinds(source))


def _check(record: Record, expected: int, fact_hash: bytes, trimmed: int) -> None:
    if record.sequence != expected and record.sequence - 1 > trimmed:
        missing = max(expected, trimmed + 1)
        raise LogDamaged(f"record {missing} is missing", missing)
    if record.hash_after(fact_hash) != record.hash:
        raise LogDamaged(
            f"the hash of record {record.sequence} ({record.type}, {record.id}) does not fit: it, or the fact before"
            " it, was changed or removed",
            record.sequence,
        )
