"""`blazon history …`."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from blazon.cli.options import Discreet, as_json, place_of_log, read_settings
from blazon.cli.output import print_json, progress
from blazon.settings import Settings

if TYPE_CHECKING:
    from blazon.history import Difference, Folded

__all__ = ["command"]


@click.group("history")
def command() -> None:
    """Rebuild tables from the log, or prove that they equal it."""


@command.command("rebuild", cls=Discreet)
@click.option("--verify", "verify_only", is_flag=True, help="Change nothing: rebuild beside, and compare every row.")
@place_of_log
@as_json
def rebuild(verify_only: bool, settings_file: Path | None, json_output: bool, **given: Any) -> None:
    """Make every table anew from the log.

    With --verify the log is folded into a scratch database and every table compared; that can run beside a running
    Blazon. Without, the tables are replaced; SQLite asks that Blazon be stopped for it. Exit code 1 when they differ.
    """
    settings = read_settings(settings_file, given)
    folded, difference = asyncio.run(_verify(settings) if verify_only else _rebuild(settings))
    rate = folded.records / folded.seconds if folded.seconds else 0
    if json_output:
        shown = None if difference is None else str(difference)
        print_json({"sequence": folded.sequence, "events": folded.records, "seconds": folded.seconds, "differs": shown})
    else:
        click.echo(f"Folded {folded.records} events up to {folded.sequence} in {folded.seconds:.2f} s ({rate:,.0f}/s).")
        if difference is not None:
            click.echo(f"The live tables differ from the log. First in {difference}")
            click.echo("Keep a copy of the database to find out why; `blazon history rebuild` makes the tables anew.")
        else:
            click.echo("Every table equals the log." if verify_only else "The tables are made anew.")
    if difference is not None:
        click.get_current_context().exit(1)


async def _verify(settings: Settings) -> "tuple[Folded, Difference | None]":
    from blazon.app import ROOMS
    from blazon.cli.opened import log_of_rooms
    from blazon.history import verify_tables

    async with log_of_rooms(settings) as database, database.scratch() as scratch, database.snapshot() as snapshot:
        return await verify_tables(snapshot, scratch, ROOMS, progress("Folding"))


async def _rebuild(settings: Settings) -> "tuple[Folded, Difference | None]":
    from blazon.app import ROOMS
    from blazon.cli.opened import log_of_rooms
    from blazon.history import rebuild as rebuild_tables

    async with log_of_rooms(settings, writable=True) as database:
        return await rebuild_tables(database, ROOMS, progress("Folding")), None
