"""Puts the rooms together and runs them. To add a capability is to add a folder and one line here."""

import asyncio
import contextlib
import socket
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import NamedTuple

import msgspec
import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.process_collector import ProcessCollector

from blazon import ca, things, users
from blazon.addresses import reached_at
from blazon.clock import Clock, ComparedClock, SystemClock
from blazon.embedded import embedded_redis
from blazon.errors import DatabaseAway, StartError, Unavailable
from blazon.health import Health
from blazon.log import CURSOR, METADATA_BYTES, MIGRATIONS, Catalogue, Log, trim
from blazon.relay import Relay, RelayMetrics, relay_services, relayed_by_all, relays
from blazon.room import Child, House, Offers, Parts, Room
from blazon.services import Service, Services, Stage
from blazon.settings import SERVICES, Settings, Tables, service_table
from blazon.storage import Database, check_not_lost, migrate, open_database, open_sealer
from blazon.web import Bound, Crowding, Dispatcher, HttpMetrics, HttpServer, Limits, Listener, listen, pages

__all__ = ["ROOMS", "TABLES", "Blazon", "Started", "catalogue", "make_log", "tables_of"]

ROOMS: tuple[Room, ...] = (users.room, things.room, ca.room)

_TRIM_EVERY = 60.0
"""Seconds between two trimmings of the log."""

_CLOCKS_EVERY = 2.0
"""Seconds between two comparisons of the clock, besides those of each batch."""

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 10.0
"""Seconds between two tries to reach the database at the start: from the first to the longest, doubling."""

_log = structlog.get_logger("blazon")


def tables_of(rooms: Iterable[Room]) -> Tables:
    """The tables of settings that rooms declare, and the one of their services' addresses.

    Raises ValueError when two have one name.
    """
    rooms, own = tuple(rooms), dict[str, type[msgspec.Struct]]()
    for room in rooms:
        for name, table in room.settings.items():
            if own.setdefault(name, table) is not table:
                raise ValueError(f"two rooms have a table of settings called {name}")
    return own | {SERVICES: service_table(name for room in rooms for name in room.ports)}


TABLES: Tables = tables_of(ROOMS)


class Started(NamedTuple):
    """What is running, for who started it."""

    url: str
    settings: Settings
    """With the addresses of the servers that were started."""
    notes: tuple[tuple[str, str], ...]
    """What the rooms have to say: a label and a text each."""
    listeners: Mapping[str, tuple[str, int]]
    """Host and port of every listener, by name."""


class Blazon:
    """One process of Blazon."""

    def __init__(self, settings: Settings, clock: Clock | None = None, rooms: Sequence[Room] = ROOMS) -> None:
        self._settings = settings
        self._clock = clock or ComparedClock(SystemClock())
        self._rooms = tuple(rooms)
        self._registry = CollectorRegistry()
        self.health = Health(self._registry)
        self._stop = asyncio.Event()

    async def run(self, ready: Callable[[Started], None] | None = None) -> None:
        """Runs until `stop` is called; then ends in order.

        `ready` is called once the first request can be answered. Raises StartError when it cannot start, and
        whatever ended a service that must not end.
        """
        _make_data_dir(self._settings)
        async with AsyncExitStack() as ending:
            # The database first: of two Blazons in one folder the second is to hear of the folder, not of the port.
            database = await self._open_database()
            if database is None:
                return
            ending.push_async_callback(database.close)
            listeners = [Listener("api", self._settings.http.listen)]
            sockets = {"api": ending.enter_context(listen(self._settings.http.listen))}
            for name, address in self._settings.services.items():
                listeners.append(Listener(name, address))
                sockets[name] = ending.enter_context(listen(address, f"in {SERVICES}.{name}"))
            await check_not_lost(database, self._settings.data_path)
            children = self._children(ending)
            await asyncio.gather(
                migrate(database, (MIGRATIONS, *(room.migrations for room in self._rooms))),
                *(child.start() for child in children),
            )
            settings = self._settings
            for child in children:
                settings = child.settled(settings)
            house, parts = await self._furnish(database, settings)
            for listener in (each for part in parts for each in part.listeners):
                if listener.name in sockets:
                    raise ValueError(f"two listeners are called {listener.name}")
                sockets[listener.name] = ending.enter_context(listen(listener.address, f"for {listener.name}"))
                listeners.append(listener)
            ending.push_async_callback(house.log.close)
            for part in parts:
                if part.close is not None:
                    ending.callback(part.close)
            services = Services()
            ending.push_async_callback(services.cancel)
            services.start([Service("writer", house.log.writer.run, Stage.LOG, house.log.writer.stop)])
            await house.log.begin()
            for part in parts:
                if part.prepare is not None:
                    await part.prepare()
            server = self._server(house, parts, [(listener, sockets[listener.name]) for listener in listeners])
            services.start(self._services(house, parts, children, server))
            if ready is not None:
                notes = [note for part in parts if part.notes is not None for note in await part.notes()]
                bound = {name: each.getsockname()[:2] for name, each in sockets.items()}
                ready(Started(reached_at(*bound["api"]), settings, tuple(notes), bound))
            await services.watch(self._stop)
            _log.info("stopping")
            await services.stop()

    def stop(self) -> None:
        """Lets `run` end in order."""
        self._stop.set()

    def _children(self, ending: AsyncExitStack) -> list[Child]:
        makers = (embedded_redis, *(room.children for room in self._rooms))
        children = [child for make in makers for child in make(self._settings, self.health)]
        for child in children:
            ending.push_async_callback(asyncio.to_thread, child.stop)
        return children

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

    async def _furnish(self, database: Database, settings: Settings) -> tuple[House, list[Parts]]:
        sealer = await open_sealer(database, settings.secrets.master_key, settings.data_path)
        log = make_log(
            database,
            self._clock,
            self._registry,
            rooms=self._rooms,
            health=self.health,
            max_staleness=float(settings.access.max_staleness),
            metadata_bytes=settings.events.metadata_bytes,
        )
        house = House(settings, database, log, sealer, self._clock, self.health, self._registry, Offers())
        parts = []
        for room in self._rooms:
            part = room.build(house)
            for offer in part.offers:
                house.offers.add(offer)
            parts.append(part)
        return house, parts

    def _server(
        self, house: House, parts: Sequence[Parts], listeners: Sequence[tuple[Listener, socket.socket]]
    ) -> HttpServer:
        http = house.settings.http
        ProcessCollector(registry=self._registry)
        schemes = [scheme for part in parts for scheme in part.schemes]
        routes = [route for part in parts for route in part.routes]
        metrics, instance = HttpMetrics(self._registry), str(uuid.uuid4())

        async def check() -> None:
            await house.database.row("SELECT 1")

        def dispatcher(listener: Listener) -> Dispatcher:
            own = [route for route in routes if listener.name in route.listeners]
            return Dispatcher(
                [*own, *pages(own, schemes, self._registry, check, self.health, instance)],
                schemes,
                metrics,
                once_secret=house.sealer.derive("idempotency"),
                trusted_proxies=frozenset(http.trusted_proxies),
                log_requests=house.settings.log.requests,
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
        bound = [Bound(each, dispatcher(listener), listener.tls) for listener, each in listeners]
        return HttpServer(bound, limits, Crowding(self._registry, self.health))

    def _services(
        self, house: House, parts: Sequence[Parts], children: Sequence[Child], server: HttpServer
    ) -> list[Service]:
        log, metrics = house.log, RelayMetrics(self._registry)
        sinks = relays(log, house.settings, metrics, self.health)

        async def watch_clocks() -> None:
            await self._watch_clocks(log)

        async def keep_trimmed() -> None:
            await self._keep_trimmed(log, sinks)

        return [
            *relay_services(log, sinks, metrics),
            Service("http", server.run, Stage.LISTENER, server.stop),
            Service("memory", log.keep_current),
            Service("trimming", keep_trimmed),
            Service("clocks", watch_clocks),
            *(Service(child.name, child.watch, Stage.CHILD) for child in children),
            *(service for part in parts for service in part.services),
        ]

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


def catalogue(rooms: Iterable[Room] = ROOMS) -> Catalogue:
    """The event types of every room."""
    return Catalogue(tuple(declared for room in rooms for declared in room.types))


def make_log(
    database: Database,
    clock: Clock,
    registry: CollectorRegistry,
    *,
    rooms: Sequence[Room] = ROOMS,
    health: Health | None = None,
    max_staleness: float = 1.0,
    metadata_bytes: int = METADATA_BYTES,
) -> Log:
    """The log with the event types, subjects and appliers of every room. `max_staleness` in seconds."""
    kinds = {kind.name: kind for room in rooms for kind in room.kinds}
    kinds[CURSOR.name] = CURSOR
    appliers = {key: apply for room in rooms for key, apply in room.appliers.items()}
    return Log(
        database,
        catalogue(rooms),
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
