"""Responses that are sent while they are made, such as Server-Sent Events."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from blazon.web import AnyRoute, Auth, Call, Limits, NoBody, NoQuery, Reply, Route
from tests.web.served import Line, Served, said, serving
from tests.web.support import PATIENCE

ASK = b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n"


class Source:
    """A stream whose parts come when the test says."""

    def __init__(self) -> None:
        self.parts: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self.begun = self.ended = self.taken = 0

    async def stream(self) -> AsyncIterator[bytes]:
        self.begun += 1
        try:
            while (part := await self.parts.get()) is not None:
                if isinstance(part, Exception):
                    raise part
                self.taken += 1
                yield part
        finally:
            self.ended += 1

    def answer(self, call: Call[NoBody, NoQuery]) -> Reply:
        return Reply(body=self.stream(), headers=(("cache-control", "no-store"),))

    async def answer_later(self, call: Call[NoBody, NoQuery]) -> Reply:
        await asyncio.sleep(0)
        return self.answer(call)

    @property
    def routes(self) -> list[AnyRoute]:
        return [
            Route(
                method="GET",
                path=path,
                summary="Follow events",
                handler=handler,
                tag="t",
                answer=bytes,
                produces="text/event-stream",
                auth=Auth.NONE,
            )
            for path, handler in (("/events", self.answer), ("/later", self.answer_later))
        ]

    async def end(self) -> None:
        async with asyncio.timeout(PATIENCE):
            while self.ended < self.begun:
                await asyncio.sleep(0.01)


async def part(line: Line) -> bytes:
    """The next chunk."""
    async with asyncio.timeout(PATIENCE):
        size = int(await line._reader.readline(), 16)
        return (await line._reader.readexactly(size + 2))[:-2]


async def begin(line: Line, request: bytes = ASK) -> dict[str, str]:
    """The head of a stream."""
    line.send(request)
    status, fields, _ = await line.head()
    assert status == 200
    assert fields["content-type"] == "text/event-stream"
    assert fields["cache-control"] == "no-store"
    assert "content-length" not in fields
    return fields


@pytest.mark.parametrize("path", [b"/events", b"/later"])
async def test_each_part_is_sent_when_it_comes(path: bytes) -> None:
    source = Source()
    async with serving(None, *source.routes) as served, served.line() as line:
        for _ in range(2):  # the connection is good for more
            fields = await begin(line, ASK.replace(b"/events", path))
            assert fields["transfer-encoding"] == "chunked"
            for sent in (b"data: 1\n\n", b"data: 2\n\n", b"x" * 100_000):
                source.parts.put_nowait(b"")  # nothing is sent for it, least of all the end
                source.parts.put_nowait(sent)
                assert await part(line) == sent
            source.parts.put_nowait(None)
            assert await part(line) == b""
            line.send(said("after"))
            assert await line.heard() == ("in place", "after")
        assert (source.begun, source.ended) == (2, 2)


@pytest.mark.parametrize("last", [b"", b"Connection: close\r\n"])
@pytest.mark.parametrize("leave", ["close", "half", "reset"])
async def test_a_client_that_leaves_ends_its_stream(leave: str, last: bytes) -> None:
    source = Source()
    async with serving(None, *source.routes) as served:
        async with served.line() as line:
            await begin(line, ASK.replace(b"\r\n\r\n", b"\r\n" + last + b"\r\n"))
            source.parts.put_nowait(b"data\n\n")
            assert await part(line) == b"data\n\n"
            if leave == "half":
                line.end()
                await source.end()
                assert await line.closed()
            elif leave == "reset":
                line._writer.transport.abort()
        await source.end()


async def test_a_stop_ends_streams_in_order() -> None:
    source = Source()
    with capture_logs() as logs:
        async with serving(Limits(stop_seconds=PATIENCE), *source.routes) as served, served.line() as line:
            await begin(line)
            source.parts.put_nowait(b"data\n\n")
            assert await part(line) == b"data\n\n"
            served.stop()
            assert await part(line) == b""
            assert await line.closed()
            await source.end()
    assert [each for each in logs if each["log_level"] == "error"] == []


async def test_http_1_0_has_no_chunks() -> None:
    source = Source()
    async with serving(None, *source.routes) as served, served.line() as line:
        fields = await begin(line, ASK.replace(b"1.1", b"1.0"))
        assert "transfer-encoding" not in fields
        assert fields["connection"] == "close"
        source.parts.put_nowait(b"until ")
        source.parts.put_nowait(b"the end")
        source.parts.put_nowait(None)
        async with asyncio.timeout(PATIENCE):
            assert await line._reader.read() == b"until the end"


async def test_a_head_alone() -> None:
    source = Source()
    async with serving(None, *source.routes) as served, served.line() as line:
        await begin(line, ASK.replace(b"GET", b"HEAD"))
        line.send(said("after"))
        assert await line.heard() == ("in place", "after")
        assert source.begun == 0


async def test_a_stream_that_fails_is_cut_off() -> None:
    """Without its end, so that nobody takes it for complete."""
    source = Source()
    with capture_logs() as logs:
        async with serving(None, *source.routes) as served, served.line() as line:
            await begin(line)
            source.parts.put_nowait(b"data\n\n")
            assert await part(line) == b"data\n\n"
            source.parts.put_nowait(ZeroDivisionError("a bug"))
            assert await closed(line) == b""
    assert [each["event"] for each in logs if each["log_level"] == "error"] == ["a connection failed"]


async def closed(line: Line) -> bytes:
    async with asyncio.timeout(PATIENCE):
        try:
            return await line._reader.read()
        except ConnectionResetError:
            return b""


async def test_a_slow_reader_slows_its_stream_down() -> None:
    source = Source()
    async with serving(None, *source.routes) as served:
        with served.wire() as wire:
            for _ in range(1000):
                source.parts.put_nowait(b"x" * 1000)
            wire.deliver(ASK)
            async with asyncio.timeout(PATIENCE):
                while not wire.full:
                    await asyncio.sleep(0)
            for _ in range(100):
                await asyncio.sleep(0)
            assert source.taken < 40
            taken = source.taken
            wire.read()
            async with asyncio.timeout(PATIENCE):
                while source.taken == taken:
                    await asyncio.sleep(0)
        await source.end()


async def test_nothing_of_a_stream_stays_counted() -> None:
    source = Source()
    async with serving(None, *source.routes) as served:
        with served.wire() as wire:
            front = wire.line._front
            body = b"x" * 100_000
            await wire.send(ASK.replace(b"\r\n\r\n", b"\r\nContent-Length: %d\r\n\r\n" % len(body)) + body)
            async with asyncio.timeout(PATIENCE):
                while source.begun == 0:
                    await asyncio.sleep(0)
            assert front.pending_bytes > 80_000
        await source.end()
        async with asyncio.timeout(PATIENCE):
            while front.pending_bytes != 0:
                await asyncio.sleep(0)


async def test_a_stream_has_no_time_in_which_it_must_end() -> None:
    source = Source()
    limits = Limits(request_seconds=0.05, keep_alive_seconds=0.05, head_seconds=0.05)
    async with serving(limits, *source.routes) as served, served.line() as line:
        await begin(line)
        for _ in range(3):
            await asyncio.sleep(0.1)
            source.parts.put_nowait(b"data\n\n")
            assert await part(line) == b"data\n\n"


async def test_many_streams() -> None:
    source = Source()
    async with serving(None, *source.routes) as served:
        await asyncio.gather(*(follow(served) for _ in range(50)))
        await source.end()


async def follow(served: Served) -> None:
    async with served.line() as line:
        await begin(line)
