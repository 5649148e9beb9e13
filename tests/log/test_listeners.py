"""What listeners hear when own records and those of others come interleaved in any way."""

from collections import defaultdict
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blazon.errors import StorageUnavailable
from blazon.log import Record
from blazon.log.listeners import Listeners
from tests.interleaving import Heard, interleaved, listening, played

SUBJECTS = st.sampled_from("abc")


def record(sequence: int, subject: str, *, fact: bool = True) -> Record:
    kind = 0 if fact else 1
    return Record(sequence, f"id{sequence}", "box.put", "toy", kind, f"box:{subject}", "", sequence, "", "{}", b"")


LOGS = st.lists(st.tuples(SUBJECTS, st.booleans(), st.sampled_from([True, True, True, False])), max_size=14)
"""For each record: its subject, whether it is our own, whether it is a fact."""


@given(LOGS, st.data())
def test_each_fact_once_and_never_an_older_after_a_newer(
    log: list[tuple[str, bool, bool]], data: st.DataObject
) -> None:
    records = [record(number, subject, fact=fact) for number, (subject, _, fact) in enumerate(log, 1)]
    own = [made for made, (_, ours, _) in zip(records, log, strict=True) if ours]
    heard = Heard()
    listeners = listening(heard, shared=True)
    played(listeners, data.draw(interleaved(records, own)))

    assert all(each.is_fact for each in heard.records)
    sequences = [each.sequence for each in heard.records]
    assert len(set(sequences)) == len(sequences)
    by_subject: dict[str, list[int]] = defaultdict(list)
    for each in heard.records:
        by_subject[each.subject].append(each.sequence)
    for subject, told in by_subject.items():
        assert told == sorted(told)
        # What was left out is older than something of the same subject that was heard before it could be told.
        facts = [each.sequence for each in records if each.is_fact and each.subject == subject]
        assert told[-1] == facts[-1]
        assert set(told) <= set(facts)
    assert set(by_subject) == {each.subject for each in records if each.is_fact}
    # Nothing is remembered for ever.
    assert listeners.position == (records[-1].sequence if records else 0)
    assert listeners._ahead == {}


@given(LOGS, st.data())
def test_nothing_of_others_is_left_out_unless_ours_came_first(
    log: list[tuple[str, bool, bool]], data: st.DataObject
) -> None:
    """A fact of a subject that we never changed is always heard."""
    records = [record(number, subject, fact=fact) for number, (subject, _, fact) in enumerate(log, 1)]
    own = [made for made, (_, ours, _) in zip(records, log, strict=True) if ours]
    ours = {each.subject for each in own if each.is_fact}
    heard = Heard()
    listeners = listening(heard, shared=True)
    played(listeners, data.draw(interleaved(records, own)))
    expected = [each.sequence for each in records if each.is_fact and each.subject not in ours]
    assert [each.sequence for each in heard.records if each.subject not in ours] == expected


@given(st.lists(st.tuples(SUBJECTS, st.booleans()), max_size=10))
def test_alone_everything_is_heard_as_it_is_recorded(log: list[tuple[str, bool]]) -> None:
    records = [record(number, subject, fact=fact) for number, (subject, fact) in enumerate(log, 1)]
    heard = Heard()
    listeners = listening(heard, shared=False)
    for each in records:
        listeners.own([each])
    assert heard.records == [each for each in records if each.is_fact]


def test_what_others_did_before_us_and_is_heard_later_is_left_out() -> None:
    heard = Heard()
    listeners = listening(heard, shared=True)
    listeners.own([record(3, "a")])
    listeners.others([record(1, "b"), record(2, "a"), record(3, "a"), record(4, "a")])
    assert [each.sequence for each in heard.records] == [3, 1, 4]
    listeners.own([record(4, "a")])
    assert [each.sequence for each in heard.records] == [3, 1, 4]


class Failing(Heard):
    """A memory that cannot take in some records."""

    def __init__(self, *unreadable: int, there: Callable[[], tuple[list[Record], int]] = lambda: ([], 0)) -> None:
        super().__init__(there)
        self._unreadable = unreadable

    def hear(self, records: Sequence[Record]) -> None:
        for each in records:
            if each.sequence in self._unreadable:
                raise LookupError("a record of a newer release")
            super().hear([each])


async def test_a_memory_that_fails_takes_nothing_from_the_others_and_is_not_right_until_it_is_loaded() -> None:
    failures = 0

    def failed() -> None:
        nonlocal failures
        failures += 1

    log = [record(number, "abc"[number % 3]) for number in range(1, 5)]
    there: tuple[list[Record], int] = ([], 0)
    failing, heard = Failing(2, there=lambda: there), Heard()
    listeners = Listeners(shared=True, failed=failed)
    for memory in (failing, heard):
        listeners.add(memory)
    assert not listeners.right
    await listeners.load()
    listeners.own(log[:1])
    assert listeners.right
    listeners.others(log[:3])
    assert (listeners.right, failures) == (False, 1)
    listeners.others(log[3:])
    assert [each.sequence for each in heard.records] == [1, 2, 3, 4]
    there = (log[:3], 3)
    await listeners.load()
    assert listeners.right
    assert (failing.reloads, heard.reloads) == (2, 1)
    assert failing.records == log[:3]


async def test_what_comes_while_a_memory_is_loaded_is_not_lost_and_not_heard_twice() -> None:
    log = [record(number, "abc"[number % 3]) for number in range(1, 7)]
    memory = Heard()
    listeners = Listeners(shared=True)
    listeners.add(memory)

    async def reload() -> int:
        listeners.own([log[2]])
        listeners.others(log[:2])
        memory.records = log[:4]
        return 4

    memory.reload = reload  # type: ignore[method-assign]
    await listeners.load()
    listeners.own([log[4]])
    listeners.others(log[2:])
    assert memory.records == log


async def test_after_the_log_went_back_every_memory_is_loaded_again() -> None:
    memory = Heard(lambda: ([record(1, "a")], 1))
    listeners = Listeners(shared=True)
    listeners.add(memory)
    await listeners.load()
    listeners.own([record(2, "a"), record(3, "b")])
    listeners.restart(1)
    assert not listeners.right
    listeners.others([record(2, "b")])
    await listeners.load()
    assert listeners.right
    listeners.others([record(3, "a")])
    assert [(each.sequence, each.subject) for each in memory.records] == [(1, "box:a"), (3, "box:a")]


async def test_a_database_that_is_away_while_a_memory_is_loaded_leaves_it_to_be_loaded() -> None:
    memory = Heard()
    listeners = Listeners(shared=True)
    listeners.add(memory)

    async def away() -> int:
        raise StorageUnavailable("away")

    there, memory.reload = memory.reload, away  # type: ignore[method-assign]
    with pytest.raises(StorageUnavailable):
        await listeners.load()
    assert not listeners.right
    memory.reload = there  # type: ignore[method-assign]
    await listeners.load()
    assert listeners.right
