"""What comes over the wire and is no good HTTP, or good HTTP that few clients speak."""

import asyncio
from typing import Any

import pytest

from tests.running import Running
from tests.streams import Stream
from tests.web.support import is_clear, request, said, wire

JSON = ("Content-Type", "application/json")

RUBBISH = {
    "noise": b"\x00\x01\x02\xff\xfe" * 20,
    "a TLS hello": bytes.fromhex("16030100a5010000a10303") + b"\x00" * 40,
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "another version": b"GET /health HTTP/3.7\r\n\r\n",
    "no method": b" /health HTTP/1.1\r\n\r\n",
    "SMTP": b"EHLO example.com\r\n",
    "redis": b"*1\r\n$4\r\nPING\r\n",
    "a header without a colon": b"GET /health HTTP/1.1\r\nHost localhost\r\n\r\n",
    "a space before the colon": b"GET /health HTTP/1.1\r\nHost : localhost\r\n\r\n",
    "a folded header": b"GET /health HTTP/1.1\r\nHost: a\r\n b: c\r\n\r\n",
    "a NUL in a header": b"GET /health HTTP/1.1\r\nHost: a\0b\r\n\r\n",
    "a carriage return in a header": b"GET /health HTTP/1.1\r\nHost: a\rb\r\n\r\n",
    "raw bytes in the path": b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n",
    "a space in the path": b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    "two lengths": b"POST /groups HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a length of no number": b"POST /groups HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n{}",
    "a negative length": b"POST /groups HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n{}",
    "a length of two numbers": b"POST /groups HTTP/1.1\r\nHost: a\r\nContent-Length: 2, 2\r\n\r\n{}",
    "a length with a sign": b"POST /groups HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\n{}",
    "a length beyond 64 bits": b"POST /groups HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
    "a length and chunks": b"POST /x HTTP/1.1\r\nHost: a\r\n"
    b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks that are not last": b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", RUBBISH)
async def test_rubbish(blazon: Running, stream: Stream, name: str) -> None:
    async with stream.recorded() as events, wire(blazon) as connection:
        await connection.send(RUBBISH[name])
        is_clear(await connection.answer(), 400)
        assert await connection.closed() == b""
    assert events == []


async def test_no_host(blazon: Running, stream: Stream) -> None:
    """HTTP/1.1 asks for one (RFC 9112 §3.2); HTTP/1.0 knew none."""
    async with stream.recorded() as events:
        is_clear(await said(blazon, b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n"), 400)
        assert (await said(blazon, b"GET /health HTTP/1.0\r\n\r\n")).status == 200
    assert events == []


@pytest.mark.parametrize("chunk", [b"x\r\n{}\r\n0\r\n\r\n", b"-1\r\n", b"2\r\n{}x\r\n", b"ffffffffffffffffff\r\n{}"])
async def test_chunks_that_are_broken(blazon: Running, stream: Stream, chunk: bytes) -> None:
    async with stream.recorded() as events:
        sent = request("POST", "/groups", JSON, ("Transfer-Encoding", "chunked"), token=blazon.admin.token) + chunk
        is_clear(await said(blazon, sent), 400)
    assert events == []


async def test_a_body_that_ends_too_early(blazon: Running, stream: Stream) -> None:
    async with stream.recorded() as events:
        for extra in (("Content-Length", "100"), ("Transfer-Encoding", "chunked")):
            async with wire(blazon) as connection:
                body = b'{"name":"cut off"}' if extra[1] == "100" else b'12\r\n{"name":"cut off"}\r\n'
                await connection.send(request("POST", "/groups", JSON, extra, body=body, token=blazon.admin.token))
                connection.end()
                assert not (await connection.closed()).startswith(b"HTTP/1.1 2")
    assert events == []


async def test_a_body_that_is_longer_than_it_says(blazon: Running, stream: Stream) -> None:
    """The rest is the next request, and rubbish."""
    group = await blazon.group()
    sent = request(
        "PUT",
        f"/groups/{group['id']}",
        JSON,
        ("Content-Length", "16"),
        body=b'{"name":"short"}{"name":"rest"}',
        token=blazon.admin.token,
    )
    async with stream.recorded() as events, wire(blazon) as connection:
        await connection.send(sent)
        answer = await connection.answer()
        assert (answer.status, answer.json["name"]) == (200, "short")
        assert answer.headers["Connection"] == "close"
        assert await connection.closed() == b""
    assert [event.operation for event in events] == ["group.update"]


async def test_one_after_the_other(blazon: Running) -> None:
    async with wire(blazon) as connection:
        for number in range(5):
            await connection.send(request("GET", f"/users/nobody{number}", token=blazon.admin.token))
            assert (await connection.answer()).status == 404
        await connection.send(request("POST", "/groups", body={"name": "kept alive"}, token=blazon.admin.token))
        assert (await connection.answer()).status == 201


async def test_many_at_once_are_answered_in_order(blazon: Running, stream: Stream) -> None:
    groups = [await blazon.group() for _ in range(20)]
    sent = b"".join(request("GET", f"/groups/{group['id']}", token=blazon.admin.token) for group in groups)
    async with stream.recorded() as events, wire(blazon) as connection:
        await connection.send(sent)
        assert [(await connection.answer()).json["id"] for _ in groups] == [group["id"] for group in groups]
    assert [event.fields["id"] for event in events] == [group["id"] for group in groups]


async def test_rubbish_after_good_requests_takes_nothing_from_them(blazon: Running, stream: Stream) -> None:
    names = ["before rubbish", "also before rubbish"]
    good = [request("POST", "/groups", body={"name": name}, token=blazon.admin.token) for name in names]
    async with stream.recorded() as events, wire(blazon) as connection:
        await connection.send(b"".join(good) + b"\x00rubbish\r\n\r\n")
        assert [(await connection.answer()).status for _ in names] == [201, 201]
        assert await connection.closed() == b""
    assert [event.fields["name"] for event in events] == names


async def test_one_byte_at_a_time(blazon: Running) -> None:
    async with wire(blazon) as connection:
        for byte in request("POST", "/groups", body={"name": "one by one"}, token=blazon.admin.token):
            await connection.send(bytes((byte,)))
        assert (await connection.answer()).status == 201


async def test_old_http(blazon: Running) -> None:
    for version, extra in ((b"1.0", b""), (b"1.0", b"Connection: keep-alive\r\n"), (b"1.1", b"Connection: close\r\n")):
        async with wire(blazon) as connection:
            await connection.send(b"GET /health HTTP/" + version + b"\r\nHost: a\r\n" + extra + b"\r\n")
            answer = await connection.answer()
            assert (answer.status, answer.headers["Connection"]) == (200, "close")
            assert await connection.closed() == b""


async def test_bare_line_feeds_before_a_request(blazon: Running) -> None:
    assert (await said(blazon, b"\r\n\r\n" + request("GET", "/health"))).status == 200


async def test_expect_100_continue(blazon: Running) -> None:
    body = b'{"name":"asked before"}'
    head = (JSON, ("Expect", "100-continue"), ("Content-Length", str(len(body))))
    async with wire(blazon) as connection:
        await connection.send(request("POST", "/groups", *head, token=blazon.admin.token))
        assert (await connection.answer()).status == 100
        await connection.send(body)
        assert (await connection.answer()).status == 201


@pytest.mark.parametrize(
    ("headers", "token", "status"),
    [
        ([JSON], "rubbish", 401),
        ([JSON, ("Content-Length", "2000000")], None, 413),
        ([("Content-Type", "x")], None, 415),
    ],
)
async def test_who_asks_before_is_told_no_before(blazon: Running, headers: Any, token: str | None, status: int) -> None:
    sent = [("Expect", "100-continue"), *headers]
    if not any(name == "Content-Length" for name, _ in sent):
        sent.append(("Content-Length", "10"))
    answer = await said(blazon, request("POST", "/groups", *sent, token=token or blazon.admin.token))
    is_clear(answer, status)


@pytest.mark.parametrize(
    "upgrade",
    [
        [
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Key", "x"),
            ("Sec-WebSocket-Version", "13"),
        ],
        [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA")],
        [("Connection", "Upgrade"), ("Upgrade", "TLS/1.0, IRC/6.9")],
    ],
)
async def test_an_offer_to_upgrade_is_passed_over(blazon: Running, upgrade: Any) -> None:
    """As RFC 9110 §7.8 allows: the answer is plain HTTP/1.1, and so is the next request."""
    async with wire(blazon) as connection:
        await connection.send(request("GET", "/health", *upgrade))
        assert (await connection.answer()).status == 200
        name = f"upgraded to {upgrade[1][1]}"
        await connection.send(request("POST", "/groups", *upgrade, body={"name": name}, token=blazon.admin.token))
        answer = await connection.answer()
        assert (answer.status, answer.json["name"]) == (201, name)
        await connection.send(request("GET", "/health"))
        assert (await connection.answer()).status == 200


async def test_a_client_that_goes_away(blazon: Running, stream: Stream) -> None:
    async with stream.recorded() as events:
        for _ in range(3):
            async with wire(blazon) as connection:
                await connection.send(
                    request("POST", "/groups", JSON, ("Content-Length", "50"), body=b"{", token=blazon.admin.token)
                )
    assert events == []


async def test_many_connections(blazon: Running) -> None:
    async def once() -> int:
        return (await said(blazon, request("GET", "/users/profile", token=blazon.admin.token))).status

    assert await asyncio.gather(*(once() for _ in range(200))) == [200] * 200
