"""One import, from the file to the result."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from blazon.cli.client import Api, ApiError
from blazon.cli.imports.files import Source, opened
from blazon.cli.imports.hierarchy import in_order
from blazon.cli.imports.names import Names
from blazon.cli.imports.result import Result
from blazon.cli.imports.rows import CHANNEL_COLUMNS, THING_COLUMNS, Row, Rows
from blazon.cli.imports.sender import MOST_BYTES, MOST_ROWS, Sender
from blazon.cli.imports.wanted import Wanted
from blazon.cli.output import progress
from blazon.errors import Malformed

__all__ = ["run"]


def run(wanted: Wanted) -> None:
    """Imports a file. Raises BadFile and ApiError."""
    columns = THING_COLUMNS if wanted.noun == "thing" else CHANNEL_COLUMNS
    with opened(wanted.file, columns, wanted.form) as source:
        api = Api(wanted.url)
        # Asked first: it says whether somebody is signed in before the file is gone through.
        me = api.call("GET", "/users/profile")["id"]
        result = Result(wanted.noun)
        names = Names(api)
        rows = Rows(wanted.noun, me, wanted.lot, names)
        with result.files(wanted.report, wanted.out), _interrupted(result, wanted):
            if wanted.noun == "thing":
                _make(api, wanted, _checked(source, rows, result), result)
            else:
                # A parent may stand anywhere in the file.
                found = list(_checked(source, rows, result))
                _make(api, wanted, _told(in_order(found, names, result.refuse)), result)
    result.show(dry_run=wanted.dry_run, json_output=wanted.json_output)


@contextmanager
def _interrupted(result: Result, wanted: Wanted) -> Iterator[None]:
    try:
        yield
    except ApiError as error:
        done = "" if wanted.dry_run else f" {result.summary(dry_run=False)} Run the same import again to go on."
        raise ApiError(f"{error.reason.rstrip('.')}.{done}", error.status) from None


def _checked(source: Source, rows: Rows, result: Result) -> Iterator[Row]:
    """The rows that are worth sending."""
    tell = progress("Importing")
    try:
        for line in source:
            result.rows += 1
            if source.size and result.rows % 100 == 0:
                tell(min(source.position, source.size - 1), source.size)
            try:
                yield rows.row(line)
            except Malformed as error:
                result.refuse(line.number, error.reason)
    finally:
        tell(1, 1)


def _told(rows: list[Row]) -> Iterator[Row]:
    """The rows, while it is shown how far they are sent."""
    tell = progress("Importing")
    try:
        for number, row in enumerate(rows):
            tell(number, len(rows))
            yield row
    finally:
        tell(1, 1)


def _make(api: Api, wanted: Wanted, rows: Iterable[Row], result: Result) -> None:
    def done(row: Row) -> None:
        result.good += 1

    if wanted.dry_run:
        for row in rows:
            done(row)
        return
    sender = Sender(
        api, wanted.noun, made=lambda row, entity: result.made(row.line, entity), done=done, refused=result.refuse
    )
    for batch in _batches(rows):
        sender.send(batch)
        result.keep()


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    size = 0
    for row in rows:
        if batch and (len(batch) == MOST_ROWS or size + row.size > MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += row.size + 2
    if batch:
        yield batch
