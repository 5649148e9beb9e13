"""`blazon events …`."""

import asyncio
import contextlib
import difflib
import fnmatch
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
from click.shell_completion import CompletionItem

from blazon.cli.options import Discreet, as_json, place_of_log, read_settings
from blazon.cli.output import one_line, print_json, print_pairs, print_table
from blazon.clock import parse_rfc3339
from blazon.errors import LogDamaged, StartError, StorageUnavailable
from blazon.settings import Duration, Settings

if TYPE_CHECKING:
    from blazon.log import Catalogue, Reader, Record

__all__ = ["command"]

_POLL = 0.1
"""Seconds between two looks for new events."""

_RETRY = 1.0
"""Seconds between two tries while the database is away."""

_LOCAL = re.compile(r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?", re.ASCII)
_PAGE = 1000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SEALED = re.compile(r'"v1\.[A-Za-z0-9_-]{38,}={0,2}"')
"""A sealed secret in the data of an event: a nonce, a tag and at least one byte between them, in base64."""


class Moment(click.ParamType[int]):
    """A time in RFC 3339, one without a zone, a date, or how long ago: nanoseconds since 1970."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, int):
            return value
        try:
            return _nanoseconds(datetime.now(UTC) - timedelta(seconds=Duration.parse(value)))
        except (ValueError, OverflowError):
            pass
        with contextlib.suppress(ValueError):
            return parse_rfc3339(value)
        try:
            if not _LOCAL.fullmatch(value):  # Python reads more of ISO 8601: week dates, the basic format
                raise ValueError("neither a date nor a date and a time")
            return _nanoseconds(datetime.fromisoformat(value).astimezone())
        except (ValueError, OverflowError):
            self.fail("write how long ago, such as 10m or 2h, or a time, such as 2026-01-31T12:00:00Z", param, ctx)


def _nanoseconds(moment: datetime) -> int:
    # In whole numbers: as a float of seconds a time is off by some hundred nanoseconds.
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


class TypePattern(click.ParamType[str]):
    """The name of an event type, or a pattern of names."""

    name = "TYPE"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from blazon.app import catalogue

        names = sorted({declared.name for declared in catalogue()})
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


@click.group("events")
def command() -> None:
    """Read the events of the log."""


@command.command("tail", cls=Discreet)
@click.option("--type", "types", type=TypePattern(), multiple=True, help="Only these, as user.create or 'group.*'.")
@click.option("--since", type=Moment(), help="From then on: 10m, 2h, or 2026-01-31T12:00:00Z.")
@click.option("-n", "--lines", type=click.IntRange(0), default=20, show_default=True, help="How many, without --since.")
@click.option("-f", "--follow", is_flag=True, help="Go on as events happen, until Ctrl-C.")
@place_of_log
@as_json
def tail(
    types: tuple[str, ...],
    since: int | None,
    lines: int,
    follow: bool,
    settings_file: Path | None,
    json_output: bool,
    **given: Any,
) -> None:
    """Print the last events, one a line, as the wires show them."""
    settings = read_settings(settings_file, given)
    asyncio.run(_tail(settings, types, since, lines, follow=follow, as_json=json_output))


@command.command("show", cls=Discreet)
@click.argument("id")
@place_of_log
@as_json
def show(id: str, settings_file: Path | None, json_output: bool, **given: Any) -> None:
    """Show one event with everything that was recorded. Secrets are sealed and not shown.

    ID is that of the event, its sequence number, or the id of its entry in Redis.
    """
    described = asyncio.run(_show(read_settings(settings_file, given), id))
    if json_output:
        print_json(described)
    else:
        print_pairs((name, value if isinstance(value, str) else _json(value)) for name, value in described.items())


@command.command("types")
@as_json
def types(json_output: bool) -> None:
    """List every type of event."""
    from blazon.app import catalogue

    found = [(declared.service, declared.name, declared.kind.name.lower()) for declared in catalogue()]
    if json_output:
        print_json([{"service": service, "type": name, "kind": kind} for service, name, kind in found])
    else:
        print_table(("SERVICE", "TYPE", "KIND"), found)


async def _show(settings: Settings, identifier: str) -> dict[str, Any]:
    from blazon.cli.opened import log_of_rooms
    from blazon.log import Reader

    async with log_of_rooms(settings) as database:
        record = await _found(Reader(database), identifier)
    if record is None:
        raise StartError(
            f"there is no event {identifier} in this log; observations are trimmed after a while."
            " `blazon events tail` shows the last ones"
        )
    data = _SEALED.sub('"(sealed)"', record.data)
    return {**_envelope(record), "hash": record.hash.hex(), "data": json.loads(data)}


async def _found(reader: "Reader", identifier: str) -> "Record | None":
    # An entry of a stream is `<milliseconds>-<sequence>`.
    number = re.fullmatch(r"(?:\d+-)?(\d{1,18})", identifier, re.ASCII)
    if number is not None:
        records = await reader.between(int(number[1]), int(number[1]))
        return records[0] if records else None
    try:
        return await reader.find(identifier)
    except ValueError:
        raise click.UsageError(
            f"{identifier!r} is neither a sequence number, such as 42, nor the id of an event, a UUID such as"
            " 01a1f8eb-a6fc-704f-8765-c0e60e129dec"
        ) from None


async def _tail(
    settings: Settings, types: tuple[str, ...], since: int | None, lines: int, *, follow: bool, as_json: bool
) -> None:
    from blazon.app import catalogue
    from blazon.cli.opened import log_of_rooms
    from blazon.log import Reader

    known = catalogue()
    wanted = _matching(types, known)
    async with log_of_rooms(settings) as database:
        reader = Reader(database)
        position = await _start(reader, database, wanted, since, lines)
        while True:
            try:
                head = (await reader.head()).sequence
                while position < head:
                    through = min(head, position + _PAGE)
                    for record in await reader.of_types(position, through, wanted, _PAGE):
                        click.echo(_line(record, known, as_json=as_json))
                    position = through
            except StorageUnavailable as error:
                if not follow:
                    raise
                click.echo(f"blazon: the database is away ({error.reason}); waiting for it", err=True)
                await asyncio.sleep(_RETRY)
            if not follow:
                return
            await asyncio.sleep(_POLL)


def _matching(types: tuple[str, ...], known: "Catalogue") -> list[tuple[str, str]]:
    """The services and names of the types that match. Raises UsageError when one pattern matches none."""
    names = {declared.name for declared in known}
    for pattern in types:
        if not fnmatch.filter(names, pattern):
            close = difflib.get_close_matches(pattern, sorted(names), 1)
            hint = f"did you mean {close[0]}?" if close else "`blazon events types` lists them all"
            raise click.UsageError(f"there is no event type {pattern!r}; {hint}")
    return [
        (declared.service, declared.name)
        for declared in known
        if not types or any(fnmatch.fnmatchcase(declared.name, pattern) for pattern in types)
    ]


async def _start(reader: "Reader", database: Any, wanted: list[tuple[str, str]], since: int | None, lines: int) -> int:
    """The position to begin behind: at a time, or before the last so many wanted events."""
    if since is not None:
        return await reader.position_at(since)
    if lines == 0:
        return (await reader.head()).sequence
    chosen = " OR ".join("(service = ? AND type = ?)" for _ in wanted)
    row = await database.row(
        f"SELECT sequence FROM events WHERE {chosen} ORDER BY sequence DESC LIMIT 1 OFFSET ?",
        (*(part for key in wanted for part in key), lines - 1),
    )
    return 0 if row is None else int(row[0]) - 1


def _envelope(record: "Record") -> dict[str, Any]:
    from blazon.clock import rfc3339

    return {
        "sequence": record.sequence,
        "id": record.id,
        "service": record.service,
        "type": record.type,
        "kind": "fact" if record.is_fact else "observation",
        "subject": record.subject,
        "actor": record.actor,
        "time": rfc3339(record.time),
        "traceparent": record.traceparent,
    }


def _line(record: "Record", known: "Catalogue", *, as_json: bool) -> str:
    from blazon.clock import rfc3339
    from blazon.wire import flat_map

    try:
        fields = flat_map(record, known.of(record))
    except msgspec.MsgspecError:
        reason = f"the data of event {record.sequence} cannot be read; `blazon log verify` names the first bad position"
        raise LogDamaged(reason, record.sequence) from None
    if as_json:
        return _json({**_envelope(record), "fields": fields})
    time = rfc3339(record.time)
    # What the columns before say already is left out, and metadata that is empty.
    shown = " ".join(
        f"{name}={one_line(value)}"
        for name, value in fields.items()
        if name not in ("operation", "occurred_at") and value not in ("{}", time)
    )
    name = f"{record.service} {record.type}"
    name = click.style(f"{name:<30}", fg="cyan" if record.is_fact else None, bold=record.is_fact)
    return f"{record.sequence:>8}  {click.style(f'{time:<27}', dim=True)}  {name}  {shown}".rstrip()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
