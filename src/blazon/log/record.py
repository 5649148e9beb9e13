"""Records: events that have their place in the log.

The chain: the hash of a record is SHA-256 over the hash of the fact before it, the JSON array of its envelope, a line
feed and its data. Facts chain to facts, so that trimming observations breaks nothing; an observation is bound to the
fact before it, and no fact is bound to an observation.
"""

import hashlib
from functools import lru_cache
from typing import Final

import msgspec

__all__ = ["GENESIS", "Event", "Record", "chain_hash", "time_of_id", "uuid7"]

GENESIS: Final = bytes(32)
"""The hash before the first fact."""


class Event(msgspec.Struct, frozen=True):
    """Something that is about to be recorded."""

    service: str
    type: str
    kind: int
    subject: str
    data: msgspec.Struct


class Record(msgspec.Struct, frozen=True):
    """An event in the log.

    `sequence` counts from 1 without gaps; `id` is a UUIDv7 made of `time`; `time` is Unix nanoseconds, greater than
    that of the record before; `kind` is 0 for a fact and 1 for an observation; `actor` is the user who asked, empty for
    nobody; `data` is JSON; `traceparent` is the W3C trace context of the request, or empty.
    """

    sequence: int
    id: str
    type: str
    service: str
    kind: int
    subject: str
    actor: str
    time: int
    traceparent: str
    data: str
    hash: bytes

    @property
    def is_fact(self) -> bool:
        """Whether it changes state."""
        return self.kind == 0

    @property
    def key(self) -> str:
        """The subject without its kind: the id of the thing it is about."""
        return self.subject.partition(":")[2]

    def hash_after(self, previous: bytes) -> bytes:
        """The hash this record must have after a fact with the hash `previous`."""
        envelope = (
            self.sequence,
            self.id,
            self.type,
            self.service,
            self.kind,
            self.subject,
            self.actor,
            self.time,
            self.traceparent,
        )
        return chain_hash(previous, envelope, self.data)


_encode = msgspec.json.Encoder().encode


def chain_hash(previous: bytes, envelope: tuple[int | str, ...], data: str) -> bytes:
    """The hash of a record: the order of the envelope is that of `Record.hash_after`."""
    return hashlib.sha256(b"%b%b\n%b" % (previous, _encode(envelope), data.encode())).digest()


def uuid7(nanoseconds: int, randomness: str) -> str:
    """A UUIDv7 (RFC 9562 §5.7, method 3 of §6.2) for a time and 16 random hexadecimal digits.

    The 12 bits after the millisecond hold its fraction, in 1/4096, so that ids sort as their times do.
    """
    milliseconds, rest = divmod(nanoseconds, 1_000_000)
    first_half = _first_half(milliseconds << 16 | 0x7000 | rest * 4096 // 1_000_000)
    return f"{first_half}-{_VARIANT[randomness[0]]}{randomness[1:4]}-{randomness[4:]}"


_VARIANT: Final = {digit: "89ab"[number % 4] for number, digit in enumerate("0123456789abcdef")}
"""The digit that says which kind of UUID it is (§4.1), with the two random bits it has room for."""


@lru_cache(maxsize=4)
def _first_half(high: int) -> str:
    """The first half of a UUID. Those of a batch of events share a few."""
    text = f"{high:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:]}"


def time_of_id(identifier: str) -> int:
    """The earliest time, in Unix nanoseconds, an event with this UUIDv7 can have. Raises ValueError."""
    digits = identifier.replace("-", "")
    if len(digits) != 32 or digits[12] != "7":
        raise ValueError(f"{identifier!r} is not the id of an event (a UUIDv7)")
    fraction = int(digits[13:16], 16)
    # Rounded up: the fraction was cut off when the id was made.
    return int(digits[:12], 16) * 1_000_000 - (-fraction * 1_000_000 // 4096)
