"""Options several commands share, and the settings they lead to."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from blazon.settings import Duration, Field, Found, Settings, Tables, fields, trace

__all__ = [
    "ACTIONS",
    "DEFAULT_FILE",
    "ActionName",
    "Discreet",
    "OneOf",
    "as_json",
    "every_setting",
    "given_fields",
    "metadata_option",
    "page_options",
    "place_of_log",
    "read_settings",
    "slice_options",
    "trace_settings",
]

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_FILE = Path("blazon.toml")
"""Read when it is there and no other file is named."""

ACTIONS = (
    "g_list",
    "g_add",
    "g_update",
    "g_delete",
    "c_list",
    "c_update",
    "c_delete",
    "c_share",
    "m_read",
    "m_write",
)
"""What a policy may allow, in the order people ask for it."""

_LOG_SETTINGS = ("data_dir", "database.url")

_file = click.option(
    "--settings",
    "settings_file",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="BLAZON_SETTINGS",
    help="TOML file with settings. Default: blazon.toml, when it is there.",
)

as_json = click.option("--json", "json_output", is_flag=True, help="Print JSON, for programs.")
"""The option --json."""


class Discreet(click.Command):
    """A command that may be given a secret. A word too many may be half a password, and is not repeated."""

    allow_extra_args = True

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Reads the words of a command line. Raises UsageError."""
        left = super().parse_args(ctx, args)
        if left and not ctx.resilient_parsing:
            ctx.fail("there is a word too many; put a value with a space in it between quotes")
        return left


class ActionName(click.ParamType[str]):
    """What a policy allows. The server knows which there are; here they are completed."""

    name = "ACTION"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The actions that begin so."""
        return [CompletionItem(action) for action in ACTIONS if action.startswith(incomplete)]


class OneOf(click.ParamType[str]):
    """One of some words, in any case: taken, shown and completed as they are written here."""

    name = "choice"

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """The words, as help shows them."""
        return f"[{'|'.join(self._words)}]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word as it is written here."""
        found = next((word for word in self._words if word.casefold() == str(value).casefold()), None)
        if found is None:
            self.fail(f"{value!r} is not one of {', '.join(self._words)}", param, ctx)
        return found

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The words that begin so."""
        return [CompletionItem(word) for word in self._words if word.casefold().startswith(incomplete.casefold())]


class _Metadata(click.ParamType[dict[str, Any]]):
    """A JSON object."""

    name = "JSON"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            found = json.loads(value)
        except (ValueError, RecursionError) as error:
            self.fail(f"this is not JSON: {error}", param, ctx)
        if not isinstance(found, dict):
            self.fail('this must be a JSON object, such as {"site":"lab"}', param, ctx)
        return found


metadata_option = click.option("--metadata", type=_Metadata(), help='A JSON object, such as {"site":"lab"}.')
"""The option --metadata."""


def given_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a body that were given."""
    return {name: value for name, value in fields.items() if value is not None}


def slice_options(command: Any) -> Any:
    """The options that say which part of a list is shown."""
    for option in (
        click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="How many at most."),
        click.option("--offset", type=click.IntRange(0), default=0, help="How many to leave out at the beginning."),
    ):
        command = option(command)
    return command


def page_options(command: Any) -> Any:
    """The options of every list of things with a name and a state."""
    command = click.option("--name", help="Only those with exactly this name.")(command)
    states = click.Choice(["enabled", "disabled", "all"])
    return slice_options(click.option("--status", type=states, help="Which states to show.")(command))


class _Value(click.ParamType[str]):
    """The text of a setting. It is checked where every setting is; here it is completed."""

    name = "text"

    def __init__(self, field: Field) -> None:
        self._field = field

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        if self._field.key == "data_dir":
            return [CompletionItem(incomplete, type="dir")]
        choices = ("yes", "no") if self._field.kind is bool else self._field.choices
        return [CompletionItem(choice) for choice in choices if choice.startswith(incomplete)]


def _option(field: Field) -> Callable[[F], F]:
    default = field.show(field.default)
    return click.option(
        field.flag,
        "set_" + field.key.replace(".", "__"),
        type=_Value(field),
        metavar=_metavar(field),
        help=field.description + (f" Default: {default}." if default else ""),
    )


def _metavar(field: Field) -> str:
    if field.choices:
        return "|".join(field.choices)
    return {bool: "yes|no", int: "NUMBER", Duration: "SPAN", tuple: "A,B"}.get(field.kind, "TEXT")


def every_setting(tables: Tables) -> Callable[[F], F]:
    """Adds an option for every setting of the house and of the tables of rooms."""

    def with_options(command: F) -> F:
        for field in reversed(list(fields(tables))):
            command = _option(field)(command)
        return _file(command)

    return with_options


def place_of_log(command: F) -> F:
    """Adds the options that say where the log is."""
    for field in reversed([field for field in fields() if field.key in _LOG_SETTINGS]):
        command = _option(field)(command)
    return _file(command)


def read_settings(settings_file: Path | None, given: dict[str, Any], tables: Tables | None = None) -> Settings:
    """The settings from file, environment and the options that were given.

    Of rooms only those in `tables` are read; None leaves theirs out. Raises SettingsError.
    """
    return trace_settings(settings_file, given, tables).settings


def trace_settings(settings_file: Path | None, given: dict[str, Any], tables: Tables | None = None) -> Found:
    """As `read_settings`, with the place each value comes from."""
    if settings_file is None and DEFAULT_FILE.exists():
        settings_file = DEFAULT_FILE
    flags = {
        name.removeprefix("set_").replace("__", "."): value
        for name, value in given.items()
        if name.startswith("set_") and value is not None
    }
    return trace(settings_file, os.environ, flags, tables)
