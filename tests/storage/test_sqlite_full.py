"""SQLite rolls a transaction back by itself when it cannot write; nothing may then go on as if it had not."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from blazon.errors import IntegrityConflict, StorageUnavailable
from blazon.log import Reader, verify
from blazon.storage.sqlite import SqliteDatabase
from blazon.testing.toy import make, make_log, operation, prepare, writing


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    opened = SqliteDatabase(tmp_path / "blazon.db")
    await prepare(opened)
    yield opened
    await opened.close()


async def _fill_up(database: SqliteDatabase, *, left: int) -> None:
    """Lets the database grow by so many pages, which SQLite treats as a disk that is full then."""
    async with database.transaction() as tx:
        row = await tx.row("PRAGMA page_count")
        assert row is not None
        await tx.run(f"PRAGMA max_page_count = {row[0] + left}")


async def _make_room(database: SqliteDatabase) -> None:
    async with database.transaction() as tx:
        await tx.run("PRAGMA max_page_count = 1000000")


_MAKE = "INSERT INTO boxes (id, name, total, revision) VALUES (?, ?, 0, 0)"


async def test_a_savepoint_that_went_with_its_transaction_says_so(database: SqliteDatabase) -> None:
    await _fill_up(database, left=5)
    with pytest.raises(StorageUnavailable):
        async with database.transaction() as tx:
            with pytest.raises(IntegrityConflict):
                async with tx.savepoint():
                    await tx.run_many(_MAKE, [("one", "one"), ("two", "one")])
            with pytest.raises(StorageUnavailable, match="full"):
                async with tx.savepoint():
                    await tx.run(_MAKE, ("big", "x" * 100_000))
            # Nothing runs outside of the transaction, where it would be kept at once.
            with pytest.raises(StorageUnavailable, match="rolled back"):
                await tx.run(_MAKE, ("late", "late"))
            with pytest.raises(StorageUnavailable, match="rolled back"):
                await tx.run_many(_MAKE, [("late", "late")])
            with pytest.raises(StorageUnavailable, match="rolled back"):
                async with tx.savepoint():
                    pytest.fail("there is nothing to make a savepoint in")
    assert await database.rows("SELECT id FROM boxes") == []


async def test_another_error_over_a_lost_transaction_is_not_taken_for_it(database: SqliteDatabase) -> None:
    await _fill_up(database, left=5)
    with pytest.raises(StorageUnavailable, match="rolled back"):
        async with database.transaction() as tx, tx.savepoint():
            try:
                await tx.run(_MAKE, ("big", "x" * 100_000))
            except StorageUnavailable:
                raise LookupError from None


async def test_a_transaction_that_swallows_it_is_not_taken_for_committed(database: SqliteDatabase) -> None:
    await _fill_up(database, left=5)
    with pytest.raises(StorageUnavailable, match="rolled back"):
        async with database.transaction() as tx:
            with pytest.raises(StorageUnavailable):
                await tx.run(_MAKE, ("big", "x" * 100_000))


async def test_a_full_disk_while_operations_go_one_by_one_keeps_none_of_them(database: SqliteDatabase) -> None:
    log = make_log(database)
    async with writing(log):
        await log.writer.commit(operation(make("first", "one")))
        await _fill_up(database, left=20)
        # The first of them breaks a constraint, so that they go one by one; the third fills the disk.
        events = [make("second", "one"), make("a"), make("x" * 200_000, "big"), make("b"), make("c")]
        outcomes = await asyncio.gather(
            *(log.writer.commit(operation(event)) for event in events), return_exceptions=True
        )
        assert [type(outcome) for outcome in outcomes] == [StorageUnavailable] * 5
        await _make_room(database)
        (later,) = await log.writer.commit(operation(make("later")))
    assert later.sequence == 2
    assert [record.key for record in await Reader(database).after(0, 100)] == ["one", "later"]
    assert sorted(row[0] for row in await database.rows("SELECT id FROM boxes")) == ["later", "one"]
    assert (await verify(database)).sequence == 2
