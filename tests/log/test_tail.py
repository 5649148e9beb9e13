"""The end of the log in memory is the end of the log."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blazon.log import START, Position
from blazon.log.record import Record
from blazon.log.tail import Tail


def _record(sequence: int, size: int = 2) -> Record:
    return Record(sequence, f"id-{sequence}", "t", "s", 1, "a:b", "", sequence, "", "x" * size, b"")


def _at(sequence: int) -> Position:
    return Position.of(_record(sequence)) if sequence else START


def _records(first: int, last: int, size: int = 2) -> list[Record]:
    return [_record(sequence, size) for sequence in range(first, last + 1)]


def test_it_knows_nothing_before_the_first_record() -> None:
    assert Tail(shared=False).behind(_at(0), 10) is None


def test_it_gives_what_follows_a_position() -> None:
    tail = Tail(shared=False)
    tail.add(_records(5, 9))
    assert tail.behind(_at(6), 2) == _records(7, 8)
    assert tail.behind(_at(5), 100) == _records(6, 9)
    tail = Tail(shared=False)
    tail.add(_records(1, 9))
    assert tail.behind(START, 100) == _records(1, 9)


def test_a_record_it_does_not_have_is_for_the_database_to_find() -> None:
    """Only there can be seen whether the record of the position is still the one it was."""
    tail = Tail(shared=False)
    tail.add(_records(5, 9))
    assert tail.behind(_at(4), 100) is None
    assert tail.behind(Position(6, "another"), 100) is None


def test_it_forgets_everything() -> None:
    tail = Tail(shared=False)
    tail.add(_records(1, 9))
    tail.clear()
    assert tail.behind(_at(6), 2) is None


def test_what_is_older_is_in_the_database() -> None:
    tail = Tail(shared=False)
    tail.add(_records(5, 9))
    assert tail.behind(_at(3), 100) is None


def test_a_position_it_has_not_reached_is_for_the_database() -> None:
    tail = Tail(shared=False)
    tail.add(_records(5, 9))
    assert tail.behind(_at(10), 100) is None


@pytest.mark.parametrize(("shared", "found"), [(False, []), (True, None)])
def test_only_where_nobody_else_records_is_it_sure_that_nothing_follows(
    shared: bool,
    found: list[Record] | None,
) -> None:
    tail = Tail(shared=shared)
    tail.add(_records(1, 3))
    assert tail.behind(_at(3), 10) == found


def test_records_of_another_process_between_make_it_begin_anew() -> None:
    tail = Tail(shared=True)
    tail.add(_records(1, 3))
    tail.add(_records(6, 7))
    assert tail.behind(_at(2), 10) is None
    assert tail.behind(_at(6), 10) == _records(7, 7)


def test_a_batch_without_records_changes_nothing() -> None:
    tail = Tail(shared=True)
    tail.add(_records(1, 3))
    tail.add([])
    assert tail.behind(_at(1), 10) == _records(2, 3)


def test_many_records_and_large_ones_push_the_oldest_out() -> None:
    many = Tail(shared=False, records=8, octets=100)
    for sequence in range(1, 101):
        many.add([_record(sequence)])
    assert many.behind(_at(50), 1) is None
    assert many.behind(_at(93), 100) == _records(94, 100)
    large = Tail(shared=False, records=8, octets=100)
    for sequence in range(1, 11):
        large.add([_record(sequence, 90)])
    assert large.behind(_at(8), 100) is None
    assert large.behind(_at(10), 100) == []
    large.add([_record(11, 1000)])
    assert large.behind(_at(11), 100) in ([], None)


@given(
    batches=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 30), st.integers(0, 60)), max_size=30),
    position=st.integers(0, 500),
    limit=st.integers(1, 50),
)
def test_what_it_gives_is_what_the_log_has(batches: list[tuple[int, int, int]], position: int, limit: int) -> None:
    kept = Tail(shared=True, records=20, octets=400)
    log: list[Record] = []
    for gap, count, size in batches:
        first = len(log) + 1
        log += _records(first, first + gap + count - 1, size)
        kept.add(log[first + gap - 1 :])
    found = kept.behind(_at(position), limit)
    assert found is None or found == log[position : position + limit]
    newest = batches[-1][1] if batches else 0
    if newest > 1 and position == len(log) - 1 and len(log[-1].data) * 4 < 400:
        assert found is not None
