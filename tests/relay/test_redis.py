"""Log → Redis: each event once, in order, whatever happens to Redis."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from redis.exceptions import InvalidResponse, ResponseError

from blazon.log import Log, Operation
from blazon.relay import RedisRelay, RelayMetrics
from blazon.relay.redis import _Many
from blazon.settings import Redis
from blazon.storage import Statement, open_database
from blazon.testing.toy import look, make_log, open_log, operation, prepare, writing
from tests.relay.support import STREAM, caught_up, command, entries, record, relaying, sequences, to_redis, until
from tests.servers import PostgresServer, RedisServer


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[Log]:
    database = await open_database("", tmp_path)
    async with open_log(database) as opened:
        yield opened
    await database.close()


async def test_each_event_is_one_entry_with_its_own_id(log: Log, redis: RedisServer) -> None:
    async with to_redis(log, redis) as relay:
        records = await record(log, 250)
        log.writer.observe(operation(look("0")))
        await caught_up(log, relay)
        await until(lambda: relay.position == 251)
    found = await entries(redis)
    assert [identifier for identifier, _ in found][:250] == [
        f"{each.time // 1_000_000}-{each.sequence}" for each in records
    ]
    assert found[0][1] == {
        "operation": "box.make",
        "occurred_at": str(records[0].time),
        "id": records[0].key,
        "name": records[0].key,
    }
    assert found[250][1]["operation"] == "box.view"


async def test_many_replies_are_read_in_whatever_pieces_they_come() -> None:
    connection = _Many()
    connection._reader = asyncio.StreamReader()
    octets = b"+OK\r\n+QUEUED\r\n-OOM no memory\r\n*2\r\n$3\r\n1-1\r\n-ERR no\r\n"
    reading = asyncio.create_task(connection.read_many(4))
    for octet in octets:
        await asyncio.sleep(0)
        connection._reader.feed_data(bytes((octet,)))
    ok, queued, refused, (identifier, inner) = await reading
    assert (ok, queued, identifier) == (b"OK", b"QUEUED", b"1-1")
    assert [str(each) for each in (refused, inner)] == ["OOM no memory", "ERR no"]
    assert isinstance(refused, ResponseError)


@pytest.mark.parametrize(("octets", "error"), [(b"+OK\r\n", ConnectionError), (b"HTTP/1.1 400\r\n", InvalidResponse)])
async def test_a_server_that_ends_or_is_no_redis(octets: bytes, error: type[Exception]) -> None:
    connection = _Many()
    connection._reader = asyncio.StreamReader()
    connection._reader.feed_data(octets)
    connection._reader.feed_eof()
    with pytest.raises(error):
        await connection.read_many(2)


async def test_a_server_that_is_killed_and_comes_back_gets_each_event_once(log: Log, redis: RedisServer) -> None:
    async with to_redis(log, redis) as relay:
        writing_on = asyncio.create_task(record(log, 6000))
        for _ in range(3):
            await until(lambda seen=relay.position: relay.position > seen)
            redis.kill()
            await asyncio.sleep(0.05)
            redis.start()
        await writing_on
        await caught_up(log, relay)
    assert sequences(await entries(redis)) == list(range(1, 6001))


async def test_a_server_that_comes_back_empty_is_filled_again(log: Log, redis: RedisServer) -> None:
    async with to_redis(log, redis) as relay:
        await record(log, 300)
        await caught_up(log, relay)
        await until_saved(log, 300)
        redis.kill()
        redis.empty()
        await record(log, 100, start=300)
        redis.start()
        await caught_up(log, relay)
        await until_length(redis, 400)
    assert sequences(await entries(redis)) == list(range(1, 401))


async def test_a_server_is_filled_again_only_so_far_back(log: Log, redis: RedisServer) -> None:
    async with to_redis(log, redis, refill=50) as relay:
        await record(log, 300)
        await caught_up(log, relay)
        await until_saved(log, 300)
        redis.kill()
        redis.empty()
        redis.start()
        await until_length(redis, 50)
    assert sequences(await entries(redis)) == list(range(251, 301))


async def test_a_stream_that_is_deleted_while_connected_is_filled_again(log: Log, redis: RedisServer) -> None:
    async with to_redis(log, redis) as relay:
        await record(log, 100)
        await caught_up(log, relay)
        await command(redis, "DEL", STREAM)
        await until_length(redis, 100)
    assert sequences(await entries(redis)) == list(range(1, 101))


async def test_a_server_that_forgot_its_last_second_gets_it_again(log: Log, redis: RedisServer) -> None:
    """As with `appendfsync everysec` after a power cut: a copy of the stream that ends earlier."""
    async with to_redis(log, redis) as relay:
        await record(log, 100)
        await caught_up(log, relay)
        await command(redis, "COPY", STREAM, "earlier")
        await record(log, 50, start=100)
        await caught_up(log, relay)
        await until_saved(log, 150)
    await command(redis, "RENAME", "earlier", STREAM)
    assert len(await entries(redis)) == 100
    async with to_redis(log, redis) as relay:
        await until_length(redis, 150)
    assert sequences(await entries(redis)) == list(range(1, 151))


async def test_a_server_without_memory_loses_nothing_and_keeps_the_order(log: Log, redis: RedisServer) -> None:
    async with to_redis(log, redis) as relay:
        await record(log, 50)
        await caught_up(log, relay)
        await command(redis, "CONFIG", "SET", "maxmemory-policy", "noeviction")
        await command(redis, "CONFIG", "SET", "maxmemory", "1mb")
        await record(log, 500, start=50)
        assert relay.position == 50
        await command(redis, "CONFIG", "SET", "maxmemory", "0")
        await caught_up(log, relay)
    assert sequences(await entries(redis)) == list(range(1, 551))


async def test_a_read_only_server_is_waited_for(log: Log, redis: RedisServer) -> None:
    async with to_redis(log, redis) as relay:
        await record(log, 10)
        await caught_up(log, relay)
        await command(redis, "REPLICAOF", "127.0.0.1", "1")
        await record(log, 10, start=10)
        assert relay.position == 10
        await command(redis, "REPLICAOF", "NO", "ONE")
        await caught_up(log, relay)
    assert sequences(await entries(redis)) == list(range(1, 21))


async def test_foreign_entries_in_the_way_are_told_and_nothing_is_lost(
    log: Log, redis: RedisServer, capfd: pytest.CaptureFixture[str]
) -> None:
    await command(redis, "XADD", STREAM, "99999999999999-0", "operation", "not.ours")
    async with to_redis(log, redis) as relay:
        await record(log, 10)
        seen = ""
        async with asyncio.timeout(30):
            while "set redis.prefix" not in seen:
                await asyncio.sleep(0.05)
                seen += capfd.readouterr().out
        assert relay.position == 0
        await command(redis, "RENAME", STREAM, "elsewhere")
        await caught_up(log, relay)
    assert sequences(await entries(redis)) == list(range(1, 11))


async def test_entries_of_an_older_platform_are_left_alone(log: Log, redis: RedisServer) -> None:
    await command(redis, "XADD", STREAM, "1693307171926-0", "operation", "thing.create")
    async with to_redis(log, redis) as relay:
        await record(log, 5)
        await caught_up(log, relay)
    assert sequences(await entries(redis)) == [0, 1, 2, 3, 4, 5]


async def test_a_stream_is_trimmed_to_its_length(log: Log, redis: RedisServer) -> None:
    async with to_redis(log, redis, maxlen=200, prefix="shorter") as relay:
        await record(log, 1500)
        await caught_up(log, relay)
    found = sequences(await entries(redis, "shorter.toy"))
    assert 200 <= len(found) < 500
    assert found[-1] == 1500


async def test_relays_of_two_processes_at_once_still_hand_on_each_event_once(
    postgres: PostgresServer, redis: RedisServer, tmp_path: Path
) -> None:
    """Without the lease that keeps them apart: Redis itself refuses what it has."""
    url = postgres.new_database()
    databases = [await open_database(url, tmp_path) for _ in range(2)]
    await prepare(databases[0])
    logs = [make_log(database) for database in databases]
    async with writing(logs[0]), writing(logs[1]):
        relays = [_unleased(log, redis) for log in logs]
        async with relays[0] as one, relays[1] as other:
            await asyncio.gather(record(logs[0], 1500), record(logs[1], 1500, start=5000))
            await caught_up(logs[0], one)
            await caught_up(logs[1], other)
    assert sequences(await entries(redis)) == list(range(1, 3001))
    for database in databases:
        await database.close()


async def test_one_process_relays_and_another_takes_over(
    postgres: PostgresServer, redis: RedisServer, tmp_path: Path
) -> None:
    url = postgres.new_database()
    databases = [await open_database(url, tmp_path) for _ in range(2)]
    await prepare(databases[0])
    logs = [make_log(database) for database in databases]
    async with writing(logs[0]), writing(logs[1]), to_redis(logs[1], redis) as second:
        async with to_redis(logs[0], redis):
            await record(logs[0], 200)
            await until_length(redis, 200)
        await record(logs[0], 200, start=200)
        await caught_up(logs[1], second)
    assert sequences(await entries(redis)) == list(range(1, 401))
    for database in databases:
        await database.close()


def _unleased(log: Log, server: RedisServer):  # type: ignore[no-untyped-def]
    """A relay that believes it is alone."""
    import contextlib

    class Alone:
        def __init__(self, database: object) -> None:
            self._database = database

        def __getattr__(self, name: str) -> object:
            return getattr(self._database, name)

        @contextlib.asynccontextmanager
        async def leader(self, name: str):  # type: ignore[no-untyped-def]
            class Lease:
                held = True

            yield Lease()

    log.database = Alone(log.database)  # type: ignore[assignment]
    return to_redis(log, server)


async def until_length(server: RedisServer, length: int) -> None:
    """Waits until the stream has so many entries."""
    async with asyncio.timeout(60):
        while await command(server, "XLEN", STREAM) < length:
            await asyncio.sleep(0.02)


async def until_saved(log: Log, position: int) -> None:
    """Waits until the relay has saved how far it is."""
    async with asyncio.timeout(30):
        while True:
            row = await log.database.row("SELECT position FROM cursors WHERE name = 'relay.redis'")
            if row is not None and row[0] >= position:
                return
            await asyncio.sleep(0.02)


async def test_a_log_restored_from_an_older_copy_goes_on_behind_what_was_lost(
    redis: RedisServer, tmp_path: Path
) -> None:
    """The stream is ahead of the log then; new events must not be taken for those it has."""
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    database = await open_database("", old)
    async with open_log(database) as log, to_redis(log, redis) as relay:
        await record(log, 20)
        await caught_up(log, relay)
        await until_saved(log, 20)
    await database.close()
    shutil.copytree(old, new)
    for folder, start in ((old, 100), (new, 200)):
        database = await open_database("", folder)
        log = make_log(database)
        async with writing(log), to_redis(log, redis) as relay:
            await record(log, 10, start=start)
            await caught_up(log, relay)
        await database.close()
    names = [fields["name"] for _, fields in await entries(redis)]
    assert names == [*map(str, range(20)), *map(str, range(100, 110)), *map(str, range(200, 210))]


async def test_a_stream_of_another_log_is_not_taken_for_ours(redis: RedisServer, tmp_path: Path) -> None:
    """A new log on a Redis that has the events of one that was thrown away."""
    for number, count in enumerate((30, 10, 50)):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        database = await open_database("", folder)
        async with open_log(database) as log, to_redis(log, redis) as relay:
            await record(log, count, start=1000 * number)
            await caught_up(log, relay)
        await database.close()
    assert sequences(await entries(redis)) == [*range(1, 31), *range(1, 11), *range(1, 51)]


async def test_what_was_saved_is_forgotten_with_the_log_that_went_back(log: Log, redis: RedisServer) -> None:
    """A log that went back takes the cursor along, and may end later at the very position that was saved before."""
    metrics = RelayMetrics(CollectorRegistry())
    relay = RedisRelay(log, redis.url, Redis(), metrics)
    await record(log, 3)
    for _ in range(2):
        async with relaying(log, relay, metrics):
            await until_saved(log, 3)
        lost = Statement("UPDATE cursors SET position = 1 WHERE name = 'relay.redis'", ())
        await log.writer.commit(Operation(also=lambda _: [lost]))  # noqa: B023 - it is run before the next round
