"""What a decision hands to the writer."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from blazon.errors import BlazonError
from blazon.log.record import Event, Record
from blazon.storage import Statement

__all__ = ["Apply", "Basis", "Decision", "Operation", "Stale"]

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
