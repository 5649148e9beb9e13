"""Places in the log that notice when the log is not the one they were taken from.

A database can come back some records older than it was: a failover to a standby that lacked the tail, a restore from a
copy. The numbers of the records that are gone are then given to other records. So a place is a number together with the
id of the record that stood there.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

from blazon.errors import LogWentBack
from blazon.log.record import Record

__all__ = ["START", "Newest", "Position"]


class Position(NamedTuple):
    """The place behind a record: its sequence number and its id. `START` is the place before the first record.

    The id is empty when the record was trimmed before anybody here saw it.
    """

    sequence: int
    id: str

    @classmethod
    def of(cls, record: Record) -> "Position":
        """The place behind a record."""
        return cls(record.sequence, record.id)

    def check(self, found: str | None, head: int, trimmed: int) -> None:
        """Compares this position with the log: `found` is the id at its number there, `head` and `trimmed` its ends.

        An observation may have been trimmed; everything else must be there. Raises LogWentBack.
        """
        if self.sequence == 0 or found == self.id:
            return
        if self.sequence <= head and (not self.id or (found is None and self.sequence <= trimmed)):
            return
        raise LogWentBack(
            f"the database has lost records: record {self.sequence} is not the one that was there, and its log ends at"
            f" {head}; nothing of this request was kept, try again in a moment"
        )


START: Final = Position(0, "")

_PAST: Final = 4096
"""Positions that are remembered: those behind the last so many batches."""


class Newest:
    """The newest record this process has seen, by whichever way: it must still be in the log before anything is added.

    `time` is the time of that record, in Unix nanoseconds. `lost` says that the log was found without the record;
    `timeline` counts how often that happened.
    """

    def __init__(self) -> None:
        self.position = START
        self.time = 0
        self.timeline = 0
        self.lost = False
        self._past: deque[Position] = deque(maxlen=_PAST)

    def saw(self, record: Record) -> None:
        """A record was read or written."""
        if record.sequence > self.position.sequence and not self.lost:
            self.position = Position.of(record)
            self.time = record.time
            self._past.append(self.position)

    def past(self) -> Sequence[Position]:
        """Some of the positions this was at, in order: they tell how far a log went back."""
        return tuple(self._past)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Remembers when the log is found without a record this process has seen: when the block raises LogWentBack."""
        try:
            yield
        except LogWentBack:
            if not self.lost:
                self.lost = True
                self.timeline += 1
            raise

    def restart(self, position: Position) -> None:
        """Goes on from the end of the log as it is now. `time` stays: ids of streams are made of it, and must grow."""
        self.position = position
        self._past.clear()
        self._past.append(position)
        self.lost = False
