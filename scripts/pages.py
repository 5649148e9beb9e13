"""Makes the pages of docs/reference that are read off the code: settings, events, commands.

scripts/pages.py            writes them
scripts/pages.py --check    names those that are not current, and exits with 1
"""

import sys
from collections.abc import Callable, Iterator
from enum import Enum
from inspect import cleandoc
from pathlib import Path
from types import UnionType
from typing import Any, Final

import click
import msgspec

from blazon.app import TABLES, catalogue
from blazon.cli.main import blazon
from blazon.log import EventType, Kind, Record
from blazon.settings import Field, Settings, fields
from blazon.wire import stream_name

FOLDER: Final = Path(__file__).parent.parent / "docs" / "reference"

_SETTINGS: Final = """# Settings

Made from the code by `make docs`; a test keeps it current.

A setting comes from, the later winning: its default, a TOML file (`--settings FILE`, `BLAZON_SETTINGS`, else
`blazon.toml` in the working folder), the environment, a flag of `blazon up`. In a file the part before the dot is a
table: `http.listen` is `listen` under `[http]`. A time span is written `500ms`, `30s`, `15m`, `24h`, `7d`; a list,
in the environment and as a flag, with commas.

`blazon settings` shows the value of each and where it comes from. A mistake stops the start, with the file, the
line and the mend. Put secrets into a file only you can read, or into the environment: others see the flags of a
process."""

_EVENTS: Final = """# Events

Made from the code by `make docs`; a test keeps it current.

A **fact** changes state, is kept for ever and can be replayed. An **observation** reports a read; it is trimmed by
age and number (`events.observations_time`, `events.observations`). Both reach both wires, in the order of the log.

- **Redis**: an entry of the stream. Its id is `<milliseconds>-<sequence>`; every value is text; `operation` (the
  type) and `occurred_at` (Unix nanoseconds) are on every entry. A field that is empty is left out. A list is `[a,b]`,
  without quoting; when one of its texts holds a comma, the field `<name>_json` beside it has the list as a JSON array:
  `tags` is `[a,b,c]` and `tags_json` is `["a,b","c"]`.
- **RabbitMQ**: a message of the exchange, with the type as routing key and the event's id as `message_id`. Its body
  is a CloudEvent 1.0 in JSON: the same fields under `data`, lists and numbers as such, and `id`, `source`
  (`/blazon/<service>`), `type`, `subject`, `time`, `sequence`, `actor` and `traceparent` as attributes. `engine_id`
  is there of every CA and certificate, empty where the key is in no engine here.

The event of a list tells which filters were used. A filter that is a text of the caller (`name`, `identity`, `tag`,
`metadata`, an id) is told with its value only when something was found by it. Else only its name is told, in
`hidden_filters`: the text can be a secret in the wrong place, such as the key of a thing where its id belongs."""

_COMMANDS: Final = """# Commands

Made from the code by `make docs`; a test keeps it current.

`--json` prints JSON for programs; in a pipe a table is lines with tabs. `--help` is on every command.

Exit codes: 0 it worked; 1 it failed, and standard error says why and what to do; 2 it was asked wrongly; 130 after
Ctrl-C; 141 when nobody reads the output any more.

`blazon token` keeps a sign-in in `~/.config/blazon/login.json` for the commands that call the API. Instead,
`BLAZON_URL` and `BLAZON_TOKEN` can name the server and hold a token. Commands that read the log (`events`, `log`,
`history`) open the database themselves, beside a running Blazon or without one."""


def settings() -> Iterator[str]:
    """Every setting."""
    yield _SETTINGS
    table: str | None = None
    for field in fields(TABLES):
        if field.table != table:
            table = field.table
            yield from ("", f"## {table}" if table else "## General", "")
            yield "| setting | environment | flag | default | meaning |"
            yield "|---|---|---|---|---|"
        default = field.show(field.default)
        shown = f"`{default}`" if default else ""
        yield _row(f"`{field.key}`", f"`{field.variable}`", f"`{field.flag}`", shown, _meaning(field))


def _meaning(field: Field) -> str:
    return field.description + (f" One of {', '.join(field.choices)}." if field.choices else "")


def events() -> Iterator[str]:
    """Every type of event."""
    yield _EVENTS
    prefix = Settings().redis.prefix
    for service in catalogue().services():
        yield from ("", f"## Service {service}: stream `{stream_name(prefix, service)}`", "")
        yield "| type | kind | fields |"
        yield "|---|---|---|"
        for declared in catalogue():
            if declared.service == service:
                names = ", ".join(f"`{name}`" for name in _fields(declared))
                filters = ", and the filters that were used" if "filters" in declared.data.__struct_fields__ else ""
                kind = "fact" if declared.kind is Kind.FACT else "observation"
                yield _row(f"`{declared.name}`", kind, names + filters)


def _fields(declared: EventType[Any]) -> list[str]:
    """The names of the fields a wire can show: of an event that makes its subject, and of one that changes it."""
    found: dict[str, None] = {}
    for number in (0,) if declared.name.endswith(".create") else (0, 1):
        data = declared.data(**{name: _sample(kind, number) for name, kind in _hints(declared.data)})
        record = Record(1, "", declared.name, declared.service, 0, "", "", 1, "", "", b"")
        found.update(dict.fromkeys(declared.fields(record, data)))
    return list(found)


def _hints(shape: type[msgspec.Struct]) -> Iterator[tuple[str, Any]]:
    return ((field.name, field.type) for field in msgspec.structs.fields(shape))


def _sample(kind: Any, number: int) -> Any:
    if isinstance(kind, UnionType):
        kind = next(each for each in kind.__args__ if each is not type(None))
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind(**{name: _sample(inner, number) for name, inner in _hints(kind)})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return list(kind)[-1]
    samples: dict[Any, Any] = {int: number, str: "a", bytes: b"", bool: True, msgspec.Raw: msgspec.Raw(b"{}")}
    return samples.get(kind, {} if getattr(kind, "__origin__", None) is dict else ())


def commands() -> Iterator[str]:
    """Every command."""
    yield _COMMANDS
    context = click.Context(blazon, info_name="blazon")
    for name in blazon.list_commands(context):
        command = blazon.get_command(context, name)
        assert command is not None
        yield from _command(command, click.Context(command, info_name=name, parent=context), "##")
        if isinstance(command, click.Group):
            parent = click.Context(command, info_name=name, parent=context)
            for inner in command.list_commands(parent):
                child = command.commands[inner]
                yield from _command(child, click.Context(child, info_name=inner, parent=parent), "###")


def _command(command: click.Command, context: click.Context, level: str) -> Iterator[str]:
    yield from ("", f"{level} {context.command_path}", "")
    if not isinstance(command, click.Group):
        yield from ("```", " ".join((context.command_path, *command.collect_usage_pieces(context))), "```", "")
    yield from _help(command)
    options = [option for option in command.params if isinstance(option, click.Option)]
    flags = {field.flag for field in fields(TABLES)}
    if len(flags & {name for option in options for name in option.opts}) == len(flags):
        yield from ("", "Every [setting](settings.md) is an option.")
        options = [option for option in options if not flags & set(option.opts)]
    if options:
        yield from ("", "| option | meaning |", "|---|---|")
        for option in options:
            names, meaning = option.get_help_record(context) or ("", "")
            yield _row(f"`{names}`", " ".join(meaning.split()))


def _help(command: click.Command) -> Iterator[str]:
    paragraphs = cleandoc(command.help or "").strip().split("\n\n")
    for number, paragraph in enumerate(paragraphs):
        if number:
            yield ""
        if paragraph.startswith("\b"):
            yield from ("```", *paragraph.splitlines()[1:], "```")
        else:
            yield " ".join(paragraph.split())


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


PAGES: Final[dict[str, Callable[[], Iterator[str]]]] = {
    "settings.md": settings,
    "events.md": events,
    "cli.md": commands,
}


def main() -> int:
    """Writes the pages, or checks them."""
    check = "--check" in sys.argv[1:]
    stale = []
    for name, page in PAGES.items():
        text = "\n".join(page()) + "\n"
        path = FOLDER / name
        if path.exists() and path.read_text("utf-8") == text:
            continue
        stale.append(name)
        if not check:
            path.write_text(text, "utf-8")
    for name in stale:
        click.echo(f"docs/reference/{name} {'is not current; run: make docs' if check else 'is made anew'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
