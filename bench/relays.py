"""Log → Redis and log → RabbitMQ: how many a second, and how long after the commit."""

import asyncio
import contextlib
import itertools
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pika
import uvloop
from prometheus_client import CollectorRegistry

from bench import limits
from bench.report import Figure, Report, percentile
from blazon.app import ROOMS, make_log
from blazon.clock import SystemClock
from blazon.entity import Status
from blazon.grouping import GroupState
from blazon.health import Health
from blazon.log import MIGRATIONS, Event, Log, Operation
from blazon.relay import RabbitRelay, RedisRelay, Relay, RelayMetrics, keep_running
from blazon.relay.amqp import connect
from blazon.settings import Amqp, Redis
from blazon.storage import migrate, open_database
from blazon.users.events import GROUPING
from blazon.users.models import GROUP
from tests.servers import RabbitServer, RedisServer

_EVENTS = 200_000
_numbers = itertools.count()


def run(report: Report) -> None:
    with RedisServer() as server:
        limit = limits.redis_benchmark(server, 100)
        rate = uvloop.run(_redis_rate(server))
        report.add(Figure("log to Redis, sustained", rate, "events/s", limit, "redis-benchmark P100", 40_000, 100_000))
        p99 = uvloop.run(_redis_latency(server))
        report.add(
            Figure("commit to stream at 1 000 events/s: p99", p99, "ms", lead=50, stretch=15, lower_is_better=True)
        )
    with RabbitServer() as rabbit:
        limit = uvloop.run(_pika_limit(rabbit))
        rate = uvloop.run(_rabbit_rate(rabbit))
        report.add(
            Figure("log to RabbitMQ, with confirms", rate, "events/s", limit, "pika, one fixed body", 10_000, 17_000)
        )


def _event() -> Event:
    identifier = f"019a41d8-d1c5-7d58-8000-{next(_numbers):012}"
    state = GroupState(
        id=identifier,
        owner="5b7d0b3e-6f3c-4f5e-9a55-0a8d6d1d3c1e",
        name=f"group {identifier}",
        description="made by a benchmark",
        parent="",
        metadata=msgspec.Raw(b"{}"),
        status=Status.ENABLED,
    )
    return GROUPING.create.event(GROUP.of(identifier), state)


@contextlib.asynccontextmanager
async def _log() -> AsyncIterator[Log]:
    with tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as folder:
        database = await open_database("", Path(folder))
        await migrate(database, (MIGRATIONS, *(room.migrations for room in ROOMS)))
        log = make_log(database, SystemClock(), CollectorRegistry())
        writing = asyncio.create_task(log.writer.run())
        yield log
        log.writer.stop()
        await writing
        await database.close()


async def _filled(log: Log, count: int) -> None:
    for _ in range(0, count, 1000):
        await log.writer.commit(Operation(events=tuple(_event() for _ in range(1000)), actor="somebody"))


async def _caught_up(relay: Relay, position: int) -> float:
    began = time.perf_counter()
    while relay.position < position:  # noqa: ASYNC110 - a relay has no need to tell anybody
        await asyncio.sleep(0.001)
    return time.perf_counter() - began


async def _redis_rate(server: RedisServer) -> float:
    async with _log() as log:
        await _filled(log, _EVENTS)
        metrics = RelayMetrics(CollectorRegistry())
        relay = RedisRelay(log, server.url, Redis(), metrics)
        task = asyncio.create_task(keep_running(relay, log, metrics))
        seconds = await _caught_up(relay, _EVENTS)
        task.cancel()
        return _EVENTS / seconds


async def _redis_latency(server: RedisServer, seconds: int = 8) -> float:
    """The 99th percentile, in ms, from an event's time, taken as its batch begins, to a consumer that waits for it."""
    import redis.asyncio

    async with _log() as log:
        metrics = RelayMetrics(CollectorRegistry())
        relay = RedisRelay(log, server.url, Redis(prefix="latency"), metrics)
        task = asyncio.create_task(keep_running(relay, log, metrics))
        waits: list[float] = []

        async def consume() -> None:
            client = redis.asyncio.Redis.from_url(server.url)
            last = "0"
            while len(waits) < seconds * 1000:
                answer: Any = await client.xread({"latency.users": last}, count=1000, block=1000)
                for _, entries in answer:
                    now = time.time_ns()
                    last = entries[-1][0].decode()
                    waits.extend((now - int(fields[b"occurred_at"])) / 1e6 for _, fields in entries)
            await client.aclose()

        consuming = asyncio.create_task(consume())
        began = time.perf_counter()
        working = set()
        for number in range(seconds * 1000):
            pause = began + number / 1000 - time.perf_counter()
            if pause > 0:
                await asyncio.sleep(pause)
            work = asyncio.create_task(log.writer.commit(Operation(events=(_event(),), actor="somebody")))
            working.add(work)
            work.add_done_callback(working.discard)
        await asyncio.gather(*working)
        await consuming
        task.cancel()
        return percentile(waits[len(waits) // 10 :], 99)


async def _rabbit_rate(server: RabbitServer, count: int = 60_000) -> float:
    async with _log() as log:
        await _filled(log, count)
        _bind(server, "lamassu")
        metrics = RelayMetrics(CollectorRegistry())
        relay = RabbitRelay(log, Amqp(url=server.url), metrics, Health(CollectorRegistry()))
        task = asyncio.create_task(keep_running(relay, log, metrics))
        seconds = await _caught_up(relay, count)
        task.cancel()
        return count / seconds


async def _pika_limit(server: RabbitServer, count: int = 60_000) -> float:
    """The same library with the same window and one body made before: the broker, and nothing of ours."""
    _bind(server, "limit")
    channel = await connect(server.url, "limit")
    body = b"x" * 400
    began = time.perf_counter()
    sent = confirmed = 0
    while confirmed < count:
        free = min(1000 - (sent - confirmed), 25, count - sent)
        for _ in range(free):
            channel.publish("group.create", "5b7d0b3e-6f3c-4f5e-9a55-0a8d6d1d3c1e", 1, body)
        sent += max(free, 0)
        if free > 0:
            await asyncio.sleep(0)
        else:
            await channel.answered(1)
        confirmed += len(channel.take_answers())
    seconds = time.perf_counter() - began
    await channel.close()
    return count / seconds


def _bind(server: RabbitServer, exchange: str) -> None:
    """A durable queue that keeps what is published: an exchange without one would throw it away."""
    connection = pika.BlockingConnection(pika.URLParameters(server.url))
    channel = connection.channel()
    channel.exchange_declare(exchange, "topic", durable=True)
    channel.queue_declare(f"{exchange}-all", durable=True)
    channel.queue_bind(f"{exchange}-all", exchange, "#")
    connection.close()
