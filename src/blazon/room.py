"""What a room may ask of the house, and what the house asks of a room: one value that says everything it adds."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec
from prometheus_client import CollectorRegistry

from blazon.clock import Clock
from blazon.health import Health
from blazon.log import Apply, EventType, Log, SubjectKind
from blazon.services import Service
from blazon.settings import NO_TABLES, Settings, Tables
from blazon.storage import Database, MigrationSet, Sealer
from blazon.web import AnyRoute, Listener, Scheme

__all__ = ["Child", "House", "Offers", "Parts", "Room", "Table"]

T = TypeVar("T")


class Table(NamedTuple):
    """A table made from the log. `key` is its primary key, by which a verification orders rows."""

    name: str
    key: tuple[str, ...]


class Offers:
    """What running rooms give to the rooms above them: one value of each type."""

    def __init__(self) -> None:
        self._values: dict[type[Any], Any] = {}

    def add(self, value: object) -> None:
        """Offers a value. Raises ValueError when one of its type is offered already."""
        if type(value) in self._values:
            raise ValueError(f"{type(value).__name__} is offered twice")
        self._values[type(value)] = value

    def get(self, kind: type[T]) -> T:
        """The value of a type. Raises LookupError when no room below offers one: the order of the rooms is wrong."""
        value: T | None = self._values.get(kind)
        if value is None:
            raise LookupError(f"no room below offers {kind.__name__}")
        return value


class Child(Protocol):
    """A server that Blazon starts itself and that ends with it, such as a Redis."""

    name: str

    async def start(self) -> None:
        """Starts it. Raises StartError when that cannot work."""
        ...

    def settled(self, settings: Settings) -> Settings:
        """The settings with the address it got."""
        ...

    async def watch(self) -> None:
        """Starts it again when it ends. Runs for ever."""
        ...

    def stop(self) -> None:
        """Ends it, and waits for that."""
        ...


class House(msgspec.Struct, frozen=True):
    """What every room may use. `settings` name the servers that were started, `metrics` is what `/metrics` shows."""

    settings: Settings
    database: Database
    log: Log
    sealer: Sealer
    clock: Clock
    health: Health
    metrics: CollectorRegistry
    offers: Offers


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """A room that is running.

    `listeners` are where it answers besides the common one; its routes say to which they belong. `schemes` are ways to
    authenticate that routes of every room may name. `services` go on until the end. `offers` are values for the rooms
    above. `prepare` runs once before the first request, `close` once after everything else. `notes` are what a person
    who starts Blazon wants to read: labels and texts.
    """

    routes: Sequence[AnyRoute] = ()
    listeners: Sequence[Listener] = ()
    services: Sequence[Service] = ()
    offers: Sequence[object] = ()
    schemes: Sequence[Scheme] = ()
    prepare: Callable[[], Awaitable[None]] | None = None
    close: Callable[[], None] | None = None
    notes: Callable[[], Awaitable[Sequence[tuple[str, str]]]] | None = None


def no_children(_settings: Settings, _health: Health) -> Sequence[Child]:
    """What a room starts that needs no server of its own."""
    return ()


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a room adds: its tables, subjects, event types with their appliers, and what runs.

    `settings` are the tables of settings it declares, by name. `ports` are the names of its services that can be given
    an address of their own, under `http.services`: there, a listener of that name answers too. `children` makes the
    servers it needs and that the settings do not name: they are started before `build` is called.
    """

    name: str
    build: Callable[[House], Parts]
    migrations: MigrationSet
    tables: tuple[Table, ...] = ()
    kinds: tuple[SubjectKind, ...] = ()
    types: tuple[EventType[Any], ...] = ()
    appliers: Mapping[tuple[str, str], Apply] = {}
    settings: Tables = NO_TABLES
    ports: tuple[str, ...] = ()
    children: Callable[[Settings, Health], Sequence[Child]] = no_children
