"""One setting as documents, flags and checks need it, read off the shape."""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, get_args, get_origin
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from blazon.settings.duration import Duration
from blazon.settings.shape import Settings

__all__ = ["Field", "fields"]


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
        return (self.table, self.name) if self.table else (self.name,)

    @property
    def variable(self) -> str:
        """As in the environment: `BLAZON_HTTP_LISTEN`."""
        return "BLAZON_" + self.key.replace(".", "_").upper()

    @property
    def flag(self) -> str:
        """As on a command line: `--http-listen`."""
        return "--" + self.key.replace(".", "-").replace("_", "-")

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


def fields() -> Iterator[Field]:
    """Every setting, in order."""
    yield from _fields_of(Settings, "")
    for field in msgspec.structs.fields(Settings):
        if isinstance(field.type, type) and issubclass(field.type, Struct):
            yield from _fields_of(field.type, field.name)


def _fields_of(shape: type[Struct], table: str) -> Iterator[Field]:
    for field in msgspec.structs.fields(shape):
        if isinstance(field.type, type) and issubclass(field.type, Struct):
            continue
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
