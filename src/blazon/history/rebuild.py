"""Folding the log into tables, with the same appliers the writer uses."""

import asyncio
import time
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any, Final, NamedTuple

from blazon.log import Apply, Catalogue, Reader
from blazon.log.batch import Plan, take_head
from blazon.room import Room, Table
from blazon.storage import Database, MigrationSet, Reads, Row, Transaction, create_tables

__all__ = ["Difference", "Folded", "compare", "fold", "rebuild", "verify_tables"]

_PAGE: Final = 5000
_ROWS: Final = 2000

_SECRET: Final = frozenset({"secret", "key", "key_hash"})
"""Columns whose values are not shown, sealed and hashed as they are."""

Progress = Callable[[int, int], None]
"""Told how many of how many positions are done."""


class Folded(NamedTuple):
    """What a fold did. `seconds` is how long it took."""

    sequence: int
    records: int
    seconds: float


class Difference(NamedTuple):
    """The first row in which a live table and the rebuilt one differ; None stands for a row that is not there."""

    table: str
    key: tuple[Any, ...]
    columns: tuple[str, ...]
    live: Row | None
    rebuilt: Row | None

    def __str__(self) -> str:
        where = f"{self.table} {'/'.join(map(str, self.key))}"
        if self.live is None:
            return f"{where}: the log makes this row, the live table does not have it"
        if self.rebuilt is None:
            return f"{where}: the live table has this row, the log does not make it"
        column, live, rebuilt = next(
            (column, live, rebuilt)
            for column, live, rebuilt in zip(self.columns, self.live, self.rebuilt, strict=True)
            if live != rebuilt
        )
        shown = "" if column in _SECRET else f": live {live!r}, from the log {rebuilt!r}"
        return f"{where}: {column} differs{shown}"


async def fold(
    source: Reads, target: Transaction, rooms: Sequence[Room], through: int, progress: Progress | None = None
) -> Folded:
    """Applies every fact up to `through` to the empty tables of `target`."""
    started = time.perf_counter()
    catalogue = Catalogue(tuple(declared for room in rooms for declared in room.types))
    reads = {(declared.service, declared.name): declared.read for declared in catalogue}
    appliers: dict[tuple[str, str], tuple[Any, Apply]] = {
        key: (reads[key], apply) for room in rooms for key, apply in room.appliers.items()
    }
    count = 0
    async for page in Reader(source).all(through, page=_PAGE):
        plan = Plan(appliers)
        plan.add(page)
        await plan.run(target)
        count += len(page)
        if progress is not None and page:
            progress(page[-1].sequence, through)
        await asyncio.sleep(0)  # over SQLite nothing above waits; whoever shares the loop gets its turn
    return Folded(through, count, time.perf_counter() - started)


async def verify_tables(
    live: Reads, scratch: Database, rooms: Sequence[Room], progress: Progress | None = None
) -> tuple[Folded, Difference | None]:
    """Folds the log of `live` into `scratch` and compares every table. `live` should be a snapshot.

    Returns what was folded and the first difference, None when all is equal.
    """
    head = await Reader(live).head()
    async with scratch.transaction() as tx:
        indexes = await create_tables(tx, _sets(rooms))
        folded = await fold(live, tx, rooms, head.sequence, progress)
        for index in indexes:
            await tx.script(index)
    for table in (table for room in rooms for table in room.tables):
        difference = await compare(live, scratch, table)
        if difference is not None:
            return folded, difference
    return folded, None


async def rebuild(database: Database, rooms: Sequence[Room], progress: Progress | None = None) -> Folded:
    """Makes every table anew from the log, in one transaction: others see the old tables until it commits.

    It keeps the head meanwhile, as every writer does: what another process recorded after it was read would be in the
    log and in no table. So operations wait until the tables are made.
    """
    async with database.transaction() as tx:
        head = (await take_head(tx, database.dialect)).head
        for table in (table for room in rooms for table in room.tables):
            await tx.script(f"DROP TABLE {table.name}")
        indexes = await create_tables(tx, _sets(rooms))
        folded = await fold(tx, tx, rooms, head.sequence, progress)
        for index in indexes:
            await tx.script(index)
        return folded


def _sets(rooms: Sequence[Room]) -> tuple[MigrationSet, ...]:
    return tuple(room.migrations for room in rooms)


async def compare(live: Reads, rebuilt: Reads, table: Table) -> Difference | None:
    """The first row, in the order of the key, in which two tables differ.

    Both are read in the order their database keeps, which is the same on both sides.
    """
    columns = await _columns(live, table)
    keys = len(table.key)
    position: tuple[Any, ...] = ()
    while True:
        mine = await _rows_after(live, table, columns, position)
        theirs = await _rows_after(rebuilt, table, columns, position)
        for here, there in zip_longest(mine, theirs):
            if here is None or there is None or tuple(here) != tuple(there):
                key = tuple((here or there)[:keys])
                if here is None or there is None or tuple(there[:keys]) == key:
                    return Difference(table.name, key, columns, here, there)
                # Two rows that are not each other's: one of them is missing on the other side.
                if await _row(rebuilt, table, columns, key) is None:
                    return Difference(table.name, key, columns, here, None)
                return Difference(table.name, tuple(there[:keys]), columns, None, there)
        if len(mine) < _ROWS:
            return None
        position = tuple(mine[-1][:keys])


async def _columns(source: Reads, table: Table) -> tuple[str, ...]:
    if source.dialect.name == "sqlite":
        rows = await source.rows(f"SELECT name FROM pragma_table_info('{table.name}')")
    else:
        rows = await source.rows(
            "SELECT column_name FROM information_schema.columns WHERE table_name = ?"
            " AND table_schema = current_schema() ORDER BY ordinal_position",
            (table.name,),
        )
    names = [row[0] for row in rows]
    return (*table.key, *(name for name in names if name not in table.key))


async def _rows_after(
    source: Reads, table: Table, columns: tuple[str, ...], position: tuple[Any, ...]
) -> Sequence[Row]:
    key = ", ".join(table.key)
    where = f" WHERE ({key}) > ({', '.join('?' * len(position))})" if position else ""
    sql = f"SELECT {', '.join(columns)} FROM {table.name}{where} ORDER BY {key} LIMIT {_ROWS}"
    return await source.rows(sql, position)


async def _row(source: Reads, table: Table, columns: tuple[str, ...], key: tuple[Any, ...]) -> Row | None:
    where = " AND ".join(f"{name} = ?" for name in table.key)
    return await source.row(f"SELECT {', '.join(columns)} FROM {table.name} WHERE {where}", key)
