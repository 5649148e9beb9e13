"""Reading the log, and waiting for it to grow."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence

from blazon.errors import LogDamaged
from blazon.log.batch import HEAD_SQL, Head
from blazon.log.position import Position
from blazon.log.record import Record, time_of_id
from blazon.storage import Page, Reads

__all__ = ["PAGE_OCTETS", "Pulse", "Reader"]

PAGE_OCTETS = 4 * 1024 * 1024
"""Most octets of data in a page of records, so that what a page takes in memory does not depend on what is in it."""

_COLUMNS = "sequence, id, type, service, kind, subject, actor, time, traceparent, data, hash"
_BETWEEN = f"SELECT {_COLUMNS} FROM events WHERE sequence >= ? AND sequence <= ? ORDER BY sequence"
_FIRST_AT = "SELECT sequence, time FROM events WHERE sequence >= ? ORDER BY sequence LIMIT 1"
_TIMES = "SELECT sequence, time FROM events WHERE service = ? AND sequence >= ? AND sequence <= ?"
_ID = "SELECT id FROM events WHERE sequence = ?"


def _page(where: str, octets: int = PAGE_OCTETS) -> Page:
    return Page(_COLUMNS, "events", where, "sequence", "data", octets)


class Reader:
    """Reads records by position, in pages of at most `PAGE_OCTETS`. `source` is a database or a snapshot of one."""

    def __init__(self, source: Reads) -> None:
        self._source = source

    async def head(self) -> Head:
        """The end of the log."""
        row = await self._source.row(HEAD_SQL)
        if row is None:
            raise LogDamaged("the log has lost its head row; restore the database from a copy", 0)
        return Head(*row)

    async def end(self) -> Position:
        """The position behind the last record."""
        return await self.position((await self.head()).sequence)

    async def position(self, sequence: int) -> Position:
        """The position behind a record. Its id is empty when the record is not there: trimmed, or not yet recorded."""
        row = await self._source.row(_ID, (sequence,))
        return Position(sequence, "" if row is None else row[0])

    async def after(self, sequence: int, limit: int) -> list[Record]:
        """At most `limit` records after a sequence number, in order."""
        return [Record(*row) for row in await self._source.page(_page("sequence > ?"), (sequence, limit))]

    async def behind(self, position: Position, limit: int) -> list[Record]:
        """As `after`, and sees to it that the log still has the record of the position. Raises LogWentBack."""
        if position.sequence == 0:
            return await self.after(0, limit)
        rows = await self._source.page(_page("sequence >= ?"), (position.sequence, limit + 1))
        records = [Record(*row) for row in rows]
        if not records or records[0].sequence != position.sequence:
            head = await self.head()
            position.check(None, head.sequence, head.trimmed)
            return records
        first, *records = records
        position.check(first.id, first.sequence, 0)
        if not records and len(first.data) * 4 > PAGE_OCTETS:
            return await self.after(position.sequence, limit)  # that one record may have filled the page
        return records

    async def of_types(self, after: int, through: int, types: Collection[tuple[str, str]], limit: int) -> list[Record]:
        """At most `limit` records of some services and types, after a position and up to another, in order."""
        wanted = " OR ".join("(service = ? AND type = ?)" for _ in types)
        page = _page(f"sequence > ? AND sequence <= ? AND ({wanted})")
        names = [part for key in types for part in key]
        return [Record(*row) for row in await self._source.page(page, (after, through, *names, limit))]

    async def between(self, first: int, last: int) -> list[Record]:
        """The records from `first` to `last`, both included."""
        return [Record(*row) for row in await self._source.rows(_BETWEEN, (first, last))]

    async def times_of(self, service: str, first: int, last: int) -> list[tuple[int, int]]:
        """Sequence number and time of the records of a service from `first` to `last`, both included."""
        return [(row[0], row[1]) for row in await self._source.rows(_TIMES, (service, first, last))]

    async def all(self, through: int, *, page: int = 5000) -> AsyncIterator[list[Record]]:
        """Every record up to `through`, in pages of at most `page` records."""
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
        self._wake()

    def restart(self, sequence: int) -> None:
        """The log went back to `sequence`."""
        self.sequence = sequence
        self._wake()

    def _wake(self) -> None:
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
