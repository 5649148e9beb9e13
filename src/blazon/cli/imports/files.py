"""Reading the rows of a CSV file or of JSON lines, however strange the file is.

It finds out where rows begin and end and names the line of each; what is in a row is for others to judge. A row that
cannot be read is handed on with the reason, and reading goes on behind it.
"""

import csv
import difflib
import io
import os
import re
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, cast

from blazon.errors import BlazonError

__all__ = ["FORMATS", "BadFile", "Line", "Source", "opened"]

FORMATS: Final = ("csv", "jsonl")
"""What can be read."""

_LONGEST: Final = 1024 * 1024
"""Characters of a line, and of a cell: the API reads no longer body."""

_MARKS: Final = ("\ufeff".encode("utf-16-le"), "\ufeff".encode("utf-16-be"))
_BEYOND_UTF_8: Final = re.compile("[\udc80-\udcff]")
_AS_UTF_8: Final = "save the file as UTF-8, for instance with: iconv -f cp1252 -t utf-8"
_TOO_LONG: Final = f"the line is longer than {_LONGEST} characters"
_NOT_CLOSED: Final = "a cell begins with a quotation mark that is not closed"


class BadFile(BlazonError):
    """There are no rows to be had from the file."""

    title = "the file cannot be read"


class Line(NamedTuple):
    """A row: the line it begins on, and its JSON, or its cells by column; or what is wrong with it."""

    number: int
    json: str = ""
    cells: dict[str, str] | None = None
    wrong: str = ""


class Source:
    """The rows of an open file, from first to last."""

    def __init__(self, buffered: io.BufferedReader, name: str, columns: Sequence[str], form: str | None) -> None:
        self._buffered = buffered
        self._name = name
        self._columns = columns
        self._form = _form_of(buffered, name, form)
        # Bytes that are no UTF-8 become marks, so that only the row they are in is refused.
        self._text = io.TextIOWrapper(buffered, "utf-8-sig", errors="surrogateescape", newline="")
        self._number = 0
        self._cut: set[int] = set()
        found = os.fstat(buffered.fileno())
        self.size = found.st_size if stat.S_ISREG(found.st_mode) else 0
        """How long the file is in bytes; 0 when nobody can tell."""

    @property
    def position(self) -> int:
        """How many bytes are read; only where there is a size."""
        return self._buffered.tell() if self.size else 0

    def __iter__(self) -> Iterator[Line]:
        return self._csv() if self._form == "csv" else self._json_lines()

    def _lines(self) -> Iterator[str]:
        """The lines. One that is too long is empty, and its number is noted."""
        while line := self._text.readline(_LONGEST):
            self._number += 1
            if len(line) == _LONGEST and line[-1] not in "\r\n":
                self._cut.add(self._number)
                while line and line[-1] not in "\r\n":
                    line = self._text.readline(_LONGEST)
                line = "\n"
            yield line

    def _json_lines(self) -> Iterator[Line]:
        for line in self._lines():
            if self._number in self._cut:
                yield Line(self._number, wrong=_TOO_LONG)
            elif line.strip():
                yield Line(self._number, json=line.strip(), wrong=_not_utf_8(line))

    def _csv(self) -> Iterator[Line]:
        lines = self._lines()
        header = next((line for line in lines if line.strip()), "")
        if not header:
            raise BadFile(f"{self._name} has no header: its first line must name the columns, such as: name,tags")
        delimiter, names = self._header(header)
        csv.field_size_limit(_LONGEST)
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        while True:
            first = self._number + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Line(first, wrong=self._not_csv(first, str(error)))
                continue
            if any(number in self._cut for number in range(first, self._number + 1)):
                yield Line(first, wrong=_TOO_LONG)
            elif cells:
                yield _row(first, names, cells)

    def _header(self, line: str) -> tuple[str, list[str]]:
        """The delimiter, and the names of the columns. Raises BadFile when one of them is unknown."""
        if _not_utf_8(line):
            raise BadFile(f"{self._name}: the header {_not_utf_8(line)}")
        best: tuple[int, str, list[str]] = (-1, ",", [])
        for delimiter in (",", ";", "\t"):
            names = [cell.strip().lower() for cell in next(csv.reader([line], delimiter=delimiter))]
            known = sum(name in self._columns for name in names)
            if known > best[0]:
                best = known, delimiter, names
        _, delimiter, names = best
        for name in names:
            if name and name not in self._columns:
                close = difflib.get_close_matches(name, self._columns, 1)
                hint = f"did you mean {close[0]!r}?" if close else "the first line must name the columns."
                raise BadFile(
                    f"{self._name}: {name[:100]!r} in line {self._number} is not a column; {hint}"
                    f" There are: {', '.join(self._columns)}"
                )
            if name and names.count(name) > 1:
                raise BadFile(f"{self._name}: the column {name!r} is there twice")
        return delimiter, names

    def _not_csv(self, first: int, reason: str) -> str:
        if "limit" in reason or "unexpected end" in reason:
            reason = _NOT_CLOSED
        upto = f"; nothing is read up to line {self._number}" if self._number > first else ""
        return f"this is not CSV: {reason}{upto}"


@contextmanager
def opened(path: Path, columns: Sequence[str], form: str | None) -> Iterator[Source]:
    """The rows of a file, or of standard input when it is called `-`. Raises BadFile."""
    if str(path) == "-":
        yield Source(cast("io.BufferedReader", sys.stdin.buffer), "standard input", columns, form)
        return
    with open(path, "rb") as file:
        yield Source(file, str(path), columns, form)


def _form_of(buffered: io.BufferedReader, name: str, form: str | None) -> str:
    """What a file is when nobody says. Raises BadFile when it is neither."""
    head = buffered.peek(4096)
    if not head:
        raise BadFile(f"{name} is empty")
    if head.startswith(_MARKS):
        raise BadFile(f"{name} is in UTF-16; save it as UTF-8, for instance with: iconv -f utf-16 -t utf-8")
    if b"\0" in head:
        raise BadFile(f"{name} is not text: it holds bytes that are 0")
    start = head.removeprefix("\ufeff".encode()).lstrip()
    if start.startswith(b"[") and form != "csv":
        raise BadFile(f"{name} is one JSON array; write one object a line, for instance with: jq -c '.[]'")
    return form or ("jsonl" if start.startswith(b"{") else "csv")


def _row(number: int, names: Sequence[str], cells: Sequence[str]) -> Line:
    wrong = next((reason for reason in map(_not_utf_8, cells) if reason), "")
    if wrong:
        return Line(number, wrong=wrong)
    if len(cells) != len(names):
        return Line(number, wrong=f"there are {_counted(len(cells))}, and {len(names)} columns")
    nameless = next((cell for name, cell in zip(names, cells, strict=True) if not name and cell.strip()), None)
    if nameless is not None:
        return Line(number, wrong=f"the cell {nameless[:100]!r} is in a column without a name")
    return Line(number, cells={name: cell for name, cell in zip(names, cells, strict=True) if name})


def _counted(cells: int) -> str:
    return "1 cell" if cells == 1 else f"{cells} cells"


def _not_utf_8(text: str) -> str:
    found = _BEYOND_UTF_8.search(text)
    return f"is not UTF-8 at character {found.start() + 1}; {_AS_UTF_8}" if found else ""
