"""Relays: log → Redis, log → RabbitMQ. One file a sink.

A relay reads the log in order and hands every event on: to Redis exactly once, to RabbitMQ at least once. A sink that
is away costs nothing but lag: a relay waits, tries again, and goes on where the sink left off. It decides nothing and
writes nothing but its own cursors.
"""

from collections.abc import Sequence

from blazon.health import Health
from blazon.log import Log
from blazon.relay.rabbitmq import RabbitRelay
from blazon.relay.redis import RedisRelay
from blazon.relay.supervision import Relay, Relaying, RelayMetrics, keep_running, relayed_by_all
from blazon.services import Service, Stage
from blazon.settings import Settings

__all__ = [
    "RabbitRelay",
    "RedisRelay",
    "Relay",
    "RelayMetrics",
    "keep_running",
    "relay_services",
    "relayed_by_all",
    "relays",
]


def relays(log: Log, settings: Settings, metrics: RelayMetrics, health: Health) -> list[Relay]:
    """A relay for each sink that is set."""
    found: list[Relay] = []
    if settings.redis.url:
        found.append(RedisRelay(log, settings.redis.url, settings.redis, metrics))
    if settings.amqp.url:
        found.append(RabbitRelay(log, settings.amqp, metrics, health))
    return found


def relay_services(log: Log, relays: Sequence[Relay], metrics: RelayMetrics) -> list[Service]:
    """What runs the relays."""
    running = [(relay, Relaying(relay, log, metrics)) for relay in relays]
    return [Service(f"relay {relay.name}", each.run, Stage.RELAY, each.stop) for relay, each in running]
