"""The sending side of connections: how much may wait for a client and for how long, and how a connection ends."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final

import structlog

from blazon.web import response
from blazon.web.deadline import Deadline
from blazon.web.limits import Limits

__all__ = ["Turn", "Unread", "Writer"]

_UNREAD: Final = 32 * 1024
"""Bytes that may wait for a client before it gets no further response."""

_PROGRESS: Final = 16 * 1024
"""Bytes of what waits that a client must read in its time."""

_LARGE: Final = 32 * 1024
"""Bytes from which a response is sent at once: the end of the turn may be many large ones away."""

_SLICE: Final = 256 * 1024
"""Bytes of a large response that are handed to the transport at a time. What it was handed stays in memory for some
turns of the event loop after the connection was aborted: a thousand clients that each left 5 MB unread cost 100 MB."""

_LINGER_SECONDS: Final = 2.0
"""How long a client may send nothing before it is taken to have read its last response."""

_LINGER_BYTES: Final = 16 * 1024 * 1024
"""Bytes a client may go on sending before it reads its last response."""

_log = structlog.get_logger("blazon.http")


class Turn:
    """The responses of one turn of the event loop, which are sent together at its end.

    Waking a client that sleeps costs several times what it costs to send to one that is awake: sent one after the
    other, responses find most of their readers awake.
    """

    __slots__ = ("_writers", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._writers: list[Writer] = []

    def add(self, writer: "Writer") -> None:
        """Flushes a writer at the end of this turn. To be called once for each."""
        if not self._writers:
            self.loop.call_soon(self._flush)
        self._writers.append(writer)

    def _flush(self) -> None:
        writers, self._writers = self._writers, []
        for writer in writers:
            try:
                writer.flush()
            except Exception:  # noqa: BLE001 - what cannot be sent to one client must not be kept from the others
                _log.exception("a response was not sent")


class Unread:
    """The large responses that wait for the clients of one server, which share a limit.

    Beyond it, the client that has let its response wait for longest loses its connection. A body that waits for several
    clients is in memory once, and counts once.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = 0
        self._bodies: dict[Writer, bytes] = {}
        """The body that waits for each client, the one that waits for longest first."""
        self._clients: Counter[int] = Counter()
        """How many clients a body waits for, by its `id`."""

    def add(self, writer: "Writer", body: bytes) -> None:
        """A response waits for a client."""
        self._bodies[writer] = body
        self._clients[id(body)] += 1
        if self._clients[id(body)] == 1:
            self._bytes += len(body)
        while self._bytes > self._limit and len(self._bodies) > 1:
            longest = next(iter(self._bodies))
            self.remove(longest)
            longest.abort()

    def remove(self, writer: "Writer") -> None:
        """The client has read it, or is gone."""
        body = self._bodies.pop(writer, None)
        if body is None:
            return
        self._clients[id(body)] -= 1
        if not self._clients[id(body)]:
            del self._clients[id(body)]
            self._bytes -= len(body)


class Writer:
    """Sends to one client.

    `full` is true while too much waits for the client to read it, `finished` once the last response was sent.
    """

    __slots__ = (
        "_at",
        "_closing",
        "_discarded",
        "_drained",
        "_large",
        "_limits",
        "_linger_until",
        "_lingering",
        "_parts",
        "_transport",
        "_turn",
        "_unread",
        "_unread_deadline",
        "_waiting",
        "finished",
        "full",
    )

    def __init__(self, transport: asyncio.Transport, turn: Turn, unread: Unread, limits: Limits) -> None:
        transport.set_write_buffer_limits(high=_UNREAD)
        self.full = False
        self.finished = False
        self._transport = transport
        self._turn = turn
        self._limits = limits
        self._parts: list[bytes] = []
        self._drained: asyncio.Future[None] | None = None
        self._unread = unread
        self._large: bytes | None = None
        """The last large body, until the client has read enough of it. What is sent after it waits in `_parts`."""
        self._at = 0
        """How many bytes of it were handed to the transport."""
        self._closing = False
        """Whether the transport is to be closed when everything was handed to it."""
        self._unread_deadline = Deadline(turn.loop, self._check_unread)
        self._waiting = 0
        """Bytes that waited for the client when its time to read some of them began."""
        self._lingering = Deadline(turn.loop, self._end_lingering)
        self._linger_until = 0.0
        self._discarded = 0

    def send(self, head: bytes, body: bytes = b"") -> None:
        """Sends at the end of this turn of the loop, or at once if it is large."""
        if len(body) >= _LARGE and self._large is None:
            if head:
                self._parts.append(head)
            self.flush()
            self._large, self._at = body, 0
            self._send_slices()
            return
        if not self._parts:
            self._turn.add(self)
        self._parts.append(head + body)

    def flush(self) -> None:
        """Sends now what is to be sent. On a connection that is closing, nothing is sent any more."""
        if self._large is not None:
            return
        parts, self._parts = self._parts, []
        if not parts or self._transport.is_closing():
            return
        if len(parts) == 1:
            self._transport.write(parts[0])
        else:
            self._transport.writelines(parts)

    def _send_slices(self) -> None:
        """Hands as much of the large body to the transport as it takes, and what waits behind it at its end."""
        while self._large is not None and not self.full:
            body, start = self._large, self._at
            self._at = end = min(len(body), start + _SLICE)
            if not self._transport.is_closing():
                self._transport.write(body if end - start == len(body) else body[start:end])
            if end == len(body) and not self.full:
                self._large = None  # else the client has yet to read enough of it
                self.flush()

    async def drain(self) -> None:
        """Returns when the client has read enough, or is gone."""
        while self.full:
            self._drained = self._turn.loop.create_future()
            await self._drained

    async def stream(self, parts: AsyncIterator[bytes], *, chunked: bool) -> None:
        """Sends the parts of a stream when they come. Closes the stream at its end, or when this is cancelled."""
        try:
            async for part in parts:
                if part:
                    self.send(b"", response.chunk(part) if chunked else part)
                    self.flush()  # only what is sent counts towards `full`
                if self.full:
                    await self.drain()
        finally:
            if isinstance(parts, AsyncGenerator):
                await parts.aclose()

    def pause(self) -> None:
        """Too much waits for the client."""
        self.full = True
        if self._large is not None:
            self._unread.add(self, self._large)
        self._begin_unread()

    def resume(self) -> None:
        """The client has read enough, or is gone."""
        self.full = False
        if self._large is not None:
            self._unread.remove(self)
            if self._at == len(self._large):
                self._large = None
                self.flush()
            else:
                self._send_slices()
        if self.full:
            return
        self._unread_deadline.stop()
        if self._closing:
            self._transport.close()
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        if self.finished:
            self._begin_lingering()

    def finish(self) -> None:
        """Sends nothing more, and waits until the client has read everything and closes its side.

        If the connection were closed at once while the client is sending still, the client's system might throw away
        the last response together with the connection (RFC 9112 §9.6).
        """
        self.flush()
        self.finished = True
        if not self.full:
            self._begin_lingering()

    def discard(self, nbytes: int) -> None:
        """The client has sent something although its last response was sent."""
        self._discarded += nbytes
        if self._discarded > _LINGER_BYTES:
            self.abort()
        elif not self.full:
            self._begin_lingering()

    def close(self) -> None:
        """Closes once the client has read what waits for it, if it does so in its time."""
        self.flush()
        if self._left and not self._unread_deadline.running:
            self._begin_unread()
        self._closing = True
        if self._large is None or self._at == len(self._large):
            self._transport.close()

    def leave(self) -> None:
        """Closes. What the client has not read by now is lost, except for responses of this turn of the loop."""
        if self._left:
            self.abort()
        else:
            self.close()

    def abort(self) -> None:
        """Closes now. What the client has not read is lost."""
        if self._large is not None:
            self._unread.remove(self)
            self._large = None
        self._transport.abort()

    def lost(self) -> None:
        """The connection is gone."""
        if self._large is not None:
            self._at = len(self._large)
        self.resume()
        self._unread_deadline.close()
        self._lingering.close()

    @property
    def _left(self) -> int:
        """Bytes that wait for the client."""
        rest = 0 if self._large is None else len(self._large) - self._at
        return self._transport.get_write_buffer_size() + rest

    def _begin_unread(self) -> None:
        self._waiting = self._left
        self._unread_deadline.start(self._limits.unread_seconds)

    def _check_unread(self) -> None:
        if self._left > self._waiting - _PROGRESS:
            self.abort()
        else:
            self._begin_unread()

    def _begin_lingering(self) -> None:
        if not self._linger_until:
            self._linger_until = self._turn.loop.time() + self._limits.body_seconds
            if self._transport.can_write_eof() and not self._transport.is_closing():
                self._transport.write_eof()
        self._lingering.start(min(_LINGER_SECONDS, self._linger_until - self._turn.loop.time()))

    def _end_lingering(self) -> None:
        if not self._left:
            self.abort()
        elif not self._unread_deadline.running:
            self._begin_unread()
