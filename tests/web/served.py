"""A dispatcher that is served, with routes that answer at once or in their time, and lines to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from prometheus_client import CollectorRegistry

from blazon.caller import Caller
from blazon.errors import Conflict, Unauthenticated
from blazon.web import (
    AnyRoute,
    Auth,
    BinaryReply,
    BinaryRoute,
    Call,
    Dispatcher,
    HttpMetrics,
    HttpServer,
    Limits,
    NoBody,
    NoQuery,
    Reply,
    Route,
    ServerSettings,
    listen,
)
from tests.web.support import PATIENCE


class Said(msgspec.Struct, frozen=True):
    """What a request says."""

    text: str = ""


class Heard(msgspec.Struct, frozen=True):
    """What arrived, and by which way."""

    way: str
    text: str
    place: str = ""


class Nobody:
    """Knows nobody."""

    async def authenticate(self, token: str, *, refresh: bool) -> Caller:
        raise Unauthenticated("nobody is known here")


async def _slowly(call: Call[Said, NoQuery]) -> Reply:
    if call.body.text == "cancelled":
        raise asyncio.CancelledError
    if call.body.text == "two lines":
        return Reply(200, Heard("long way", "two lines"), (("x-more", "one\r\nx-other: two"),))
    await asyncio.sleep(float(call.body.text.removeprefix("sleep ")) if call.body.text.startswith("sleep ") else 0)
    return Reply(200, Heard("long way", call.body.text, call.path.get("place", "")))


def _at_once(call: Call[Said, NoQuery]) -> Reply | None:
    text = call.body.text
    if text in ("wait", "cancelled", "two lines") or text.startswith("sleep "):
        return None
    if text == "conflict":
        raise Conflict("it is there")
    if text == "bug":
        raise ZeroDivisionError
    return Reply(201, Heard("at once", text, call.path.get("place", "")), (("x-more", "yes"),))


async def _look(call: Call[NoBody, NoQuery]) -> Reply:
    return Reply(200, Heard("long way", "seen"))


async def _octets(values: tuple[str, ...], body: bytes) -> BinaryReply:
    return BinaryReply(b"long way " + body, "text/plain")


def _octets_at_once(values: tuple[str, ...], body: bytes) -> BinaryReply | None:
    return BinaryReply(f"at once {values} ".encode() + body, "text/plain") if body != b"wait" else None


def route(path: str, auth: Auth = Auth.NONE) -> AnyRoute:
    return Route(
        method="POST",
        path=path,
        summary="Say",
        handler=_slowly,
        at_once=_at_once,
        tag="t",
        body=Said,
        answer=Heard,
        auth=auth,
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

    def __init__(self, port: int, registry: CollectorRegistry, server: HttpServer) -> None:
        self._port = port
        self.registry = registry
        self.stop = server.stop
        self._server = server._server

    def waiting(self) -> list[int]:
        """How many requests wait for their turn, by connection."""
        return [len(each.pipeline) for each in self._server.server_state.connections]

    def connection(self, transport: asyncio.Transport) -> asyncio.Protocol:
        """One more connection, over a transport of the test's own."""
        config = self._server.config
        if not config.loaded:
            config.load()
        made = config.http_protocol_class(config=config, server_state=self._server.server_state, app_state={})
        made.connection_made(transport)
        return made

    @asynccontextmanager
    async def line(self) -> AsyncIterator[Line]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            yield Line(reader, writer)
        finally:
            writer.close()


@asynccontextmanager
async def serving(settings: ServerSettings | None = None) -> AsyncIterator[Served]:
    registry = CollectorRegistry()
    looked = Route(method="GET", path="/look", summary="Look", handler=_look, tag="t", answer=Heard, auth=Auth.NONE)
    routes = [route("/say"), route("/say/{place}"), looked]
    dispatcher = Dispatcher(routes, Nobody(), HttpMetrics(registry), Limits(body_bytes=1000), once_secret=b"")
    dispatcher.add_binary(BinaryRoute(method="POST", path="/octets/{rest*}", handler=_octets, at_once=_octets_at_once))
    socket = listen("127.0.0.1:0")
    server = HttpServer(dispatcher, [socket], settings or ServerSettings(stop_seconds=1))
    running = asyncio.create_task(server.run())
    try:
        yield Served(socket.getsockname()[1], registry, server)
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
