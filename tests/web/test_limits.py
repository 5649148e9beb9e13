"""What a connection may cost: sizes and times, each set small here."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.running import Running, running
from tests.web.support import is_clear, request, said, wire

JSON = ("Content-Type", "application/json")
HEAD_BYTES = 4000


@pytest.fixture(scope="module")
async def blazon(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """A Blazon with little patience."""
    flags = {
        "http__head_bytes": str(HEAD_BYTES),
        "http__head_time": "300ms",
        "http__body_time": "300ms",
        "http__body_bytes": "2000",
        "http__keep_alive": "1s",
        "redis__embedded": "false",
    }
    async with running(tmp_path_factory.mktemp("blazon"), **flags) as started:
        yield started


@pytest.mark.parametrize(
    "sent",
    [
        request("GET", "/" + "x" * HEAD_BYTES),
        request("GET", "/users?name=" + "x" * HEAD_BYTES),
        request("GET", "/health", ("X", "x" * HEAD_BYTES)),
        request("GET", "/health", ("X" * HEAD_BYTES, "x")),
        request("GET", "/health", *[("X", "x")] * HEAD_BYTES),
        request("GET", "/health", ("X", "x" * 2_000_000)),
    ],
    ids=["path", "query", "value", "name", "many", "two megabytes"],
)
async def test_a_head_that_is_too_large(blazon: Running, sent: bytes) -> None:
    async with wire(blazon) as connection:
        await connection.send(sent)
        answer = await connection.answer()
        is_clear(answer, 431)
        assert str(HEAD_BYTES) in answer.reason
        assert await connection.closed() == b""


@pytest.mark.parametrize("begin", [b"GET /", b"GET / HTTP/1.1\r\nX", b"GET / HTTP/1.1\r\nX: ", b"G" * 100, b"\r\n"])
async def test_a_head_that_does_not_end(blazon: Running, begin: bytes) -> None:
    """The limit is that of what has come, not of what is complete."""
    async with wire(blazon) as connection:
        await connection.send(begin)
        for _ in range(100):
            await connection.send(b"x" * 1000)
        is_clear(await connection.answer(), 400, 431)


async def test_a_head_of_the_second_request_that_is_too_large(blazon: Running) -> None:
    async with wire(blazon) as connection:
        await connection.send(request("GET", "/health"))
        assert (await connection.answer()).status == 200
        await connection.send(request("GET", "/health", ("X", "x" * HEAD_BYTES)))
        is_clear(await connection.answer(), 431)


async def test_a_head_that_just_fits(blazon: Running) -> None:
    async with wire(blazon) as connection:
        for _ in range(3):
            await connection.send(request("GET", "/health", ("X", "x" * (HEAD_BYTES - 200))))
            assert (await connection.answer()).status == 200


async def test_a_large_trailer(blazon: Running) -> None:
    trailer = b"".join(b"X%d: %b\r\n" % (number, b"x" * 100) for number in range(100))
    head = (JSON, ("Transfer-Encoding", "chunked"))
    sent = request("POST", "/groups", *head, body=b"2\r\n{}\r\n0\r\n" + trailer + b"\r\n", token=blazon.admin.token)
    is_clear(await said(blazon, sent), 431)


@pytest.mark.parametrize(
    "begin", [b"", b"G", b"GET /health HTTP/1.1\r\n", b"GET /health HTTP/1.1\r\nHost: a\r\n", b"\r\n"]
)
async def test_a_head_that_does_not_come(blazon: Running, begin: bytes) -> None:
    async with wire(blazon) as connection:
        await connection.send(begin)
        assert await connection.closed() == b""


async def test_a_second_head_that_does_not_come(blazon: Running) -> None:
    for begin in (b"", b"GET", b"\r\n", b"\r\n\r\n"):
        async with wire(blazon) as connection:
            await connection.send(request("GET", "/health"))
            assert (await connection.answer()).status == 200
            await connection.send(begin)
            assert await connection.closed() == b""


async def test_a_body_that_does_not_come(blazon: Running) -> None:
    for part in (b"", b'{"name":'):
        async with wire(blazon) as connection:
            head = (JSON, ("Content-Length", "100"))
            await connection.send(request("POST", "/groups", *head, body=part, token=blazon.admin.token))
            answer = await connection.answer()
            is_clear(answer, 408)
            assert "0.3 seconds" in answer.reason
            assert answer.headers["Connection"] == "close"
            assert await connection.closed() == b""


async def test_the_rest_of_a_body_nobody_needs(blazon: Running) -> None:
    """It has the limits of any other body."""
    for size, status in ((1000, 408), (1_000_000, 413)):
        async with wire(blazon) as connection:
            await connection.send(request("GET", "/health", ("Content-Length", str(size)), body=b"x"))
            is_clear(await connection.answer(), status)
            await connection.send(b"x")
            assert await connection.closed() == b""


async def test_a_body_over_the_limit_of_the_settings(blazon: Running) -> None:
    sent = request("POST", "/groups", body={"name": "x" * 2000}, token=blazon.admin.token)
    answer = await said(blazon, sent)
    is_clear(answer, 413)
    assert "2000 bytes" in answer.reason


async def test_work_that_takes_too_long(tmp_path: Path) -> None:
    async with running(tmp_path, sign_in=False, redis__embedded="false", http__request_time="1ms") as blazon:
        body = {"identity": "admin@example.com", "secret": "12345678"}
        answer = await blazon.call("POST", "/users/tokens/issue", body, token="")
        assert answer.status == 503
        assert "0.001 seconds" in answer.reason
        assert int(answer.headers["Retry-After"]) >= 1
