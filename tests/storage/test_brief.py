"""Queries that get a moment on the event loop: they are done in it, or given up."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import apsw
import pytest

from blazon.storage.brief import BriefReader
from blazon.storage.sqlite import SqliteDatabase

NUMBERS = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers)"
"""A query of this without a limit never ends."""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[apsw.Connection]:
    connection = apsw.Connection(str(tmp_path / "blazon.db"))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE boxes (id TEXT PRIMARY KEY)")
    yield connection
    connection.close()


@pytest.fixture
def reader(tmp_path: Path, writer: apsw.Connection) -> Iterator[BriefReader]:
    opened = BriefReader(lambda: apsw.Connection(str(tmp_path / "blazon.db")))
    yield opened
    opened.close()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    opened = SqliteDatabase(tmp_path / "blazon.db")
    yield opened
    await opened.close()


@pytest.mark.parametrize("number", [0, 1, 7, 8, 9, 16])
def test_a_brief_query_has_all_its_rows(reader: BriefReader, number: int) -> None:
    """However many of them are read between two looks at the clock."""
    for _ in range(100):  # it may be given up now and then on a machine that has much to do
        rows = reader.rows(f"{NUMBERS} SELECT n FROM numbers LIMIT ?", (number,))
        if rows is not None:
            break
    assert rows == [(n + 1,) for n in range(number)]


@pytest.mark.parametrize(
    "query",
    [
        f"{NUMBERS} SELECT sum(n) FROM numbers",
        f"{NUMBERS} SELECT n FROM numbers",
        f"{NUMBERS} SELECT hex(zeroblob(65536)) FROM numbers",
        f"{NUMBERS} SELECT n FROM numbers ORDER BY n LIMIT 10",
    ],
    ids=["no row", "small rows", "large rows", "sorted"],
)
def test_one_that_takes_long_is_given_up(reader: BriefReader, query: str) -> None:
    assert reader.rows(query, ()) is None


def test_one_that_was_given_up_leaves_no_snapshot(reader: BriefReader, writer: apsw.Connection) -> None:
    """Else the write-ahead log could not be emptied as long as the connection is open."""
    assert reader.rows(f"{NUMBERS} SELECT n FROM numbers, (SELECT count(*) FROM boxes)", ()) is None
    writer.execute("INSERT INTO boxes VALUES ('a')")
    assert writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)
    assert writer.execute("SELECT id FROM boxes").fetchall() == [("a",)]


async def test_what_is_given_up_is_run_in_a_thread(database: SqliteDatabase) -> None:
    rows = await database.rows_briefly(f"{NUMBERS} SELECT n FROM numbers LIMIT ?", (100_000,))
    assert [row[0] for row in rows] == list(range(1, 100_001))


async def test_many_that_are_given_up_do_not_hold_up_the_loop(database: SqliteDatabase) -> None:
    """Between two of them it has a turn."""
    tried = 0

    def count(connection: apsw.Connection) -> None:
        connection.create_scalar_function("tried", attempt, 0)

    def attempt() -> int:
        nonlocal tried
        if threading.current_thread() is threading.main_thread():
            tried += 1
        return 0

    apsw.connection_hooks.append(count)
    try:
        query = f"SELECT tried() UNION ALL SELECT * FROM ({NUMBERS} SELECT n FROM numbers LIMIT 20000)"
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(database.rows_briefly(query)) for _ in range(20)]
            while not all(task.done() for task in tasks):
                before = tried
                await asyncio.sleep(0)
                assert tried - before <= 1
        assert tried == 20
    finally:
        apsw.connection_hooks.remove(count)
