"""`blazon things import`, `blazon channels import`: the command. What is slow to load is loaded when it runs."""

from pathlib import Path
from typing import Any

import click

from blazon.cli.client import server
from blazon.cli.imports.wanted import Wanted
from blazon.cli.options import as_json

__all__ = ["add_import"]

# \b keeps click from joining the lines that follow it.
_HELP = """Make {noun}s of the rows of FILE: CSV with a header, or JSON lines; - is standard input.

Columns, each of which may be left out: {columns}.{more}

A row that is refused is reported with its line and the reason; all others are made. Run the same import again, after a
crash or with the refused rows mended: a row that is {a_noun} already stays as it is, and none is made twice.

\b
blazon {noun}s import {noun}s.csv --dry-run
blazon {noun}s import {noun}s.csv --report refused.csv{example}
"""
_ABOUT = {
    "thing": {
        "columns": "id, name, identity, secret, tags (a;b), owner, metadata (JSON), status, channels (a;b)",
        "more": " A thing without a secret gets a key that is made up: --out writes them down. Channels are those it "
        "is put on, by id or name.",
        "example": " --out keys.csv",
    },
    "channel": {
        "columns": "id, name, description, parent, owner, metadata (JSON), status",
        "more": " A parent is an id, or the name of a channel that is there or in the same file.",
        "example": "",
    },
}


def add_import(command: click.Group, noun: str) -> None:
    """Adds the command `import` for things or channels."""
    keys = "ids and keys" if noun == "thing" else "ids"

    @command.command("import", help=_HELP.format(noun=noun, a_noun=f"a {noun}", **_ABOUT[noun]))
    @click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
    @click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), help="What FILE is. Default: as it looks.")
    @click.option("--dry-run", is_flag=True, help="Check every row and make nothing.")
    @click.option("--report", type=_new_file(), help="Write the refused rows to this file: line and reason, as CSV.")
    @click.option("--out", type=_new_file(), help=f"Write {keys} of the {noun}s to this new file, for your eyes only.")
    @click.option("--lot", default="", help="Rows of another lot are made anew, though the same rows were imported.")
    @server
    @as_json
    def import_file(**given: Any) -> None:
        from blazon.cli.imports.run import run

        wanted = Wanted(noun=noun, **given)
        if wanted.dry_run and wanted.out:
            raise click.UsageError("--dry-run makes nothing that --out could write down; leave one of them out")
        run(wanted)


def _new_file() -> click.Path:
    return click.Path(dir_okay=False, path_type=Path)
