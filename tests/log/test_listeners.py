"""What listeners hear when own records and those of others come interleaved in any way."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from blazon.log import Record
from blazon.log.listeners import Listeners
from tests.interleaving import Heard, interleaved, played

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
    listeners = Listeners(shared=True)
    listeners.add(heard)
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
    listeners = Listeners(shared=True)
    listeners.add(heard)
    played(listeners, data.draw(interleaved(records, own)))
    expected = [each.sequence for each in records if each.is_fact and each.subject not in ours]
    assert [each.sequence for each in heard.records if each.subject not in ours] == expected


@given(st.lists(st.tuples(SUBJECTS, st.booleans()), max_size=10))
def test_alone_everything_is_heard_as_it_is_recorded(log: list[tuple[str, bool]]) -> None:
    records = [record(number, subject, fact=fact) for number, (subject, fact) in enumerate(log, 1)]
    heard = Heard()
    listeners = Listeners(shared=False)
    listeners.add(heard)
    for each in records:
        listeners.own([each])
    assert heard.records == [each for each in records if each.is_fact]


def test_a_listener_that_fails_takes_nothing_from_the_others() -> None:
    listeners, heard = Listeners(shared=False), Heard()

    def failing(_: object) -> None:
        raise RuntimeError("a bug in a listener")

    listeners.add(failing)
    listeners.add(heard)
    listeners.own([record(1, "a")])
    assert [each.sequence for each in heard.records] == [1]


def test_what_others_did_before_us_and_is_heard_later_is_left_out() -> None:
    listeners, heard = Listeners(shared=True), Heard()
    listeners.add(heard)
    listeners.own([record(3, "a")])
    listeners.others([record(1, "b"), record(2, "a"), record(3, "a"), record(4, "a")])
    assert [each.sequence for each in heard.records] == [3, 1, 4]
    listeners.own([record(4, "a")])
    assert [each.sequence for each in heard.records] == [3, 1, 4]
