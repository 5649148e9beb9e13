"""Running relays in tests, and reading what they handed on."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aio_pika
import redis.asyncio
from aio_pika.abc import AbstractIncomingMessage, AbstractQueue
from prometheus_client import CollectorRegistry

from blazon.health import Health
from blazon.log import Log, Record
from blazon.relay import RabbitRelay, RedisRelay, Relay, RelayMetrics, keep_running
from blazon.settings import Amqp, Redis
from blazon.testing.toy import make, operation
from tests.servers import RedisServer

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


class Consumer:
    """A durable queue bound to everything of an exchange, and what it got."""

    def __init__(self, url: str, exchange: str, name: str = "queue") -> None:
        self._url = url
        self._exchange = exchange
        self._name = f"{exchange}-{name}"
        self.messages: list[AbstractIncomingMessage] = []

    async def declare(self, **arguments: object) -> AbstractQueue:
        """Makes the queue; the exchange is that of the relay."""
        self._connection = await aio_pika.connect(self._url)
        channel = await self._connection.channel()
        exchange = await channel.declare_exchange(self._exchange, aio_pika.ExchangeType.TOPIC, durable=True)
        queue = await channel.declare_queue(self._name, durable=True, arguments=arguments)
        await queue.bind(exchange, "#")
        return queue

    async def close(self) -> None:
        """Closes the connection; the queue stays."""
        await self._connection.close()

    async def take(self) -> list[AbstractIncomingMessage]:
        """Takes every message out of the queue."""
        queue = await self.declare()
        while (message := await queue.get(no_ack=True, fail=False)) is not None:
            self.messages.append(message)
        await self.close()
        return self.messages

    async def sequences(self) -> list[int]:
        """The sequence numbers of everything it got, with what it takes out of the queue now."""
        return message_sequences(await self.take())


def message_sequences(messages: list[AbstractIncomingMessage]) -> list[int]:
    """The sequence numbers of messages."""
    return [int(json.loads(message.body)["sequence"]) for message in messages]
