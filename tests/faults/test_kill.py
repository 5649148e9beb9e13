"""kill -9 at every step of the writer and of the relays, under load.

What was answered is in the log once, the tables equal the log, Redis has each event once, RabbitMQ at least once and in
order.
"""

import asyncio
import itertools
from pathlib import Path

import pytest

from tests.faults.dying import STEPS
from tests.faults.process import BlazonProcess, Load
from tests.faults.support import Queue, check_log, check_queue, records_of, relays_caught_up, stream_of
from tests.servers import PostgresServer, RabbitServer, RedisServer

pytestmark = pytest.mark.faults

_names = itertools.count(1)

# How often a step is reached before the process dies: late enough to be under load, soon enough to be reached.
_COUNTS = {"follower": 2, "redis: hints": 2, "rabbitmq: the cursor": 3, "rabbitmq: a message": 150, "redis": 25}


def _count(step: str) -> int:
    return next((count for name, count in _COUNTS.items() if step.startswith(name)), 60)


@pytest.mark.parametrize("step", STEPS)
async def test_a_death_at_each_step(step: str, tmp_path: Path, redis: RedisServer, rabbitmq: RabbitServer) -> None:
    await _die_and_come_back(step, "", tmp_path, redis, rabbitmq)


@pytest.mark.parametrize("step", [step for step in STEPS if step.startswith("writer")])
async def test_a_death_at_each_step_of_the_writer_over_postgresql(
    step: str, tmp_path: Path, redis: RedisServer, rabbitmq: RabbitServer, postgres: PostgresServer
) -> None:
    await _die_and_come_back(step, postgres.new_database(), tmp_path, redis, rabbitmq)


async def _die_and_come_back(
    step: str, database_url: str, folder: Path, redis: RedisServer, rabbitmq: RabbitServer
) -> None:
    exchange = f"kill-{next(_names)}"
    queue = Queue(rabbitmq.url, exchange)
    await queue.declare()
    blazon = BlazonProcess(
        folder, redis_url=redis.url, amqp_url=rabbitmq.url, amqp_exchange=exchange, database_url=database_url
    )
    load = Load(blazon)
    await blazon.start(("-m", "tests.faults.dying", step, str(_count(step))))
    await asyncio.wait_for(load.run("first"), 60)
    assert blazon.wait() == -9, "it was to die"

    await blazon.start()
    again = asyncio.create_task(load.run("second"))
    await load.goes_on(20)
    load.stop()
    await again
    length = await relays_caught_up(blazon)
    assert blazon.stop() == 0

    assert load.answered
    assert not load.refused
    records = await records_of(folder, database_url)
    assert len(records) >= length
    check_log(records, load.answered)
    assert await stream_of(redis) == [record.sequence for record in records]
    check_queue(await queue.sequences(), len(records))
