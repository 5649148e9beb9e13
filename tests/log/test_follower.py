"""Followers: an effect happens once, whatever goes wrong."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from blazon.errors import Unavailable
from blazon.log import Event, Follower, Log, Record
from blazon.storage import Database, open_database
from blazon.testing.toy import look, make, make_log, open_log, operation, prepare, put, writing
from tests.interleaving import Heard
from tests.servers import PostgresServer

MADE = frozenset({("toy", "box.make")})


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await condition():
            await asyncio.sleep(0.005)


def _greet(log: Log) -> Callable[[Record], Awaitable[Sequence[Event]]]:
    """Puts one thing into each new box."""

    async def handle(record: Record) -> Sequence[Event]:
        return (put(record.key, 1, 1),)

    return handle


async def _totals(database: Database) -> list[int]:
    return [row[0] for row in await database.rows("SELECT total FROM boxes ORDER BY id")]


async def test_each_record_has_its_effect_once(database: Database) -> None:
    async with open_log(database) as log:
        task = asyncio.create_task(Follower(log, "greeter", MADE, _greet(log)).run())
        for number in range(20):
            await log.writer.commit(operation(make(f"{number:02}"), look("x")))

        async def greeted() -> bool:
            return await _totals(database) == [1] * 20

        await _until(greeted)
        task.cancel()
        puts = [record for record in await log.reader.after(0, 1000) if record.type == "box.put"]
        assert len(puts) == 20


async def test_a_follower_goes_on_where_it_was(database: Database) -> None:
    async with open_log(database) as log:
        for turn in range(3):
            task = asyncio.create_task(Follower(log, "greeter", MADE, _greet(log)).run())
            await log.writer.commit(operation(*(make(f"{turn}-{number}") for number in range(5))))

            async def greeted(turn: int = turn) -> bool:
                return await _totals(database) == [1] * (5 * (turn + 1))

            await _until(greeted)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        puts = [record for record in await log.reader.after(0, 1000) if record.type == "box.put"]
        assert len(puts) == 15


async def test_what_is_away_is_waited_for(database: Database) -> None:
    async with open_log(database) as log:
        failures = 0

        async def handle(record: Record) -> Sequence[Event]:
            nonlocal failures
            if failures < 2:
                failures += 1
                raise Unavailable("not yet")
            return (put(record.key, 1, 1),)

        task = asyncio.create_task(Follower(log, "greeter", MADE, handle).run())
        await log.writer.commit(operation(make("a")))

        async def greeted() -> bool:
            return await _totals(database) == [1]

        await _until(greeted)
        task.cancel()
        assert failures == 2


async def test_the_cause_of_an_effect_is_in_its_trace(database: Database) -> None:
    from blazon.caller import Caller
    from blazon.log import Decision

    async with open_log(database) as log:
        task = asyncio.create_task(Follower(log, "greeter", MADE, _greet(log)).run())
        cause = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

        async def decide() -> Decision:
            return Decision((make("a"),))

        await log.commit(Caller(id="me", traceparent=cause), decide)

        async def greeted() -> bool:
            return await _totals(database) == [1]

        await _until(greeted)
        task.cancel()
        assert [record.traceparent for record in await log.reader.after(0, 10)] == [cause, cause]


async def test_a_cursor_passes_what_is_not_of_interest(database: Database) -> None:
    async with open_log(database) as log:
        task = asyncio.create_task(Follower(log, "idle", frozenset({("toy", "box.put")}), _greet(log)).run())
        await log.writer.commit(operation(*(make(f"{number}") for number in range(100))))

        async def passed() -> bool:
            row = await database.row("SELECT position FROM cursors WHERE name = 'idle'")
            return row is not None and row[0] == 100

        await _until(passed)
        task.cancel()


async def test_with_several_processes_an_effect_still_happens_once(postgres: PostgresServer, tmp_path: Path) -> None:
    url = postgres.new_database()
    databases = [await open_database(url, tmp_path) for _ in range(2)]
    await prepare(databases[0])
    logs = [make_log(database) for database in databases]
    async with writing(logs[0]), writing(logs[1]):
        hearing = [asyncio.create_task(log.keep_current()) for log in logs]
        following = [asyncio.create_task(Follower(log, "greeter", MADE, _greet(log)).run()) for log in logs]
        for number in range(30):
            await logs[number % 2].writer.commit(operation(make(f"{number:02}")))

        async def greeted() -> bool:
            return await _totals(databases[0]) == [1] * 30

        await _until(greeted)
        # The leader goes; the other takes over.
        following[0].cancel()
        await asyncio.gather(following[0], return_exceptions=True)
        await logs[0].writer.commit(operation(make("last")))

        async def all_greeted() -> bool:
            return await _totals(databases[0]) == [1] * 31

        await _until(all_greeted)
        for task in (*hearing, *following):
            task.cancel()
        await asyncio.gather(*hearing, *following, return_exceptions=True)
        puts = [record for record in await logs[0].reader.after(0, 1000) if record.type == "box.put"]
        assert len(puts) == 31
    for database in databases:
        await database.close()


async def test_a_listener_hears_what_other_processes_record(postgres: PostgresServer, tmp_path: Path) -> None:
    url = postgres.new_database()
    mine, theirs = [await open_database(url, tmp_path) for _ in range(2)]
    await prepare(mine)
    here, there = make_log(mine), make_log(theirs)
    heard = Heard()
    here.listen(heard)
    async with writing(here), writing(there):
        hearing = asyncio.create_task(here.keep_current())
        await there.writer.commit(operation(make("first")))

        async def all_heard() -> bool:
            return "second" in [record.key for record in heard.records]

        for name in ("second",):
            await there.writer.commit(operation(make(name)))
        await _until(all_heard)
        hearing.cancel()
        await asyncio.gather(hearing, return_exceptions=True)
    for database in (mine, theirs):
        await database.close()
