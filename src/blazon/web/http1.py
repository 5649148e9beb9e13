"""Reading HTTP/1.1: bytes → requests, without I/O (RFC 9112).

llhttp, through httptools, does the parsing. This module feeds it no further than to the end of a head or of a body, so
that whatever follows on the connection stays bytes until its turn comes. It refuses what is too large and what another
server in front of this one might read differently.
"""

from enum import Enum
from http import HTTPStatus
from typing import Final

import httptools

from blazon.errors import Malformed, TooLarge
from blazon.web.limits import Limits
from blazon.web.request import Headers, Peer, Request

__all__ = ["Refused", "RequestReader", "Stage"]

_LINE_END: Final = b"\r\n"
_BLANK_LINE: Final = b"\r\n\r\n"
"""The end of every head and of every chunked body."""

_HEAD_LINES: Final = 256
"""Lines of a head. A field of three bytes costs as much as a long one."""

_CHUNKED_SLICE: Final = 4096
"""Bytes of a chunked body that are parsed at a time. One byte in a chunk of its own costs as much as a large chunk."""

_FRAMING: Final = 4096
"""Bytes by which chunk sizes, chunk extensions and the trailer of a body may exceed its data (RFC 9112 §7.1.1)."""


class Stage(Enum):
    """What a reader waits for."""

    IDLE = "a request"
    HEAD = "the rest of a head"
    BODY = "the rest of a body"


_IDLE, _HEAD, _BODY = Stage  # `Stage.IDLE` takes 50 ns, and a request some ten of them


class Refused(Exception):
    """The bytes are not a request that a route could answer. What follows them on the connection cannot be read."""

    def __init__(self, status: HTTPStatus, reason: str, title: str = Malformed.title) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.title = title


class _Message:
    """What the parser reports of one request."""

    __slots__ = ("body", "complete", "fields", "head_complete", "target")

    def __init__(self) -> None:
        self.body = bytearray()
        self.reset()

    def reset(self) -> None:
        self.target = b""
        self.fields: list[tuple[bytes, bytes]] = []
        self.head_complete = False
        self.complete = False
        if self.body:
            self.body = bytearray()

    def on_url(self, part: bytes) -> None:
        self.target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.head_complete = True

    def on_body(self, part: bytes) -> None:
        self.body += part

    def on_message_complete(self) -> None:
        self.complete = True


class RequestReader:
    """Reads the requests of one connection, one after the other.

    `stage` is what it waits for. In `Stage.BODY`, `request` is the request whose body is being read, still without it.
    When a request is `complete`, `take` returns it; until then, nothing behind it is read, and `left` says whether
    there is something. When `over`, nothing is read any more.
    """

    __slots__ = (
        "_at",
        "_chunked",
        "_data",
        "_head_bytes",
        "_head_lines",
        "_limits",
        "_message",
        "_missing",
        "_parser",
        "_peer",
        "_seam",
        "_wire_bytes",
        "complete",
        "left",
        "over",
        "request",
        "stage",
    )

    def __init__(self, limits: Limits, peer: Peer) -> None:
        self.stage = _IDLE
        self.request: Request | None = None
        self.complete = False
        self.over = False
        self.left = False
        self._limits = limits
        self._peer = peer
        self._message = _Message()
        self._parser = httptools.HttpRequestParser(self._message)
        self._data = b""
        """What was received, of which everything from `_at` on is not parsed."""
        self._at = 0
        self._seam = b""
        """The last bytes that were parsed, if a blank line may have begun in them."""
        self._head_bytes = self._head_lines = 0
        self._chunked = False
        self._missing = 0
        """Bytes of a body with a Content-Length that have not come."""
        self._wire_bytes = 0
        """Bytes of a chunked body that were parsed, framing included."""

    @property
    def body_bytes(self) -> int:
        """Bytes of a body that is not complete."""
        return len(self._message.body)

    def receive(self, data: bytes) -> None:
        """Adds what came."""
        self._data = self._data[self._at :] + data if self.left else data
        self._at, self.left = 0, True

    def read(self) -> None:
        """Parses to the end of a request, at most, and in one call no more than a slice of a chunked body.

        Raises Refused, or TooLarge if the head of `request` is fine and its body is not. It must not be called again
        then.
        """
        data, size = self._data, len(self._data)
        while self._at < size and not self.complete and not self.over:
            if self.stage is not _BODY:
                self._at = self._read_head(data, self._at)
            else:
                self._at = self._read_body(data, self._at)
                if self._chunked:
                    break
        self.left = self._at < size
        if not self.left:
            self._data, self._at = b"", 0

    def take(self) -> Request:
        """The request that is complete."""
        taken, self.request, self.complete = self.request, None, False
        assert taken is not None
        return taken

    def end(self) -> None:
        """Forgets everything, and reads nothing any more."""
        self.over = True
        self.request, self.complete, self.stage = None, False, _IDLE
        self._data, self._at, self.left = b"", 0, False
        self._message.reset()

    def _read_head(self, data: bytes, start: int) -> int:
        if self.stage is _IDLE and data[start] in _LINE_END:
            # Empty lines in front of a request are ignored (RFC 9112 §2.2).
            end = len(data) - len(data[start:].lstrip(_LINE_END))
            self._count_head(end - start, 0)
            return end
        end, blank_line = self._find_blank_line(data, start, len(data))
        self._count_head(end - start, data.count(b"\n", start, end))
        self._parse(data[start:end])
        if self._message.head_complete is not blank_line:
            raise _not_http()
        if blank_line:
            self._begin_body()
        else:
            self.stage = _HEAD
        return end

    def _count_head(self, nbytes: int, lines: int) -> None:
        self._head_bytes += nbytes
        self._head_lines += lines
        if self._head_bytes > self._limits.head_bytes:
            raise _head_too_large(f"{self._limits.head_bytes} bytes")
        if self._head_lines > _HEAD_LINES:
            raise _head_too_large(f"{_HEAD_LINES} lines")

    def _read_body(self, data: bytes, start: int) -> int:
        if self._chunked:
            end, ended = self._find_blank_line(data, start, min(len(data), start + _CHUNKED_SLICE))
        else:
            end = min(len(data), start + self._missing)
            self._missing -= end - start
            ended = self._missing == 0
        self._parse(data[start:end])
        message = self._message
        # A chunk may hold a blank line, so only the parser knows whether that was the end of a chunked body.
        if (message.complete and not ended) or (not self._chunked and ended and not message.complete) or message.target:
            raise _not_http()
        if self._chunked:
            self._wire_bytes += end - start
            self._check_framing()
        if len(message.body) > self._limits.body_bytes:
            raise self._too_large()
        if message.complete:
            self._finish()
        return end

    def _find_blank_line(self, data: bytes, start: int, stop: int) -> tuple[int, bool]:
        """The position behind the next blank line, or `stop`; and whether there is one."""
        if self._seam:  # nearly all requests come whole, and have none
            found = (self._seam + data[start : start + 3]).find(_BLANK_LINE)
            if found >= 0:
                end = start + found + len(_BLANK_LINE) - len(self._seam)
                self._seam = b""
                return end, True
        found = data.find(_BLANK_LINE, start, stop)
        if found >= 0:
            self._seam = b""
            return found + len(_BLANK_LINE), True
        self._seam = (self._seam + data[max(start, stop - 3) : stop])[-3:]
        return stop, False

    def _parse(self, part: bytes) -> None:
        try:
            self._parser.feed_data(part)
        except httptools.HttpParserUpgrade:
            self._ignore_upgrade()
        except httptools.HttpParserError:
            raise _not_http() from None

    def _ignore_upgrade(self) -> None:
        """Reads a head again without its offer to change the protocol, which a server may ignore (RFC 9110 §7.8).

        With the offer, the parser takes everything behind the head for the other protocol.
        """
        method, message = self._parser.get_method(), self._message
        if method == b"CONNECT":
            raise Refused(HTTPStatus.BAD_REQUEST, "CONNECT is for proxies, and this is not one")
        lines = [b"%b %b HTTP/%b" % (method, message.target, self._parser.get_http_version().encode())]
        lines += [b"%b: %b" % field for field in message.fields if field[0] != b"upgrade"]
        message.reset()
        try:
            self._parser.feed_data(b"\r\n".join(lines) + _BLANK_LINE)
        except httptools.HttpParserError:
            raise _not_http() from None

    def _begin_body(self) -> None:
        """Makes the request of a head, and finds out whether a body follows."""
        message, version = self._message, self._parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise Refused(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "this server speaks HTTP/1.1 and HTTP/1.0")
        old = version == "1.0"
        path, query = _target(message.target)
        headers = Headers(message.fields)
        message.target, message.fields = b"", []  # a trailer field is not a header field (RFC 9110 §6.5.1)
        self.request = Request(
            self._parser.get_method().decode(),
            path,
            query,
            headers,
            self._peer,
            old=old,
            last=old or (b"connection" in headers.sent and _names(headers, b"connection", "close")),
            expects=b"expect" in headers.sent and not old and _names(headers, b"expect", "100-continue"),
        )
        self._head_bytes = self._head_lines = 0
        self._chunked = b"transfer-encoding" in headers.sent and _is_chunked(headers, old=old)
        self._missing = 0 if self._chunked else int(headers.sent.get(b"content-length", b"0"))
        if message.complete is (self._chunked or self._missing > 0):
            raise _not_http()
        if message.complete:
            self._finish()
            return
        self.stage = _BODY
        self._wire_bytes = 0
        if self._missing > self._limits.body_bytes:
            raise self._too_large()

    def _finish(self) -> None:
        assert self.request is not None
        if self._message.body:
            self.request.body = bytes(self._message.body)
        self.complete = True
        self.over = self.request.last
        self._message.reset()
        self.stage = _IDLE

    def _check_framing(self) -> None:
        data = len(self._message.body)
        if self._wire_bytes - data <= _FRAMING + data:
            return
        if self._message.fields:
            reason = f"the trailer of the request is longer than {_FRAMING} bytes"
            raise Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, reason, "request too large")
        reason = "the chunks of the body are too small, or their extensions or the trailer too long"
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, reason, "request too large")

    def _too_large(self) -> TooLarge:
        return TooLarge(f"the body is longer than {self._limits.body_bytes} bytes, which is all that is read")


def _not_http() -> Refused:
    return Refused(HTTPStatus.BAD_REQUEST, "this is not an HTTP request")


def _head_too_large(limit: str) -> Refused:
    reason = f"the head of the request is longer than {limit}"
    return Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, reason, "request too large")


def _names(headers: Headers, header: bytes, option: str) -> bool:
    """Whether an option is a member of a header that is a list of options."""
    return option in (member.strip() for member in (headers.all(header) or "").lower().split(","))


def _is_chunked(headers: Headers, *, old: bool) -> bool:
    """Whether the body is chunked. Any other coding is refused, and every one in HTTP/1.0 (RFC 9112 §6.1)."""
    if old:
        raise Refused(HTTPStatus.BAD_REQUEST, "HTTP/1.0 has no Transfer-Encoding (RFC 9112 §6.1)")
    if (headers.all(b"transfer-encoding") or "").strip().lower() != "chunked":
        raise Refused(HTTPStatus.NOT_IMPLEMENTED, "the only Transfer-Encoding this server knows is chunked")
    return True


def _target(target: bytes) -> tuple[str, bytes]:
    """The path, percent-encoded, and the query of a request target (RFC 9112 §3.2)."""
    if not target.isascii():
        raise _not_http()
    if target.startswith(b"/") or target == b"*":
        path, _, query = target.partition(b"#")[0].partition(b"?")
        return path.decode(), query
    try:
        url = httptools.parse_url(target)  # the absolute form, which every server must read (RFC 9112 §3.2.2)
    except httptools.HttpParserInvalidURLError:
        raise _not_http() from None
    return (url.path or b"/").decode(), url.query or b""
