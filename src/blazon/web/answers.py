"""Answers as octets: the status, the body, and the header fields that go with them."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import msgspec

from blazon.errors import BlazonError
from blazon.web import failures, reading
from blazon.web.route import BinaryReply, Reply

__all__ = ["BODILESS", "Send", "Written", "of_error", "of_octets", "of_reply", "send"]

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

BODILESS: Final = (int(HTTPStatus.NO_CONTENT), int(HTTPStatus.NOT_MODIFIED))
"""Statuses whose answers have neither a body nor its length (RFC 9110 §8.6)."""

_JSON: Final = (b"content-type", b"application/json")
_encode = msgspec.json.Encoder().encode


class Written(NamedTuple):
    """An answer as octets. `headers` may be added to."""

    status: int
    body: bytes
    headers: list[tuple[bytes, bytes]]


def of_reply(reply: Reply) -> Written:
    """The answer of a route."""
    headers = _fields(reply.headers)
    if reply.body is None:
        return Written(reply.status, b"", headers)
    headers.append(_JSON)
    return Written(reply.status, _encode(reply.body), headers)


def of_octets(reply: BinaryReply, asked: reading.Headers, method: str) -> Written:
    """The answer of a route of octets; 304 when who asks has it already."""
    if method == "GET" and reading.has_already(asked, dict(reply.headers).get("etag")):
        return Written(int(HTTPStatus.NOT_MODIFIED), b"", _fields(reply.headers))
    return Written(reply.status, reply.body, _fields((*reply.headers, ("content-type", reply.content_type))))


def of_error(error: BlazonError, asked: reading.Headers, path: str) -> Written:
    """The answer to a request at a path that failed."""
    problem = reading.wants_problem(asked)
    headers = _fields(failures.headers_of(error))
    headers.append((b"content-type", failures.PROBLEM.encode()) if problem else _JSON)
    return Written(failures.status_of(error), failures.body_of(error, problem=problem, path=path), headers)


def _fields(pairs: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Header fields as octets. A line end in a value would begin another field (RFC 9110 §5.5)."""
    fields = []
    for name, value in pairs:
        if "\r" in value or "\n" in value or "\0" in value:
            raise ValueError(f"the value of the header field {name} holds a line end or U+0000")
        fields.append((name.encode(), value.encode()))
    return fields


async def send(to: Send, written: Written) -> None:
    """Sends an answer (ASGI 3)."""
    status, body, headers = written
    if status not in BODILESS:
        headers.append((b"content-length", str(len(body)).encode()))
    await to({"type": "http.response.start", "status": status, "headers": headers})
    await to({"type": "http.response.body", "body": body})
