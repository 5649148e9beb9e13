"""What every relay shares: it runs in one process at a time, waits out a sink that is away, and shows its lag."""

import asyncio
import math
import random
from collections.abc import Sequence
from typing import Final, Protocol

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from blazon.errors import Unavailable
from blazon.log import Log, Stale
from blazon.storage import Lease

__all__ = ["Relay", "RelayMetrics", "SinkBlocked", "SinkLost", "SinkRefused", "keep_running", "relayed_by_all"]

_FIRST_WAIT: Final = 0.1
_LONGEST_WAIT: Final = 5.0
"""Seconds between two tries: from the first to the longest, doubling, with jitter."""

_log = structlog.get_logger("blazon.relay")


class SinkLost(Unavailable):
    """The sink went away, refused us, or lost what it had. The relay connects again."""

    title = "sink lost"


class SinkRefused(SinkLost):
    """The sink is there and will not take an event now. The relay offers it again."""

    title = "sink refused"


class SinkBlocked(SinkLost):
    """The sink is there and holds something that is in the way; a person must look."""

    title = "sink blocked"


class RelayMetrics:
    """Counters of all relays."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.events = Counter(
            "blazon_relay_events_total", "Events a sink has acknowledged.", ("sink",), registry=registry
        )
        self.failures = Counter(
            "blazon_relay_failures_total", "Times a sink went away or refused.", ("sink",), registry=registry
        )
        self.connected = Gauge("blazon_relay_connected", "Whether a sink is connected.", ("sink",), registry=registry)
        self.lag = Gauge(
            "blazon_relay_lag_events",
            "Events in the log that a sink has not acknowledged.",
            ("sink",),
            registry=registry,
        )


class Relay(Protocol):
    """One sink."""

    name: str
    cursor: str
    """The name of its cursor in the log's database: how far it was when it was last saved."""
    position: int
    """Every event up to here was acknowledged by the sink, as far as this process knows."""

    async def serve(self, lease: Lease) -> None:
        """Connects and relays until the lease is lost. Raises SinkLost."""
        ...


async def relayed_by_all(log: Log, relays: Sequence[Relay]) -> int:
    """The position every relay has passed for certain, in whichever process it runs; the head when there is none."""
    if not relays:
        return (await log.reader.head()).sequence
    rows = await log.database.rows("SELECT name, position FROM cursors")
    saved: dict[str, int] = {name: position for name, position in rows}
    return min(saved.get(relay.cursor, 0) for relay in relays)


async def keep_running(relay: Relay, log: Log, metrics: RelayMetrics) -> None:
    """Runs a relay for ever, in one process at a time."""
    connected = metrics.connected.labels(relay.name)
    leading = False
    # Another process that relays shows the lag; this one would only guess.
    metrics.lag.labels(relay.name).set_function(
        lambda: max(0, log.pulse.sequence - relay.position) if leading else math.nan
    )
    wait = _FIRST_WAIT
    while True:
        before = relay.position
        try:
            async with log.database.leader(f"relay:{relay.name}") as lease:
                leading = True
                await relay.serve(lease)
        except (Unavailable, Stale) as error:
            metrics.failures.labels(relay.name).inc()
            _log.warning("relay waits", sink=relay.name, reason=error.reason, position=relay.position)
        except Exception:  # noqa: BLE001 - a bug here costs lag, and must not cost the API
            metrics.failures.labels(relay.name).inc()
            _log.exception("relay failed", sink=relay.name, position=relay.position)
        finally:
            connected.set(0)
        if relay.position > before:
            wait = _FIRST_WAIT
        await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
        wait = min(wait * 2, _LONGEST_WAIT)
        leading = False
