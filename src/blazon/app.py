"""Puts the rooms together and runs them. To add a capability is to add a folder and one line here."""

import asyncio
import contextlib
import socket
import uuid
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple

import msgspec
import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.process_collector import ProcessCollector

from blazon import ca, things, users
from blazon.addresses import reached_at
from blazon.clock import Clock, ComparedClock, SystemClock
from blazon.embedded import EmbeddedRedis
from blazon.errors import DatabaseAway, StartError, Unavailable
from blazon.health import Health
from blazon.log import CURSOR, METADATA_BYTES, MIGRATIONS, Catalogue, Log, trim
from blazon.relay import RabbitRelay, RedisRelay, Relay, RelayMetrics, keep_running, relayed_by_all
from blazon.room import House, Offers, Parts, Room
from blazon.settings import Settings
from blazon.storage import Database, check_not_lost, migrate, open_database, open_sealer
from blazon.tasks import end
from blazon.web import Crowding, Dispatcher, HttpMetrics, HttpServer, Limits, listen, pages

__all__ = ["ROOMS", "Blazon", "Started", "catalogue", "make_log"]

ROOMS: tuple[Room, ...] = (users.room, things.room, ca.room)

_TRIM_EVERY = 60.0
"""Seconds between two trimmings of the log."""

_FLUSH = 2.0
"""Seconds a stop waits for the relays to hand on what is recorded."""

_CLOCKS_EVERY = 2.0
"""Seconds between two comparisons of the clock, besides those of each batch."""

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 10.0
"""Seconds between two tries to reach the database at the start: from the first to the longest, doubling."""

_log = structlog.get_logger("blazon")


class Started(NamedTuple):
    """What is running, for who started it."""

    url: str
    redis_url: str
    notes: tuple[tuple[str, str], ...]
    """What the rooms have to say: a label and a text each."""


class Blazon:
    """One process of Blazon."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or ComparedClock(SystemClock())
        self._registry = CollectorRegistry()
        self.health = Health(self._registry)
        self._tasks: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()

    async def run(self, ready: Callable[[Started], None] | None = None) -> None:
        """Runs until `stop` is called; then ends in order.

        `ready` is called once the first request can be answered. Raises StartError when it cannot start, and
        whatever ended a part that must not end.
        """
        settings = self._settings
        _make_data_dir(settings)
        # The database first: of two Blazons in one folder the second is to hear of the folder, not of the port.
        database = await self._open_database()
        if database is None:
            return
        redis = _embedded_redis(settings, self.health)
        sockets: list[socket.socket] = []
        try:
            sockets.append(listen(settings.http.listen))
            await check_not_lost(database, settings.data_path)
            await asyncio.gather(
                migrate(database, (MIGRATIONS, *(room.migrations for room in ROOMS))),
                redis.start() if redis is not None else asyncio.sleep(0),
            )
            redis_url = settings.redis.url or (redis.url if redis is not None else "")
            house, parts = await self._furnish(database)
            log = house.log
            writing = asyncio.create_task(log.writer.run(), name="writer")
            self._tasks.append(writing)
            await log.begin()
            for part in parts:
                if part.prepare is not None:
                    await part.prepare()
            relays = self._relays(log, redis_url)
            server = self._server(house, parts, sockets)
            self._start_all(log, parts, relays, redis, server)
            if ready is not None:
                notes = [note for part in parts if part.notes is not None for note in await part.notes()]
                ready(Started(reached_at(*sockets[0].getsockname()[:2]), redis_url, tuple(notes)))
            await self._until_stopped()
            await self._end(log, relays, server, writing, parts)
        finally:
            await end(self._tasks)
            if redis is not None:
                await asyncio.to_thread(redis.stop)
            for bound in sockets:
                bound.close()
            await database.close()

    def stop(self) -> None:
        """Lets `run` end in order."""
        self._stop.set()

    async def _open_database(self) -> Database | None:
        """Opens the database, and waits for it as long as the settings say; None when a stop is asked for meanwhile."""
        settings = self._settings
        until = asyncio.get_running_loop().time() + settings.database.wait
        pause = _FIRST_PAUSE
        while not self._stop.is_set():
            try:
                return await open_database(settings.database.url, settings.data_path)
            except DatabaseAway as error:
                left = until - asyncio.get_running_loop().time()
                if left <= 0:
                    raise
                _log.warning("waiting for the database", reason=error.reason, seconds=round(left))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(pause, left)):
                        await self._stop.wait()
                pause = min(pause * 2, _LONGEST_PAUSE)
        return None

    async def _furnish(self, database: Database) -> tuple[House, list[Parts]]:
        settings = self._settings
        sealer = await open_sealer(database, settings.secrets.master_key, settings.data_path)
        log = make_log(
            database,
            self._clock,
            self._registry,
            health=self.health,
            max_staleness=float(settings.access.max_staleness),
            metadata_bytes=settings.events.metadata_bytes,
        )
        house = House(settings, database, log, sealer, self._clock, self.health, Offers())
        parts = []
        for room in ROOMS:
            part = room.build(house)
            for offer in part.offers:
                house.offers.add(offer)
            parts.append(part)
        return house, parts

    def _relays(self, log: Log, redis_url: str) -> list[Relay]:
        metrics = RelayMetrics(self._registry)
        relays: list[Relay] = []
        if redis_url:
            relays.append(RedisRelay(log, redis_url, self._settings.redis, metrics))
        if self._settings.amqp.url:
            relays.append(RabbitRelay(log, self._settings.amqp, metrics, self.health))
        for relay in relays:
            self._run(keep_running(relay, log, metrics), f"relay {relay.name}")
        return relays

    def _server(self, house: House, parts: Sequence[Parts], sockets: list[socket.socket]) -> HttpServer:
        http = self._settings.http
        ProcessCollector(registry=self._registry)
        authenticator = next(part.authenticator for part in parts if part.authenticator is not None)
        routes = [msgspec.structs.replace(route, failure=part.failure) for part in parts for route in part.routes]

        async def check() -> None:
            await house.database.row("SELECT 1")

        dispatcher = Dispatcher(
            [*routes, *pages(routes, self._registry, check, self.health, str(uuid.uuid4()))],
            authenticator,
            HttpMetrics(self._registry),
            once_secret=house.sealer.derive("idempotency"),
            trusted_proxies=frozenset(http.trusted_proxies),
            log_requests=self._settings.log.requests,
        )
        limits = Limits(
            head_bytes=http.head_bytes,
            head_seconds=http.head_time,
            body_bytes=http.body_bytes,
            body_seconds=http.body_time,
            pending_bytes=http.pending_bytes,
            request_seconds=http.request_time,
            unread_seconds=http.unread_time,
            unread_bytes=http.unread_bytes,
            keep_alive_seconds=http.keep_alive,
            stop_seconds=http.stop_time,
        )
        return HttpServer(dispatcher, sockets, limits, Crowding(self._registry, self.health))

    def _start_all(
        self, log: Log, parts: Sequence[Parts], relays: Sequence[Relay], redis: EmbeddedRedis | None, server: HttpServer
    ) -> None:
        self._run(server.run(), "http")
        self._run(log.keep_current(), "memory")
        self._run(self._keep_trimmed(log, relays), "trimming")
        self._run(self._watch_clocks(log), "clocks")
        if redis is not None:
            self._run(redis.watch(), "embedded redis")
        for part in parts:
            for follower in part.followers:
                self._run(follower.run(), "follower")
            for work in part.work:
                self._run(work(), "work of a room")

    def _run(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._tasks.append(asyncio.create_task(work, name=name))

    async def _until_stopped(self) -> None:
        """Returns when a stop is asked for. Raises when a part ends by itself: none of them may."""
        stopping = asyncio.create_task(self._stop.wait())
        done, _ = await asyncio.wait([stopping, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        for task in done - {stopping}:
            _log.critical("a part of Blazon ended", part=task.get_name())
            await task
            raise RuntimeError(f"{task.get_name()} ended")

    async def _end(
        self,
        log: Log,
        relays: Sequence[Relay],
        server: HttpServer,
        writing: "asyncio.Task[None]",
        parts: Sequence[Parts],
    ) -> None:
        _log.info("stopping")
        server.stop()
        await asyncio.gather(*(task for task in self._tasks if task.get_name() == "http"))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FLUSH):
                # Only of those this process relays to it knows how far they are.
                while any(relay.leading and relay.position < log.pulse.sequence for relay in relays):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        others = [task for task in self._tasks if task is not writing]
        await end(others)  # a relay saves how far it is
        log.writer.stop()
        await writing
        for part in parts:
            if part.close is not None:
                part.close()

    async def _watch_clocks(self, log: Log) -> None:
        while True:
            with contextlib.suppress(Unavailable):  # the clock of a database that is away
                await log.check_time()
            log.writer.timing.report(self.health)
            await asyncio.sleep(_CLOCKS_EVERY)

    async def _keep_trimmed(self, log: Log, relays: Sequence[Relay]) -> None:
        events = self._settings.events
        while True:
            await asyncio.sleep(_TRIM_EVERY)
            try:
                async with log.database.leader("trimming"):
                    relayed = await relayed_by_all(log, relays)
                    await trim(log, seconds=int(events.observations_time), count=events.observations, relayed=relayed)
            except Unavailable as error:
                _log.warning("trimming waits", reason=error.reason)


def catalogue() -> Catalogue:
    """The event types of every room."""
    return Catalogue(tuple(declared for room in ROOMS for declared in room.types))


def make_log(
    database: Database,
    clock: Clock,
    registry: CollectorRegistry,
    *,
    health: Health | None = None,
    max_staleness: float = 1.0,
    metadata_bytes: int = METADATA_BYTES,
) -> Log:
    """The log with the event types, subjects and appliers of every room. `max_staleness` in seconds."""
    kinds = {kind.name: kind for room in ROOMS for kind in room.kinds}
    kinds[CURSOR.name] = CURSOR
    appliers = {key: apply for room in ROOMS for key, apply in room.appliers.items()}
    return Log(
        database,
        catalogue(),
        kinds,
        appliers,
        clock,
        registry,
        health=health,
        max_staleness=max_staleness,
        metadata_bytes=metadata_bytes,
    )


def _make_data_dir(settings: Settings) -> None:
    try:
        settings.data_path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(
            f"cannot make the data folder {settings.data_dir}: {error.strerror}; choose another with --data-dir"
        ) from None


def _embedded_redis(settings: Settings, health: Health) -> EmbeddedRedis | None:
    if settings.redis.url or not settings.redis.embedded:
        return None
    return EmbeddedRedis(settings.data_path / "redis", settings.redis.port, health)
