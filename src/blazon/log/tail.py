"""The end of the log in memory, for those who follow it closely: they need not read back what was just written."""

from collections.abc import Sequence
from typing import Final

from blazon.log.position import START, Position
from blazon.log.record import Record

__all__ = ["Tail"]

_RECORDS: Final = 4096
_OCTETS: Final = 4 * 1024 * 1024
"""How much is kept: records, and octets of their data."""


class Tail:
    """The newest records of this process that follow each other without a gap.

    `shared` says that other processes record too; then only the database knows whether there is more.
    """

    def __init__(self, *, shared: bool, records: int = _RECORDS, octets: int = _OCTETS) -> None:
        """Keeps at least so many of the newest records, or of the octets of their data; at most twice as many."""
        self._shared = shared
        self._most_records = records
        self._most_octets = octets
        self._records: list[Record] = []
        self._octets = 0

    def add(self, records: Sequence[Record]) -> None:
        """A listener of the writer."""
        if not records:
            return
        if self._records and records[0].sequence != self._records[-1].sequence + 1:
            self.clear()
        self._records += records
        self._octets += sum(len(record.data) for record in records)
        if len(self._records) > 2 * self._most_records or self._octets > 2 * self._most_octets:
            self._forget()

    def _forget(self) -> None:
        """Drops what is oldest. Half is kept, so that this is not done for each record."""
        keep = len(self._records)
        octets = 0
        for kept, record in enumerate(reversed(self._records)):
            octets += len(record.data)
            if kept == self._most_records or octets > self._most_octets:
                keep = kept
                octets -= len(record.data)
                break
        del self._records[: len(self._records) - keep]
        self._octets = octets

    def clear(self) -> None:
        """Forgets everything: the log went back."""
        self._records.clear()
        self._octets = 0

    def behind(self, position: Position, limit: int) -> Sequence[Record] | None:
        """At most `limit` records after a position, in order; None when the database must be asked."""
        if not self._records:
            return None
        start = position.sequence + 1 - self._records[0].sequence
        if not 0 <= start <= len(self._records) or (start == len(self._records) and self._shared):
            return None
        if position != (Position.of(self._records[start - 1]) if start else START):
            return None  # a record that is not here, or not this one
        return self._records[start : start + limit]
