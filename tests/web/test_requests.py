"""Requests that are answered in place, and that nobody can tell them from those that get a task."""

import asyncio
import time

import msgspec
import pytest
from structlog.testing import capture_logs

from blazon.web import Limits
from tests.web.served import Said, said, serving


async def test_a_plain_request_is_answered_in_place() -> None:
    async with serving() as served, served.line() as line:
        line.send(said("hello"))
        status, fields, body = await line.answer()
        assert status == 201
        assert msgspec.json.decode(body) == {"way": "in place", "text": "hello", "place": ""}
        assert fields["content-type"] == "application/json"
        assert fields["x-more"] == "yes"
        assert "date" in fields
        assert "connection" not in fields


async def test_the_place_in_a_path_is_decoded() -> None:
    async with serving() as served, served.line() as line:
        line.send(said("a", path=b"/say/%C3%BC%20b"))
        assert msgspec.json.decode((await line.answer())[2]) == {"way": "in place", "text": "a", "place": "ü b"}


@pytest.mark.parametrize(
    "request_",
    [
        said("a"),
        said("a", path=b"/say?x=1"),
        said("a", b"Connection: close", version=b"1.0"),
        said("a", b"Connection: Upgrade", b"Upgrade: h2c", path=b"/say?x"),
    ],
    ids=["plain", "a query", "HTTP 1.0", "an upgrade"],
)
async def test_there_is_one_way_for_all(request_: bytes) -> None:
    async with serving() as served, served.line() as line:
        line.send(request_)
        assert await line.heard() == ("in place", "a")


async def test_a_handler_that_waits_gets_a_task() -> None:
    async with serving() as served, served.line() as line:
        line.send(said("wait"))
        assert await line.heard() == ("in a task", "wait")


async def test_a_client_that_waits_to_be_asked_for_the_body() -> None:
    async with serving() as served, served.line() as line:
        head, _, body = said("a", b"Expect: 100-continue").partition(b"\r\n\r\n")
        line.send(head, b"\r\n\r\n")
        assert (await line.answer())[0] == 100
        line.send(body)
        assert await line.heard() == ("in place", "a")


@pytest.mark.parametrize("cut", [1, 60, 100, -1])
async def test_in_pieces_it_is_the_same(cut: int) -> None:
    async with serving() as served, served.line() as line:
        whole = said("in pieces")
        line.send(whole[:cut])
        await asyncio.sleep(0.05)
        line.send(whole[cut:])
        assert await line.heard() == ("in place", "in pieces")
        line.send(said("once more"))
        assert await line.heard() == ("in place", "once more")


async def test_a_body_in_chunks_that_is_there_whole() -> None:
    async with serving() as served, served.line() as line:
        body = msgspec.json.encode(Said("chunks"))
        line.send(
            b"POST /say HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"".join(b"1\r\n%c\r\n" % octet for octet in body),
            b"0\r\nHost: trailer\r\n\r\n",
            said("next"),
        )
        assert await line.heard() == ("in place", "chunks")
        assert await line.heard() == ("in place", "next")


async def test_many_at_once_are_answered_in_order() -> None:
    async with serving() as served, served.line() as line:
        texts = [("wait" if number % 7 == 3 else f"number {number}") for number in range(60)]
        line.send(*(said(text) for text in texts))
        assert [(await line.heard())[1] for _ in texts] == texts


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (said("conflict"), 409),
        (said("a", host=b""), 400),
        (said("a", b"Host: y"), 400),
        (said("a", b"Idempotency-Key: \x07"), 400),
        (said("a").replace(b"application/json", b"text/html"), 415),
        (said("a").replace(b'"text"', b"'text'"), 400),
        (said("x" * 2000), 413),
        (said("a").replace(b"POST", b"PUT"), 405),
        (said("a", path=b"/say/\xff"), 400),
        (said("a", path=b"/nowhere"), 404),
    ],
)
async def test_what_is_refused(request_: bytes, status: int) -> None:
    async with serving() as served, served.line() as line:
        line.send(request_)
        assert (await line.answer())[0] == status


async def test_a_problem_document() -> None:
    async with serving() as served, served.line() as line:
        line.send(said("conflict", b"Accept: application/problem+json"))
        _, fields, body = await line.answer()
        assert fields["content-type"] == "application/problem+json"
        assert msgspec.json.decode(body)["detail"] == "it is there"


async def test_a_bug_is_a_500_and_is_logged_and_the_connection_goes_on() -> None:
    with capture_logs() as lines:
        async with serving() as served, served.line() as line:
            line.send(said("bug"), said("after"))
            assert (await line.answer())[0] == 500
            assert await line.heard() == ("in place", "after")
    assert [each["event"] for each in lines if each["log_level"] == "error"] == ["a request failed"]


async def test_who_says_close_is_answered_and_closed() -> None:
    async with serving() as served, served.line() as line:
        line.send(said("bye", b"Connection: close"))
        status, fields, _ = await line.answer()
        assert (status, fields["connection"]) == (201, "close")
        assert await line.closed()


async def test_who_says_no_more_is_answered() -> None:
    async with serving() as served, served.line() as line:
        line.send(said("first"), said("last"))
        line.end()
        assert await line.heard() == ("in place", "first")
        assert await line.heard() == ("in place", "last")
        assert await line.closed()


async def test_rubbish_after_a_request_takes_nothing_from_its_answer() -> None:
    async with serving() as served, served.line() as line:
        line.send(said("sense"), b"\x00\x01 rubbish\r\n\r\n")
        assert await line.heard() == ("in place", "sense")
        assert (await line.answer())[0] == 400
        assert await line.closed()


async def test_what_comes_after_the_last_request_is_not_done() -> None:
    async with serving() as served, served.line() as line:
        line.send(said("bye", b"Connection: close"), said("more"), said("wait"))
        assert await line.heard() == ("in place", "bye")
        assert await line.closed()
        assert (served.answered(201), served.answered(200)) == (1, 0)


async def test_a_quiet_connection_is_closed_and_a_busy_one_is_not() -> None:
    limits = Limits(keep_alive_seconds=1, stop_seconds=1)
    async with serving(limits) as served, served.line() as quiet, served.line() as busy:
        quiet.send(said("a"))
        await quiet.heard()
        for _ in range(8):
            busy.send(said("b"))
            assert await busy.heard() == ("in place", "b")
            await asyncio.sleep(0.25)
        began = time.monotonic()
        assert await quiet.closed()
        assert time.monotonic() - began < 0.5
        assert await busy.closed()


async def test_octets() -> None:
    async with serving() as served, served.line() as line:
        for body, answer in ((b"abc", b"in place {'rest': 'a/b'} abc"), (b"wait", b"in a task wait")):
            line.send(b"POST /octets/a/b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            status, fields, found = await line.answer()
            assert (status, fields["content-type"], found) == (200, "text/plain", answer)


async def test_a_reader_who_does_not_read_holds_nobody_up() -> None:
    async with serving() as served, served.line() as deaf, served.line() as line:
        texts = ["x" * 900] * 6000
        deaf.send(*(said(text) for text in texts))
        line.send(said("still here"))
        assert await line.heard() == ("in place", "still here")
        assert [(await deaf.heard())[1] for _ in texts] == texts


async def test_both_ways_are_counted() -> None:
    async with serving() as served, served.line() as line:
        for text in ("a", "wait", "conflict"):
            line.send(said(text))
            await line.answer()
        assert (served.answered(201), served.answered(200), served.answered(409)) == (1, 1, 1)
