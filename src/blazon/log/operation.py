"""What a decision hands to the writer."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from blazon.errors import BlazonError, Conflict
from blazon.log.record import Event, Record
from blazon.log.types import Kind
from blazon.storage import Statement

__all__ = ["Apply", "Basis", "Decision", "Operation", "Stale", "joined"]

Apply = Callable[[Record, Any], Iterable[Statement]]
"""Turns a record and its data into the statements that bring the tables up to date.

Pure: the same record always gives the same statements. The statements touch only rows of the record's own subject; the
writer relies on that when it runs the statements of many records together.
"""

Basis = dict[str, int]
"""What a decision rests on: each subject that was read, with the revision it had, 0 for one that is not there."""


class Decision(msgspec.Struct, frozen=True):
    """What shall happen, and what that rests on: the subjects that were read, with the revisions they had.

    The revision of a subject that is not there is 0.
    """

    events: tuple[Event, ...]
    relies: Mapping[str, int] = {}


class Operation(msgspec.Struct, frozen=True):
    """Events that are recorded together or not at all.

    `also` gives more statements for the same transaction, from the records as they were made: a follower's cursor, an
    idempotency key. It must not write tables that are made from the log.
    """

    events: tuple[Event, ...] = ()
    relies: Mapping[str, int] = {}
    actor: str = ""
    traceparent: str = ""
    also: Callable[[Sequence[Record]], Iterable[Statement]] | None = None


class Stale(BlazonError):
    """What the decision rests on has changed meanwhile: it must be made again."""

    title = "stale decision"


def joined(decisions: Sequence[Decision]) -> Decision:
    """One decision that does what several do, in their order, and rests on what each of them rests on.

    Each was made without knowing of the others. Raises Stale when two read a subject at different revisions, and
    Conflict when one changes a subject that another changes or rests on: that other may be wrong afterwards.
    """
    if len(decisions) == 1:
        return decisions[0]
    relies: Basis = {}
    for decision in decisions:
        for subject, revision in decision.relies.items():
            if relies.setdefault(subject, revision) != revision:
                raise Stale(f"{subject} has changed")
    changed = [
        {event.subject for event in decision.events if event.kind == Kind.FACT and event.subject}
        for decision in decisions
    ]
    for number, decision in enumerate(decisions):
        others = set[str]().union(*changed[:number], *changed[number + 1 :])
        for subject in others.intersection(changed[number].union(decision.relies)):
            raise Conflict(f"two parts of the request are about {subject}; send them in two requests")
    return Decision(tuple(event for decision in decisions for event in decision.events), relies)
