"""Clients that want to wear the server out: what they cost, and that others do not notice."""

import asyncio
import contextlib
import select
import socket
from contextlib import ExitStack
from pathlib import Path

import aiohttp
import psutil
import pytest

from blazon.web import Auth, Limits, Reply, Route
from tests.faults.process import BlazonProcess
from tests.web.hostile import ALL_KINDS, KIB, KINDS, MIB, attacking, fill, many_files
from tests.web.served import Served, Wire, said, serving
from tests.web.support import PATIENCE

CONNECTIONS = 1000
REQUESTS = KINDS["requests in a row"]


@pytest.mark.faults
async def test_a_thousand_of_each_kind_cost_little_and_hold_nobody_up(tmp_path: Path) -> None:
    """Memory is measured here; how long the others wait, `python -m bench hostile` measures."""
    blazon = BlazonProcess(tmp_path, redis_embedded="false")
    with many_files():
        await blazon.start()
        assert blazon.process is not None
        process = psutil.Process(blazon.process.pid)
        try:
            async with aiohttp.ClientSession() as client:
                token = await fill(client, blazon.url)
                before = process.memory_info().rss
                for kind in ALL_KINDS:
                    async with attacking(blazon.port, CONNECTIONS, kind, token):
                        for _ in range(20):
                            async with client.get(f"{blazon.url}/health", timeout=_patience()) as answer:
                                assert answer.status == 200
                            assert process.memory_info().rss - before < 200 * MIB, kind
        finally:
            blazon.stop()


def _patience() -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(PATIENCE)


LATER = said("wait") * 500


@pytest.mark.parametrize("row", [REQUESTS, said("in place") * 500, LATER], ids=["refused", "in place", "in a task"])
@pytest.mark.parametrize("text", ["hello", "wait"])
async def test_everybody_gets_a_turn(row: bytes, text: str) -> None:
    """However many send thousands of requests at once: whoever sends one waits for few of them."""
    async with serving() as served:
        with ExitStack() as stack:
            for _ in range(300):
                stack.enter_context(served.wire()).deliver(row)
            for _ in range(10):
                await asyncio.sleep(0)
                before = _answered(served)
                with served.wire() as wire:
                    wire.deliver(said(text))
                    async with asyncio.timeout(PATIENCE):
                        while text.encode() not in wire.written:
                            await asyncio.sleep(0)
                    assert _answered(served) - before < 700


@pytest.mark.parametrize("text", ["hello", "wait"])
async def test_one_request_in_each_turn(text: str) -> None:
    async with serving() as served:
        with served.wire() as wire:
            wire.deliver(said(text) * 200)
            for _ in range(50):
                before = _answered(served)
                await asyncio.sleep(0)
                assert _answered(served) - before <= 2
            assert _answered(served) > 10


def _answered(served: Served) -> int:
    return served.answered(404, "", "") + served.answered(200) + served.answered(201)


async def test_who_reads_nothing_is_closed() -> None:
    limits = Limits(unread_seconds=0.2, stop_seconds=1)
    async with serving(limits) as served:
        with socket.create_connection(("127.0.0.1", served.port)) as client:
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    client.send(REQUESTS)
            await _hung_up(client)


async def _hung_up(client: socket.socket) -> None:
    """Returns when the other side has closed a connection of which nothing is read."""
    poll = select.poll()
    poll.register(client, select.POLLRDHUP)
    async with asyncio.timeout(PATIENCE):
        while not poll.poll(0):
            await asyncio.sleep(0.01)


async def test_who_reads_slowly_but_reads_is_not_closed() -> None:
    async with serving() as served:
        with served.wire(Limits(unread_seconds=0.2, request_seconds=60)) as wire:
            await wire.send(b"POST /octets/a HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % MIB + b"x" * MIB)
            await _full(wire)
            began = asyncio.get_running_loop().time()
            while asyncio.get_running_loop().time() < began + 1:
                wire.waiting -= 10 * KIB
                await asyncio.sleep(0.05)
            assert not wire.closed
            async with asyncio.timeout(PATIENCE):
                while not wire.aborted:
                    await asyncio.sleep(0.01)


async def test_an_answer_that_is_read_too_late_is_lost_with_its_connection() -> None:
    async with serving() as served:
        with served.wire(Limits(unread_seconds=0.1)) as wire:
            wire.deliver(said("x" * 900) * 36)
            async with asyncio.timeout(PATIENCE):
                while not wire.aborted:
                    await asyncio.sleep(0.01)


async def test_a_quiet_client_that_left_something_unread_is_closed() -> None:
    async with serving() as served:
        with served.wire(Limits(keep_alive_seconds=0.1)) as wire:
            wire.deliver(said("hello"))
            async with asyncio.timeout(PATIENCE):
                while not wire.aborted:
                    await asyncio.sleep(0.01)
            assert b'"hello"' in wire.written


def _asking(text: bytes) -> bytes:
    return b"POST /octets/a HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text)


async def test_large_unread_responses_have_a_limit_together() -> None:
    """Beyond it, whoever has left one unread for longest loses its connection. What was read counts no longer."""
    limits = Limits(unread_bytes=350_000)
    async with serving() as served, contextlib.AsyncExitStack() as stack:
        wires = [stack.enter_context(served.wire(limits))]
        wires += [stack.enter_context(served.wire()) for _ in range(3)]
        for wire in wires[:3]:
            await wire.send(_asking(b"x" * 100_000))
            await _full(wire)
        assert not any(wire.aborted for wire in wires)
        wires[0].read()
        await wires[3].send(_asking(b"x" * 100_000))
        await _full(wires[3])
        assert not any(wire.aborted for wire in wires)
        await wires[0].send(_asking(b"x" * 100_000))
        await _full(wires[0])
        assert [wire.aborted for wire in wires] == [False, True, False, False]


async def test_what_follows_a_large_response_comes_behind_it() -> None:
    async with serving(Limits(body_bytes=MIB, stop_seconds=1)) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(_asking(b"x" * 900_000) * 12 + b"RUBBISH\r\n\r\n")
        async with asyncio.timeout(PATIENCE):
            answers = await reader.read()
        writer.close()
        assert answers.count(b"HTTP/1.1 200 ") == 12
        assert answers.count(b"x" * 900_000) == 12
        assert b"HTTP/1.1 400 " in answers.rpartition(b"x" * 900_000)[2]


async def test_small_unread_responses_do_not_count() -> None:
    async with serving() as served, contextlib.AsyncExitStack() as stack:
        wires = [stack.enter_context(served.wire(Limits(unread_bytes=1)))]
        wires += [stack.enter_context(served.wire()) for _ in range(9)]
        for wire in wires:
            await wire.send(_asking(b"x" * 20_000) * 2)
            await _full(wire)
        assert not any(wire.aborted for wire in wires)


async def test_a_body_that_waits_for_many_counts_once() -> None:
    body = b"x" * 100_000
    page = Route(
        method="GET",
        path="/page",
        summary="Read",
        handler=lambda _: Reply(body=body),
        tag="t",
        answer=bytes,
        produces="text/plain",
        auth=Auth.NONE,
    )
    async with serving(None, page) as served, contextlib.AsyncExitStack() as stack:
        wires = [stack.enter_context(served.wire(Limits(unread_bytes=150_000)))]
        wires += [stack.enter_context(served.wire()) for _ in range(9)]
        for wire in wires:
            await wire.send(b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n")
            await _full(wire)
        assert not any(wire.aborted for wire in wires)
        for wire in wires[:8]:
            wire.read()
        with served.wire() as another:
            await another.send(_asking(b"x" * 100_000))
            await _full(another)
            assert [wire.aborted for wire in wires[8:]] == [True, True]
            assert not another.aborted


async def _full(wire: Wire) -> None:
    async with asyncio.timeout(PATIENCE):
        while not wire.full:
            await asyncio.sleep(0)


async def test_large_bodies_have_a_limit_together() -> None:
    """Beyond it they are refused; small ones go on."""
    limits = Limits(body_bytes=200_000, pending_bytes=300_000, stop_seconds=1)
    head = b"POST /say HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 150000\r\n\r\n"
    async with serving(limits) as served, served.line() as first, served.line() as second, served.line() as third:
        for line in (first, second):
            line.send(head, b" " * 140_000)
        third.send(said("are they there?"))
        await third.heard()
        async with served.line() as other:
            other.send(said("small"))
            assert await other.heard() == ("in place", "small")
        third.send(head, b" " * 140_000)
        status, fields, body = await third.answer()
        assert (status, fields["connection"], fields["retry-after"]) == (503, "close", "1")
        assert b"too many large requests" in body
        assert await third.closed()
        rest = b'{"text":"large"}'
        first.send(b" " * (10_000 - len(rest)), rest)
        assert await first.heard() == ("in place", "large")
        async with served.line() as fourth:  # there is room again
            fourth.send(head, b" " * (150_000 - len(rest)), rest)
            assert await fourth.heard() == ("in place", "large")


async def test_what_is_not_answered_counts_until_it_is() -> None:
    limits = Limits(body_bytes=200_000, pending_bytes=200_000, stop_seconds=1)
    async with serving(limits) as served, served.line() as line, served.line() as other:
        text = b'{"text":"sleep 0.5"}'
        head = b"POST /say HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 150000\r\n\r\n"
        large = head + b" " * (150_000 - len(text)) + text
        line.send(large)
        async with asyncio.timeout(PATIENCE):
            while True:
                other.send(large)
                status, _, _ = await other.answer()
                if status == 503:
                    break
        assert await line.heard() == ("in a task", "sleep 0.5")
        line.send(large)
        assert await line.heard() == ("in a task", "sleep 0.5")
