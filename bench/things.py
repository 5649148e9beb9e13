"""Things: making, viewing, listing them, and access decisions, with few and with very many of them."""

import asyncio
import json
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psutil
import uvloop
from prometheus_client import CollectorRegistry
from redis import Redis

from bench.http import raw_http, wrk
from bench.report import Figure, Report
from blazon.access import Action
from blazon.app import ROOMS, make_log
from blazon.clock import SystemClock
from blazon.entity import Status
from blazon.grouping import GroupState, PolicyState
from blazon.log import MIGRATIONS, Event, Operation
from blazon.storage import Sealer, migrate, open_database, open_sealer
from blazon.things.events import GROUPING, THING_CREATE, ThingState
from blazon.things.models import CHANNEL, POLICY, THING, key_context
from tests.faults.process import ADMIN, PASSWORD, BlazonProcess
from tests.servers import RedisServer

_CHANNELS = 1000
_BULK = 500
_OWNER = "5b7d0b3e-6f3c-4f5e-9a55-0a8d6d1d3c1e"


def run(report: Report) -> None:
    raw = raw_http()
    report.add(Figure("limit: httptools on uvloop, a fixed answer to a POST", raw, "req/s"))
    _figures(report, raw)
    table = [_sized(report, things) for things in (10_000, 100_000, 1_000_000)]
    names = (
        "things",
        "ready s",
        "MB",
        "identify/s",
        "access/s",
        "view/s",
        "first 100 p99 ms",
        "a far 100 ms",
        "any 100 p99 ms",
    )
    print("".join(f"{name:>18}" for name in names))
    for row in table:
        print("".join(f"{cell:>18,.1f}" for cell in row))


def _figures(report: Report, raw: float) -> None:
    """What is made through HTTP, with a Redis that gets the events."""
    with (
        RedisServer() as redis,
        tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as folder,
        _up(Path(folder), redis_url=redis.url) as (url, token, _, _),
    ):
        rate, p99 = wrk(url, "create-thing", token)
        report.add(Figure("create a thing, SQLite, with Redis", rate, "req/s", raw, "raw HTTP", 4000, 8000))
        report.add(Figure("create a thing: p99", p99, "ms", lower_is_better=True))
        rate, _ = wrk(url, "bulk", token, str(_BULK), connections=4)
        report.add(Figure(f"create things, {_BULK} at once", rate * _BULK, "things/s", lead=10_000))


def _sized(report: Report, things: int) -> tuple[float, ...]:
    """The figures that depend on how many things there are."""
    with RedisServer() as redis, tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as folder:
        uvloop.run(_fill(Path(folder), things))
        with _up(Path(folder), redis_url=redis.url) as (url, token, ready, megabytes):
            _until_relayed(redis, 2 * things + _CHANNELS)
            identify, _ = wrk(url, "identify", token, str(things))
            access, _ = wrk(url, "access", token, str(things))
            view, _ = wrk(url, "view-thing", token, str(things))
            _, first = wrk(url, "first", token, str(things), connections=4)
            far = _far_page(url, token, things)
            _, anywhere = wrk(url, "list", token, str(things), connections=4)
    at = f"{things:,} things"
    if things == 100_000:
        report.add(Figure(f"identify, {at}", identify, "req/s", lead=20_000, stretch=30_000))
        report.add(Figure(f"access decision, {at}", access, "req/s", lead=20_000, stretch=30_000))
        report.add(Figure(f"view a thing, {at}", view, "req/s", lead=8000, stretch=16_000))
    if things == 1_000_000:
        report.add(Figure(f"start with {at}", ready, "s", lead=10, lower_is_better=True))
        report.add(Figure(f"memory with {at}", megabytes, "MB", lead=600, stretch=400, lower_is_better=True))
        report.add(Figure(f"first 100 of {at}: p99", first, "ms", lead=20, lower_is_better=True))
        report.add(Figure(f"any 100 of {at}: p99", anywhere, "ms", lead=20, lower_is_better=True))
        report.add(Figure(f"any 100 of {at}: the first time", far, "ms", lower_is_better=True))
    return things, ready, megabytes, identify, access, view, first, far, anywhere


def _far_page(url: str, token: str, things: int) -> float:
    """Milliseconds of the first request for things far into the list: it makes what the next ones go by."""
    request = urllib.request.Request(
        f"{url}things?limit=100&offset={things - 100}", headers={"Authorization": f"Bearer {token}"}
    )
    began = time.perf_counter()
    with urllib.request.urlopen(request) as answer:
        assert len(json.load(answer)["things"]) == 100
    return (time.perf_counter() - began) * 1000


def _until_relayed(redis: RedisServer, events: int) -> None:
    """Waits until the stream has what was made before: it is not what is measured."""
    with Redis.from_url(redis.url) as client:
        while True:
            last = client.xrevrange("mainflux.things", count=1)
            if last and int(last[0][0].partition(b"-")[2]) >= events:
                return
            time.sleep(0.1)


@contextmanager
def _up(folder: Path, **settings: str) -> Iterator[tuple[str, str, float, float]]:
    """A Blazon over a folder: its address, a token, the seconds until it was ready, and its memory in MB then."""
    blazon = BlazonProcess(folder, **settings)
    began = time.perf_counter()
    asyncio.run(blazon.start())
    ready = time.perf_counter() - began
    try:
        signed_in = blazon.command("token", "--json", "--email", ADMIN, "--password", PASSWORD, "--url", blazon.url)
        assert blazon.process is not None
        megabytes = psutil.Process(blazon.process.pid).memory_info().rss / 1e6
        yield f"{blazon.url}/", json.loads(signed_in)["access_token"], ready, megabytes
    finally:
        blazon.stop()


async def _fill(folder: Path, things: int) -> None:
    """Things `key-0`, `key-1`, … each on one of the channels, made as the service makes them but for HTTP."""
    database = await open_database("", folder)
    await migrate(database, (MIGRATIONS, *(room.migrations for room in ROOMS)))
    sealer = await open_sealer(database, "", folder)
    log = make_log(database, SystemClock(), CollectorRegistry())
    writing = asyncio.create_task(log.writer.run())
    await log.writer.commit(Operation(events=tuple(_channel(number) for number in range(_CHANNELS)), actor=_OWNER))
    for start in range(0, things, 1000):
        made = [event for number in range(start, start + 1000) for event in _thing(sealer, number)]
        await log.writer.commit(Operation(events=tuple(made), actor=_OWNER))
    log.writer.stop()
    await writing
    await database.close()


def _channel(number: int) -> Event:
    identifier = f"00000000-0000-4000-9000-{number:012x}"
    state = GroupState(
        id=identifier,
        owner=_OWNER,
        name=f"channel {number}",
        description="",
        parent="",
        metadata=msgspec.Raw(b"{}"),
        status=Status.ENABLED,
    )
    return GROUPING.create.event(CHANNEL.of(identifier), state)


def _thing(sealer: Sealer, number: int) -> Iterator[Event]:
    identifier, key = f"00000000-0000-4000-8000-{number:012x}", f"key-{number}"
    state = ThingState(
        id=identifier,
        name=f"thing {number}",
        identity="",
        key=sealer.seal(key.encode(), key_context(identifier)),
        key_hash=sealer.fingerprint(key),
        tags=("bench",),
        owner=_OWNER,
        metadata=msgspec.Raw(b'{"site":"lab"}'),
        status=Status.ENABLED,
    )
    yield THING_CREATE.event(THING.of(identifier), state)
    channel = f"00000000-0000-4000-9000-{number % _CHANNELS:012x}"
    policy = PolicyState(subject=identifier, object=channel, actions=(Action.M_WRITE, Action.M_READ), owner=_OWNER)
    yield GROUPING.policy_add.event(POLICY.of(identifier, channel), policy)
