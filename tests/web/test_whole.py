"""Requests that come whole: they are answered without the messages of ASGI, as those that do not come whole are."""

import asyncio

import pytest
from structlog.testing import capture_logs

from blazon.web import Dispatcher, ServerSettings
from tests.web.served import said, serving

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
        assert await line.closed()
