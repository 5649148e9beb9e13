"""The reader of requests, fed with bytes: what it reads, where it stops, what it refuses."""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import httptools
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from blazon.errors import TooLarge
from blazon.web import Limits
from blazon.web.http1 import Refused, RequestReader, Stage
from blazon.web.request import Peer, Request

LIMITS = Limits(head_bytes=2000, body_bytes=3000)

Seen = tuple[str, str, bytes, dict[bytes, bytes], bytes]


def seen(request: Request) -> Seen:
    return request.method, request.path, request.query, dict(request.headers.sent), request.body


def read(parts: Iterable[bytes], limits: Limits = LIMITS) -> tuple[list[Seen], RequestReader]:
    """The requests in some bytes that come in parts, and the reader behind them."""
    reader = RequestReader(limits, Peer("peer"))
    found = []
    for part in parts:
        reader.receive(part)
        while reader.left and not reader.over:
            reader.read()
            if reader.complete:
                found.append(seen(reader.take()))
    return found, reader


class Oracle:
    """What llhttp by itself finds in bytes that are given to it in one piece."""

    def __init__(self, data: bytes) -> None:
        self.found: list[Seen] = []
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._url, self._fields, self._body = b"", [], b""
        self._head: list[tuple[bytes, bytes]] | None = None

    def on_url(self, part: bytes) -> None:
        self._url += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._head = list(self._fields)

    def on_body(self, part: bytes) -> None:
        self._body += part

    def on_message_complete(self) -> None:
        path, _, query = self._url.decode().partition("?")
        assert self._head is not None
        self.found.append((self._parser.get_method().decode(), path, query.encode(), dict(self._head), self._body))


def in_chunks(body: bytes, sizes: Sequence[int]) -> bytes:
    chunks = b""
    for size in sizes:
        part, body = body[:size], body[size:]
        if part:
            chunks += b"%x\r\n%b\r\n" % (len(part), part)
    return chunks + (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n"


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request that is right."""
    method = draw(st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS"]))
    path = "/" + draw(st.from_regex(r"[a-z%20/\-]{0,20}(\?[a-z=&]{0,9})?", fullmatch=True))
    fields = draw(
        st.lists(
            st.tuples(
                st.from_regex(r"X-[A-Za-z0-9\-]{1,8}", fullmatch=True),
                st.from_regex(r"[!-~]([ -~]*[!-~])?", fullmatch=True),
            ),
            max_size=4,
        )
    )
    body = draw(
        st.binary(max_size=60)
        | st.sampled_from([b"\r\n\r\n", b"\r\n\r\n\r\n", b"0\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"])
    )
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields)
    kind = draw(st.sampled_from(["none", "length", "chunked", "trailer"]))
    if kind == "none":
        return f"{head}\r\n".encode()
    if kind == "length":
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    chunks = in_chunks(body, draw(st.lists(st.integers(1, 20), max_size=5)))
    trailer = b"X-Trailer: t\r\nAuthorization: Bearer y\r\n" if kind == "trailer" else b""
    return f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks + trailer + b"\r\n"


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    ends = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(ends)]


@given(st.lists(requests(), max_size=5), st.lists(st.integers(0, 2000), max_size=12))
@settings(max_examples=300)
def test_however_it_comes_it_is_what_llhttp_finds(sent: list[bytes], places: list[int]) -> None:
    data = b"".join(sent)
    found, reader = read(cut(data, places))
    assert found == Oracle(data).found
    assert reader.stage is Stage.IDLE


@given(requests(), requests())
def test_one_byte_at_a_time(first: bytes, second: bytes) -> None:
    data = first + b"\r\n" + second
    assert read(bytes((byte,)) for byte in data)[0] == read([data])[0] == read([first, second])[0]


@given(requests(), requests(), st.binary(max_size=50))
def test_nothing_behind_a_request_is_read_before_it_is_taken(first: bytes, second: bytes, rubbish: bytes) -> None:
    reader = RequestReader(LIMITS, Peer("peer"))
    reader.receive(first + second)
    while not reader.complete:
        reader.read()
    for _ in range(5):
        reader.receive(rubbish)
        reader.read()
        assert reader.complete
    assert seen(reader.take()) == Oracle(first).found[0]


@given(st.lists(requests(), min_size=1, max_size=3), st.data())
@settings(max_examples=500)
def test_what_is_damaged_is_read_or_refused(sent: list[bytes], data: st.DataObject) -> None:
    """And never read in two ways: cut elsewhere, it is the same."""
    damaged = bytearray(b"".join(sent))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        action = data.draw(st.sampled_from(["change", "insert", "delete"]))
        octet = data.draw(st.sampled_from(b"\r\n \t:;0,\x00\xff") | st.integers(0, 255))
        if action == "change":
            damaged[place] = octet
        elif action == "insert":
            damaged.insert(place, octet)
        elif len(damaged) > 1:
            del damaged[place]
    places = data.draw(st.lists(st.integers(0, 2000), max_size=6))
    assert outcome([bytes(damaged)]) == outcome(cut(bytes(damaged), places))


def outcome(parts: Iterable[bytes]) -> Any:
    """The requests that were read, and how it ended."""
    reader = RequestReader(LIMITS, Peer("peer"))
    found: list[Any] = []
    try:
        for part in parts:
            reader.receive(part)
            while reader.left and not reader.over:
                reader.read()
                if reader.complete:
                    found.append(seen(reader.take()))
    except (Refused, TooLarge) as error:
        return found, getattr(error, "status", 413)
    return found, reader.over or reader.stage


REFUSED = {
    "HTTP/0.9": (b"GET /\r\n\r\n", 505),
    "HTTP/2.0": (b"GET / HTTP/2.0\r\n\r\n", 505),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "a proxy": (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "another coding": (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
    "no coding": (b"POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\nContent-Length: 1\r\n\r\nx", 400),
    "an empty coding": (b"POST / HTTP/1.1\r\nTransfer-Encoding:\r\nContent-Length: 1\r\n\r\nx", 400),
    "chunked twice": (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "chunked in a list twice": (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", 400),
    "chunked after a vertical tab": (b"POST / HTTP/1.1\r\nTransfer-Encoding: \x0bchunked\r\n\r\n", 400),
    "nearly chunked": (b"POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\nContent-Length: 1\r\n\r\nx", 400),
    "chunked in HTTP/1.0": (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "a length and chunks": (b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "chunks and a length": (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400),
    "a length twice": (b"POST / HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab", 400),
    "two lengths in one": (b"POST / HTTP/1.1\r\nContent-Length: 2, 2\r\n\r\nab", 400),
    "no length": (b"POST / HTTP/1.1\r\nContent-Length:\r\n\r\n", 400),
    "a length with a space": (b"POST / HTTP/1.1\r\nContent-Length: 1 1\r\n\r\n", 400),
    "a length with an underscore": (b"POST / HTTP/1.1\r\nContent-Length: 1_1\r\n\r\n", 400),
    "a length in hexadecimal": (b"POST / HTTP/1.1\r\nContent-Length: 0x1\r\n\r\n", 400),
    "a space before the colon": (b"POST / HTTP/1.1\r\nContent-Length : 1\r\n\r\nx", 400),
    "a field without a name": (b"GET / HTTP/1.1\r\n: x\r\n\r\n", 400),
    "a field that is folded": (b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 400),
    "a NUL in a name": (b"GET / HTTP/1.1\r\nA\x00: x\r\n\r\n", 400),
    "a bare line feed behind the request line": (b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
    "a bare line feed behind a field": (b"GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
    "a bare line feed at the end of the head": (b"GET / HTTP/1.1\r\nHost: a\r\n\n", 400),
    "a bare carriage return": (b"GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", 400),
    "a method in small letters": (b"get / HTTP/1.1\r\n\r\n", 400),
    "raw bytes in the path": (b"GET /\xff HTTP/1.1\r\n\r\n", 400),
    "no path": (b"GET users HTTP/1.1\r\n\r\n", 400),
    **{
        f"chunks: {name}": (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks, 400)
        for name, chunks in {
            "a bare line feed behind the size": b"1\nx\r\n0\r\n\r\n",
            "a bare line feed behind the data": b"1\r\nx\n0\r\n\r\n",
            "a bare line feed in an extension": b"1;a\nb\r\nx\r\n0\r\n\r\n",
            "a bare line feed at the end": b"1\r\nx\r\n0\r\n\n",
            "a space behind the size": b"1 \r\nx\r\n0\r\n\r\n",
            "a prefix": b"0x1\r\nx\r\n0\r\n\r\n",
            "a sign": b"+1\r\nx\r\n0\r\n\r\n",
            "more data than its size": b"1\r\nxy\r\n0\r\n\r\n",
            "less data than its size": b"3\r\nxy\r\n0\r\n\r\n",
            "a size beyond 64 bits": b"10000000000000001\r\nx\r\n0\r\n\r\n",
            "no size": b"\r\nx\r\n0\r\n\r\n",
            "a length in the trailer": b"1\r\nx\r\n0\r\nContent-Length: 5\r\n\r\n",
        }.items()
    },
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_could_be_read_in_two_ways_is_refused(name: str) -> None:
    data, status = REFUSED[name]
    for parts in ([data + LOOK], [bytes((byte,)) for byte in data + LOOK]):
        with pytest.raises(Refused) as refused:
            read(parts)
        assert refused.value.status == status
        assert refused.value.reason


LOOK = b"GET /look HTTP/1.1\r\nHost: x\r\n\r\n"


def test_targets() -> None:
    for target, path, query in (
        (b"/", "/", b""),
        (b"/a?b=c?d", "/a", b"b=c?d"),
        (b"/a?b#c", "/a", b"b"),
        (b"/a#b?c", "/a", b""),
        (b"//a//", "//a//", b""),
        (b"http://h/a?b", "/a", b"b"),
        (b"http://h", "/", b""),
        (b"*", "*", b""),
    ):
        ((_, found, raw, *_),), _ = read([b"OPTIONS %b HTTP/1.1\r\nHost: x\r\n\r\n" % target])
        assert (found, raw) == (path, query), target


@pytest.mark.parametrize(
    "fields", [b"Connection: close", b"Connection: x, Close", b"Connection: x\r\nConnection: close"]
)
def test_nothing_is_read_behind_the_last_request(fields: bytes) -> None:
    found, reader = read([b"GET /last HTTP/1.1\r\n%b\r\n\r\n" % fields + LOOK])
    assert [path for _, path, *_ in found] == ["/last"]
    assert reader.over
    assert read([b"GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + LOOK])[1].over


@pytest.mark.parametrize("protocol", ["websocket", "h2c", "TLS/1.0"])
@pytest.mark.parametrize(
    "body", [b"", b"Content-Length: 5\r\n\r\n12345", b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"]
)
def test_an_offer_to_upgrade_is_passed_over(protocol: str, body: bytes) -> None:
    head = f"POST /a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, y\r\nX: z\r\nUpgrade: {protocol}\r\n".encode()
    data = head + (body or b"\r\n") + LOOK
    for places in ((), range(len(data))):
        found, _ = read(cut(data, places))
        assert [path for _, path, *_ in found] == ["/a", "/look"]
        assert found[0][3][b"x"] == b"z"
        assert found[0][4] in (b"", b"12345", b"ab")


def test_a_trailer_is_no_head() -> None:
    chunks = b"1\r\nx\r\n0\r\nAuthorization: y\r\nHost: z\r\n\r\n"
    ((*_, fields, body),), _ = read([b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks])
    assert fields == {b"host": b"x", b"transfer-encoding": b"chunked"}
    assert body == b"x"


def limited(data: bytes, step: int | None = None) -> int:
    """The status some bytes are refused with; 200 when they are not."""
    try:
        read([data] if step is None else [data[place : place + step] for place in range(0, len(data), step)])
    except Refused as refused:
        return refused.status
    except TooLarge:
        return 413
    return 200


@pytest.mark.parametrize("step", [None, 1, 7])
def test_limits_of_a_head(step: int | None) -> None:
    rest = len(b"GET / HTTP/1.1\r\nX: \r\n\r\n")
    assert limited(b"GET / HTTP/1.1\r\nX: %b\r\n\r\n" % (b"x" * (2000 - rest)), step) == 200
    assert limited(b"GET / HTTP/1.1\r\nX: %b\r\n\r\n" % (b"x" * (2001 - rest)), step) == 431
    assert limited(b"\r\n" * 1001, step) == 431
    assert limited(b"GET / HTTP/1.1\r\n" + b"X:\r\n" * 254 + b"\r\n", step) == 200
    assert limited(b"GET / HTTP/1.1\r\n" + b"X:\r\n" * 257 + b"\r\n", step) == 431
    assert limited((b"GET / HTTP/1.1\r\nX: %b\r\n\r\n" % (b"x" * 1900)) * 50, step) == 200


@pytest.mark.parametrize("step", [None, 1, 7])
def test_limits_of_a_body(step: int | None) -> None:
    head = b"POST / HTTP/1.1\r\n"
    assert limited(head + b"Content-Length: 3000\r\n\r\n" + b"x" * 3000 + LOOK, step) == 200
    assert limited(head + b"Content-Length: 3001\r\n\r\n", step) == 413
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
    assert limited(chunked + b"bb8\r\n" + b"x" * 3000 + b"\r\n0\r\n\r\n", step) == 200
    assert limited(chunked + b"bb9\r\n" + b"x" * 3001 + b"\r\n0\r\n\r\n", step) == 413
    assert limited(chunked + b"1\r\nx\r\n" * 1000 + b"0\r\n\r\n", step) == 200
    assert limited(chunked + b"1\r\nx\r\n" * 2000 + b"0\r\n\r\n", step) == 413
    assert limited(chunked + b"1;" + b"x" * 9000, step) == 413
    assert limited(chunked + b"0\r\n" + b"X: y\r\n" * 2000, step) == 431
    assert limited(chunked + b"0\r\nX: " + b"y" * 9000, step) == 413


def test_the_head_of_a_body_that_is_too_large_is_known() -> None:
    reader = RequestReader(LIMITS, Peer("peer"))
    reader.receive(b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3001\r\n\r\n")
    with pytest.raises(TooLarge, match="3000 bytes"):
        reader.read()
    assert reader.request is not None
    assert reader.request.path == "/a"


@given(st.binary(max_size=200))
@settings(max_examples=300)
@example(b"\x16\x03\x01\x00\xa5")
@example(b"\r\n\r\n")
def test_rubbish(data: bytes) -> None:
    assert outcome([data])[0] == []
