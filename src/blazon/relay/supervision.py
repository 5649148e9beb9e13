"""What every relay shares: it runs in one process at a time, waits out a sink that is away, and shows its lag."""

import asyncio
import contextlib
import math
import random
from collections.abc import Sequence
from typing import Final, Protocol

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from blazon.errors import Unavailable
from blazon.log import Log, Stale, cursor_position
from blazon.storage import Lease
from blazon.tasks import end

__all__ = ["Relay", "RelayMetrics", "Relaying", "SinkBlocked", "SinkLost", "keep_running", "relayed_by_all"]

_FIRST_WAIT: Final = 0.1
_LONGEST_WAIT: Final = 5.0
"""Seconds between two tries: from the first to the longest, doubling, with jitter."""

_RESIGN: Final = 1.0
"""Seconds in which a process that led has the lead again, or another one has it."""

_FLUSH: Final = 2.0
"""Seconds a stop waits for a relay to hand on what is recorded."""

_FAR: Final = 100_000
"""Events another process's sink may be behind before this one, which keeps them for it, says so."""

_log = structlog.get_logger("blazon.relay")


class SinkLost(Unavailable):
    """The sink went away, refused us, or lost what it had. The relay connects again."""

    title = "sink lost"


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
        self.refusals = Counter(
            "blazon_relay_refusals_total",
            "Times a sink refused an event, which is offered again.",
            ("sink",),
            registry=registry,
        )
        self.waiting = Gauge(
            "blazon_relay_refused_events",
            "Events a sink refused that wait to be offered again.",
            ("sink",),
            registry=registry,
        )
        self.connected = Gauge(
            "blazon_relay_connected",
            "Whether a sink is connected; NaN in a process that leaves the sink to another.",
            ("sink",),
            registry=registry,
        )
        self.lag = Gauge(
            "blazon_relay_lag_events",
            "Events in the log that a sink has not acknowledged; NaN in a process that leaves the sink to another.",
            ("sink",),
            registry=registry,
        )


class Relay(Protocol):
    """One sink."""

    name: str
    cursor: str
    """The name of its cursor in the log's database: how far it was when it was last saved."""
    leading: bool
    """Whether this process is the one that relays to the sink."""

    @property
    def position(self) -> int:
        """Every event up to here was acknowledged by the sink, as far as this process knows."""
        ...

    async def serve(self, lease: Lease) -> None:
        """Connects and relays until the lease is lost. Raises SinkLost."""
        ...


async def relayed_by_all(log: Log, relays: Sequence[Relay]) -> int:
    """The position every relay has passed for certain, in whichever process it runs; the head when there is none.

    What counts is the cursor `relay.<sink>`, which is there as soon as any process takes the sink up, reached or not.
    That of Redis is a hint to its relay, and certain: it is saved behind what every stream has acknowledged.
    `relay.redis.<service>` is the last event of one stream, which may be an old one, and says nothing here.

    A cursor whose sink this process does not relay to is heeded when other processes may; a database of one process
    has nobody else, so a sink it was once set to holds nothing up.
    """
    rows = await log.database.rows("SELECT name, position FROM cursors WHERE name LIKE 'relay.%'")
    saved: dict[str, int] = {name: position for name, position in rows if name.count(".") == 1}
    known = dict.fromkeys((relay.cursor for relay in relays), 0)
    if log.database.shared:
        known |= saved
    else:
        known |= {name: position for name, position in saved.items() if name in known}
    head = (await log.reader.head()).sequence
    if not known:
        return head
    slowest = min(known, key=known.__getitem__)
    if head - known[slowest] > _FAR and all(slowest != relay.cursor for relay in relays):
        _log.warning(
            "observations are kept for a relay of another process that is far behind; if no process has it any more,"
            " take its row out of the table `cursors`",
            cursor=slowest,
            position=known[slowest],
        )
    return known[slowest]


class Relaying:
    """A relay that runs until it is stopped, and then hands on what is recorded, if that is soon done."""

    def __init__(self, relay: Relay, log: Log, metrics: RelayMetrics) -> None:
        self._relay = relay
        self._log = log
        self._metrics = metrics
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Relays until `stop` was called."""
        running = asyncio.create_task(keep_running(self._relay, self._log, self._metrics))
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FLUSH):
                    # Only of those this process relays to it knows how far they are.
                    while self._relay.leading and self._relay.position < self._log.pulse.sequence:  # noqa: ASYNC110
                        await asyncio.sleep(0.01)
        finally:
            await end((running, stopping))  # a relay saves how far it is

    def stop(self) -> None:
        """Lets `run` end."""
        self._stop.set()


async def keep_running(relay: Relay, log: Log, metrics: RelayMetrics) -> None:
    """Runs a relay for ever, in one process at a time."""
    connected = metrics.connected.labels(relay.name)
    connected.set(math.nan)
    # Another process that relays shows the lag; this one would only guess.
    metrics.lag.labels(relay.name).set_function(
        lambda: max(0, log.pulse.sequence - relay.position) if relay.leading else math.nan
    )

    def resign() -> None:
        relay.leading = False
        connected.set(math.nan)

    wait = _FIRST_WAIT
    while True:
        before = relay.position
        # Who led and does so again at once has not been away meanwhile, for who watches it.
        resigning = asyncio.get_running_loop().call_later(_RESIGN, resign)
        try:
            async with log.database.leader(f"relay:{relay.name}") as lease:
                resigning.cancel()
                relay.leading = True
                connected.set(0)
                await cursor_position(log, relay.cursor, 0)  # there from now on, so that nothing is trimmed before it
                await relay.serve(lease)
        except (Unavailable, Stale) as error:
            metrics.failures.labels(relay.name).inc()
            _log.warning("relay waits", sink=relay.name, reason=error.reason, position=relay.position)
        except Exception:  # noqa: BLE001 - a bug here costs lag, and must not cost the API
            metrics.failures.labels(relay.name).inc()
            _log.exception("relay failed", sink=relay.name, position=relay.position)
        finally:
            resigning.cancel()
            connected.set(0 if relay.leading else math.nan)
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            # What failed while it was being stopped stood in the way of the stop.
            raise asyncio.CancelledError
        if relay.position > before:
            wait = _FIRST_WAIT
        await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
        wait = min(wait * 2, _LONGEST_WAIT)
