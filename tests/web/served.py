"""A served dispatcher, with routes that answer in place, in a task, or with a stream, and connections to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager

import msgspec
from prometheus_client import CollectorRegistry

from blazon.caller import Caller
from blazon.errors import Conflict, Unauthenticated
from blazon.web import (
    REFRESH_TOKEN,
    USER_TOKEN,
    AnyRoute,
    Auth,
    BearerScheme,
    Bound,
    Call,
    Dispatcher,
    HttpMetrics,
    HttpServer,
    Limits,
    NoBody,
    NoQuery,
    Reply,
    Route,
    listen,
)
from blazon.web.connection import Connection, Front
from tests.web.support import PATIENCE


class Said(msgspec.Struct, frozen=True):
    """What a request says."""

    text: str = ""


class Heard(msgspec.Struct, frozen=True):
    """What arrived, and how it was answered: in place, or in a task."""

    way: str
    text: str
    place: str = ""


async def _nobody(token: str) -> Caller:
    """Knows nobody but who asks for time."""
    if token.startswith("sleep "):
        await asyncio.sleep(float(token.removeprefix("sleep ")))
        return Caller(id="somebody")
    raise Unauthenticated("nobody is known here")


SCHEMES = (BearerScheme(USER_TOKEN, _nobody), BearerScheme(REFRESH_TOKEN, _nobody))


def _say(call: Call[Said, NoQuery]) -> Reply | Awaitable[Reply]:
    """Answers in place, unless the text asks for something else."""
    text = call.body.text
    if text in ("wait", "cancelled", "two lines") or text.startswith("sleep "):
        return _say_later(call)
    if text == "conflict":
        raise Conflict("it is there")
    if text == "bug":
        raise ZeroDivisionError
    return Reply(201, Heard("in place", text, call.path.get("place", "")), (("x-more", "yes"),))


async def _say_later(call: Call[Said, NoQuery]) -> Reply:
    text = call.body.text
    if text == "cancelled":
        raise asyncio.CancelledError
    if text == "two lines":
        return Reply(200, Heard("in a task", text), (("x-more", "one\r\nx-other: two"),))
    await asyncio.sleep(float(text.removeprefix("sleep ")) if text.startswith("sleep ") else 0)
    return Reply(200, Heard("in a task", text, call.path.get("place", "")))


async def _look(call: Call[NoBody, NoQuery]) -> Reply:
    return Reply(200, Heard("in a task", "seen"))


def _octets(call: Call[bytes, NoQuery]) -> Reply | Awaitable[Reply]:
    if call.body == b"wait":
        return _octets_later(call)
    return Reply(body=f"in place {call.path} ".encode() + call.body)


async def _octets_later(call: Call[bytes, NoQuery]) -> Reply:
    return Reply(body=b"in a task " + call.body)


def route(path: str, auth: Auth = Auth.NONE) -> AnyRoute:
    return Route(method="POST", path=path, summary="Say", handler=_say, tag="t", body=Said, answer=Heard, auth=auth)


ROUTES: tuple[AnyRoute, ...] = (
    route("/say"),
    route("/say/{place}"),
    Route(method="GET", path="/look", summary="Look", handler=_look, tag="t", answer=Heard, auth=Auth.NONE),
    Route(
        method="POST",
        path="/octets/{rest*}",
        summary="Say",
        handler=_octets,
        tag="t",
        body=bytes,
        answer=bytes,
        produces="text/plain",
        auth=Auth.NONE,
    ),
)


class Line:
    """A connection to what is served."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, *parts: bytes) -> None:
        self._writer.write(b"".join(parts))

    def end(self) -> None:
        self._writer.write_eof()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        async with asyncio.timeout(PATIENCE):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode().splitlines()
            fields = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            body = await self._reader.readexactly(int(fields.get("content-length", "0")))
            return int(head[0].split()[1]), fields, body

    async def head(self) -> tuple[int, dict[str, str], bytes]:
        """An answer to HEAD."""
        async with asyncio.timeout(PATIENCE):
            lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().splitlines()
            return int(lines[0].split()[1]), dict(line.lower().split(": ", 1) for line in lines[1:] if line), b""

    async def heard(self) -> tuple[str, str]:
        status, _, body = await self.answer()
        assert status in (200, 201), body
        found = msgspec.json.decode(body, type=Heard)
        return found.way, found.text

    async def closed(self) -> bool:
        async with asyncio.timeout(PATIENCE):
            return await self._reader.read(1) == b""


class Served:
    """A dispatcher that is served."""

    def __init__(self, port: int, registry: CollectorRegistry, dispatcher: Dispatcher, server: HttpServer) -> None:
        self.port = port
        self.registry = registry
        self.stop = server.stop
        self._dispatcher = dispatcher
        self._front: Front | None = None

    @contextmanager
    def wire(self, limits: Limits | None = None) -> Iterator["Wire"]:
        """One more connection, over a transport in memory. Those with the same limits share what connections share."""
        made = Wire()
        if limits is not None or self._front is None:
            self._front = Front(limits or Limits(), asyncio.get_running_loop())
        made.line = Connection(self._front, self._dispatcher)
        made.line.connection_made(made)
        try:
            yield made
        finally:
            made.line.connection_lost(None)

    def answered(self, status: int, path: str = "/say", method: str = "POST") -> int:
        """How many requests were answered with a status."""
        labels = {"method": method, "path": path, "status": str(status)}
        return int(self.registry.get_sample_value("blazon_http_requests_total", labels) or 0)

    @asynccontextmanager
    async def line(self) -> AsyncIterator[Line]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Line(reader, writer)
        finally:
            writer.close()


class Wire(asyncio.Transport):
    """A transport in memory, with the connection `line` at its end.

    What is written waits until the test reads it. Nothing is delivered while reading is paused.
    """

    line: Connection

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.waiting = 0
        self.reading = True
        self.ended = self.closed = self.aborted = False
        self._high = 0
        self.full = False

    def deliver(self, data: bytes) -> int:
        """Delivers data, and returns how much of it was taken before reading was paused."""
        taken = 0
        while taken < len(data) and self.reading and not self.closed:
            room = self.line.get_buffer(-1)
            part = data[taken : taken + len(room)]
            room[: len(part)] = part
            self.line.buffer_updated(len(part))
            taken += len(part)
        return taken

    async def send(self, data: bytes) -> None:
        """Delivers all of the data, as reading goes on."""
        taken = 0
        async with asyncio.timeout(PATIENCE):
            while taken < len(data):
                taken += self.deliver(data[taken:])
                await asyncio.sleep(0)

    def read(self) -> bytes:
        """What was written since the last time."""
        found, self.written = self.written[-self.waiting :] if self.waiting else b"", self.written
        self.waiting = 0
        if self.full:
            self.full = False
            self.line.resume_writing()
        return found

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = high or 0

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        assert not self.ended
        self.written += data
        self.waiting += len(data)
        if self.waiting > self._high and not self.full:
            self.full = True
            self.line.pause_writing()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = True


@asynccontextmanager
async def serving(limits: Limits | None = None, *routes: AnyRoute) -> AsyncIterator[Served]:
    registry = CollectorRegistry()
    dispatcher = Dispatcher((*ROUTES, *routes), SCHEMES, HttpMetrics(registry), once_secret=b"")
    socket = listen("127.0.0.1:0")
    server = HttpServer([Bound(socket, dispatcher)], limits or Limits(body_bytes=1000, stop_seconds=1))
    running = asyncio.create_task(server.run())
    try:
        yield Served(socket.getsockname()[1], registry, dispatcher, server)
    finally:
        server.stop()
        await running


def said(text: str, *fields: bytes, path: bytes = b"/say", version: bytes = b"1.1", host: bytes = b"x") -> bytes:
    """A request that says something."""
    body = msgspec.json.encode(Said(text))
    head = [b"POST %b HTTP/%b" % (path, version), b"Content-Type: application/json", b"Content-Length: %d" % len(body)]
    if host:
        head.append(b"Host: " + host)
    return b"\r\n".join((*head, *fields, b"", body))
