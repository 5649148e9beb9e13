"""Event types: what can happen, declared once.

The grammar of a type's name (RFC 5234):

    name   = [ "io.lamassuiot." ] noun 1*3( "." word )
    noun   = word
    word   = LOWER *( LOWER / UPPER ) *( ( "-" / "_" ) 1*LOWER )

`user.create`, `ca.sign-certificate`, `certificate.update.status`, `io.lamassuiot.device.forceReenroll`.
A name belongs to a service: `policies.add` of `users` and of `things` are two types.
"""

import re
from collections.abc import Callable
from enum import IntEnum
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec

from blazon.log.record import Event, Record

__all__ = ["Catalogue", "EventName", "EventType", "FieldValue", "Fields", "Kind", "Service", "SubjectKind"]

D = TypeVar("D", bound=msgspec.Struct)

FieldValue = str | int | bool | tuple[str, ...] | msgspec.Raw | None
Fields = dict[str, FieldValue]
"""What a wire shows of an event, by documented name, before it is put into that wire's shape."""

_WORD: Final = r"[a-z][a-zA-Z]*(?:[-_][a-z]+)*"
_NAME: Final = re.compile(rf"(?P<prefix>io\.lamassuiot\.)?(?P<noun>{_WORD})(?P<verb>(?:\.{_WORD}){{1,3}})")


class EventName(NamedTuple):
    """The parts of a name. `str` puts them together again."""

    prefix: str
    noun: str
    verb: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "EventName":
        """Takes a name apart. Raises ValueError when it breaks the grammar."""
        match = _NAME.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not the name of an event type: noun.verb, such as user.create")
        return cls(match["prefix"] or "", match["noun"], tuple(match["verb"][1:].split(".")))

    def __str__(self) -> str:
        return self.prefix + ".".join((self.noun, *self.verb))


class Kind(IntEnum):
    """What an event is to the state."""

    FACT = 0
    """Changes state. Kept for ever, chained, replayable; the caller waits until it is committed."""

    OBSERVATION = 1
    """Reports a read. Same order, same wires; the caller does not wait, and it is trimmed in time."""


class SubjectKind(NamedTuple):
    """A kind of subject, and where the revision of one is kept: the sequence number of its last fact.

    A subject is written `<name>:<key>`, with `:` between the parts of a key of several columns.
    """

    name: str
    table: str
    keys: tuple[str, ...] = ("id",)
    column: str = "revision"

    def of(self, *key: str) -> str:
        """The subject with this key."""
        return ":".join((self.name, *key))


class EventType(Generic[D]):
    """One type of event.

    `data` is the struct of the complete change; `fields` picks and names what the wires show of it. The wires add
    `operation`, `occurred_at` and their own attributes, and leave out what is empty; a CloudEvent has the fields in
    `always` all the same.
    """

    __slots__ = ("_decoder", "always", "data", "fields", "kind", "name", "service")

    def __init__(
        self,
        service: str,
        name: str,
        kind: Kind,
        data: type[D],
        fields: Callable[[Record, D], Fields],
        always: frozenset[str] = frozenset(),
    ) -> None:
        self.service = service
        self.name = str(EventName.parse(name))
        self.kind = kind
        self.data = data
        self.fields = fields
        self.always = always
        self._decoder = msgspec.json.Decoder(data)

    def __repr__(self) -> str:
        return f"<{self.kind.name.lower()} {self.service} {self.name}>"

    def event(self, subject: str, data: D) -> Event:
        """An event of this type, not recorded yet."""
        return Event(self.service, self.name, int(self.kind), subject, data)

    def read(self, record: Record) -> D:
        """The data of a record of this type."""
        return self._decoder.decode(record.data)


class Service:
    """Declares the event types of one service."""

    def __init__(self, name: str) -> None:
        self.name = name

    def fact(
        self, name: str, data: type[D], fields: Callable[[Record, D], Fields], always: frozenset[str] = frozenset()
    ) -> EventType[D]:
        """A type whose events change state."""
        return EventType(self.name, name, Kind.FACT, data, fields, always)

    def observation(self, name: str, data: type[D], fields: Callable[[Record, D], Fields]) -> EventType[D]:
        """A type whose events report a read."""
        return EventType(self.name, name, Kind.OBSERVATION, data, fields)


class Catalogue:
    """Every event type of the house."""

    def __init__(self, types: "tuple[EventType[Any], ...]") -> None:
        self._types: dict[tuple[str, str], EventType[Any]] = {}
        for declared in types:
            key = (declared.service, declared.name)
            if key in self._types:
                raise ValueError(f"{declared!r} is declared twice")
            self._types[key] = declared

    def __iter__(self) -> "Any":
        return iter(self._types.values())

    def of(self, record: Record) -> "EventType[Any]":
        """The type of a record. Raises KeyError when the log is of a newer Blazon."""
        return self._types[record.service, record.type]

    def services(self) -> tuple[str, ...]:
        """The services that have event types, in order of declaration."""
        return tuple(dict.fromkeys(service for service, _ in self._types))
