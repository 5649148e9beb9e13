"""The HTTP server: uvicorn with uvloop and httptools, on sockets that are bound beforehand."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Final

import uvicorn

from blazon.errors import StartError
from blazon.web.connection import ServerSettings, connections
from blazon.web.crowding import Crowding
from blazon.web.dispatch import Dispatcher

__all__ = ["HttpServer", "listen"]


_LAST_WORDS: Final = 0.1
"""Seconds requests that were given up have to say so."""


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the application has its own, for several servers at once."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends what is left after the graceful time: an answer nobody reads would wait for its reader for ever."""
        await super().shutdown(sockets)
        if self.server_state.connections:
            await asyncio.sleep(_LAST_WORDS)
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()


class HttpServer:
    """Serves a dispatcher on sockets that are already bound."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        sockets: list[socket.socket],
        settings: ServerSettings,
        crowding: Crowding | None = None,
    ) -> None:
        config = uvicorn.Config(
            dispatcher,
            http=connections(dispatcher, settings, crowding),
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
