"""What is kept of a log that went back: enough to tell a person, when it happened and how much is gone.

The table is a working table: neither state nor log. A row is written by each process that notices.
"""

from typing import NamedTuple

from blazon.storage import Reads, Statement

__all__ = ["Rewind", "rewinds"]

_REMEMBER = (
    "INSERT INTO log_rewinds (kept, known, noticed_at) VALUES (?, ?, ?) ON CONFLICT (kept) DO UPDATE SET"
    " known = CASE WHEN excluded.known > log_rewinds.known THEN excluded.known ELSE log_rewinds.known END,"
    " noticed_at = excluded.noticed_at"
)
_ALL = "SELECT kept, known, noticed_at FROM log_rewinds ORDER BY noticed_at"


class Rewind(NamedTuple):
    """The log lost records behind `kept`, up to `known`; noticed at a time in Unix nanoseconds."""

    kept: int
    """The last record that a process which had seen more still found, as far as that process remembers."""

    known: int
    """The last record that any process had seen."""

    noticed_at: int

    @property
    def lost(self) -> int:
        """How many records are gone, at most."""
        return self.known - self.kept

    def remember(self) -> Statement:
        """The statement that keeps this."""
        return Statement(_REMEMBER, tuple(self))


async def rewinds(source: Reads) -> tuple[Rewind, ...]:
    """Every time the log went back and a running process noticed, the oldest first."""
    return tuple(Rewind(*row) for row in await source.rows(_ALL))
