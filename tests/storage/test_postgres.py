"""What only PostgreSQL does, or does to us."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import asyncpg
import pytest

from blazon.errors import RuleBroken, StartError
from blazon.storage import Lease, pgleases
from blazon.storage import postgres as driver
from blazon.storage.postgres import PostgresDatabase
from tests.servers import PostgresServer
from tests.servers.proxy import Proxy


@pytest.fixture
async def database(postgres: PostgresServer) -> AsyncIterator[PostgresDatabase]:
    opened = await PostgresDatabase.open(postgres.new_database())
    yield opened
    await opened.close()


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
async def test_a_database_that_cannot_hold_every_text_is_refused(postgres: PostgresServer, encoding: str) -> None:
    url = postgres.new_database(encoding)
    with pytest.raises(StartError, match=f"encoded in {encoding}.*createdb -E UTF8"):
        await PostgresDatabase.open(url)


async def test_a_value_the_database_cannot_take_is_the_callers_to_mend(database: PostgresDatabase) -> None:
    for sql, value in (
        ("SELECT CAST(? AS jsonb)", '{"a": "\\u0000"}'),
        ("SELECT CAST(? AS jsonb)", '{"a": 1e999999}'),
        ("SELECT CAST(? AS text)", "a\0b"),
        ("SELECT CAST(? AS bigint)", 2**70),
    ):
        with pytest.raises(RuleBroken, match="cannot take a value") as raised:
            await database.rows(sql, (value,))
        assert str(value) not in raised.value.reason
        with pytest.raises(RuleBroken):
            async with database.transaction() as tx:
                await tx.run(sql, (value,))
    assert (await database.rows("SELECT 1"))[0][0] == 1


async def test_a_parameter_of_the_wrong_type_is_a_bug(database: PostgresDatabase) -> None:
    with pytest.raises(asyncpg.DataError):
        await database.rows("SELECT CAST(? AS bigint)", ("one",))


async def _schemas(database: PostgresDatabase) -> set[str]:
    rows = await database.rows("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'blazon_scratch%'")
    return {row[0] for row in rows}


async def test_a_scratch_database_that_was_left_behind_is_dropped_and_a_live_one_is_not(
    database: PostgresDatabase,
) -> None:
    async with database.transaction() as tx:
        await tx.script("CREATE SCHEMA blazon_scratch_left; CREATE TABLE blazon_scratch_left.boxes (id TEXT)")
        await tx.script("CREATE SCHEMA blazon_scratch_behind")
    async with database.scratch() as first:
        live = await _schemas(database)
        assert len(live) == 1
        async with first.transaction() as tx:
            await tx.script("CREATE TABLE boxes (id TEXT)")
        async with database.scratch():
            assert len(await _schemas(database)) == 2
            assert await first.rows("SELECT id FROM boxes") == []
        assert await _schemas(database) == live
    assert await _schemas(database) == set()


async def test_the_server_looks_after_connections(database: PostgresDatabase) -> None:
    """So that the locks of a machine that is gone are free soon."""
    assert (await database.rows("SHOW tcp_keepalives_idle"))[0][0] == "15"


@pytest.mark.parametrize("when", ["while it begins to listen", "after"])
async def test_a_connection_that_listens_and_is_dropped_without_a_word_is_made_again(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    monkeypatch.setattr(driver, "_PROBE", 0.3)
    monkeypatch.setattr(driver, "_PROBE_ANSWER", 0.3)
    url = postgres.new_database()
    async with Proxy(postgres.port) as proxy:
        writing = await PostgresDatabase.open(url)
        hearing = await PostgresDatabase.open(url.replace(str(postgres.port), str(proxy.port)))
        if when != "after":
            proxy.drop_at(b"LISTEN")
        heard = 0

        async def hear() -> None:
            nonlocal heard
            async with contextlib.aclosing(hearing.signals("news", 60.0)) as signals:
                async for _ in signals:
                    heard += 1

        task = asyncio.create_task(hear())
        try:
            await _until_listening(proxy, 1)
            proxy.drop(b"LISTEN")
            await _until_listening(proxy, 2)
            await asyncio.sleep(0.2)
            before = heard
            async with writing.transaction() as tx:
                await tx.signal("news")
            async with asyncio.timeout(5):
                while heard == before:
                    await asyncio.sleep(0.01)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await hearing.close()
            await writing.close()


async def _until_listening(proxy: Proxy, count: int) -> None:
    async with asyncio.timeout(20):
        while proxy.sent(b"LISTEN") < count:
            await asyncio.sleep(0.01)


async def test_a_lease_that_is_not_renewed_goes_to_another(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What renews it stands still, as the whole process may."""
    monkeypatch.setattr(driver, "LEASE", 2.0)
    monkeypatch.setattr(pgleases, "LEASE", 2.0)
    monkeypatch.setattr(pgleases, "_RENEW", 0.2)
    url = postgres.new_database()
    one, other = [await PostgresDatabase.open(url) for _ in range(2)]
    async with one.leader("something") as kept:
        async with asyncio.timeout(20):
            await _held_for(kept, 3.0)  # longer than a lease lasts: it is renewed
            monkeypatch.setattr(pgleases, "_RENEW", 3600.0)
            async with other.leader("something") as lease:
                assert lease.held
                assert not kept.held
    await one.close()
    await other.close()


async def _held_for(lease: Lease, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while loop.time() < until:
        assert lease.held
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("stopped", ["between two statements", "before a prepared statement runs"])
async def test_a_transaction_whose_process_stands_still_does_not_keep_its_rows(
    database: PostgresDatabase, stopped: str
) -> None:
    async with database.transaction() as tx:
        await tx.script("CREATE TABLE heads (n BIGINT NOT NULL)")
        await tx.run("INSERT INTO heads VALUES (1)")
    async with AsyncExitStack() as stack:
        # The session of another process: its connection does nothing more.
        still = await database._writing.connect()
        stack.callback(still.terminate)
        await still.execute("BEGIN")
        await still.execute("UPDATE heads SET n = 2")
        if stopped != "between two statements":
            await still.prepare("SELECT n FROM heads")
        async with asyncio.timeout(pgleases.HOLD + 10), database.transaction() as tx:
            await tx.run("UPDATE heads SET n = n + 10")
    assert (await database.rows("SELECT n FROM heads"))[0][0] == 11


async def test_a_long_transaction_that_is_at_work_is_left_alone(
    database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a rebuild is, which holds the head until every table is made."""
    monkeypatch.setattr(pgleases, "HOLD", 0.2)
    monkeypatch.setattr(pgleases, "_END_STALLED", pgleases._END_STALLED.replace("2.7 seconds", "0.2 seconds"))
    async with database.transaction() as tx:
        await tx.script("CREATE TABLE heads (n BIGINT NOT NULL)")
        await tx.run("INSERT INTO heads VALUES (1)")
    working = await database._writing.connect()
    try:
        await working.execute("BEGIN")
        await working.execute("UPDATE heads SET n = 2")

        async def work() -> None:
            for _ in range(40):
                await working.execute("SELECT pg_sleep(0.03)")
            await working.execute("COMMIT")

        async def wait() -> None:
            async with database.transaction() as tx:
                await tx.run("UPDATE heads SET n = n + 10")

        async with asyncio.timeout(20):
            await asyncio.gather(work(), wait())
    finally:
        working.terminate()
    assert (await database.rows("SELECT n FROM heads"))[0][0] == 12
