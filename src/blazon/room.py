"""What a room is to the house: one value that says everything it adds."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from blazon.clock import Clock
from blazon.log import Apply, EventType, Follower, Log, SubjectKind
from blazon.settings import Settings
from blazon.storage import Database, MigrationSet, Sealer
from blazon.web import AnyRoute, Authenticator

__all__ = ["House", "Parts", "Room", "Table"]


class Table(NamedTuple):
    """A table made from the log. `key` is its primary key, by which a verification orders rows."""

    name: str
    key: tuple[str, ...]


class House(msgspec.Struct, frozen=True):
    """What every room may use."""

    settings: Settings
    database: Database
    log: Log
    sealer: Sealer
    clock: Clock


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """A room that is running.

    `authenticator` is given by the room that knows who callers are. `prepare` runs once before the first request,
    `close` once after the last. `notes` are what a person who starts Blazon wants to read: labels and texts.
    """

    routes: Sequence[AnyRoute] = ()
    followers: Sequence[Follower] = ()
    authenticator: Authenticator | None = None
    prepare: Callable[[], Awaitable[None]] | None = None
    close: Callable[[], None] | None = None
    notes: Callable[[], Awaitable[Sequence[tuple[str, str]]]] | None = None


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a room adds: its tables, subjects, event types with their appliers, and what runs."""

    name: str
    migrations: MigrationSet
    tables: tuple[Table, ...]
    kinds: tuple[SubjectKind, ...]
    types: tuple[EventType[Any], ...]
    appliers: Mapping[tuple[str, str], Apply]
    build: Callable[[House], Parts]
