"""Flat maps: the first dialect (decisions, part A).

Every value is text. Integers are decimal, truth is `1` or `0`, lists are `[a,b]` without quoting, metadata is compact
JSON with sorted names. A field that is empty is left out. `operation` and `occurred_at` (Unix nanoseconds) are on every
event.

A list in which a text holds a comma cannot be read back from `[a,b]`. Then there is a second field, `<name>_json`, with
the list as a JSON array.
"""

from typing import Any

import msgspec

from blazon.log import EventType, FieldValue, Record

__all__ = ["flat_map", "sequence_of", "stream_id", "stream_name"]


_json = msgspec.json.Encoder().encode


def stream_name(prefix: str, service: str) -> str:
    """The stream of a service: `mainflux.users`."""
    return f"{prefix}.{service}"


def stream_id(sequence: int, time: int) -> str:
    """The entry id of a record with this sequence number and time: `<milliseconds>-<sequence>`.

    Times never go back and sequence numbers grow, so ids grow; Redis refuses one that does not, and thereby an event
    that is there already.
    """
    return f"{time // 1_000_000}-{sequence}"


def sequence_of(identifier: str) -> int:
    """The sequence number in an entry id."""
    return int(identifier.rpartition("-")[2])


def flat_map(record: Record, declared: "EventType[Any]") -> dict[str, str]:
    """A record as a flat map of text."""
    fields = {"operation": record.type, "occurred_at": str(record.time)}
    for name, value in declared.fields(record, declared.read(record)).items():
        if value.__class__ is str:
            if value:
                fields[name] = value
        else:
            text = _text(value)
            if text is not None:
                fields[name] = text
            if isinstance(value, tuple) and any("," in each for each in value):
                fields[f"{name}_json"] = _json(value).decode()
    return fields


def _text(value: FieldValue) -> str | None:
    if value is None or value == ():
        return None
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, tuple):
        return f"[{','.join(value)}]"
    if isinstance(value, msgspec.Raw):
        return bytes(value).decode()
    return str(value)
