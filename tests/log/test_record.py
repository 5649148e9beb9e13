"""Records: ids, times, hashes."""

import hashlib
import uuid

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blazon.log import GENESIS, Event, Kind, Operation
from blazon.log.batch import Head, Scribe
from blazon.log.record import time_of_id, uuid7

_times = st.integers(0, 2**48 * 1_000_000 - 1)


class Data(msgspec.Struct, frozen=True):
    text: str


def _event(text: str, kind: Kind = Kind.FACT) -> Event:
    return Event("toy", "box.make", int(kind), f"box:{text}", Data(text))


@given(_times, st.binary(min_size=8, max_size=8))
def test_an_id_is_a_uuid_of_version_7_with_its_time(time: int, randomness: bytes) -> None:
    identifier = uuid.UUID(uuid7(time, randomness.hex()))
    assert identifier.version == 7
    assert identifier.variant == uuid.RFC_4122
    assert identifier.int >> 80 == time // 1_000_000
    assert identifier.bytes[9:] == randomness[1:]
    # The fraction of the millisecond is kept in steps of 1/4096 of it.
    assert 0 <= time - time_of_id(str(identifier)) <= 245


@given(_times, _times)
def test_ids_sort_as_their_times_do(one: int, other: int) -> None:
    earlier, later = sorted((one, other))
    assert uuid7(earlier, "0" * 16)[:18] <= uuid7(later, "0" * 16)[:18]


@pytest.mark.parametrize("text", ["", "nonsense", "f10215ee-d410-498b-bce3-29bcf408140f", "0" * 32])
def test_what_is_no_event_id_has_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="not the id of an event"):
        time_of_id(text)


@given(st.lists(st.integers(0, 10**18), min_size=1, max_size=20), st.integers(0, 10**18))
def test_times_never_go_back_whatever_the_clock_does(clock: list[int], start: int) -> None:
    head = Head(0, start, GENESIS, 0)
    last = start
    for now in clock:
        scribe = Scribe(head, now)
        for record in scribe.write(Operation(events=(_event("a"), _event("b")))):
            assert record.time > last
            assert record.time >= now
            last = record.time
        head = scribe.head
    assert head.sequence == 2 * len(clock)


def test_facts_chain_to_facts_and_observations_to_the_fact_before() -> None:
    scribe = Scribe(Head(0, 0, GENESIS, 0), 10)
    fact, seen, also_seen, next_fact = scribe.write(
        Operation(
            events=(_event("a"), _event("b", Kind.OBSERVATION), _event("c", Kind.OBSERVATION), _event("d")),
            actor="somebody",
        )
    )
    assert fact.hash == fact.hash_after(GENESIS)
    assert seen.hash == seen.hash_after(fact.hash)
    assert also_seen.hash == also_seen.hash_after(fact.hash)
    assert next_fact.hash == next_fact.hash_after(fact.hash)
    assert scribe.head == Head(4, next_fact.time, next_fact.hash, 0)


def test_the_hash_is_what_the_documentation_says() -> None:
    (record,) = Scribe(Head(6, 0, GENESIS, 0), 10).write(Operation(events=(_event("a"),), actor="me", traceparent="t"))
    envelope = f'[7,"{record.id}","box.make","toy",0,"box:a","me",10,"t"]'
    assert record.data == '{"text":"a"}'
    assert record.hash == hashlib.sha256(GENESIS + envelope.encode() + b"\n" + record.data.encode()).digest()


@given(
    st.sampled_from(["sequence", "id", "type", "service", "subject", "actor", "time", "traceparent", "data", "kind"])
)
def test_every_part_of_a_record_is_in_its_hash(part: str) -> None:
    (record,) = Scribe(Head(0, 0, GENESIS, 0), 10).write(Operation(events=(_event("a"),)))
    value = getattr(record, part)
    changed = msgspec.structs.replace(record, **{part: value + 1 if isinstance(value, int) else value + " "})
    assert changed.hash_after(GENESIS) != record.hash


def test_a_record_of_data_knows_its_key() -> None:
    (record,) = Scribe(Head(0, 0, GENESIS, 0), 10).write(Operation(events=(_event("a"),)))
    assert (record.key, record.is_fact) == ("a", True)
