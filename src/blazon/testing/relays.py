"""What every relay must do, wherever it hands the events on to."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import pytest
from prometheus_client import CollectorRegistry

from blazon.health import Health
from blazon.log import Log, cursor_position
from blazon.relay import Relay, RelayMetrics, keep_running
from blazon.storage import open_database
from blazon.testing.suite import Suite
from blazon.testing.toy import look, make, open_log, operation

__all__ = ["RelaySuite", "Sink"]

_SECONDS = 120.0
"""How long a test waits for what must happen, before it fails."""


class Sink(Protocol):
    """A server that a relay hands events on to, empty at first."""

    exactly_once: bool
    """Whether the relay hands each event on once; if not, some may come twice after a connection was lost."""

    def relay(self, log: Log, metrics: RelayMetrics, health: Health) -> Relay:
        """A relay to the server, as in a process that has just started."""
        ...

    async def received(self) -> list[int]:
        """The sequence numbers of all events the server was handed since the test began, in the order they came."""
        ...

    async def kill(self) -> None:
        """Ends the server at once; what it has acknowledged is on its disk."""
        ...

    async def start(self) -> None:
        """Starts the server again on its data, and waits until it answers."""
        ...


class RelaySuite(Suite):
    """The tests of a `blazon.relay.Relay`. A subclass overrides the fixture `sink`."""

    @pytest.fixture
    def sink(self) -> Sink:
        """To be overridden: the server the relay hands events on to."""
        raise NotImplementedError("override the fixture `sink` with a server that your relay hands events on to")

    @pytest.fixture
    async def log(self, tmp_path: Path) -> AsyncIterator[Log]:
        """A log of the toy room whose writer runs."""
        database = await open_database("", tmp_path)
        async with open_log(database) as opened:
            yield opened
        await database.close()

    async def test_each_event_is_handed_on_in_order(self, log: Log, sink: Sink) -> None:
        async with _running(sink, log) as (relay, _):
            await _record(log, 120)
            log.writer.observe(operation(look("0")))
            await _until(lambda: relay.position == 121)
        assert await sink.received() == list(range(1, 122))

    async def test_it_goes_on_where_it_left_off(self, log: Log, sink: Sink) -> None:
        for turn in range(3):
            async with _running(sink, log) as (relay, _):
                await _record(log, 40, start=100 * turn)
                await _caught_up(relay, log)
            await _record(log, 5, start=100 * turn + 50)  # while no relay runs
        async with _running(sink, log) as (relay, _):
            await _until(lambda: relay.position == 135)
        _check(sink, await sink.received(), 135)

    async def test_a_server_that_is_killed_and_comes_back_has_every_event(self, log: Log, sink: Sink) -> None:
        async with _running(sink, log) as (relay, failures):
            recording = asyncio.create_task(_record(log, 3000))
            await _until(lambda: relay.position > 200)
            await sink.kill()
            before = failures()
            await _until(lambda: failures() > before)
            await sink.start()
            await recording
            await _until(lambda: relay.position == 3000)
        _check(sink, await sink.received(), 3000)

    async def test_a_server_that_is_away_is_counted_and_waited_for(self, log: Log, sink: Sink) -> None:
        await sink.kill()
        async with _running(sink, log) as (relay, failures):
            await _record(log, 20)
            await _until(lambda: failures() > 1)
            assert relay.position == 0
            assert relay.leading
            await sink.start()
            await _until(lambda: relay.position == 20)
        _check(sink, await sink.received(), 20)

    async def test_its_cursor_follows(self, log: Log, sink: Sink) -> None:
        """By the cursor other processes know what they may trim, so it is never ahead, and not behind for long."""
        async with _running(sink, log) as (relay, _):
            await _record(log, 10)
            async with asyncio.timeout(_SECONDS):
                while (saved := (await cursor_position(log, relay.cursor, 0)).sequence) != 10:
                    assert saved <= relay.position
                    await asyncio.sleep(0.01)
        assert await sink.received() == list(range(1, 11))

    async def test_it_ends_when_it_loses_the_lead(self, log: Log, sink: Sink) -> None:
        metrics = RelayMetrics(CollectorRegistry())
        relay, lease = sink.relay(log, metrics, Health(CollectorRegistry())), _Lease()
        serving = asyncio.create_task(relay.serve(lease))
        await _record(log, 10)
        await _until(lambda: relay.position == 10)
        lease.held = False
        async with asyncio.timeout(_SECONDS):
            await serving

    async def test_it_can_be_stopped_while_its_server_is_away(self, log: Log, sink: Sink) -> None:
        async with _running(sink, log) as (_, failures):
            await sink.kill()
            await _record(log, 10)
            await _until(lambda: failures() > 0)
        await sink.start()
        async with _running(sink, log) as (relay, _):
            await _until(lambda: relay.position == 10)
        _check(sink, await sink.received(), 10)


class _Lease:
    """A lead that a test takes away."""

    held = True


@asynccontextmanager
async def _running(sink: Sink, log: Log) -> AsyncIterator[tuple[Relay, Callable[[], float]]]:
    """A relay that runs, and how often it has failed."""
    registry = CollectorRegistry()
    metrics = RelayMetrics(registry)
    relay = sink.relay(log, metrics, Health(CollectorRegistry()))
    task = asyncio.create_task(keep_running(relay, log, metrics))

    def failures() -> float:
        return registry.get_sample_value("blazon_relay_failures_total", {"sink": relay.name}) or 0.0

    try:
        yield relay, failures
    finally:
        task.cancel()
        async with asyncio.timeout(_SECONDS):
            await asyncio.gather(task, return_exceptions=True)


async def _record(log: Log, count: int, start: int = 0) -> None:
    """Records facts, several at once."""
    for first in range(start, start + count, 100):
        names = range(first, min(first + 100, start + count))
        await asyncio.gather(*(log.writer.commit(operation(make(f"{name}"))) for name in names))


async def _caught_up(relay: Relay, log: Log) -> None:
    head = (await log.reader.head()).sequence
    await _until(lambda: relay.position == head)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(_SECONDS):
        while not condition():
            await asyncio.sleep(0.005)


def _check(sink: Sink, received: list[int], count: int) -> None:
    """Nothing is missing and all is in order. What comes twice comes as a whole stretch, and only where it may."""
    assert list(dict.fromkeys(received)) == list(range(1, count + 1))
    assert all(later <= earlier + 1 for earlier, later in pairwise(received))
    if sink.exactly_once:
        assert len(received) == count
