"""The HTTP server: uvicorn with uvloop and httptools, and the limits it lacks.

httptools reads heads of any length at any pace. The protocol here refuses a head over a limit (431, RFC 6585 §5),
closes a connection whose head does not come in time or that dribbles bytes nobody waits for, and takes no header from
the trailer of a chunked body.
"""

import asyncio
import contextlib
import re
import socket
from collections.abc import Iterator
from typing import ClassVar, Final

import msgspec
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from blazon.errors import Malformed, StartError
from blazon.web.dispatch import Dispatcher
from blazon.web.failures import Failure

__all__ = ["HttpServer", "ServerSettings", "listen"]


class ServerSettings(msgspec.Struct, frozen=True):
    """What a connection may cost. Bytes and seconds."""

    head_bytes: int = 16 * 1024
    head_seconds: float = 10.0
    keep_alive_seconds: int = 30
    stop_seconds: int = 5


_OFFER: Final = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
_LINGER: Final = 2.0
"""Seconds a refused connection is kept, so that its sender can read why."""


class _HeadTooLarge(Exception):
    """Raised through the parser to stop it."""


class _Joined:
    """A transport for one answer, whose head leaves together with the body: one packet, one system call."""

    __slots__ = ("_begun", "_head", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._begun = False
        self._head: bytes | None = None

    def write(self, data: bytes) -> None:
        if not self._begun and not data.startswith(b"HTTP/1.1 100 "):  # "100 Continue" is no part of the answer
            self._begun = True
            self._head = data
        elif self._head is not None:
            self._transport.write(self._head + data)
            self._head = None
        else:
            self._transport.write(data)

    def flush(self) -> None:
        """Sends a head that no body follows: that of an answer to HEAD."""
        if self._head is not None:
            self._transport.write(self._head)
            self._head = None

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()


class _LimitedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits for the head of a request."""

    limits: ClassVar[ServerSettings] = ServerSettings()
    cycle: RequestResponseCycle | None  # type: ignore[assignment]
    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None
    _head_complete = False
    _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        waiting, before = self._head_timer, self._head_bytes
        super().data_received(_without_offer(data) if b"pgrade" in data and self._between() else data)
        if self.transport.is_closing():
            return
        if waiting is not None and self._head_timer is waiting:
            # All of it is head. The parser tells of a header only at its end, which may never come.
            self._head_bytes = max(self._head_bytes, before + len(data))
            if self._head_bytes > self.limits.head_bytes:
                self.send_400_response("")
        elif self._between() and self._head_timer is None and self.timeout_keep_alive_task is None:
            self._wait_for_head()  # what came begins no request; uvicorn would wait for ever

    def on_message_begin(self) -> None:
        self._head_bytes = 0
        self._head_complete = False
        if self._head_timer is None:
            self._wait_for_head()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + 4)
        if not self._head_complete:  # a trailer field must not pass for a header (RFC 9110 §6.5.1)
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._head_came()
        self._head_complete = True
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not None and self.cycle is not before:
            self.cycle.transport = _Joined(self.transport)  # type: ignore[assignment]

    def on_response_complete(self) -> None:
        joined: object = self.cycle.transport if self.cycle is not None else None
        if isinstance(joined, _Joined):
            joined.flush()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        self._head_came()
        if self._head_bytes > self.limits.head_bytes:
            reason = f"the head of the request is longer than {self.limits.head_bytes} bytes"
            self._refuse(b"431 Request Header Fields Too Large", Failure(reason, "request too large"))
        elif self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body:
            # What came before the rubbish was a whole request: it gets its own answer, the last on this connection.
            self.cycle.keep_alive = False
        else:
            self._refuse(b"400 Bad Request", Failure("this is not an HTTP request", Malformed.title))

    def _refuse(self, status: bytes, failure: Failure) -> None:
        """Answers and takes no more. A close at once would reset the connection of one who is still sending."""
        body = msgspec.json.encode(failure)
        self.transport.write(
            b"HTTP/1.1 %b\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
            % (status, len(body), body)
        )
        self._refused = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER, self._close)

    def _between(self) -> bool:
        """Whether every request that came is answered."""
        return self.cycle is None or self.cycle.response_complete

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self.limits.head_bytes:
            raise _HeadTooLarge

    def _wait_for_head(self) -> None:
        self._head_timer = self.loop.call_later(self.limits.head_seconds, self._close)

    def _head_came(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _close(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()


def _without_offer(data: bytes) -> bytes:
    """Passes an offer to upgrade over (RFC 9110 §7.8): the parser would take the body for the other protocol."""
    head, end, rest = data.partition(b"\r\n\r\n")
    return _OFFER.sub(b"\r\npassed-over:", head) + end + rest


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the application has its own, for several servers at once."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """Serves a dispatcher on sockets that are already bound."""

    def __init__(self, dispatcher: Dispatcher, sockets: list[socket.socket], settings: ServerSettings) -> None:
        config = uvicorn.Config(
            dispatcher,
            http=type("LimitedProtocol", (_LimitedProtocol,), {"limits": settings}),
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            date_header=True,
            proxy_headers=False,
            timeout_keep_alive=settings.keep_alive_seconds,
            timeout_graceful_shutdown=settings.stop_seconds,
            backlog=2048,
        )
        self._server = _Server(config)
        self._sockets = sockets

    async def run(self) -> None:
        """Serves until `stop` is called and the open requests are answered."""
        await self._server.serve(sockets=self._sockets)

    def stop(self) -> None:
        """Takes no new connections and lets `run` end."""
        self._server.should_exit = True


def listen(address: str) -> socket.socket:
    """Binds `host:port`; port 0 is a free one. Raises StartError."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio sets TCP_NODELAY only if it is said
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, int(port)))
        bound.listen(2048)
    except (OSError, OverflowError, ValueError) as error:
        bound.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise StartError(
            f"cannot listen on {address} ({reason}): choose another address with --http-listen or BLAZON_HTTP_LISTEN"
        ) from None
    bound.setblocking(False)  # noqa: FBT003 - socket's own interface
    return bound
