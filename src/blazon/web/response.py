"""Responses, and how they are written in HTTP/1.1 (RFC 9112)."""

from collections.abc import AsyncIterator, Iterable, Sequence
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

import msgspec

from blazon.errors import BlazonError
from blazon.web import failures, request
from blazon.web.failures import ErrorBody, Failure
from blazon.web.http1 import Refused
from blazon.web.route import AnyRoute, Reply

__all__ = ["CONTINUE", "LAST_CHUNK", "Response", "chunk", "head", "http_date", "of_error", "of_refusal", "of_reply"]

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK: Final = b"0\r\n\r\n"

_STATUS_LINES: Final = {int(status): f"HTTP/1.1 {int(status)} {status.phrase}\r\ndate: " for status in HTTPStatus}
_BODILESS: Final = (int(HTTPStatus.NO_CONTENT), int(HTTPStatus.NOT_MODIFIED))
"""Statuses whose responses have neither a body nor its length (RFC 9110 §8.6)."""

_encode = msgspec.json.Encoder().encode


class Response(msgspec.Struct, frozen=True):
    """A response. The connection ends behind it if it is the `last` one.

    Names of `headers` are in lower case; the length of the body and the date are not among them.
    """

    status: int
    body: bytes | AsyncIterator[bytes]
    headers: Sequence[tuple[str, str]]
    last: bool = False


def of_reply(reply: Reply, route: AnyRoute, asked: request.Headers) -> Response:
    """The response of a route; 304 if it answers with bytes that the client has already."""
    status, body, headers = reply.status, reply.body, reply.headers
    if headers:
        _check(headers)
    if body is None:
        return Response(status, b"", headers)
    if isinstance(body, msgspec.Struct):
        body = _encode(body)
    elif isinstance(body, bytes):
        if route.method == "GET" and request.has_already(asked, dict(headers).get("etag")):
            return Response(int(HTTPStatus.NOT_MODIFIED), b"", headers)
    elif not isinstance(body, AsyncIterator):
        body = _encode(body)
    return Response(status, body, (("content-type", route.produces), *headers))


def of_error(
    error: BlazonError, shape: type[ErrorBody], asked: request.Headers, challenges: Sequence[str] = ()
) -> Response:
    """The response to a request that failed."""
    problem = request.wants_problem(asked)
    content_type = failures.PROBLEM if problem else "application/json"
    headers = (*failures.headers_of(error, challenges), ("content-type", content_type))
    last = ("connection", "close") in headers
    return Response(failures.status_of(error), failures.body_of(error, shape, problem=problem), headers, last)


def of_refusal(refused: Refused) -> Response:
    """The response to bytes that are not a request."""
    body = _encode(Failure(refused.reason, refused.title))
    return Response(refused.status, body, (("content-type", "application/json"),), last=True)


def head(response: Response, date: str, *, last: bool, chunked: bool = False) -> bytes:
    """The status line and the header fields of a response, with the blank line behind them.

    `last` tells the client that the connection ends with this response. The body of a stream is sent in chunks if
    `chunked`, and ends with the connection otherwise.
    """
    status, body = response.status, response.body
    lines = [_STATUS_LINES[status], date, "\r\n"]
    for name, value in response.headers:
        if name != "connection":
            lines += (name, ": ", value, "\r\n")
    if isinstance(body, bytes):
        if status not in _BODILESS:
            lines.append(f"content-length: {len(body)}\r\n")
    elif chunked:
        lines.append("transfer-encoding: chunked\r\n")
    lines.append("connection: close\r\n\r\n" if last else "\r\n")
    return "".join(lines).encode()


def chunk(data: bytes) -> bytes:
    """A part of a chunked body (RFC 9112 §7.1). Empty data would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def http_date(seconds: float) -> str:
    """A time as HTTP writes it (RFC 9110 §5.6.7). Unix seconds."""
    return formatdate(seconds, usegmt=True)


def _check(headers: Iterable[tuple[str, str]]) -> None:
    """Raises ValueError if a value would begin another field (RFC 9110 §5.5)."""
    for name, value in headers:
        if "\r" in value or "\n" in value or "\0" in value:
            raise ValueError(f"the value of the header field {name} holds a line end or U+0000")
