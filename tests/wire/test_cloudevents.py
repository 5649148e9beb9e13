"""CloudEvents 1.0, held against the SDK of the CNCF project."""

import json
from typing import Any

import msgspec
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from blazon.log import EventType, Fields, Kind, Record
from blazon.wire import cloud_event


class Data(msgspec.Struct, frozen=True):
    """Whatever."""


def _record(actor: str = "", traceparent: str = "", subject: str = "user:1") -> Record:
    identifier = "018a4108-d1c5-7d58-8000-000000000000"
    time = 1_693_307_171_925_834_295
    return Record(7, identifier, "user.create", "users", 0, subject, actor, time, traceparent, "{}", b"")


def _encoded(record: Record, fields: Any) -> bytes:
    def show(_: Record, __: Data) -> Fields:
        return dict(fields)

    return cloud_event(record, EventType("users", "user.create", Kind.FACT, Data, show))


def test_the_attributes() -> None:
    record = _record("somebody", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    body = json.loads(_encoded(record, {"id": "1", "tags": ("a", "b"), "metadata": msgspec.Raw(b'{"a":1}'), "n": 3}))
    assert body == {
        "specversion": "1.0",
        "id": record.id,
        "source": "/blazon/users",
        "type": "user.create",
        "subject": "1",
        "time": "2023-08-29T11:06:11.925834Z",
        "datacontenttype": "application/json",
        "sequence": "7",
        "actor": "somebody",
        "traceparent": record.traceparent,
        "data": {"id": "1", "tags": ["a", "b"], "metadata": {"a": 1}, "n": 3},
    }


def test_what_is_empty_is_left_out() -> None:
    body = json.loads(_encoded(_record(subject=""), {"name": "", "tags": (), "none": None, "total": 0, "no": False}))
    assert not {"subject", "actor", "traceparent"} & body.keys()
    assert body["data"] == {"total": 0, "no": False}


_fields: Any = st.dictionaries(
    st.from_regex(r"[a-z_]{1,12}", fullmatch=True),
    st.text(st.characters(exclude_categories=["Cs"])) | st.integers(-(2**63), 2**63 - 1) | st.booleans(),
)


@given(_fields, st.sampled_from(["", "somebody"]))
def test_the_sdk_reads_every_event(fields: dict[str, Any], actor: str) -> None:
    read = JSONFormat().read(CloudEvent, _encoded(_record(actor), fields))
    assert read.get_type() == "user.create"
    assert read.get_source() == "/blazon/users"
    assert read.get_datacontenttype() == "application/json"
    assert read.get_extension("sequence") == "7"
    assert read.get_data() == {name: value for name, value in fields.items() if value != ""}
