"""Bringing file, environment and flags together, and saying of a mistake where it stands and how to mend it."""

import difflib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from blazon.errors import SettingsError
from blazon.settings.duration import Duration
from blazon.settings.field import NO_TABLES, Field, Tables, all_tables, fields
from blazon.settings.file import SettingsFile
from blazon.settings.rules import is_clean, is_url
from blazon.settings.shape import SERVICES, Settings

__all__ = ["Found", "load", "trace", "unknown_variables"]

T = TypeVar("T", bound=msgspec.Struct)

_OTHER_VARIABLES: Final = ("BLAZON_SETTINGS", "BLAZON_URL", "BLAZON_TOKEN", "BLAZON_PASSWORD")
"""What the command line reads besides settings."""

_HALF_A_PASSWORD: Final = re.compile(r"(?!sqlite:|https?:)\w+://[^/?#]*[/?#].*@", re.DOTALL)
"""A URL with an `@` behind its host, as one has whose password holds a character of `/?#` as it is. A driver would take
the parts of that password for a host, a port or a path, and repeat them in what it says."""

_SHOWN: Final = 60
"""Most characters of an unknown name that an error repeats."""


class Found(NamedTuple):
    """Settings, and where each that is not a default comes from, by key."""

    settings: Settings
    places: Mapping[str, str]


def load(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
    tables: Tables | None = NO_TABLES,
) -> Settings:
    """Reads the settings. `flags` are by key, as `http.listen`; `tables` as in `trace`. Raises SettingsError."""
    return trace(file, environment, flags, tables).settings


def trace(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
    tables: Tables | None = NO_TABLES,
) -> Found:
    """Reads the settings and notes where each comes from.

    `tables` are those that rooms declare. None leaves every table unread that is not the house's, for commands that
    need no more and start sooner when no room is loaded. Raises SettingsError.
    """
    reading = _Reading(None if file is None else SettingsFile(file), tables)
    environment = environment or {}
    by_key = reading.by_key
    for field in by_key.values():
        if field.variable in environment:
            reading.put(field, environment[field.variable], f"the environment variable {field.variable}")
    for key, value in (flags or {}).items():
        reading.put(by_key[key], value, f"the flag {by_key[key].flag}")
    settings = reading.settings()
    return Found(settings, {key: place for key, field in by_key.items() if (place := reading.place_of(field))})


def unknown_variables(environment: Mapping[str, str], tables: Tables) -> Iterator[tuple[str, str]]:
    """Variables that look like settings and are none, each with the one that was perhaps meant, or empty."""
    known = [field.variable for field in fields(tables)]
    for variable in sorted(environment):
        if variable.startswith("BLAZON_") and variable not in known and variable not in _OTHER_VARIABLES:
            yield variable, next(iter(difflib.get_close_matches(variable, known, 1, 0.8)), "")


class _Reading:
    """The values gathered so far, and the places of those that are not from the file."""

    def __init__(self, file: SettingsFile | None, tables: Tables | None) -> None:
        self._file = file
        self._values: dict[str, Any] = {} if file is None else _flattened(file.tables)
        self._places: dict[str, str] = {}
        self._tables = all_tables(tables or NO_TABLES)
        self._rooms = tables or NO_TABLES
        self.by_key = {field.key: field for field in fields(self._rooms)}
        if tables is None:
            self._values = {
                name: value
                for name, value in self._values.items()
                if name in self._tables or not isinstance(value, dict)
            }
        self._check_names()

    def _check_names(self) -> None:
        known: dict[str, set[str]] = {}
        for field in self.by_key.values():
            known.setdefault(field.table, set()).add(field.name)
        for name, value in self._values.items():
            if name in known[""]:
                continue
            if name not in known or not name:
                raise self._unknown(name, "table" if isinstance(value, dict) else "setting")
            if not isinstance(value, dict):
                raise self._wrong_table(name)
            for inner in value:
                if inner not in known[name]:
                    raise self._unknown(inner, "setting", table=name)

    def put(self, field: Field, value: str, place: str) -> None:
        """Sets a value that is text."""
        self._places[field.key] = place
        target = self._values.setdefault(field.table, {}) if field.table else self._values
        target[field.name] = _from_text(field, value)

    def settings(self) -> Settings:
        """The settings, checked. Raises SettingsError."""
        found = {name: self._table(name, shape) for name, shape in self._tables.items()}
        rooms = {name: found.pop(name) for name in self._rooms}
        set_here = {name: table for name, table in rooms.items() if table != self._rooms[name]()}
        settings = msgspec.structs.replace(self._table("", Settings), **found, rooms=set_here)
        for field in self.by_key.values():
            must_be = _must_be(field, field.value(settings))
            if must_be:
                raise self._wrong(field, must_be)
        return settings

    def _table(self, name: str, shape: type[T]) -> T:
        """One table, or for an empty name what stands in none."""
        values = (
            self._values.get(name, {})
            if name
            else {key: value for key, value in self._values.items() if key not in self._tables}
        )
        try:
            return msgspec.convert(values, shape, strict=False, dec_hook=_hook)
        except msgspec.ValidationError as error:
            # "Expected `int`, got `str` - at `$.port`", and with [0] behind it for a part of a list.
            inner = re.sub(r"\[.*", "", str(error).rpartition(" - at `$.")[2].rstrip("`"))
            field = self.by_key[f"{name}.{inner}" if name else inner]
            raise self._wrong(field, field.must_be) from None
        except UnicodeEncodeError:
            raise SettingsError("an environment variable of Blazon is not UTF-8; set it anew") from None

    def place_of(self, field: Field) -> str:
        """Where the value of a setting stands; empty for a default."""
        if field.key in self._places:
            return self._places[field.key]
        if self._file is None or _value(self._values, field) is None:
            return ""
        return self._file.place(*field.path)

    def _unknown(self, name: str, what: str, table: str = "") -> SettingsError:
        assert self._file is not None  # variables and flags are taken by their names
        meant = self._meant(table, name)
        mend = f"did you mean {meant}?" if meant else "`blazon settings` lists them all"
        place = self._file.place(*filter(None, table.split(".")), name)
        shown = f"{table}.{_short(name)}" if table else _short(name)
        return SettingsError(f"{place}: there is no {what} {shown}; {mend}")

    def _wrong_table(self, table: str) -> SettingsError:
        assert self._file is not None
        return SettingsError(
            f"{self._file.place(table)}: {table} is a table; write [{table}] and its settings below it"
        )

    def _wrong(self, field: Field, must_be: str) -> SettingsError:
        # What was given is not repeated, whichever setting it is: it may be a secret that was put in the wrong place.
        place = self.place_of(field) or field.key
        return SettingsError(f"{place}: {field.key} must be {must_be}. {field.description}")

    def _meant(self, table: str, name: str) -> str:
        """The setting or the [table] that a name which is none was perhaps meant to be; empty when nothing is near."""
        known = list(self.by_key.values())
        same_name = [field for field in known if field.name == name]
        if len(same_name) == 1:
            return same_name[0].key
        if not table:
            tables = difflib.get_close_matches(name, sorted({field.table for field in known if field.table}), 1, 0.6)
            if tables:
                return f"[{tables[0]}]"
        near = difflib.get_close_matches(f"{table}.{name}".strip("."), [field.key for field in known], 1, 0.6)
        if not near:
            near = [field.key for field in known if difflib.get_close_matches(name, [field.name], 1, 0.8)]
        return near[0] if near else ""


def _value(tables: Mapping[str, Any], field: Field) -> Any:
    """What was given for a setting; None for nothing. TOML knows no null."""
    return (tables.get(field.table, {}) if field.table else tables).get(field.name)


def _short(text: str) -> str:
    text = text if text.isprintable() else ascii(text)[1:-1]
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _from_text(field: Field, value: str) -> object:
    if field.kind is tuple:
        return [part.strip() for part in value.split(",") if part.strip()]
    if field.kind is bool:
        return {"yes": "true", "no": "false", "on": "true", "off": "false"}.get(value.lower(), value.lower())
    return value


def _flattened(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Tables by their names, the table in a table by its whole name."""
    http = tables.get("http")
    if not isinstance(http, dict) or not isinstance(http.get("services"), dict):
        return dict(tables)
    rest = {name: value for name, value in http.items() if name != "services"}
    return {**tables, "http": rest, SERVICES: http["services"]}


def _must_be(field: Field, value: Any) -> str:
    """What a value must be that breaks a rule; empty when it is good."""
    texts = value if isinstance(value, tuple) else (value,) if isinstance(value, str) else ()
    if any(not is_clean(text) for text in texts):
        return "a text without control characters"
    if "least" in field.extra and value < field.extra["least"]:
        return field.must_be
    if field.schemes and value and not is_url(value, field.schemes):
        return field.must_be
    if field.schemes and _HALF_A_PASSWORD.match(value):
        return "a URL with @ before its host only; write %2F for /, %3F for ?, %23 for # and %40 for @ elsewhere"
    rule = field.extra.get("rule")
    return field.must_be if rule is not None and not rule(value) else ""


def _hook(kind: type, value: object) -> object:
    if kind is Duration:
        return Duration.parse(value)
    raise TypeError(f"{kind} cannot be set")
