"""The end of the log in memory is the end of the log."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blazon.log import tail
from blazon.log.record import Record
from blazon.log.tail import Tail


def _record(sequence: int, size: int = 2) -> Record:
    return Record(sequence, f"id-{sequence}", "t", "s", 1, "a:b", "", sequence, "", "x" * size, b"")


def _records(first: int, last: int, size: int = 2) -> list[Record]:
    return [_record(sequence, size) for sequence in range(first, last + 1)]


def test_it_knows_nothing_before_the_first_record() -> None:
    assert Tail(shared=False).after(0, 10) is None


def test_it_gives_what_follows_a_position() -> None:
    tail = Tail(shared=False)
    tail.add(_records(5, 9))
    assert tail.after(6, 2) == _records(7, 8)
    assert tail.after(4, 100) == _records(5, 9)


def test_what_is_older_is_in_the_database() -> None:
    tail = Tail(shared=False)
    tail.add(_records(5, 9))
    assert tail.after(3, 100) is None


def test_a_position_it_has_not_reached_is_for_the_database() -> None:
    tail = Tail(shared=False)
    tail.add(_records(5, 9))
    assert tail.after(10, 100) is None


@pytest.mark.parametrize(("shared", "found"), [(False, []), (True, None)])
def test_only_where_nobody_else_records_is_it_sure_that_nothing_follows(
    shared: bool,
    found: list[Record] | None,
) -> None:
    tail = Tail(shared=shared)
    tail.add(_records(1, 3))
    assert tail.after(3, 10) == found


def test_records_of_another_process_between_make_it_begin_anew() -> None:
    tail = Tail(shared=True)
    tail.add(_records(1, 3))
    tail.add(_records(6, 7))
    assert tail.after(2, 10) is None
    assert tail.after(5, 10) == _records(6, 7)


def test_a_batch_without_records_changes_nothing() -> None:
    tail = Tail(shared=True)
    tail.add(_records(1, 3))
    tail.add([])
    assert tail.after(1, 10) == _records(2, 3)


def test_many_records_and_large_ones_push_the_oldest_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "_RECORDS", 8)
    monkeypatch.setattr(tail, "_OCTETS", 100)
    many = Tail(shared=False)
    for sequence in range(1, 101):
        many.add([_record(sequence)])
    assert many.after(50, 1) is None
    assert many.after(92, 100) == _records(93, 100)
    large = Tail(shared=False)
    for sequence in range(1, 11):
        large.add([_record(sequence, 90)])
    assert large.after(7, 100) is None
    assert large.after(9, 100) == [_record(10, 90)]
    large.add([_record(11, 1000)])
    assert large.after(11, 100) in ([], None)


@given(
    batches=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 30), st.integers(0, 60)), max_size=30),
    position=st.integers(0, 500),
    limit=st.integers(1, 50),
)
def test_what_it_gives_is_what_the_log_has(batches: list[tuple[int, int, int]], position: int, limit: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tail, "_RECORDS", 20)
        patched.setattr(tail, "_OCTETS", 400)
        kept = Tail(shared=True)
        log: list[Record] = []
        for gap, count, size in batches:
            first = len(log) + 1
            log += _records(first, first + gap + count - 1, size)
            kept.add(log[first + gap - 1 :])
        found = kept.after(position, limit)
        assert found is None or found == log[position : position + limit]
        if log and position == len(log) - 1 and len(log[-1].data) * 2 < 400:
            assert found is not None
