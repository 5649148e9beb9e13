"""What is in trouble is told by part, until it is well again."""

from prometheus_client import CollectorRegistry

from blazon.health import Health


def degraded(registry: CollectorRegistry, part: str) -> float | None:
    return registry.get_sample_value("blazon_part_degraded", {"part": part})


def test_a_part_in_trouble_is_told_until_it_recovers() -> None:
    registry = CollectorRegistry()
    health = Health(registry)
    health.recover("redis")
    assert dict(health.troubles) == {}
    health.degrade("redis", "Redis ended")
    health.degrade("log", "the log went back")
    health.degrade("redis", "Redis ended twice")
    assert dict(health.troubles) == {"redis": "Redis ended twice", "log": "the log went back"}
    assert degraded(registry, "redis") == degraded(registry, "log") == 1
    health.recover("redis")
    assert dict(health.troubles) == {"log": "the log went back"}
    assert (degraded(registry, "redis"), degraded(registry, "log")) == (0, 1)
