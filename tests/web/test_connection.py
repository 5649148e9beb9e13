"""What becomes of the requests of one connection when others are behind them, or something goes wrong."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from structlog.testing import capture_logs

from blazon.web import Auth, Limits
from tests.web.served import route, said, serving
from tests.web.support import PATIENCE

BROKEN = (
    b"POST /say HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\n{}\r\nzz\r\n"
)
LOOK = b"GET /look HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_answers_keep_the_order_of_their_requests() -> None:
    async with serving() as served, served.line() as line:
        texts = ["sleep 0.2", "in place", "sleep 0.1", "wait", "sleep 0.05"]
        line.send(*(said(text) for text in texts))
        assert [(await line.heard())[1] for _ in texts] == texts


async def test_in_pieces_after_a_slow_one() -> None:
    async with serving() as served, served.line() as line:
        line.send(said("sleep 0.2"), said("wait")[:-5])
        await asyncio.sleep(0.05)
        line.send(said("wait")[-5:], LOOK)
        assert [(await line.heard())[1] for _ in range(3)] == ["sleep 0.2", "wait", "seen"]


async def test_a_head_alone_is_sent_also_when_more_was_asked() -> None:
    async with serving() as served, served.line() as line:
        line.send(LOOK.replace(b"GET", b"HEAD"), LOOK)
        status, fields, body = await line.head()
        assert (status, body) == (200, b"")
        assert int(fields["content-length"]) > 0
        assert (await line.heard())[1] == "seen"


async def test_who_goes_away_leaves_nothing_behind() -> None:
    with capture_logs() as lines:
        async with serving() as served:
            async with served.line() as line:
                line.send(said("sleep 0.2"))
                await asyncio.sleep(0.05)
            async with served.line() as other:
                other.send(said("sleep 0.3"))
                assert (await other.heard())[1] == "sleep 0.3"
    assert [each for each in lines if each["log_level"] == "error"] == []


async def test_a_server_that_stops_answers_what_it_was_asked() -> None:
    async with serving() as served, served.line() as line:
        line.send(said("sleep 0.4"))
        await asyncio.sleep(0.1)
        served.stop()
        status, fields, _ = await line.answer()
        assert (status, fields["connection"]) == (200, "close")
        assert await line.closed()


async def test_a_server_that_stops_does_not_wait_for_ever() -> None:
    async with serving(Limits(stop_seconds=1)) as served, served.line() as line:
        line.send(said("sleep 60"))
        await asyncio.sleep(0.1)
        served.stop()
        status, fields, body = await line.answer()
        assert (status, fields["connection"]) == (503, "close")
        assert b"may have happened" in body
        assert await line.closed()


@pytest.mark.parametrize(
    "after",
    [b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", b"\x00 rubbish\r\n\r\n", BROKEN],
    ids=["too long a head", "rubbish", "a broken chunk"],
)
async def test_what_is_refused_takes_nothing_from_what_was_asked_before_nor_from_others(after: bytes) -> None:
    async with AsyncExitStack() as stack:
        served = await stack.enter_async_context(serving())
        lines = [await stack.enter_async_context(served.line()) for _ in range(6)]
        lines[0].send(said("sleep 0.3"), after)
        for line in lines[1:]:
            line.send(said("sleep 0.3"))
        status, fields, _ = await lines[0].answer()
        assert (status, fields["connection"]) == (200, "close")
        assert await lines[0].closed()
        async with asyncio.timeout(2):
            assert [(await line.heard())[1] for line in lines[1:]] == ["sleep 0.3"] * 5


async def test_a_head_that_does_not_come_takes_nothing_from_what_was_asked_before() -> None:
    async with serving(Limits(head_seconds=0.2, stop_seconds=1)) as served, served.line() as line:
        line.send(said("sleep 0.8"), b"GET /lo")
        status, fields, _ = await line.answer()
        assert (status, fields["connection"]) == (200, "close")
        assert await line.closed()


async def test_what_comes_after_too_large_a_body_is_not_done() -> None:
    for large in (said("x" * 2000), said("x" * 2000, b"Connection: close")):
        async with serving() as served, served.line() as line:
            line.send(large, said("more"), said("wait"))
            status, fields, _ = await line.answer()
            assert (status, fields["connection"]) == (413, "close")
            assert await line.closed()
            assert served.answered(200) == 0


@pytest.mark.parametrize("asked", [b"GET /nowhere", b"GET /look", b"DELETE /look"])
@pytest.mark.parametrize("hosts", [b"", b"Host: x\r\nHost: y\r\n"])
async def test_there_is_one_host(asked: bytes, hosts: bytes) -> None:
    async with serving() as served, served.line() as line:
        line.send(asked + b" HTTP/1.1\r\n" + hosts + b"\r\n")
        assert (await line.answer())[0] == 400


@pytest.mark.parametrize("text", ["cancelled", "two lines"])
async def test_a_bug_is_a_500_and_is_logged(text: str) -> None:
    with capture_logs() as lines:
        async with serving() as served, served.line() as line:
            line.send(said(text), said("wait"))
            assert (await line.answer())[0] == 500
            assert (await line.heard())[1] == "wait"
    assert [each["event"] for each in lines if each["log_level"] == "error"] == ["a request failed"]


async def test_nothing_is_done_for_a_client_that_does_not_read() -> None:
    """And no more is kept of it than one read of the socket, and one response beyond what may wait."""
    async with serving() as served:
        with served.wire() as wire:
            asked, taken = LOOK * 60_000, 0
            async with asyncio.timeout(PATIENCE):
                while not wire.full:
                    taken += wire.deliver(asked[taken:])
                    await asyncio.sleep(0)
            answered = served.answered(200, "/look", "GET")
            assert wire.waiting < 33 * 1024
            assert taken <= answered * len(LOOK) + 64 * 1024
            for _ in range(100):
                taken += wire.deliver(asked[taken:])
                await asyncio.sleep(0)
            assert served.answered(200, "/look", "GET") <= answered + 1
            assert taken <= answered * len(LOOK) + 64 * 1024
            wire.read()
            async with asyncio.timeout(PATIENCE):
                while served.answered(200, "/look", "GET") < answered + 100:
                    await asyncio.sleep(0)


async def test_a_server_that_stops_leaves_nothing_of_who_does_not_read() -> None:
    before = asyncio.all_tasks()
    async with serving() as served, served.line() as line:
        line.send(LOOK * 200_000)
        await asyncio.sleep(1)
    async with asyncio.timeout(PATIENCE):
        while asyncio.all_tasks() - before:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("patience", [0.05, 5.0])
async def test_a_client_that_waits_to_be_asked_has_its_time_for_the_body(patience: float) -> None:
    """Also when it takes long to find out who asks."""
    limits = Limits(body_seconds=patience, stop_seconds=1)
    async with serving(limits, route("/mine", Auth.USER)) as served, served.line() as line:
        head, _, body = said(
            "hello", b"Expect: 100-continue", b"Authorization: Bearer sleep 0.2", path=b"/mine"
        ).partition(b"\r\n\r\n")
        line.send(head, b"\r\n\r\n")
        if patience < 0.2:
            assert await line.closed()
            return
        assert (await line.answer())[0] == 100
        line.send(body)
        assert await line.heard() == ("in place", "hello")


async def test_what_comes_before_it_is_asked_for_is_taken() -> None:
    async with serving(None, route("/mine", Auth.USER)) as served, served.line() as line:
        request = said("hello", b"Expect: 100-continue", b"Authorization: Bearer sleep 0.1", path=b"/mine")
        line.send(request[:-5])
        await asyncio.sleep(0.02)
        line.send(request[-5:], said("next"))
        status, _, body = await line.answer()
        if status == 100:
            status, _, body = await line.answer()
        assert status == 201
        assert b"hello" in body
        assert await line.heard() == ("in place", "next")


async def test_an_answer_leaves_before_the_connection_does() -> None:
    for leave in ("eof_received", "shutdown"):
        async with serving() as served:
            with served.wire() as wire:
                wire.deliver(said("hello"))
                getattr(wire.line, leave)()
                assert b'"hello"' in wire.written
                assert wire.closed
                assert not wire.aborted


@pytest.mark.parametrize("text", ["in place", "wait", "sleep 0.01"])
async def test_nothing_is_written_while_the_reader_is_behind(text: str) -> None:
    async with serving() as served:
        with served.wire() as wire:
            if text.startswith("sleep"):  # it falls behind while the answer is made
                asyncio.get_running_loop().call_soon(wire.line.pause_writing)
            else:
                wire.line.pause_writing()
            wire.deliver(said(text))
            await asyncio.sleep(0.1)
            assert wire.written == b""
            wire.line.resume_writing()
            async with asyncio.timeout(PATIENCE):
                while text.encode() not in wire.written:
                    await asyncio.sleep(0)


async def test_one_that_cannot_be_sent_to_takes_nothing_from_the_others() -> None:
    async with serving() as served:
        with served.wire() as broken, served.wire() as sound, capture_logs() as logs:
            for wire in (broken, sound):
                wire.deliver(said("hello"))
            broken.write = None  # type: ignore[method-assign, assignment]
            async with asyncio.timeout(PATIENCE):
                while b'"hello"' not in sound.written:
                    await asyncio.sleep(0)
        assert [each["event"] for each in logs] == ["a response was not sent"]
