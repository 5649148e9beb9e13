"""What came of an import: counts, the rows that were refused, the report and the file with the keys."""

import csv
import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, TextIO

import click

from blazon.cli.files import new_private_file
from blazon.cli.output import one_line, print_json

__all__ = ["Result"]

_SHOWN: Final = 20
"""How many refused rows are shown; a report has all of them."""


class Result:
    """Counts, and what was refused."""

    def __init__(self, noun: str) -> None:
        self._noun = noun
        self._out: TextIO | None = None
        self._refused: list[tuple[int, str]] = []
        self._report: Path | None = None
        self.rows = 0
        self.good = 0

    @contextmanager
    def files(self, report: Path | None, out: Path | None) -> Iterator[None]:
        """Opens the files before anything is made, and has them whole at the end, however that comes."""
        with ExitStack() as stack:
            if out is not None:
                octets = stack.enter_context(new_private_file(out))
                self._out = stack.enter_context(io.TextIOWrapper(octets, encoding="utf-8", newline=""))
                csv.writer(self._out).writerow(("line", "id", "name", *self._key_column()))
            if report is not None:
                self._report = report
                file = stack.enter_context(open(report, "w", encoding="utf-8", newline=""))
                stack.callback(self._write_report, file)
            yield

    def _key_column(self) -> tuple[str, ...]:
        return ("key",) if self._noun == "thing" else ()

    def _write_report(self, file: TextIO) -> None:
        writer = csv.writer(file)
        writer.writerow(("line", "reason"))
        writer.writerows((line, one_line(reason)) for line, reason in sorted(self._refused))

    def made(self, line: int, entity: dict[str, Any]) -> None:
        """Notes what is there now."""
        if self._out is None:
            return
        key = (entity.get("credentials", {}).get("secret", ""),) if self._noun == "thing" else ()
        csv.writer(self._out).writerow((line, entity["id"], entity.get("name", ""), *key))

    def keep(self) -> None:
        """Has what was made so far on disk, where it is found when this program is killed."""
        if self._out is not None:
            self._out.flush()

    def refuse(self, line: int, reason: str) -> None:
        """Notes a row that was refused."""
        self._refused.append((line, reason))

    def show(self, *, dry_run: bool, json_output: bool) -> None:
        """Prints the result. A refused row is exit code 1."""
        refused = sorted(self._refused)
        if json_output:
            print_json(
                {
                    "rows": self.rows,
                    "good" if dry_run else "imported": self.good,
                    "refused": [{"line": line, "reason": reason} for line, reason in refused],
                }
            )
        else:
            self._complain(refused)
            click.echo(self.summary(dry_run=dry_run))
        if refused:
            click.get_current_context().exit(1)

    def _complain(self, refused: list[tuple[int, str]]) -> None:
        for line, reason in refused[:_SHOWN]:
            click.echo(f"line {line}: {one_line(reason)}", err=True)
        if len(refused) > _SHOWN:
            where = str(self._report) if self._report else "a file given with --report"
            click.echo(f"and {len(refused) - _SHOWN:,} more; {where} has all of them", err=True)

    def summary(self, *, dry_run: bool) -> str:
        """One sentence."""
        rows = "1 row" if self.rows == 1 else f"{self.rows:,} rows"
        if dry_run:
            return f"{self.good:,} of {rows} can be made {self._noun}s; nothing was made."
        return f"{self.good:,} of {rows} {'is a' if self.good == 1 else 'are'} {self._noun}{_s(self.good)} now."


def _s(count: int) -> str:
    return "" if count == 1 else "s"
