"""Lists: which fields can be sorted and filtered, the filter language, and bookmarks (fact sheet §2c.1, paging).

A bookmark says where a list goes on: the values of the last row that was shown, not how many rows came before, so the
ten-thousandth page costs what the first does, and rows that are added meanwhile shift nothing.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from enum import Enum
from typing import Final

import msgspec

from blazon.ca.models import UNKNOWN, Owner, Status
from blazon.ca.x509 import Reason, format_serial, parse_serial, parse_time
from blazon.errors import Malformed
from blazon.storage import Value

__all__ = [
    "AUTHORITY_FIELDS",
    "CERTIFICATE_FIELDS",
    "LARGEST_PAGE",
    "Condition",
    "Field",
    "Listing",
    "bookmark_of",
    "read_listing",
]

LARGEST_PAGE: Final = 1_000
"""Entries on a page at most."""


_NANOSECONDS: Final = 1_000_000_000
_MOST_FILTERS: Final = 16
_FILTER: Final = re.compile(r"(?P<field>[^\[\]]{1,100})\[(?P<operator>[^\[\]]{1,40})\](?P<value>.{0,200})", re.DOTALL)


class _Kind(Enum):
    TEXT = "text"
    WORD = "word"
    NUMBER = "number"
    SECONDS = "seconds"
    NANOSECONDS = "nanoseconds"
    SERIAL = "serial"


class Field(msgspec.Struct, frozen=True):
    """A field of a list: its column, what stands in it, and, for a word, which words there are."""

    column: str
    kind: _Kind = _Kind.TEXT
    words: tuple[str, ...] = ()


_STATUS: Final = Field("status", _Kind.WORD, tuple(Status))
_TYPE: Final = Field("type", _Kind.WORD, tuple(Owner))
_ISSUER: Final = Field("issuer_id")
"""Clients of two generations read it by two names, and filter by a third."""
_BOTH: Final[Mapping[str, Field]] = {
    "type": _TYPE,
    "serial_number": Field("serial", _Kind.SERIAL),
    "subject.common_name": Field("common_name"),
    "status": _STATUS,
    "engine_id": Field("engine_id"),
    "valid_from": Field("valid_from", _Kind.SECONDS),
    "valid_to": Field("valid_to", _Kind.SECONDS),
    "revocation_timestamp": Field("revoked_at", _Kind.NANOSECONDS),
    "revocation_reason": Field("reason", _Kind.WORD, tuple(Reason)),
    "creation_ts": Field("created_at", _Kind.NANOSECONDS),
    "issuer_metadata.ca_id": _ISSUER,
    "issuer_metadata.id": _ISSUER,
    "issuer_meta.id": _ISSUER,
}
AUTHORITY_FIELDS: Final[Mapping[str, Field]] = {
    **_BOTH,
    "id": Field("id"),
    "level": Field("level", _Kind.NUMBER),
}
CERTIFICATE_FIELDS: Final = _BOTH

_KEPT: Final[Mapping[_Kind, type]] = {
    _Kind.TEXT: str,
    _Kind.WORD: str,
    _Kind.SERIAL: str,
    _Kind.NUMBER: int,
    _Kind.SECONDS: int,
    _Kind.NANOSECONDS: int,
}
"""What stands in a column."""

_EQUAL: Final = {"eq": "= ?", "equal": "= ?", "ne": "<> ?", "notequal": "<> ?"}
_OF_TEXT: Final = {**_EQUAL, "ct": "contains", "contains": "contains", "nc": "lacks", "notcontains": "lacks"}
_OF_TIME: Final = {**_EQUAL, "bf": "< ?", "before": "< ?", "af": "> ?", "after": "> ?"}
_OPERATORS: Final[Mapping[_Kind, Mapping[str, str]]] = {
    _Kind.TEXT: _OF_TEXT,
    _Kind.SERIAL: _OF_TEXT,
    _Kind.WORD: _OF_TEXT,
    _Kind.NUMBER: {
        **_EQUAL,
        "lt": "< ?",
        "lessthan": "< ?",
        "le": "<= ?",
        "lessequal": "<= ?",
        "lessorequal": "<= ?",
        "gt": "> ?",
        "greaterthan": "> ?",
        "ge": ">= ?",
        "greaterequal": ">= ?",
        "greaterorequal": ">= ?",
    },
    _Kind.SECONDS: _OF_TIME,
    _Kind.NANOSECONDS: _OF_TIME,
}


class Condition(msgspec.Struct, frozen=True):
    """One filter: a column, a comparison with `?` (or `contains`, `lacks`), a value."""

    column: str
    comparison: str
    value: str | int


class Listing(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A page of a list. `after` is the sorted value and the tie-breaker of the last row before it, empty at the start.

    `sort` is a column, the list's own order when empty.
    """

    sort: str = ""
    descending: bool = False
    size: int = 25
    conditions: tuple[Condition, ...] = ()
    after: tuple[str | int, ...] = ()


_decoder = msgspec.json.Decoder(Listing)
_COMPARISONS: Final = frozenset(comparison for known in _OPERATORS.values() for comparison in known.values())
_LARGEST: Final = 2**63


def read_listing(
    fields: Mapping[str, Field],
    *,
    sort_by: str | None,
    descending: bool,
    size: int,
    filters: tuple[str, ...],
    bookmark: str | None,
) -> Listing:
    """A page as a query asks for it; a bookmark wins over the rest. Raises Malformed.

    A filter by an unknown field or with an unknown operator is ignored, as existing clients expect.
    """
    if bookmark:
        return _read_bookmark(bookmark, fields)
    if len(filters) > _MOST_FILTERS:
        raise Malformed(f"invalid query parameters: there are more than {_MOST_FILTERS} filters")
    if sort_by is not None and sort_by not in fields:
        raise Malformed(f"invalid query parameters: sort_by is one of {', '.join(fields)}")
    return Listing(
        sort="" if sort_by is None else fields[sort_by].column,
        descending=descending,
        size=size,
        conditions=tuple(found for text in filters if (found := _condition(fields, text)) is not None),
    )


def bookmark_of(listing: Listing, last: tuple[Value, Value]) -> str:
    """The bookmark of the page after one whose last row has this sorted value and this tie-breaker."""
    going_on = msgspec.structs.replace(listing, after=last)
    return base64.urlsafe_b64encode(msgspec.json.encode(going_on)).decode().rstrip("=")


def _read_bookmark(text: str, fields: Mapping[str, Field]) -> Listing:
    try:
        listing = _decoder.decode(base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4)))
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise Malformed("invalid query parameters: the bookmark is none that a list gave") from None
    kinds = {field.column: _KEPT[field.kind] for field in fields.values()}
    tie = str if "id" in fields else int  # of CAs the id, of certificates the number of the fact that made them
    sorted_by = kinds.get(listing.sort, int) if listing.sort else int
    good = (
        (not listing.sort or listing.sort in kinds)
        and 1 <= listing.size <= LARGEST_PAGE
        and len(listing.conditions) <= _MOST_FILTERS
        and all(
            each.comparison in _COMPARISONS and _is(each.value, kinds.get(each.column)) for each in listing.conditions
        )
        and len(listing.after) == 2
        and _is(listing.after[0], sorted_by)
        and _is(listing.after[1], tie)
    )
    if not good:
        raise Malformed("invalid query parameters: the bookmark is none that a list gave")
    return listing


def _is(value: str | int, kind: type | None) -> bool:
    """Whether a value is of a kind, and one a database can keep."""
    if not isinstance(value, kind or ()):
        return False
    return "\0" not in value if isinstance(value, str) else -_LARGEST <= value < _LARGEST


def _condition(fields: Mapping[str, Field], text: str) -> Condition | None:
    match = _FILTER.fullmatch(text)
    if match is None:
        raise Malformed("invalid query parameters: a filter is field[operator]value, such as status[eq]ACTIVE")
    field = fields.get(match["field"])
    comparison = None if field is None else _OPERATORS[field.kind].get(match["operator"].lower())
    if field is None or comparison is None:
        return None
    try:
        return Condition(field.column, comparison, _value(field, comparison, match["value"]))
    except Malformed as error:
        raise Malformed(f"invalid query parameters: {match['field']}: {error.text}") from None


def _value(field: Field, comparison: str, text: str) -> str | int:
    in_part = comparison in ("contains", "lacks")
    if field.kind is _Kind.SERIAL:
        return _part_of_serial(text) if in_part else _serial(text)
    if field.kind is _Kind.WORD and not in_part:
        found = next((word for word in field.words if word.lower() == text.lower()), None)
        if found is None:
            raise Malformed(f"it is one of {', '.join(field.words)}")
        return str(found)
    if field.kind is _Kind.NUMBER:
        if not re.fullmatch(r"-?\d{1,18}", text, re.ASCII):
            raise Malformed("it is a whole number")
        return int(text)
    if field.kind is _Kind.SECONDS:
        return parse_time(text)
    if field.kind is _Kind.NANOSECONDS:
        return max(-_LARGEST, min(parse_time(text) * _NANOSECONDS, _LARGEST - 1))
    return "" if field is _ISSUER and text == UNKNOWN and not in_part else text


def _serial(text: str) -> str:
    """A serial number as it is kept. Text that is no serial number stays as it is, and matches nothing."""
    try:
        return format_serial(parse_serial(text))
    except Malformed:
        return text


def _part_of_serial(text: str) -> str:
    """Some digits of a serial number as it is kept: in pairs with `-` between them."""
    text = text.lower().replace(":", "-")
    return text if "-" in text else "-".join(text[place : place + 2] for place in range(0, len(text), 2))
