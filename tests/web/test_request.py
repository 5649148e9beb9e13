"""Parsers of queries and headers: whatever comes, they read it, pass it over, or refuse it with a reason."""

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from blazon.errors import Malformed, PreconditionFailed, RequestError, UnsupportedMedia
from blazon.web import request
from blazon.web.query import query_of
from blazon.web.request import Headers


class Colour(StrEnum):
    """Some words."""

    RED = "red"
    BLUE = "blue"


class Query(msgspec.Struct, frozen=True):
    """A parameter of each kind."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=100, description="d")] = 10
    name: Annotated[str, msgspec.Meta(description="d")] | None = None
    colour: Annotated[Colour, msgspec.Meta(description="d")] = Colour.RED
    other: Annotated[Colour, msgspec.Meta(description="d")] | None = None
    tree: Annotated[bool, msgspec.Meta(description="d")] = False


BYTES = st.binary(max_size=60).map(lambda value: value.replace(b"\n", b"").replace(b"\r", b""))
TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def headers(*pairs: tuple[bytes, bytes]) -> Headers:
    return Headers(list(pairs))


def or_refused(parse: Callable[[], Any]) -> Any:
    """What a parser gives, or the refusal with its reason; anything else it raises fails the test."""
    try:
        return parse()
    except RequestError as error:
        return error if error.reason else AssertionError("refused for no reason")


@given(BYTES | st.text(max_size=60).map(lambda text: quote(text).encode()))
@settings(max_examples=500)
@example(b"limit=%zz")
@example(b"name=%ED%A0%80")
@example(b"&" * 500)
@example(b"a=" + b"&a=" * 70)
def test_queries_are_read_or_malformed(raw: bytes) -> None:
    found = or_refused(lambda: query_of(raw, Query))
    assert isinstance(found, Query | Malformed)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "limit": st.integers(1, 100),
            "name": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1),
            "colour": st.sampled_from(["red", "blue"]),
            "other": st.sampled_from(["red", "blue"]),
            "tree": st.sampled_from(["true", "false", "0", "1"]),
            "unknown": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
        },
    )
)
def test_good_queries(given_values: dict[str, Any]) -> None:
    found = query_of(urlencode(given_values).encode(), Query)
    assert found.limit == given_values.get("limit", 10)
    assert found.name == given_values.get("name")
    assert found.colour == given_values.get("colour", "red")
    assert found.other == given_values.get("other")
    assert found.tree == (given_values.get("tree", "false") in ("true", "1"))


def test_empty_words_ask_for_nothing_and_empty_numbers_are_mistakes() -> None:
    assert query_of(b"name=&colour=&other=", Query) == Query()
    for query in (b"limit=", b"tree=", b"limit", b"name=a&name=b", b"name=&name="):
        with pytest.raises(Malformed, match="invalid query parameters"):
            query_of(query, Query)


@given(BYTES)
@settings(max_examples=300)
@example(b"")
@example(b'"0"')
@example(b'"1", W/"2"')
def test_if_match(value: bytes) -> None:
    found = or_refused(lambda: request.expected_revisions(headers((b"if-match", value))))
    assert isinstance(found, frozenset | Malformed | PreconditionFailed)


def test_if_match_of_many() -> None:
    def revisions(*values: bytes) -> frozenset[int] | None:
        return request.expected_revisions(headers(*((b"if-match", value) for value in values)))

    assert revisions() is None
    assert revisions(b"*") == frozenset()
    assert revisions(b'"1"') == frozenset({1})
    assert revisions(b'"1" ,"2"', b' "3"') == frozenset({1, 2, 3})
    assert revisions(b'"1", W/"2", "of-another-server"') == frozenset({1})
    for strange in (b'W/"1"', b'"x"', b'""'):
        with pytest.raises(PreconditionFailed):
            revisions(strange)
    for bad in (b"1", b'"1', b"", b"*, *", b'"1" "2"', b'"1",'):
        with pytest.raises(Malformed):
            revisions(bad)


@given(BYTES)
@settings(max_examples=300)
@example(b"")
@example(b'""')
@example(b"\xff")
def test_idempotency_key(value: bytes) -> None:
    sent = headers((b"idempotency-key", value))
    found = or_refused(lambda: request.idempotency_key(sent, "me", "POST", "/p", b"", b"secret"))
    if not isinstance(found, Malformed):
        text = value.decode().strip()
        assert found.key in (text, text[1:-1])
        assert found.key.isprintable()
        assert 1 <= len(found.key) <= 255


def test_the_digest_of_a_request() -> None:
    def digest(
        scope: str = "me", method: str = "POST", path: str = "/a", body: bytes = b"b", secret: bytes = b"secret"
    ) -> tuple[str, str]:
        once = request.idempotency_key(headers((b"idempotency-key", b"k")), scope, method, path, body, secret)
        assert once is not None
        return once.scope, once.digest

    same = digest()
    assert digest() == same
    assert digest(scope="you")[1] == same[1]
    for other in (
        digest(method="PUT"),
        digest(path="/ab", body=b""),
        digest(body=b"c"),
        digest(path="/a\nb", body=b""),
        digest(secret=b"another"),
    ):
        assert other[1] != same[1]
    # Who does not sign in shares a scope only with the same request.
    assert digest(scope="")[0] != digest(scope="", body=b"c")[0]
    assert request.idempotency_key(headers(), "me", "POST", "/a", b"", b"secret") is None


@given(st.lists(BYTES, max_size=3))
@settings(max_examples=300)
@example([b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"] * 2)
def test_traceparent_is_always_one(values: list[bytes]) -> None:
    found = request.trace_of(headers(*((b"traceparent", value) for value in values)))
    assert TRACEPARENT.fullmatch(found)


@given(
    st.from_regex(r"[0-9a-f]{32}", fullmatch=True),
    st.from_regex(r"[0-9a-f]{16}", fullmatch=True),
    st.from_regex(r"[0-9a-f]{2}", fullmatch=True),
    st.sampled_from(["00", "01", "fe", "ff"]),
)
def test_traceparent_goes_on_with_the_trace(trace: str, span: str, flags: str, version: str) -> None:
    """W3C Trace Context §3.2.2: an id of zeros and version ff are invalid; later versions are read as 00."""
    sent = f"{version}-{trace}-{span}-{flags}".encode()
    found = request.trace_of(headers((b"traceparent", sent))).split("-")
    goes_on = version != "ff" and set(trace) != {"0"} and set(span) != {"0"}
    assert (found[1] == trace) == goes_on
    assert found[2] != span
    if goes_on:
        assert found[3] == flags


@given(BYTES)
@example(b"Bearer")
@example(b"Bearer \xff")
@example(b"bearer  a b ")
def test_bearer(value: bytes) -> None:
    found = or_refused(lambda: request.bearer_token(headers((b"authorization", value))))
    assert isinstance(found, str | Malformed)
    if isinstance(found, str) and found:
        assert value.decode().strip().lower().startswith("bearer ")


@given(st.lists(st.tuples(st.sampled_from([b"content-type", b"content-encoding"]), BYTES), max_size=3))
def test_check_json(pairs: list[tuple[bytes, bytes]]) -> None:
    found = or_refused(lambda: request.check_json(headers(*pairs)))
    assert found is None or isinstance(found, UnsupportedMedia | Malformed)


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "expected"),
    [
        ("1.1.1.1", [], [], "1.1.1.1"),
        ("1.1.1.1", [b"9.9.9.9"], [], "1.1.1.1"),
        ("1.1.1.1", [b"9.9.9.9"], ["2.2.2.2"], "1.1.1.1"),
        ("1.1.1.1", [b"9.9.9.9"], ["1.1.1.1"], "9.9.9.9"),
        ("1.1.1.1", [b"8.8.8.8, 9.9.9.9"], ["1.1.1.1"], "9.9.9.9"),
        ("1.1.1.1", [b"8.8.8.8", b"9.9.9.9"], ["1.1.1.1"], "9.9.9.9"),
        ("1.1.1.1", [b"9.9.9.9, 2.2.2.2"], ["1.1.1.1", "2.2.2.2"], "9.9.9.9"),
        ("1.1.1.1", [b"2.2.2.2"], ["1.1.1.1", "2.2.2.2"], "1.1.1.1"),
        ("1.1.1.1", [b" , ,"], ["1.1.1.1"], "1.1.1.1"),
        ("1.1.1.1", [b""], ["1.1.1.1"], "1.1.1.1"),
        ("", [b"9.9.9.9"], [], ""),
    ],
)
def test_address(peer: str, forwarded: list[bytes], trusted: list[str], expected: str) -> None:
    sent = headers(*((b"x-forwarded-for", value) for value in forwarded))
    assert request.address_of(sent, peer, frozenset(trusted)) == expected
