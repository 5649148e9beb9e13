"""What a row of a file says: the checks that need no server, and the request body it becomes.

The checks are those of the API itself, so what passes here is refused there only for what is there already.
"""

import hashlib
import json
import re
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import msgspec

from blazon.cli.imports.files import Line
from blazon.errors import Malformed
from blazon.things import ChannelDraftBody, ThingDraftBody
from blazon.web import read_json

__all__ = ["CHANNEL_COLUMNS", "THING_COLUMNS", "Find", "Row", "Rows"]

THING_COLUMNS: Final = ("id", "name", "identity", "secret", "tags", "owner", "metadata", "status", "channels")
CHANNEL_COLUMNS: Final = ("id", "name", "description", "parent", "owner", "metadata", "status")

_SPACE: Final = uuid.UUID("0b6c0d2e-6f0a-5c3e-9a5e-3c1c6f2b7d41")
_FROM_LISTS: Final = ("created_at", "updated_at", "updated_by")
_LISTS: Final = ("tags", "channels")


class Find(Protocol):
    """Finds what a row names."""

    def __call__(self, noun: str, named: str) -> str:
        """The id of a `user` or `channel`. Raises Malformed when there is none."""
        ...


class _ThingRow(ThingDraftBody, frozen=True, forbid_unknown_fields=True):
    """A thing as a request has it, the channels it shall be on, and what lists say besides."""

    channels: list[str] | None = None
    created_at: str | None = None
    updated_at: str | None = None
    updated_by: str | None = None


class _ChannelRow(ChannelDraftBody, frozen=True, forbid_unknown_fields=True):
    """A channel as a request has it; `parent` is the id or the name of the one above."""

    parent: str | None = None
    owner: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    updated_by: str | None = None


class Row(msgspec.Struct):
    """A row that can be sent. `chosen`: its id is from the file; `size`: bytes of its body."""

    line: int
    id: str
    name: str
    body: dict[str, Any]
    chosen: bool
    size: int
    channels: tuple[str, ...] = ()
    parent: str = ""


_things = msgspec.json.Decoder(_ThingRow)
_channels = msgspec.json.Decoder(_ChannelRow)
_objects = msgspec.json.Decoder(dict[str, Any])


class Rows:
    """Makes rows of lines. `whose` and `lot` go into the ids it makes."""

    def __init__(self, noun: str, whose: str, lot: str, find: Find) -> None:
        self._read = self._thing if noun == "thing" else self._channel
        self._salt = (noun, whose, lot)
        self._find = find
        self._alike: Counter[bytes] = Counter()
        self._lines: dict[tuple[str, str], int] = {}

    def row(self, line: Line) -> Row:
        """The row on a line. Raises Malformed with what is wrong."""
        if line.wrong:
            raise Malformed(line.wrong)
        raw = line.json if line.cells is None else json.dumps(_of_cells(line.cells))
        try:
            row = self._read(line.number, raw.encode())
        except Malformed as error:
            raise Malformed(_about_a_row(error.reason)) from None
        self._check_double(row, "id", row.body.get("id"))
        self._check_double(row, "key", row.body.get("credentials", {}).get("secret"))
        if not row.chosen:
            row.id = row.body["id"] = self._made_id(row)
        row.size = len(json.dumps(row.body))
        return row

    def _thing(self, number: int, raw: bytes) -> Row:
        shape = read_json(raw, _things)
        shape.draft().check()
        body = _given(shape, "channels")
        if "owner" in body:
            body["owner"] = self._find("user", body["owner"])
        names = dict.fromkeys(shape.channels or ())
        channels = dict.fromkeys(self._find("channel", name) for name in names)
        return _row(number, body, channels=tuple(channels))

    def _channel(self, number: int, raw: bytes) -> Row:
        shape = read_json(raw, _channels)
        shape.draft().check()
        if None not in (shape.parent, shape.parent_id) or None not in (shape.owner, shape.owner_id):
            raise Malformed("give parent or parent_id, owner or owner_id, not both")
        body = _given(shape, "parent", "parent_id", "owner", "owner_id")
        owner = shape.owner or shape.owner_id
        if owner:
            body["owner_id"] = self._find("user", owner)
        return _row(number, body, parent=shape.parent or shape.parent_id or "")

    def _check_double(self, row: Row, what: str, value: str | None) -> None:
        if value is None:
            return
        # Not the key itself: a million of them would stay in memory.
        first = self._lines.setdefault((what, hashlib.sha256(value.encode()).hexdigest()), row.line)
        if first != row.line:
            raise Malformed(f"it has the {what} of line {first}")

    def _made_id(self, row: Row) -> str:
        """An id that the same row of the same user always gets. Rows that are alike are counted.

        The key is left out of it: who sees an id must not be able to try keys against it.
        """
        says = {name: value for name, value in row.body.items() if name != "credentials"}
        says["identity"] = row.body.get("credentials", {}).get("identity", "")
        says["parent"] = row.parent
        digest = hashlib.sha256(json.dumps([*self._salt, says], sort_keys=True).encode()).digest()
        self._alike[digest] += 1
        return str(uuid.uuid5(_SPACE, f"{digest.hex()} {self._alike[digest]}"))


def _row(number: int, body: dict[str, Any], **more: Any) -> Row:
    chosen = body.get("id", "")
    return Row(number, chosen, body.get("name", ""), body, bool(chosen), 0, **more)


def _given(shape: msgspec.Struct, *but: str) -> dict[str, Any]:
    """What a row gives, as a request has it."""
    fields: dict[str, Any] = msgspec.to_builtins(shape)
    if isinstance(fields.get("credentials"), dict):
        fields["credentials"] = {name: value for name, value in fields["credentials"].items() if value}
    left_out = (*_FROM_LISTS, *but)
    return {name: value for name, value in fields.items() if value not in (None, "", {}) and name not in left_out}


def _of_cells(cells: Mapping[str, str]) -> dict[str, Any]:
    """What the cells of a row say. An empty one says nothing."""
    found: dict[str, Any] = {}
    credentials: dict[str, str] = {}
    for name, cell in cells.items():
        if not cell.strip():
            continue
        if name in ("identity", "secret"):
            credentials[name] = cell
        elif name in _LISTS:
            found[name] = [part.strip() for part in cell.split(";") if part.strip()]
        elif name == "metadata":
            found[name] = _metadata(cell)
        else:
            found[name] = cell.strip() if name in ("id", "owner", "parent", "status") else cell
    if credentials:
        found["credentials"] = credentials
    return found


def _metadata(cell: str) -> dict[str, Any]:
    try:
        return read_json(cell.encode(), _objects)
    except Malformed as error:
        reason = _about_a_row(error.reason).replace("the row", "it", 1)
        raise Malformed(
            f'metadata: {reason}; in CSV it is written with every quotation mark twice: "{{""site"":""lab""}}"'
        ) from None


_REPLACED: Final[tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...]] = (
    (r"^the body", "the row"),
    (r": line 1 column (\d+) \(char \d+\)$", lambda match: f" (column {match[1]})"),
    (r"^object contains unknown field (.*)$", lambda match: f"there is no field {match[1]}"),
)


def _about_a_row(reason: str) -> str:
    for pattern, other in _REPLACED:
        reason = re.sub(pattern, other, reason)
    return reason
