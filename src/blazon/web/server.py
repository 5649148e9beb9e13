"""The HTTP server: listens on sockets that were bound beforehand, and ends in order."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import structlog

from blazon.errors import StartError
from blazon.tasks import end
from blazon.web.connection import Connection
from blazon.web.crowding import NO_ROOM, Crowding
from blazon.web.dispatch import Dispatcher
from blazon.web.front import Front
from blazon.web.limits import Limits

__all__ = ["Bound", "HttpServer", "Listener", "listen"]

_BACKLOG: Final = 2048
"""Connections that may wait to be accepted."""

_ACCEPTS: Final = 64
"""Connections that are accepted in one turn of the event loop."""

_PAUSE: Final = 0.5
"""Seconds until connections are accepted again after that has failed."""

_LAST_WORDS: Final = 0.1
"""Seconds that requests have to be answered after they were cancelled because the server stops."""

_log = structlog.get_logger("blazon.http")


class Listener(msgspec.Struct, frozen=True):
    """An address, host:port, where requests are taken, over TLS if there is a context for it."""

    name: str
    address: str
    tls: ssl.SSLContext | None = None


class Bound(NamedTuple):
    """A socket that listens, and what answers there."""

    socket: socket.socket
    dispatcher: Dispatcher
    tls: ssl.SSLContext | None = None


class _Acceptor:
    """Accepts connections on one socket.

    The event loop's own servers accept one connection in each of its turns. When a thousand clients connect at once and
    keep it busy, whoever comes next would wait for a thousand turns.
    """

    def __init__(self, bound: Bound, front: Front, crowding: Crowding | None) -> None:
        self._socket = bound.socket
        self._dispatcher = bound.dispatcher
        self._tls = bound.tls
        self._front = front
        self._crowding = crowding
        self._connecting: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Accepts connections from now on."""
        self._pause = None
        self._front.loop.add_reader(self._socket, self._accept)

    async def stop(self) -> None:
        """Accepts no more connections."""
        self._front.loop.remove_reader(self._socket)
        if self._pause is not None:
            self._pause.cancel()
        self._socket.close()
        if self._tls is not None:  # a client may take its time for the handshake, and has asked for nothing yet
            await end(self._connecting.copy())
        await asyncio.gather(*self._connecting)

    def _accept(self) -> None:
        loop = self._front.loop
        for _ in range(_ACCEPTS):
            try:
                accepted, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                # Most likely there are too many open files. What waits in the backlog would call this again at once.
                _log.warning("connections are not accepted for now", reason=error.strerror, again=f"{_PAUSE:g}s")
                loop.remove_reader(self._socket)
                self._pause = loop.call_later(_PAUSE, self.start)
                return
            accepted.setblocking(False)  # noqa: FBT003 - socket's own interface
            open_now = len(self._front.connections) + len(self._connecting)
            if self._crowding is not None and not self._crowding.admits(open_now):
                _refuse(accepted)
                continue
            task = loop.create_task(self._connect(accepted))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    async def _connect(self, accepted: socket.socket) -> None:
        try:
            await self._front.loop.connect_accepted_socket(
                lambda: Connection(self._front, self._dispatcher),
                accepted,
                ssl=self._tls,
                ssl_handshake_timeout=self._front.limits.head_seconds if self._tls is not None else None,
            )
        except OSError:
            accepted.close()  # the client is gone already, or does not speak TLS


def _refuse(accepted: socket.socket) -> None:
    with contextlib.suppress(OSError):
        accepted.send(NO_ROOM)
        accepted.shutdown(socket.SHUT_WR)
    accepted.close()


class HttpServer:
    """Serves dispatchers, each on its socket. `crowding` bounds the number of connections."""

    def __init__(
        self,
        bound: Sequence[Bound],
        limits: Limits,
        crowding: Crowding | None = None,
    ) -> None:
        self._bound = bound
        self._limits = limits
        self._crowding = crowding
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Serves until `stop` is called and the requests that were sent before are answered.

        Requests that are not answered within `Limits.stop_seconds` are cancelled.
        """
        front = Front(self._limits, asyncio.get_running_loop())
        listeners = [_Acceptor(bound, front, self._crowding) for bound in self._bound]
        for listener in listeners:
            listener.start()
        try:
            await self._stop.wait()
        finally:
            for listener in listeners:
                await listener.stop()
            await self._drain(front)

    def stop(self) -> None:
        """Takes no new connections and lets `run` end."""
        self._stop.set()

    async def _drain(self, front: Front) -> None:
        for connection in tuple(front.connections):
            connection.shutdown()
        await _until_empty(front, self._limits.stop_seconds)
        for connection in tuple(front.connections):
            connection.give_up()
        for task in front.orphans:
            task.cancel()
        await _until_empty(front, _LAST_WORDS)
        for connection in tuple(front.connections):
            connection.abort()
        await _until_empty(front, _LAST_WORDS)  # the loop closes the sockets in its next turn


async def _until_empty(front: Front, seconds: float) -> None:
    """Waits until no connection and no request is left, or the time is up."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while front.connections or front.orphans:
                front.changed.clear()
                await front.changed.wait()


def listen(address: str, choose: str = "with --http-listen or BLAZON_HTTP_LISTEN") -> socket.socket:
    """Binds `host:port`; port 0 is a free one. Raises StartError, which says how to `choose` another address."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # the connections inherit it
    try:
        bound.bind((host, int(port)))
        bound.listen(_BACKLOG)
    except (OSError, OverflowError, ValueError) as error:
        bound.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise StartError(f"cannot listen on {address} ({reason}): choose another address {choose}") from None
    bound.setblocking(False)  # noqa: FBT003 - socket's own interface
    return bound
