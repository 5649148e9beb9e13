"""CloudEvents 1.0 in structured JSON: the second dialect (decisions, part B; CloudEvents 1.0.2 §2, JSON format §3)."""

from typing import Any, Final

import msgspec

from blazon.clock import rfc3339
from blazon.log import EventType, FieldValue, Record

__all__ = ["CONTENT_TYPE", "CloudEvent", "cloud_event"]

CONTENT_TYPE: Final = "application/cloudevents+json"


class CloudEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """The attributes.

    `sequence` (the sequence extension, decimal), `actor` and `traceparent` (the distributed tracing extension) are
    extensions.
    """

    specversion: str
    id: str
    source: str
    type: str
    time: str
    datacontenttype: str
    sequence: str
    data: dict[str, FieldValue]
    subject: str = ""
    actor: str = ""
    traceparent: str = ""


_encode = msgspec.json.Encoder().encode


def cloud_event(record: Record, declared: "EventType[Any]") -> bytes:
    """A record as a CloudEvent. Its data has the fields of the flat map as JSON values: numbers, lists, objects.

    A field that is empty is left out, unless its type says that it is always there.
    """
    shown = declared.fields(record, declared.read(record))
    always = declared.always
    return _encode(
        CloudEvent(
            specversion="1.0",
            id=record.id,
            source=f"/blazon/{record.service}",
            type=record.type,
            time=rfc3339(record.time),
            datacontenttype="application/json",
            sequence=str(record.sequence),
            data={name: value for name, value in shown.items() if value not in ("", (), None) or name in always},
            subject=record.key,
            actor=record.actor,
            traceparent=record.traceparent,
        )
    )
