"""Reading the log, and waiting for it to grow."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence

from blazon.errors import LogDamaged
from blazon.log.batch import HEAD_SQL, Head
from blazon.log.record import Record, time_of_id
from blazon.storage import Reads

__all__ = ["Pulse", "Reader"]

_COLUMNS = "sequence, id, type, service, kind, subject, actor, time, traceparent, data, hash"
_AFTER = f"SELECT {_COLUMNS} FROM events WHERE sequence > ? ORDER BY sequence LIMIT ?"
_BETWEEN = f"SELECT {_COLUMNS} FROM events WHERE sequence >= ? AND sequence <= ? ORDER BY sequence"
_FIRST_AT = "SELECT sequence, time FROM events WHERE sequence >= ? ORDER BY sequence LIMIT 1"


class Reader:
    """Reads records by position. `source` is a database or a snapshot of one."""

    def __init__(self, source: Reads) -> None:
        self._source = source

    async def head(self) -> Head:
        """The end of the log."""
        row = await self._source.row(HEAD_SQL)
        if row is None:
            raise LogDamaged("the log has lost its head row; restore the database from a copy", 0)
        return Head(*row)

    async def after(self, sequence: int, limit: int) -> list[Record]:
        """At most `limit` records after a position, in order."""
        return [Record(*row) for row in await self._source.rows(_AFTER, (sequence, limit))]

    async def of_types(self, after: int, through: int, types: Collection[tuple[str, str]], limit: int) -> list[Record]:
        """At most `limit` records of some services and types, after a position and up to another, in order."""
        wanted = " OR ".join("(service = ? AND type = ?)" for _ in types)
        sql = (
            f"SELECT {_COLUMNS} FROM events WHERE sequence > ? AND sequence <= ? AND ({wanted})"
            " ORDER BY sequence LIMIT ?"
        )
        names = [part for key in types for part in key]
        return [Record(*row) for row in await self._source.rows(sql, (after, through, *names, limit))]

    async def between(self, first: int, last: int) -> list[Record]:
        """The records from `first` to `last`, both included."""
        return [Record(*row) for row in await self._source.rows(_BETWEEN, (first, last))]

    async def all(self, through: int, *, page: int = 5000) -> AsyncIterator[list[Record]]:
        """Every record up to `through`, in pages."""
        position = 0
        while records := await self.after(position, page):
            yield [record for record in records if record.sequence <= through]
            position = records[-1].sequence
            if position >= through:
                return

    async def position_at(self, nanoseconds: int) -> int:
        """The position before the first record at or after a time; the head when there is none.

        Times never go back, so this is a search by halves: no index on time is needed.
        """
        low, high = 0, (await self.head()).sequence
        while low < high:
            middle = (low + high) // 2
            row: Sequence[int] | None = await self._source.row(_FIRST_AT, (middle + 1,))
            if row is None or row[1] >= nanoseconds:
                high = middle
            else:
                low = row[0]
        return low

    async def find(self, identifier: str) -> Record | None:
        """The record with an id, by the time that is in it. Raises ValueError when it is not a UUIDv7."""
        position = await self.position_at(time_of_id(identifier))
        for record in await self.after(position, 2000):
            if record.id == identifier:
                return record
            if record.id[:18] > identifier[:18]:
                break
        return None


class Pulse:
    """Wakes those who wait for the log to grow.

    The writer of this process beats it with every batch, and a signal of the database when another process wrote.
    """

    def __init__(self) -> None:
        self.sequence = 0
        self._beat: asyncio.Future[None] | None = None

    def beat(self, sequence: int) -> None:
        """The log has grown to `sequence`, or further than known when that is not greater."""
        self.sequence = max(self.sequence, sequence)
        if self._beat is not None and not self._beat.done():
            self._beat.set_result(None)
        self._beat = None

    async def beyond(self, sequence: int, seconds: float) -> None:
        """Returns when the log is longer than `sequence`, or may be, or when so much time has passed."""
        if self.sequence > sequence:
            return
        if self._beat is None:
            self._beat = asyncio.get_running_loop().create_future()
        await asyncio.wait([self._beat], timeout=seconds)
