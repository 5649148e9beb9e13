"""A database that is full, away or gone in the middle: callers are told so, nothing answered is lost, nothing is kept
of what was refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from blazon.errors import OutcomeUnknown, StorageUnavailable
from blazon.log import Operation, Reader, verify
from blazon.storage import Database, Transaction, open_database
from blazon.storage.sqlite import SqliteDatabase
from blazon.testing.toy import look, make, make_log, operation, prepare, writing
from tests.servers import PostgresServer


async def test_a_full_disk_refuses_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """SQLite's own limit on pages gives the very error a full disk gives (SQLITE_FULL)."""
    database = SqliteDatabase(tmp_path / "blazon.db")
    await prepare(database)
    log = make_log(database)
    async with database.transaction() as tx:
        pages = await tx.row("PRAGMA page_count")
        assert pages is not None
        await tx.run(f"PRAGMA max_page_count = {pages[0] + 40}")
    answered = []
    async with writing(log):
        with pytest.raises(StorageUnavailable, match="full"):
            for number in range(2000):
                await log.writer.commit(operation(make(f"{number} {'x' * 500}", f"{number}")))
                answered.append(f"{number}")
        with pytest.raises(StorageUnavailable):
            await log.writer.commit(operation(make("y" * 5000)))
        log.writer.observe(operation(look("z" * 5000)))
        async with database.transaction() as tx:
            await tx.run("PRAGMA max_page_count = 1000000")
        await log.writer.commit(operation(make("there is room")))
    assert answered
    kept = {row[0] for row in await database.rows("SELECT id FROM boxes")}
    assert kept == {*answered, "there is room"}
    found = await verify(database)
    assert (found.facts, found.observations) == (len(answered) + 1, 1)
    await database.close()


@asynccontextmanager
async def _full(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    """A database with room for nothing more."""
    database = SqliteDatabase(tmp_path / "blazon.db")
    await prepare(database)
    async with database.transaction() as tx:
        pages = await tx.row("PRAGMA page_count")
        assert pages is not None
        await tx.run(f"PRAGMA max_page_count = {pages[0]}")
    yield database
    await database.close()


async def test_who_waits_is_refused_though_very_many_reads_wait_before_it(tmp_path: Path) -> None:
    async with _full(tmp_path) as database:
        log = make_log(database)
        for number in range(5000):  # several batches of what is kept for better days
            log.writer.observe(operation(look(f"{number}")))
        async with writing(log), asyncio.timeout(10):
            for number in range(3):
                with pytest.raises(StorageUnavailable, match="full"):
                    await log.writer.commit(operation(make("x" * 50_000, f"{number}")))
            async with database.transaction() as tx:
                await tx.run("PRAGMA max_page_count = 1000000")
        found = await verify(database)
        assert (found.facts, found.observations) == (0, 5000)


async def test_at_a_stop_with_a_full_disk_everybody_is_answered(tmp_path: Path) -> None:
    async with _full(tmp_path) as database:
        log = make_log(database)
        for number in range(5000):
            log.writer.observe(operation(look(f"{number}")))
        callers = [asyncio.ensure_future(log.writer.commit(operation(make("x" * 50_000, f"{n}")))) for n in range(3)]
        await asyncio.sleep(0)
        log.writer.stop()
        await asyncio.wait_for(log.writer.run(), 10)
        assert all(isinstance(caller.exception(), StorageUnavailable) for caller in callers)


async def test_a_dead_server_refuses_and_goes_on_when_it_is_back(tmp_path: Path) -> None:
    server = PostgresServer(durable=True)
    database = await open_database(server.new_database(), tmp_path)
    try:
        await prepare(database)
        log = make_log(database)
        async with writing(log):
            await log.writer.commit(operation(make("before")))
            server.kill()
            with pytest.raises(StorageUnavailable):
                await log.writer.commit(operation(make("meanwhile")))
            with pytest.raises(StorageUnavailable):
                await database.rows("SELECT 1")
            log.writer.observe(operation(look("before")))
            server.start()
            async with asyncio.timeout(30):
                while True:
                    try:
                        await log.writer.commit(operation(make("after")))
                        break
                    except StorageUnavailable:
                        await asyncio.sleep(0.05)
        names = [record.key for record in await log.reader.after(0, 10)]
        assert sorted(names) == ["after", "before", "before"]
        assert (await verify(database)).sequence == 3
    finally:
        await database.close()
        server.remove()


class _LosesTheAnswer:
    """A database whose connection is lost while it commits: before the server has done it, or after.

    What happens to the transaction is real; only the answer is taken away.
    """

    def __init__(self, database: Database, *, done: bool) -> None:
        self._database = database
        self._done = done
        self.armed = False

    def __getattr__(self, name: str) -> object:
        return getattr(self._database, name)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        lose, self.armed = self.armed, False
        if not lose:
            async with self._database.transaction() as tx:
                yield tx
            return
        try:
            async with self._database.transaction() as tx:
                yield tx
                if not self._done:
                    raise ConnectionError
        except ConnectionError:
            pass
        raise OutcomeUnknown("the connection was lost")


@pytest.mark.parametrize("done", [True, False])
async def test_a_commit_whose_answer_was_lost_is_looked_up(database: Database, *, done: bool) -> None:
    await prepare(database)
    losing = _LosesTheAnswer(database, done=done)
    log = make_log(losing)  # type: ignore[arg-type]
    async with writing(log):
        await log.writer.commit(operation(make("a")))
        losing.armed = True
        outcome = await asyncio.gather(
            log.writer.commit(operation(make("b"))), log.writer.commit(operation(make("c"))), return_exceptions=True
        )
        if done:
            assert [len(records) for records in outcome if not isinstance(records, BaseException)] == [1, 1]
        else:
            assert all(isinstance(error, StorageUnavailable) for error in outcome)
        await log.writer.commit(operation(make("d")))
    names = [record.key for record in await Reader(database).after(0, 10)]
    assert names == (["a", "b", "c", "d"] if done else ["a", "d"])
    await verify(database)


async def test_a_stop_while_the_database_is_away_ends(tmp_path: Path) -> None:
    server = PostgresServer()
    database = await open_database(server.new_database(), tmp_path)
    await prepare(database)
    log = make_log(database)
    task = asyncio.create_task(log.writer.run())
    await log.writer.commit(operation(make("a")))
    server.kill()
    log.writer.observe(operation(look("a")))
    waiting = asyncio.ensure_future(log.writer.commit(Operation(events=(make("b"),))))
    await asyncio.sleep(0)
    log.writer.stop()
    await asyncio.wait_for(task, 30)
    assert isinstance(waiting.exception(), StorageUnavailable)
    await database.close()
    server.remove()
