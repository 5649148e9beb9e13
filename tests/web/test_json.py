"""Reading JSON from strangers: what can be read is read as it is, everything else is Malformed and says why."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from blazon.errors import Malformed
from blazon.web.json import DEPTH, IncompleteBody, place_first, read


class Shape(msgspec.Struct):
    """A body with a little of everything."""

    name: str | None = None
    number: int | None = None
    tags: list[str] | None = None
    metadata: dict[str, Any] | None = None


DECODER = msgspec.json.Decoder(Shape)
ANYTHING = msgspec.json.Decoder(dict[str, Any])

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


def reason(body: bytes) -> str:
    with pytest.raises(Malformed) as caught:
        read(body, DECODER)
    assert caught.value.reason
    return caught.value.reason


def read_or_reason(body: bytes) -> Shape | str:
    """What is read, or why it is Malformed; anything else that is raised fails the test."""
    try:
        return read(body, DECODER)
    except Malformed as error:
        return error.reason


@given(st.dictionaries(TEXT, VALUES, max_size=5), st.booleans())
def test_what_is_json_is_read(value: dict[str, Any], ascii_only: bool) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert read(body, ANYTHING) == value


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
@settings(max_examples=500)
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b'{"a":' + b"9" * 10_000 + b"}")
@example(b'{"number":' + b"9" * 4000 + b"}")
@example(b"\xef\xbb\xbf{}")
@example(b'"\\ud800"')
@example(b"NaN")
def test_the_rest_is_malformed_and_nothing_else(body: bytes) -> None:
    found = read_or_reason(body)
    assert isinstance(found, Shape) or found != ""


@given(VALUES, st.sampled_from(["name", "number", "tags", "metadata", "unknown"]))
def test_fields_are_read_or_refused_by_name(value: Any, name: str) -> None:
    found = read_or_reason(json.dumps({name: value}).encode())
    if isinstance(found, Shape):
        assert name == "unknown" or getattr(found, name) == value
    else:
        assert found.startswith((f"{name}: ", f"{name}["))


def test_a_name_twice() -> None:
    assert "'b' twice" in reason(b'{"metadata":{"a":[{"b":1,"c":2,"b":3}]}}')
    assert "'a\"' twice" in reason(b'{"a\\"":1,"a\\"":1}')
    assert "'a' twice" in reason(b'{"a":1,"\\u0061":1}')
    assert len(reason(b'{"' + b"x" * 5000 + b'":1,"' + b"x" * 5000 + b'":1}')) < 200


def test_text_that_cannot_be_kept() -> None:
    for body in (b'"\\u0000"', b'{"\\u0000":1}', b'{"a":[{"b\\u0000":1}]}', b'{"name":"\\u0000"}'):
        assert "U+0000" in reason(body)
    for body in (b'"\\ud800"', b'{"\\udfff":1}', b'["\\ude00\\ud83d"]', b'{"a":"\\ud83d\\\\ude00"}'):
        assert "surrogate" in reason(body)
    assert read(b'{"name":"\\ud83d\\ude00"}', DECODER).name == "😀"
    assert read(b'{"name":"\\\\u0000"}', DECODER).name == "\\u0000"


def test_depth() -> None:
    def nested(levels: int) -> bytes:
        return b'{"metadata":' + b'{"a":' * (levels - 1) + b"1" + b"}" * levels

    read(nested(DEPTH), DECODER)
    for levels in (DEPTH + 2, 500, 5000, 200_000):
        assert f"deeper than {DEPTH}" in reason(nested(levels))
    # Many brackets are not deep ones.
    read(b'{"tags":["' + b"[" * 1000 + b'"],"metadata":{"a":[' + b"[]," * 500 + b"[]]}}", DECODER)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"name":1}', "name: expected `str | null`, got `int`"),
        (b'{"tags":["a",1]}', "tags[1]: expected `str`, got `int`"),
        (b'{"metadata":[]}', "metadata: expected `object | null`, got `array`"),
        (b"[]", "expected `object`, got `array`"),
        (b"null", "expected `object`, got `null`"),
    ],
)
def test_the_place_comes_first(body: bytes, expected: str) -> None:
    assert reason(body) == expected


class Filled(msgspec.Struct):
    name: str
    metadata: dict[str, int]
    tags: list[str] = []
    sub: Shape | None = None


@pytest.mark.parametrize(
    ("body", "lacks"),
    [
        (b'{"metadata":{}}', True),
        (b'{"name":null,"metadata":{}}', True),
        (b'{"name":"a","metadata":null}', True),
        (b'{"name":1,"metadata":{}}', False),
        (b'{"name":"a","metadata":[]}', False),
        (b'{"name":"a","metadata":{"x":null}}', False),
        (b'{"name":"a","metadata":{},"tags":[null]}', False),
        (b"null", False),
        (b"{", False),
    ],
)
def test_what_lacks_a_field_is_told_from_what_has_a_wrong_one(body: bytes, lacks: bool) -> None:
    with pytest.raises(Malformed) as refused:
        read(body, msgspec.json.Decoder(Filled))
    assert isinstance(refused.value, IncompleteBody) == lacks


def test_messages_without_a_place() -> None:
    assert place_first("Object missing required field `a`") == "object missing required field `a`"
    assert place_first("Expected `int`, got `str` - at `$.a.b[2]`") == "a.b[2]: expected `int`, got `str`"
    assert place_first("Expected `int` - at `$`") == "expected `int`"


@pytest.mark.parametrize(("body", "place"), [(b"\n\n {a}", "line 3 column 3"), (b" {} x \n", "line 1 column 5")])
def test_a_place_is_where_the_sender_sees_it(body: bytes, place: str) -> None:
    with pytest.raises(Malformed, match=place):
        read(body, msgspec.json.Decoder(dict))
