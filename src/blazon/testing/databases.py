"""What every database must do."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing

import pytest

from blazon.errors import IntegrityConflict, StartError
from blazon.storage import Database, Page
from blazon.testing.suite import Suite

__all__ = ["DatabaseSuite", "Opens"]

Opens = Callable[[], Awaitable[Database]]
"""Opens one and the same database, empty before the test, as another process does each time."""

_TABLE = "CREATE TABLE boxes (id TEXT PRIMARY KEY, size BIGINT NOT NULL, doc TEXT NOT NULL DEFAULT '{}')"


class DatabaseSuite(Suite):
    """The tests of a `blazon.storage.Database`. A subclass overrides the fixture `opens`."""

    @pytest.fixture
    def opens(self) -> Opens:
        """To be overridden: opens the database that is tested."""
        raise NotImplementedError("override the fixture `opens` with one that opens an empty database of your kind")

    @pytest.fixture
    async def database(self, opens: Opens) -> AsyncIterator[Database]:
        """The database, with one table."""
        opened = await opens()
        async with opened.transaction() as tx:
            await tx.script(_TABLE)
        yield opened
        await opened.close()

    async def test_a_transaction_is_kept_when_it_ends_and_undone_when_it_raises(self, database: Database) -> None:
        async with database.transaction() as tx:
            await tx.run("INSERT INTO boxes (id, size) VALUES (?, ?)", ("a", 1))
        with pytest.raises(LookupError):
            async with database.transaction() as tx:
                await tx.run("INSERT INTO boxes (id, size) VALUES (?, ?)", ("b", 2))
                raise LookupError
        assert await _ids(database) == ["a"]

    async def test_run_many_runs_a_statement_for_each(self, database: Database) -> None:
        async with database.transaction() as tx:
            await tx.run_many(
                "INSERT INTO boxes (id, size) VALUES (?, ?)", [(f"{number:02}", number) for number in range(50)]
            )
        assert len(await _ids(database)) == 50

    async def test_a_broken_constraint_is_an_integrity_conflict_and_undoes_all(self, database: Database) -> None:
        with pytest.raises(IntegrityConflict):
            async with database.transaction() as tx:
                await tx.run("INSERT INTO boxes (id, size) VALUES (?, ?)", ("a", 1))
                await tx.run("INSERT INTO boxes (id, size) VALUES (?, ?)", ("a", 2))
        assert await _ids(database) == []
        async with database.transaction() as tx:
            await tx.run("INSERT INTO boxes (id, size) VALUES (?, ?)", ("a", 1))
        assert await _ids(database) == ["a"]

    async def test_a_savepoint_is_undone_alone(self, database: Database) -> None:
        async with database.transaction() as tx:
            async with tx.savepoint():
                await tx.run("INSERT INTO boxes (id, size) VALUES (?, ?)", ("a", 1))
            with pytest.raises(IntegrityConflict):
                async with tx.savepoint():
                    await tx.run("INSERT INTO boxes (id, size) VALUES (?, ?)", ("b", 1))
                    await tx.run("INSERT INTO boxes (id, size) VALUES (?, ?)", ("a", 1))
            async with tx.savepoint():
                await tx.run("INSERT INTO boxes (id, size) VALUES (?, ?)", ("c", 1))
        assert await _ids(database) == ["a", "c"]

    async def test_others_see_a_transaction_only_when_it_is_kept(self, database: Database) -> None:
        async with database.transaction() as tx:
            await tx.run("INSERT INTO boxes (id, size) VALUES (?, ?)", ("a", 1))
            assert await tx.row("SELECT size FROM boxes WHERE id = ?", ("a",)) is not None
            assert await database.row("SELECT size FROM boxes WHERE id = ?", ("a",)) is None
        assert await database.row("SELECT size FROM boxes WHERE id = ?", ("a",)) is not None

    async def test_a_snapshot_stays_at_its_moment(self, database: Database) -> None:
        async with database.snapshot() as snapshot:
            before = await snapshot.rows("SELECT id FROM boxes")
            async with database.transaction() as tx:
                await tx.run("INSERT INTO boxes (id, size) VALUES (?, ?)", ("a", 1))
            assert await snapshot.rows("SELECT id FROM boxes") == before == []
        assert await _ids(database) == ["a"]

    async def test_transactions_wait_for_each_other(self, database: Database) -> None:
        async with database.transaction() as tx:
            await tx.run("INSERT INTO boxes (id, size) VALUES (?, ?)", ("a", 0))

        async def add_one() -> None:
            async with database.transaction() as tx:
                row = await tx.row(f"SELECT size FROM boxes WHERE id = ?{database.dialect.lock}", ("a",))
                assert row is not None
                await asyncio.sleep(0)
                await tx.run("UPDATE boxes SET size = ? WHERE id = ?", (row[0] + 1, "a"))

        await asyncio.gather(*(add_one() for _ in range(20)))
        assert (await database.rows("SELECT size FROM boxes"))[0][0] == 20

    async def test_one_column_of_many_rows(self, database: Database) -> None:
        async with database.transaction() as tx:
            await tx.run_many("INSERT INTO boxes (id, size) VALUES (?, ?)", [("a", 1), ("b", 2)])
            assert await tx.column_of("boxes", "size", ("id",), [("a",), ("b",), ("c",)]) == {("a",): 1, ("b",): 2}
            await tx.script("CREATE TABLE pairs (x TEXT, y TEXT, n BIGINT, PRIMARY KEY (x, y))")
            await tx.run_many("INSERT INTO pairs VALUES (?, ?, ?)", [("a", "b", 1), ("b", "a", 2)])
            wanted = [("a", "b"), ("b", "a"), ("a", "a")]
            assert await tx.column_of("pairs", "n", ("x", "y"), wanted) == {("a", "b"): 1, ("b", "a"): 2}

    async def test_the_fragments_that_differ(self, database: Database) -> None:
        dialect = database.dialect
        async with database.transaction() as tx:
            await tx.run_many(
                "INSERT INTO boxes (id, size, doc) VALUES (?, ?, ?)",
                [("a", 1, '{"x":1,"y":[1,2]}'), ("b", 2, '{"x":2}'), ("c", 3, "{}")],
            )
        found = await database.rows(f"SELECT id FROM boxes WHERE {dialect.contains('doc')}", ('{"y":[2]}',))
        assert [row[0] for row in found] == ["a"]
        found = await database.rows(
            f"SELECT id FROM boxes WHERE {dialect.one_of('id')} ORDER BY id", ('["c","a","z"]',)
        )
        assert [row[0] for row in found] == ["a", "c"]

    async def test_a_query_aside_gives_the_same_rows(self, database: Database) -> None:
        async with database.transaction() as tx:
            await tx.run_many("INSERT INTO boxes (id, size) VALUES (?, ?)", [("a", 1), ("b", 2)])
        for query in (database.rows_aside, database.rows_briefly):
            rows = await query("SELECT id, size FROM boxes WHERE size > ? ORDER BY id", (0,))
            assert [tuple(row) for row in rows] == [("a", 1), ("b", 2)]

    async def test_a_scratch_database_is_empty_and_leaves_nothing(self, database: Database) -> None:
        async with database.scratch() as scratch:
            async with scratch.transaction() as tx:
                await tx.script("CREATE TABLE boxes (id TEXT PRIMARY KEY, size BIGINT NOT NULL)")
                await tx.run("INSERT INTO boxes VALUES (?, ?)", ("scratch", 1))
            assert await _ids(scratch) == ["scratch"]
            assert await _ids(database) == []
        assert await _ids(database) == []

    async def test_bytes_and_large_numbers_come_back_as_they_went(self, database: Database) -> None:
        async with database.transaction() as tx:
            await tx.script("CREATE TABLE blobs (n BIGINT PRIMARY KEY, b BYTEA NOT NULL)")
            await tx.run("INSERT INTO blobs VALUES (?, ?)", (2**62, bytes(range(256))))
            row = await tx.row("SELECT n, b FROM blobs")
        assert row is not None
        assert (row[0], bytes(row[1])) == (2**62, bytes(range(256)))

    async def test_a_page_ends_at_its_rows_or_at_its_octets(self, database: Database) -> None:
        sizes = [3, 5, 1, 1, 90, 2, 2]
        async with database.transaction() as tx:
            await tx.script("CREATE TABLE texts (n BIGINT PRIMARY KEY, t TEXT NOT NULL)")
            # Two octets each in UTF-8.
            await tx.run_many("INSERT INTO texts VALUES (?, ?)", [(n, "é" * size) for n, size in enumerate(sizes)])
            page = Page("n, t", "texts", "n >= ?", "n", "t", octets=20)
            assert [row[0] for row in await tx.page(page, (0, 10))] == [0, 1, 2, 3]
        for start, limit, found in ((0, 10, [0, 1, 2, 3]), (0, 2, [0, 1]), (4, 10, [4]), (5, 10, [5, 6]), (7, 10, [])):
            rows = await database.page(page, (start, limit))
            assert [tuple(row) for row in rows] == [(n, "é" * sizes[n]) for n in found]
        async with database.snapshot() as snapshot:
            assert [row[0] for row in await snapshot.page(page, (3, 10))] == [3]

    async def test_a_leader_holds_its_lease_until_its_block_ends(self, database: Database) -> None:
        async with database.leader("something") as lease, database.leader("something else") as other:
            assert lease.held
            assert other.held

    async def test_there_is_one_leader_at_a_time(self, database: Database) -> None:
        leading = 0
        most = 0

        async def lead() -> None:
            nonlocal leading, most
            async with database.leader("something") as lease:
                assert lease.held
                leading += 1
                most = max(most, leading)
                await asyncio.sleep(0.05)  # long enough for the others to lead as well, if they may
                leading -= 1

        async with asyncio.timeout(60):
            await asyncio.gather(*(lead() for _ in range(4)))
        assert most == 1

    async def test_the_lead_is_free_when_a_leader_fails(self, database: Database) -> None:
        for _ in range(2):
            with pytest.raises(LookupError):
                async with asyncio.timeout(60), database.leader("something"):
                    raise LookupError

    async def test_a_signal_comes_now_and_then_also_when_nothing_is_heard(self, database: Database) -> None:
        async with asyncio.timeout(60), aclosing(database.signals("silence", 0.2)) as signals:
            for _ in range(4):
                await anext(signals)

    async def test_another_process_has_the_same_database_or_is_refused(self, database: Database, opens: Opens) -> None:
        if not database.shared:
            with pytest.raises(StartError):
                await opens()
            return
        other = await opens()
        try:
            async with other.transaction() as tx:
                await tx.run("INSERT INTO boxes (id, size) VALUES (?, ?)", ("a", 1))
            assert await _ids(database) == ["a"]
        finally:
            await other.close()

    async def test_processes_take_turns_to_lead(self, database: Database, opens: Opens) -> None:
        if not database.shared:
            return  # there is no other process
        other = await opens()
        taken = asyncio.Event()

        async def lead_there() -> None:
            async with other.leader("something") as lease:
                assert lease.held
                taken.set()

        try:
            async with database.leader("something") as lease:
                waiting = asyncio.create_task(lead_there())
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(1):
                        await taken.wait()
                assert lease.held
            async with asyncio.timeout(60):
                await waiting
        finally:
            await other.close()

    async def test_a_signal_of_another_process_is_heard_at_once(self, database: Database, opens: Opens) -> None:
        if not database.shared:
            return  # there is no other process
        other = await opens()
        try:
            async with aclosing(database.signals("news", 3600.0)) as signals:
                heard = asyncio.create_task(_count(signals, 3))
                async with asyncio.timeout(60):
                    while not heard.done():  # a signal is lost until the other one listens
                        async with other.transaction() as tx:
                            await tx.signal("news")
                        await asyncio.sleep(0.05)
                    await heard
        finally:
            await other.close()


async def _count(signals: AsyncIterator[None], count: int) -> None:
    for _ in range(count):
        await anext(signals)


async def _ids(database: Database) -> list[str]:
    return [row[0] for row in await database.rows("SELECT id FROM boxes ORDER BY id")]
