"""What is known of relays in other processes: how far they are, and who leads."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from blazon.log import Log, Position, cursor_position, move_cursor
from blazon.relay import RedisRelay, Relay, RelayMetrics, relayed_by_all
from blazon.settings import Redis
from blazon.storage import Database, open_database
from blazon.testing.toy import make_log, open_log, prepare, writing
from tests.relay.support import caught_up, record, relaying, until
from tests.servers import PostgresServer, RedisServer, free_port


@pytest.fixture
async def log(database: Database) -> AsyncIterator[Log]:
    async with open_log(database) as opened:
        yield opened


@pytest.fixture
async def logs(postgres: PostgresServer, tmp_path: Path) -> AsyncIterator[list[Log]]:
    """The logs of two processes over one database."""
    url = postgres.new_database()
    databases = [await open_database(url, tmp_path) for _ in range(2)]
    await prepare(databases[0])
    one, other = (make_log(database) for database in databases)
    async with writing(one), writing(other):
        yield [one, other]
    for database in databases:
        await database.close()


def _to(log: Log, url: str) -> tuple[Relay, CollectorRegistry, RelayMetrics]:
    registry = CollectorRegistry()
    metrics = RelayMetrics(registry)
    return RedisRelay(log, url, Redis(), metrics), registry, metrics


async def _put_cursor(log: Log, name: str, position: int) -> None:
    start = await cursor_position(log, name, 0)
    await log.writer.commit(move_cursor(log, name, start, Position(position, "")))


async def test_without_relays_everything_is_relayed(log: Log) -> None:
    await record(log, 10)
    await _put_cursor(log, "follower.mail", 3)
    assert await relayed_by_all(log, []) == 10


async def test_the_slowest_relay_counts_whichever_process_runs_it(log: Log) -> None:
    await record(log, 10)
    mine, _, _ = _to(log, "redis://127.0.0.1:1")
    assert await relayed_by_all(log, [mine]) == 0
    await _put_cursor(log, "relay.redis", 8)
    await _put_cursor(log, "relay.redis.toy", 2)  # the last event of one stream, nothing more
    assert await relayed_by_all(log, [mine]) == 8
    await _put_cursor(log, "relay.rabbitmq", 5)
    if log.database.shared:
        assert await relayed_by_all(log, [mine]) == 5
        assert await relayed_by_all(log, []) == 5
    else:
        # There is no other process: RabbitMQ is not set any more.
        assert await relayed_by_all(log, [mine]) == 8
        assert await relayed_by_all(log, []) == 10


async def test_a_sink_that_was_never_reached_is_known_to_every_process(logs: list[Log]) -> None:
    relay, _, metrics = _to(logs[0], f"redis://127.0.0.1:{free_port()}")
    async with relaying(logs[0], relay, metrics):
        await record(logs[0], 10)
        async with asyncio.timeout(10):
            while await relayed_by_all(logs[1], []) != 0:
                await asyncio.sleep(0.02)
        assert (await logs[1].reader.head()).sequence == 10


async def test_only_who_leads_says_whether_it_is_connected(logs: list[Log], redis: RedisServer) -> None:
    first, first_registry, first_metrics = _to(logs[0], redis.url)
    second, second_registry, second_metrics = _to(logs[1], redis.url)

    def shown(registry: CollectorRegistry) -> tuple[str, str]:
        return tuple(
            str(registry.get_sample_value(name, {"sink": "redis"}))
            for name in ("blazon_relay_connected", "blazon_relay_lag_events")
        )

    async with relaying(logs[1], second, second_metrics):
        await until(lambda: second.leading)
        async with relaying(logs[0], first, first_metrics):
            await record(logs[1], 10)
            await caught_up(logs[1], second)
            assert shown(second_registry) == ("1.0", "0.0")
            assert not first.leading
            assert shown(first_registry) == ("nan", "nan")
            redis.kill()
            await until(lambda: shown(second_registry)[0] != "1.0")
            # It leads, or the other does; who does says that there is no connection, the other says nothing.
            for _ in range(100):
                assert {shown(first_registry)[0], shown(second_registry)[0]} <= {"0.0", "nan"}
                await asyncio.sleep(0.02)
            assert "0.0" in {shown(first_registry)[0], shown(second_registry)[0]}
