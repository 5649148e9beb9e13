"""Redis, RabbitMQ or the database go away under load: the API goes on or says 503, and nothing is lost."""

import asyncio
import itertools
import json
import subprocess
from pathlib import Path

import pytest

from tests.faults.process import BlazonProcess, Load
from tests.faults.support import Queue, check_log, check_queue, records_of, relays_caught_up, stream_of
from tests.servers import PostgresServer, RabbitServer, RedisServer

pytestmark = pytest.mark.faults

_names = itertools.count(1)


@pytest.mark.parametrize("empty", [False, True], ids=["with its data", "empty"])
async def test_redis_goes_away_under_load(tmp_path: Path, redis: RedisServer, empty: bool) -> None:
    blazon = BlazonProcess(tmp_path, redis_url=redis.url)
    await blazon.start()
    load = Load(blazon)
    running = asyncio.create_task(load.run("load"))
    await load.goes_on()
    redis.kill()
    await load.goes_on()  # the API does not need Redis
    if empty:
        redis.empty()
    redis.start()
    await load.goes_on()
    load.stop()
    await running
    length = await relays_caught_up(blazon)
    assert not load.refused
    async with asyncio.timeout(30):
        while len(await stream_of(redis)) < length:
            await asyncio.sleep(0.1)
    assert blazon.stop() == 0
    records = await records_of(tmp_path, "")
    check_log(records, load.answered)
    assert await stream_of(redis) == [record.sequence for record in records]


@pytest.mark.parametrize("empty", [False, True], ids=["with its data", "empty"])
async def test_rabbitmq_goes_away_under_load(tmp_path: Path, redis: RedisServer, empty: bool) -> None:
    server = RabbitServer()
    try:
        exchange = f"away-{next(_names)}"
        queue = Queue(server.url, exchange)
        await queue.declare()
        blazon = BlazonProcess(tmp_path, redis_url=redis.url, amqp_url=server.url, amqp_exchange=exchange)
        await blazon.start()
        load = Load(blazon)
        running = asyncio.create_task(load.run("load"))
        await load.goes_on()
        server.kill()
        await load.goes_on()  # the API does not need RabbitMQ
        if empty:
            server.empty()
        await asyncio.to_thread(server.start)
        await queue.declare()
        # From here on the queue is there; what was confirmed before went with an empty server.
        there = int(json.loads(await asyncio.to_thread(blazon.command, "log", "status", "--json"))["sequence"])
        await load.goes_on(200)
        load.stop()
        await running
        await relays_caught_up(blazon)
        assert blazon.stop() == 0
        assert not load.refused
        records = await records_of(tmp_path, "")
        check_log(records, load.answered)
        found = await queue.sequences()
        check_queue(found, len(records), first=found[0] if empty else 1)
        assert found[0] <= there + 1
    finally:
        server.remove()


async def test_the_embedded_redis_is_killed_with_blazon(tmp_path: Path) -> None:
    """Nothing of it stays: the next start has its port and its data."""
    blazon = BlazonProcess(tmp_path, redis_port="0")
    for turn in range(3):
        await blazon.start()
        load = Load(blazon)
        running = asyncio.create_task(load.run(f"turn{turn}"))
        await load.goes_on()
        blazon.kill()
        await running
    await blazon.start()
    length = await relays_caught_up(blazon)
    port = next(int(word.split(":")[2].split("/")[0]) for word in blazon.output().split() if "redis://" in word)
    last = [word.split(":")[2].split("/")[0] for word in blazon.output().split() if word.startswith("redis://")][-1]
    assert port
    listed = subprocess.run(
        ["redis-cli", "-p", last, "XLEN", "mainflux.users"], capture_output=True, text=True, check=True
    )
    assert int(listed.stdout) == length
    assert blazon.stop() == 0


async def test_a_database_that_dies_gives_503_and_loses_nothing(tmp_path: Path, redis: RedisServer) -> None:
    server = PostgresServer(durable=True)
    try:
        url = server.new_database()
        blazon = BlazonProcess(tmp_path, database_url=url, redis_url=redis.url)
        await blazon.start()
        load = Load(blazon)
        running = asyncio.create_task(load.run("load"))
        await load.goes_on()
        server.kill()
        await load.is_refused()
        server.start()
        await load.goes_on(50)
        load.stop()
        await running
        assert load.refused
        assert {status for status, _ in load.refused} == {503}
        assert all(said["error"] for _, said in load.refused)
        await relays_caught_up(blazon)
        assert blazon.stop() == 0
        records = await records_of(tmp_path, url)
        check_log(records, load.answered)
        assert await stream_of(redis) == [record.sequence for record in records]
    finally:
        server.remove()
