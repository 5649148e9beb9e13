"""What every relay does, tried with Redis and with RabbitMQ."""

from collections.abc import Iterator

import pytest

from blazon.health import Health
from blazon.log import Log
from blazon.relay import RabbitRelay, RedisRelay, Relay, RelayMetrics
from blazon.settings import Amqp, Redis
from blazon.testing.relays import RelaySuite, Sink
from tests.relay.support import Consumer, entries, sequences
from tests.servers import RabbitServer, RedisServer


class _RedisSink:
    exactly_once = True

    def __init__(self, server: RedisServer) -> None:
        self._server = server

    def relay(self, log: Log, metrics: RelayMetrics, health: Health) -> Relay:
        return RedisRelay(log, self._server.url, Redis(), metrics)

    async def received(self) -> list[int]:
        return sequences(await entries(self._server))

    async def kill(self) -> None:
        self._server.kill()

    async def start(self) -> None:
        self._server.start()


class TestRedis(RelaySuite):
    @pytest.fixture
    def sink(self, redis: RedisServer) -> Sink:
        return _RedisSink(redis)


class _RabbitSink:
    exactly_once = False

    def __init__(self, server: RabbitServer, exchange: str) -> None:
        self._server = server
        self._exchange = exchange
        self._consumer = Consumer(server.url, exchange)

    async def listen(self) -> None:
        """Has the server keep every message from now on."""
        await self._consumer.declare()
        await self._consumer.close()

    def relay(self, log: Log, metrics: RelayMetrics, health: Health) -> Relay:
        return RabbitRelay(log, Amqp(url=self._server.url, exchange=self._exchange), metrics, health)

    async def received(self) -> list[int]:
        return await self._consumer.sequences()

    async def kill(self) -> None:
        self._server.kill()

    async def start(self) -> None:
        self._server.start()


@pytest.fixture(scope="module")
def own_rabbitmq() -> Iterator[RabbitServer]:
    """A server that these tests may kill."""
    with RabbitServer() as server:
        yield server


class TestRabbit(RelaySuite):
    @pytest.fixture
    async def sink(self, own_rabbitmq: RabbitServer, exchange: str) -> Sink:
        sink = _RabbitSink(own_rabbitmq, exchange)
        await sink.listen()
        return sink
