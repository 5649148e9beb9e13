"""Running relays in tests, and reading what they handed on."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import redis.asyncio
from prometheus_client import CollectorRegistry

from blazon.health import Health
from blazon.log import Log, Record
from blazon.relay import RabbitRelay, RedisRelay, Relay, RelayMetrics, keep_running
from blazon.settings import Amqp, Redis
from tests.servers import RedisServer
from tests.toy import make, operation

STREAM = "mainflux.toy"


@contextlib.asynccontextmanager
async def relaying(log: Log, relay: Relay, metrics: RelayMetrics) -> AsyncIterator[Relay]:
    """Runs a relay for the time of a block."""
    task = asyncio.create_task(keep_running(relay, log, metrics))
    try:
        yield relay
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def to_redis(log: Log, server: RedisServer, **settings: Any) -> contextlib.AbstractAsyncContextManager[Relay]:
    """A running relay to a Redis."""
    metrics = RelayMetrics(CollectorRegistry())
    return relaying(log, RedisRelay(log, server.url, Redis(**settings), metrics), metrics)


def to_rabbitmq(
    log: Log,
    url: str,
    exchange: str,
    registry: CollectorRegistry | None = None,
    health: Health | None = None,
    **settings: Any,
) -> contextlib.AbstractAsyncContextManager[Relay]:
    """A running relay to a RabbitMQ."""
    registry = registry or CollectorRegistry()
    metrics = RelayMetrics(registry)
    relay = RabbitRelay(
        log, Amqp(url=url, exchange=exchange, **settings), metrics, health or Health(CollectorRegistry())
    )
    return relaying(log, relay, metrics)


async def record(log: Log, count: int, start: int = 0) -> list[Record]:
    """Records facts, several at once."""
    made = []
    for first in range(start, start + count, 100):
        names = range(first, min(first + 100, start + count))
        records = await asyncio.gather(*(log.writer.commit(operation(make(f"{name}"))) for name in names))
        made += [each for (each,) in records]
    return made


async def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Waits for a condition."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


async def caught_up(log: Log, relay: Relay) -> None:
    """Waits until a relay has handed on everything that is recorded."""
    head = (await log.reader.head()).sequence
    await until(lambda: relay.position >= head)


async def entries(server: RedisServer, stream: str = STREAM) -> list[tuple[str, dict[str, str]]]:
    """Every entry of a stream."""
    client = redis.asyncio.Redis.from_url(server.url, decode_responses=True)
    try:
        found: list[tuple[str, dict[str, str]]] = await client.xrange(stream)
        return found
    finally:
        await client.aclose()


def sequences(found: list[tuple[str, dict[str, str]]]) -> list[int]:
    """The sequence numbers of entries."""
    return [int(identifier.partition("-")[2]) for identifier, _ in found]


async def command(server: RedisServer, *parts: str) -> Any:
    """One command."""
    client = redis.asyncio.Redis.from_url(server.url, decode_responses=True)
    try:
        return await client.execute_command(*parts)
    finally:
        await client.aclose()
