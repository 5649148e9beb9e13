"""Flat maps: what every value looks like as text (decisions, part A)."""

import json
import re
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from blazon.clock import rfc3339
from blazon.log import EventType, Fields, FieldValue, Kind, Record
from blazon.wire import flat_map, sequence_of, stream_id, stream_name


class Data(msgspec.Struct, frozen=True):
    """Whatever."""


def _record(time: int = 1_693_307_171_925_834_295, sequence: int = 7) -> Record:
    return Record(sequence, "id", "user.create", "users", 0, "user:1", "", time, "", "{}", b"")


def _shown(**fields: FieldValue) -> dict[str, str]:
    """A record of a type that shows these fields."""

    def show(_: Record, __: Data) -> Fields:
        return dict(fields)

    return flat_map(_record(), EventType("users", "user.create", Kind.FACT, Data, show))


def test_every_event_says_what_and_when() -> None:
    assert _shown() == {"operation": "user.create", "occurred_at": "1693307171925834295"}


def test_values_are_text() -> None:
    shown = _shown(
        text="a b", number=10, zero=0, yes=True, no=False, many=("a", "b"), one=("a",), raw=msgspec.Raw(b'{"a":1}')
    )
    del shown["operation"], shown["occurred_at"]
    assert shown == {
        "text": "a b",
        "number": "10",
        "zero": "0",
        "yes": "1",
        "no": "0",
        "many": "[a,b]",
        "one": "[a]",
        "raw": '{"a":1}',
    }


def test_what_is_empty_is_left_out_and_empty_metadata_is_not() -> None:
    shown = _shown(text="", none=None, many=(), metadata=msgspec.Raw(b"{}"))
    assert shown.keys() - {"operation", "occurred_at"} == {"metadata"}
    assert shown["metadata"] == "{}"


def test_a_list_with_commas_is_there_again_as_json() -> None:
    shown = _shown(tags=("a,b", 'c"', "ü]"), plain=("a", "[b]", 'c"'))
    del shown["operation"], shown["occurred_at"]
    assert shown == {"tags": '[a,b,c",ü]]', "tags_json": '["a,b","c\\"","ü]"]', "plain": '[a,[b],c"]'}


@given(st.lists(st.text(), min_size=1).map(tuple))
def test_every_list_can_be_read_back(many: tuple[str, ...]) -> None:
    shown = _shown(many=many)
    read = json.loads(shown["many_json"]) if "many_json" in shown else shown["many"][1:-1].split(",")
    assert tuple(read) == many
    assert ("many_json" in shown) == any("," in each for each in many)


_fields: Any = st.dictionaries(
    st.from_regex(r"[a-z_]{1,12}", fullmatch=True).filter(lambda name: name not in ("operation", "occurred_at")),
    st.text() | st.integers() | st.booleans() | st.lists(st.text()).map(tuple) | st.none(),
)


@given(_fields)
def test_any_fields_make_a_flat_map_of_text(fields: dict[str, FieldValue]) -> None:
    shown = _shown(**fields)
    assert all(type(value) is str and value for value in shown.values())
    names = fields.keys() | {f"{name}_json" for name, value in fields.items() if isinstance(value, tuple)}
    assert shown.keys() - {"operation", "occurred_at"} <= names
    assert all(shown[name] == value for name, value in fields.items() if isinstance(value, str) and value)


@given(st.integers(0, 2**63 - 1), st.integers(1, 2**63 - 1))
def test_an_entry_id_is_the_millisecond_and_the_sequence_number(time: int, sequence: int) -> None:
    identifier = stream_id(sequence, time)
    assert identifier == f"{time // 1_000_000}-{sequence}"
    assert sequence_of(identifier) == sequence


def test_a_stream_is_named_after_its_service() -> None:
    assert stream_name("mainflux", "users") == "mainflux.users"


@given(st.integers(1, 253_402_300_799_999_999_999))
def test_times_are_rfc_3339_in_microseconds_without_trailing_zeros(nanoseconds: int) -> None:
    text = rfc3339(nanoseconds)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", text)
    assert not re.search(r"\.\d*0Z", text)


def test_times_of_the_samples() -> None:
    assert rfc3339(1_693_311_470_578_660_000) == "2023-08-29T12:17:50.57866Z"
    assert rfc3339(1_693_311_470_000_000_999) == "2023-08-29T12:17:50Z"
    assert rfc3339(0) == "0001-01-01T00:00:00Z"


def test_metadata_is_compact_and_sorted() -> None:
    from blazon.log import canonical

    text = bytes(canonical({"b": [1, {"d": 1, "c": "<&>"}], "a": None})).decode()
    assert text == '{"a":null,"b":[1,{"c":"<&>","d":1}]}'
    assert json.loads(text)
