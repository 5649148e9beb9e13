"""Relays: log → Redis, log → RabbitMQ. One file a sink.

A relay reads the log in order and hands every event on: to Redis exactly once, to RabbitMQ at least once. A sink that
is away costs nothing but lag: a relay waits, tries again, and goes on where the sink left off. It decides nothing and
writes nothing but its own cursors.
"""

from blazon.relay.rabbitmq import RabbitRelay
from blazon.relay.redis import RedisRelay
from blazon.relay.supervision import Relay, RelayMetrics, keep_running, relayed_by_all

__all__ = ["RabbitRelay", "RedisRelay", "Relay", "RelayMetrics", "keep_running", "relayed_by_all"]
