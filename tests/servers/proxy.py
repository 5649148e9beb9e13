"""A TCP proxy that drops what it carries without a word, as a firewall or NAT does to a connection that was idle."""

import asyncio
from typing import Self


class _Carried:
    """One connection through the proxy."""

    def __init__(self) -> None:
        self.sent = b""
        self.dropped = False


class Proxy:
    """Carries connections to a port of this machine."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._connections: list[_Carried] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._last_word: bytes | None = None
        self._is_cut = False
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def sent(self, text: bytes) -> int:
        """Over how many connections a client has sent a text."""
        return sum(text in connection.sent for connection in self._connections)

    def drop(self, text: bytes) -> None:
        """From now on nothing goes either way over the connections a client has sent that text over."""
        for connection in self._connections:
            connection.dropped |= text in connection.sent

    def cut(self) -> None:
        """From now on nothing goes over any connection, also not over one that is made later."""
        self._is_cut = True
        self.drop(b"")

    def mend(self) -> None:
        """Connections that are made from now on carry again."""
        self._is_cut = False

    def drop_at(self, text: bytes) -> None:
        """Drops the next connection a client sends that text over, before the server has it."""
        self._last_word = text

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        connection = _Carried()
        connection.dropped = self._is_cut
        self._connections.append(connection)
        ends = [writer]
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._to)
            ends.append(server_writer)
            await asyncio.gather(
                self._pump(connection, reader, server_writer, up=True),
                self._pump(connection, server_reader, writer, up=False),
            )
        except asyncio.CancelledError:
            pass  # the proxy ends: asyncio would tell of a task of its server that was cancelled as of a fault
        finally:
            for end in ends:
                end.close()

    async def _pump(
        self, connection: _Carried, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool
    ) -> None:
        try:
            while data := await reader.read(65536):
                if up:
                    connection.sent += data
                    if self._last_word is not None and self._last_word in data:
                        self._last_word, connection.dropped = None, True
                if not connection.dropped:
                    writer.write(data)
                    await writer.drain()
        except ConnectionError:
            pass
        finally:
            if not connection.dropped:
                writer.close()
