"""What a room is to the house: one value that says everything it adds."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec

from blazon.clock import Clock
from blazon.health import Health
from blazon.log import Apply, EventType, Log, SubjectKind
from blazon.settings import Settings
from blazon.storage import Database, MigrationSet, Sealer
from blazon.web import AnyRoute, Authenticator, ErrorBody, Failure

__all__ = ["House", "Offers", "Parts", "Room", "Runs", "Table"]

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


class Runs(Protocol):
    """Something that goes on for as long as Blazon runs: a follower of the log, or who looks again now and then."""

    async def run(self) -> None:
        """Goes on for ever. What fails it tries again: when it ends, Blazon does."""
        ...


class House(msgspec.Struct, frozen=True):
    """What every room may use."""

    settings: Settings
    database: Database
    log: Log
    sealer: Sealer
    clock: Clock
    health: Health
    offers: Offers


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """A room that is running.

    `failure` is the body of the errors of its routes. `offers` are values for the rooms above. `authenticator` is given
    by the room that knows who callers are. `prepare` runs once before the first request, `close` once after the last;
    `work` runs beside them until the end. `notes` are what a person who starts Blazon wants to read: labels and texts.
    """

    routes: Sequence[AnyRoute] = ()
    failure: type[ErrorBody] = Failure
    followers: Sequence[Runs] = ()
    work: Sequence[Callable[[], Coroutine[Any, Any, None]]] = ()
    offers: Sequence[object] = ()
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
