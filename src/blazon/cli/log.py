"""`blazon log …`."""

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from blazon.cli.options import Discreet, as_json, place_of_log, read_settings
from blazon.cli.output import print_json, print_pairs, print_table, progress
from blazon.clock import rfc3339
from blazon.settings import Settings

if TYPE_CHECKING:
    from blazon.log import Verified
    from blazon.storage import Page, Reads, Row, Value

__all__ = ["command"]


@click.group("log")
def command() -> None:
    """Look after the log."""


@command.command("status", cls=Discreet)
@place_of_log
@as_json
def status(settings_file: Path | None, json_output: bool, **given: Any) -> None:
    """Show how long the log is and how far its relays and followers have come."""
    found = asyncio.run(_status(read_settings(settings_file, given)))
    if json_output:
        print_json(found)
        return
    print_pairs((name, str(value)) for name, value in found.items() if name != "followers")
    click.echo("")
    rows = [
        (follower["name"], str(follower["position"]), str(follower["lag"]), follower["moved_at"])
        for follower in found["followers"]
    ]
    print_table(("FOLLOWER", "POSITION", "LAG", "MOVED"), rows)


async def _status(settings: Settings) -> dict[str, Any]:
    from blazon.cli.opened import log_of
    from blazon.clock import rfc3339
    from blazon.log import Reader

    async with log_of(settings) as database, database.snapshot() as snapshot:
        head = await Reader(snapshot).head()
        rows = await snapshot.rows("SELECT kind, count(*) FROM events GROUP BY kind")
        counted: dict[int, int] = {kind: count for kind, count in rows}
        cursors = await snapshot.rows("SELECT name, position, moved_at FROM cursors ORDER BY name")
    return {
        "sequence": head.sequence,
        "last_event": rfc3339(head.time) if head.sequence else None,
        "facts": counted.get(0, 0),
        "observations": counted.get(1, 0),
        "trimmed_to": head.trimmed,
        "hash": head.hash.hex(),
        "followers": [
            {"name": name, "position": position, "lag": head.sequence - position, "moved_at": rfc3339(moved_at)}
            # `relay.redis.<service>` is the last event of one stream, not a follower of its own.
            for name, position, moved_at in cursors
            if name.count(".") < 2
        ],
    }


@command.command("verify", cls=Discreet)
@place_of_log
@as_json
def verify(settings_file: Path | None, json_output: bool, **given: Any) -> None:
    """Walk the hash chain and name the first bad position. Exit code 1 when there is one.

    Position 0 is the head of the log, or the database itself when it cannot be opened.
    """
    from blazon.errors import LogDamaged

    started = time.perf_counter()
    try:
        found = asyncio.run(_verify(read_settings(settings_file, given)))
    except LogDamaged as error:
        if json_output:
            print_json({"whole": False, "position": error.position, "reason": error.reason})
        else:
            click.echo(f"The log is damaged at position {error.position}: {error.reason}.")
        click.get_current_context().exit(1)
    seconds = time.perf_counter() - started
    if json_output:
        rewinds = [
            {"kept": each.kept, "known": each.known, "noticed_at": rfc3339(each.noticed_at)} for each in found.rewinds
        ]
        print_json({"whole": True, **found._asdict(), "rewinds": rewinds, "seconds": round(seconds, 3)})
        return
    click.echo(
        f"The log is whole: {found.facts} facts and {found.observations} observations up to {found.sequence}"
        f" ({seconds:.1f} s).\nHash of the last fact: {found.hash}"
    )
    for rewind in found.rewinds:
        click.echo(
            f"On {rfc3339(rewind.noticed_at)} the database came back without records: at most {rewind.lost} of"
            f" {rewind.kept + 1} to {rewind.known} were lost by a failover or a restore."
        )


async def _verify(settings: Settings) -> "Verified":
    from blazon.cli.opened import log_of
    from blazon.errors import LogDamaged
    from blazon.storage import StorageDamaged

    try:
        async with log_of(settings) as database, database.snapshot() as snapshot:
            return await _walk(snapshot)
    except StorageDamaged as error:  # it could not even be opened
        raise LogDamaged(f"the database cannot be read ({error.reason})", 0) from error


async def _walk(snapshot: "Reads") -> "Verified":
    from blazon.log import verify as verify_log
    from blazon.storage import StorageDamaged

    try:
        row = await snapshot.row("SELECT count(*) FROM events")
    except StorageDamaged:
        row = None  # where the damage is, the walk finds out
    total = 0 if row is None else int(row[0])
    tell = progress("Verifying")
    return await verify_log(_Counted(snapshot, lambda done: tell(done, total)))


class _Counted:
    """Reads that tell how many rows they have read so far."""

    def __init__(self, source: "Reads", tell: Callable[[int], None]) -> None:
        self.dialect = source.dialect
        self._source = source
        self._tell = tell
        self._count = 0

    async def rows(self, sql: str, parameters: "Sequence[Value]" = ()) -> "Sequence[Row]":
        """Every row of a query."""
        return await self._source.rows(sql, parameters)

    async def page(self, page: "Page", parameters: "Sequence[Value]") -> "Sequence[Row]":
        """The rows of a page."""
        found = await self._source.page(page, parameters)
        self._count += len(found)
        self._tell(self._count)
        return found

    async def row(self, sql: str, parameters: "Sequence[Value]" = ()) -> "Row | None":
        """The first row of a query, or None."""
        return await self._source.row(sql, parameters)
