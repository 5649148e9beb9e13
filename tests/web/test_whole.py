"""Requests that come whole: they are answered without the messages of ASGI, as those that do not come whole are."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from structlog.testing import capture_logs

from blazon.web import Dispatcher, ServerSettings
from tests.web.served import said, serving
from tests.web.support import PATIENCE

BROKEN = (
    b"POST /say HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\n{}\r\nzz\r\n"
)
LOOK = b"GET /look HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_what_comes_whole_needs_no_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object) -> None:
        raise AssertionError

    async with serving() as served, served.line() as line:
        monkeypatch.setattr(Dispatcher, "__call__", never)
        for request in (said("wait"), LOOK, said("a", path=b"/say?x=1")):
            line.send(request)
            assert (await line.heard())[0] == "long way"


async def test_answers_keep_the_order_of_their_requests() -> None:
    async with serving() as served, served.line() as line:
        texts = ["sleep 0.2", "at once", "sleep 0.1", "wait", "sleep 0.05"]
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
    async with serving(ServerSettings(stop_seconds=1)) as served, served.line() as line:
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
    async with serving(ServerSettings(head_seconds=0.2, stop_seconds=1)) as served, served.line() as line:
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
            labels = {"method": "POST", "path": "/say", "status": "200"}
            assert served.registry.get_sample_value("blazon_http_requests_total", labels) is None


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


async def test_who_asks_and_asks_and_does_not_read_waits() -> None:
    """What waits for its turn is no more than what one read of the socket brought."""
    async with serving() as served, served.line() as line:
        line.send(said("wait") * 60_000)
        most = 0
        for _ in range(30):
            await asyncio.sleep(0.05)
            most = max(most, *served.waiting())
        assert 0 < most < 10_000
        assert [(await line.heard())[1] for _ in range(1000)] == ["wait"] * 1000


async def test_a_server_that_stops_leaves_nothing_of_who_does_not_read() -> None:
    before = asyncio.all_tasks()
    async with serving() as served, served.line() as line:
        line.send(LOOK * 200_000)
        await asyncio.sleep(1)
    async with asyncio.timeout(PATIENCE):
        while asyncio.all_tasks() - before:
            await asyncio.sleep(0.02)


class _Transport(asyncio.Transport):
    """Notes what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        """Nothing is read here."""

    def resume_reading(self) -> None:
        """Nothing is read here."""


async def test_an_answer_leaves_before_the_connection_does() -> None:
    for leave in ("eof_received", "shutdown"):
        async with serving() as served:
            transport = _Transport()
            connection = served.connection(transport)
            connection.data_received(said("hello"))
            getattr(connection, leave)()
            assert b'"hello"' in transport.written
            connection.connection_lost(None)


@pytest.mark.parametrize("text", ["at once", "wait", "sleep 0.01"])
async def test_nothing_is_written_while_the_reader_is_behind(text: str) -> None:
    async with serving() as served:
        transport = _Transport()
        connection = served.connection(transport)
        if text.startswith("sleep"):  # it falls behind while the answer is made
            asyncio.get_running_loop().call_soon(connection.pause_writing)
        else:
            connection.pause_writing()
        connection.data_received(said(text))
        await asyncio.sleep(0.1)
        assert transport.written == b""
        connection.resume_writing()
        await asyncio.sleep(0.1)
        assert text.encode() in transport.written
        connection.connection_lost(None)


async def test_one_that_cannot_be_sent_to_takes_nothing_from_the_others() -> None:
    async with serving() as served:
        broken, sound = _Transport(), _Transport()
        lines = [served.connection(broken), served.connection(sound)]
        for line in lines:
            line.data_received(said("hello"))
        with capture_logs() as logs:
            broken.write = None  # type: ignore[method-assign, assignment]
            await asyncio.sleep(0.05)
        assert b'"hello"' in sound.written
        assert [each["event"] for each in logs] == ["an answer was not sent"]
        for line in lines:
            line.connection_lost(None)
