"""Sending answers with few system calls, and few wake-ups of those who wait for them."""

import asyncio
from collections.abc import Iterable, Sequence

import structlog

__all__ = ["Joined", "Outgoing", "Turn"]

Fields = Sequence[tuple[bytes, bytes]]

_log = structlog.get_logger("blazon.http")


class Turn:
    """What is sent when this turn of the loop has read what there is.

    The answers of one turn leave one after the other: to wake a reader who sleeps costs several times what it costs to
    send to one who is awake.
    """

    def __init__(self) -> None:
        self._waiting: list[Outgoing] = []
        self._fields: Fields = ()
        self._lines = b""

    def lines(self, fields: Fields) -> bytes:
        """The lines of fields every answer has. They change once a second, with the date, as a new object."""
        if fields is not self._fields:
            self._fields, self._lines = fields, b"".join(b"%b: %b\r\n" % field for field in fields)
        return self._lines

    def add(self, outgoing: "Outgoing") -> None:
        """Sends it at the end of the turn. To be called once for each."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._send)
        self._waiting.append(outgoing)

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        for outgoing in waiting:
            try:
                outgoing.send()
            except Exception:  # noqa: BLE001 - what one connection is not sent must not be kept from the others
                _log.exception("an answer was not sent")


class Outgoing:
    """Answers of one connection that are not sent yet. What is written to its transport must not overtake them."""

    __slots__ = ("_parts", "_transport", "_turn")

    def __init__(self, transport: asyncio.Transport, turn: Turn) -> None:
        self._transport = transport
        self._turn = turn
        self._parts: list[bytes] = []

    def add(self, parts: Iterable[bytes]) -> None:
        """One more answer."""
        if not self._parts:
            self._turn.add(self)
        self._parts += parts

    def send(self) -> None:
        """Sends what there is, now."""
        parts, self._parts = self._parts, []
        if parts and not self._transport.is_closing():
            self._transport.write(b"".join(parts))


class Joined:
    """A transport for one answer, whose head leaves together with the body: one packet, one system call."""

    __slots__ = ("_begun", "_head", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._begun = False
        self._head: bytes | None = None

    def write(self, data: bytes) -> None:
        """Sends a part of the answer."""
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
        """Closes the connection, once everything is sent."""
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether the connection is closed, or about to be."""
        return self._transport.is_closing()
