"""One setting as documents, flags and checks need it, read off the shape."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple, get_args, get_origin
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from blazon.settings.duration import Duration
from blazon.settings.kinds import text_meta
from blazon.settings.rules import is_listen
from blazon.settings.shape import LISTEN, Settings

__all__ = ["NO_TABLES", "Field", "Tables", "all_tables", "fields", "service_table"]

Tables = Mapping[str, type[Struct]]
"""Tables of settings that rooms declare, by name."""

NO_TABLES: Final[Tables] = {}


def service_table(services: Iterable[str]) -> type[Struct]:
    """The table `http.services` for services of these names."""
    meta = text_meta(
        "Address, host:port, where this service answers too, with its paths as it had them alone; empty is none.",
        LISTEN,
        lambda value: not value or is_listen(value),
    )
    return msgspec.defstruct(
        "Services", [(name, Annotated[str, meta], "") for name in services], frozen=True, forbid_unknown_fields=True
    )


class Field(NamedTuple):
    """One setting, as documents, flags and checks need it."""

    table: str
    name: str
    description: str
    default: object
    kind: type
    """str, int, bool, Duration, or tuple for a list of texts."""

    choices: tuple[str, ...]
    """The texts it can be; empty when it is not one of a few."""

    limits: tuple[int | None, int | None]
    """The least and the most of a number."""

    extra: dict[str, Any]

    @property
    def key(self) -> str:
        """As in a file, with its table: `http.listen`."""
        return f"{self.table}.{self.name}" if self.table else self.name

    @property
    def path(self) -> tuple[str, ...]:
        """The key, step by step."""
        return tuple(self.key.split("."))

    @property
    def variable(self) -> str:
        """As in the environment: `BLAZON_HTTP_LISTEN`."""
        return "BLAZON_" + self.key.replace(".", "_").upper()

    @property
    def flag(self) -> str:
        """As on a command line: `--http-listen`."""
        return "--" + self.key.replace(".", "-").replace("_", "-")

    def value(self, settings: Settings) -> Any:
        """What is set, or the default."""
        holder = getattr(settings, self.table, None) or settings.rooms.get(self.table) if self.table else settings
        return self.default if holder is None else getattr(holder, self.name)

    @property
    def secret(self) -> bool:
        """Whether its value is never shown. Of a URL only the password is not."""
        return bool(self.extra.get("secret"))

    @property
    def schemes(self) -> tuple[str, ...]:
        """What its URL may begin with; empty when it is no URL."""
        found: tuple[str, ...] = self.extra.get("schemes", ())
        return found

    @property
    def must_be(self) -> str:
        """What its value must be, in words."""
        if "mend" in self.extra:
            return str(self.extra["mend"])
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.schemes:
            first, last = ", ".join(f"{scheme}://" for scheme in self.schemes[:-1]), f"{self.schemes[-1]}://"
            return f"a URL that begins with {first} or {last}"
        if self.kind is int:
            return "a whole number" + _range(*self.limits)
        least = self.extra.get("least")
        span = "a time span such as 500ms, 30s, 15m, 24h, 7d" + (f", at least {least}" if least else "")
        return {bool: "true or false", Duration: span, tuple: "a list of texts"}.get(self.kind, "a text")

    def show(self, value: object) -> str:
        """A value for people; of a secret only whether there is one, of a URL everything but its password."""
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, tuple):
            return ", ".join(map(str, value))
        if self.secret and value:
            return "(set)"
        return _without_password(str(value)) if self.schemes else str(value)


def _range(least: int | None, most: int | None) -> str:
    if least is None:
        return ""
    return f" from {least}" + ("" if most is None or most >= 2**31 - 1 else f" to {most}")


def _without_password(url: str) -> str:
    try:
        password = urlsplit(url).password
    except ValueError:
        return "(set)"
    return url.replace(f":{password}@", ":***@", 1) if password else url


def fields(tables: Tables = NO_TABLES) -> Iterator[Field]:
    """Every setting of the house and of the tables of rooms, in order."""
    yield from _fields_of(Settings, "")
    for name, table in all_tables(tables).items():
        yield from _fields_of(table, name)


def all_tables(tables: Tables) -> dict[str, type[Struct]]:
    """The tables of the house and those of rooms, by name. Raises ValueError when a name is taken."""
    own = {
        field.name: field.type
        for field in msgspec.structs.fields(Settings)
        if isinstance(field.type, type) and issubclass(field.type, Struct)
    }
    for name in tables:
        if hasattr(Settings, name):
            raise ValueError(f"a table of settings cannot be called {name}: the house uses that name")
    return own | dict(tables)


def _fields_of(shape: type[Struct], table: str) -> Iterator[Field]:
    for field in msgspec.structs.fields(shape):
        if not hasattr(field.type, "__metadata__"):
            continue  # a table, or what tables are gathered in
        metas = field.type.__metadata__
        described = next(meta for meta in metas if meta.description)
        limits = next(((meta.ge, meta.le) for meta in metas if meta.ge is not None), (None, None))
        kind, choices = _kind_of(field.type.__origin__)
        yield Field(
            table, field.name, described.description, field.default, kind, choices, limits, described.extra or {}
        )


def _kind_of(declared: Any) -> tuple[type, tuple[str, ...]]:
    if get_origin(declared) is Literal:
        return str, get_args(declared)
    return get_origin(declared) or declared, ()
