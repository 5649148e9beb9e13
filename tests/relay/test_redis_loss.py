"""A stream is deleted while events go to it: it has each of them in the end, once and in order."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from blazon.log import Log
from blazon.storage import open_database
from blazon.testing.toy import make, open_log, operation
from tests.relay.support import STREAM, caught_up, command, entries, record, sequences, to_redis, until
from tests.servers import RedisServer


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[Log]:
    database = await open_database("", tmp_path)
    async with open_log(database) as opened:
        yield opened
    await database.close()


async def _load(log: Log, stop: asyncio.Event) -> None:
    number = 0
    while not stop.is_set():
        number += 1
        await asyncio.gather(*(log.writer.commit(operation(make(f"{number}-{part}"))) for part in range(5)))
        await asyncio.sleep(0.002)


async def _complete(log: Log, server: RedisServer) -> None:
    head = (await log.reader.head()).sequence
    async with asyncio.timeout(60):
        while sequences(await entries(server)) != list(range(1, head + 1)):
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("loss", [("DEL", STREAM), ("FLUSHALL",)], ids=["DEL", "FLUSHALL"])
@pytest.mark.parametrize("turns", [1, 4])
async def test_a_stream_that_is_deleted_under_load_is_filled_again(
    log: Log, redis: RedisServer, loss: tuple[str, ...], turns: int
) -> None:
    stop = asyncio.Event()
    async with to_redis(log, redis) as relay:
        loading = asyncio.create_task(_load(log, stop))
        for _ in range(turns):
            reached = relay.position + 300
            await until(lambda reached=reached: relay.position > reached)
            await command(redis, *loss)
            await asyncio.sleep(0.5)
        await asyncio.sleep(3)  # longer than between two looks, while the load goes on
        stop.set()
        await loading
        await caught_up(log, relay)
        await _complete(log, redis)


async def test_a_stream_that_is_deleted_before_anything_was_saved_is_filled_again(log: Log, redis: RedisServer) -> None:
    async with to_redis(log, redis) as relay:
        await record(log, 20)
        await until(lambda: relay.position == 20)
        await command(redis, "DEL", STREAM)
        await record(log, 20, start=20)
        await _complete(log, redis)


async def test_an_empty_stream_that_a_consumer_makes_first_is_filled_again(log: Log, redis: RedisServer) -> None:
    """After FLUSHALL a consumer makes its group, and the stream with it, before the relay has seen the loss."""
    async with to_redis(log, redis) as relay:
        await record(log, 20)
        await caught_up(log, relay)
        await command(redis, "FLUSHALL")
        await command(redis, "XGROUP", "CREATE", STREAM, "consumers", "0", "MKSTREAM")
        await _complete(log, redis)
