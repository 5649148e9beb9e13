"""A request, and what its headers say. Everything here raises a RequestError that names the mistake."""

import asyncio
import hmac
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from random import getrandbits
from typing import Final, NamedTuple

from blazon.caller import Once
from blazon.errors import Malformed, PreconditionFailed, UnsupportedMedia

__all__ = [
    "JSON",
    "JSON_OR_TEXT",
    "Fields",
    "Headers",
    "Peer",
    "Request",
    "address_of",
    "announces_body",
    "bearer_token",
    "check_json",
    "device_key",
    "expected_revisions",
    "has_already",
    "idempotency_key",
    "peer_of",
    "trace_of",
    "wants_problem",
]

Fields = Sequence[tuple[bytes, bytes]]
"""Header fields: lower-case names and values, in the order they were sent."""

_IDEMPOTENCY_KEY: Final = re.compile(r'"(?P<quoted>[\x21\x23-\x5b\x5d-\x7e]{1,255})"|(?P<bare>[\x21\x23-\x7e]{1,255})')
_ENTITY_TAG: Final = re.compile(r'\s*"(\d{1,18})"\s*')
_TRACEPARENT: Final = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(-.*)?"
)
JSON: Final = ("application/json",)
JSON_OR_TEXT: Final = (*JSON, "text/plain")
"""Browsers send a text as text/plain unless they are told otherwise, and web clients of `/api` do not tell them."""

_MEDIA: Final = 256
"""Characters of a Content-Type that are looked at."""


class Headers:
    """The headers of a request, by lower-case name."""

    __slots__ = ("_fields", "sent")

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self.sent: Mapping[bytes, bytes] = dict(fields)
        """The values as they were sent; the last one of a header that was sent repeatedly."""

    def one(self, name: bytes) -> str | None:
        """The value of a header that may be sent once; None if it was not sent.

        Raises Malformed if it was sent twice or is not ASCII.
        """
        value = self.sent.get(name)
        if value is None:
            return None
        if len(self.sent) != len(self._fields):
            times = sum(each == name for each, _ in self._fields)
            if times > 1:
                raise Malformed(f"the header {name.decode()} is there {times} times; send it once")
        return _ascii(name, value)

    def repeatable(self, name: bytes) -> str | None:
        """The same for a header that may be repeated with the same value. Raises Malformed if the values differ."""
        value = self.sent.get(name)
        if value is None:
            return None
        if len(self.sent) != len(self._fields) and any(each == name and other != value for each, other in self._fields):
            raise Malformed(f"the header {name.decode()} is there with different values; send it once")
        return _ascii(name, value)

    def all(self, name: bytes) -> str | None:
        """All values of a header that is a list, joined as RFC 9110 §5.3 says; None if it was not sent."""
        if name not in self.sent:
            return None
        return ", ".join(value.decode("latin-1") for each, value in self._fields if each == name)


def _ascii(name: bytes, value: bytes) -> str:
    try:
        return value.decode("ascii").strip()
    except UnicodeDecodeError:
        raise Malformed(f"the header {name.decode()} holds characters that are not ASCII") from None


class Peer(NamedTuple):
    """The other end of a connection: its address, and the certificates it showed, DER, its own first."""

    address: str
    certificates: tuple[bytes, ...] = ()


def peer_of(transport: asyncio.BaseTransport) -> Peer:
    """The other end of a connection that was made."""
    name, tls = transport.get_extra_info("peername"), transport.get_extra_info("ssl_object")
    certificate = None if tls is None else tls.getpeercert(binary_form=True)
    return Peer(name[0] if name else "", () if certificate is None else (certificate,))


class Request:
    """A request that was read whole.

    `path` is as it was sent, percent-encoded; `query` follows the question mark. `peer` is the other end of
    the connection. `old` marks HTTP/1.0. `last` is true if the connection is to be closed after the response,
    `expects` if the client waits for "100 Continue" before it sends the body.
    """

    __slots__ = ("body", "expects", "headers", "last", "method", "old", "path", "peer", "query", "traceparent")

    def __init__(
        self,
        method: str,
        path: str,
        query: bytes,
        headers: Headers,
        peer: Peer,
        *,
        old: bool = False,
        last: bool = False,
        expects: bool = False,
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.traceparent = trace_of(headers)
        self.peer = peer
        self.body = b""
        self.old = old
        self.last = last
        self.expects = expects


def bearer_token(headers: Headers) -> str:
    """The token of `Authorization: Bearer …`; empty if there is none."""
    return _credentials(headers, "bearer")


def device_key(headers: Headers) -> str:
    """The key of `Authorization: Thing …`, which devices send; empty if there is none."""
    return _credentials(headers, "thing")


def _credentials(headers: Headers, wanted: str) -> str:
    value = headers.one(b"authorization")
    if value is None:
        return ""
    scheme, _, given = value.partition(" ")
    return given.strip() if scheme.lower() == wanted else ""


def announces_body(headers: Headers) -> bool:
    """Whether a body comes with the request (RFC 9112 §6.3)."""
    return headers.sent.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers.sent


def check_json(headers: Headers, media: tuple[str, ...] = JSON) -> None:
    """Raises UnsupportedMedia unless the body is declared as one of these media types, in UTF-8 and not compressed."""
    # The Go SDK of users and things sends Content-Type twice when it signs in.
    refused = _refused_media((headers.repeatable(b"content-type") or "")[:_MEDIA], media)
    if refused:
        raise UnsupportedMedia(refused)
    if (headers.one(b"content-encoding") or "identity").lower() != "identity":
        raise UnsupportedMedia("send the body without Content-Encoding")


@lru_cache(maxsize=64)
def _refused_media(value: str, media: tuple[str, ...]) -> str:
    """Why a Content-Type is refused; empty if it is accepted. Cached: clients send the same few values."""
    kind, *parameters = (part.strip().lower() for part in value.split(";"))
    if kind not in media:
        return "send the header Content-Type: application/json"
    for parameter in parameters:
        name, _, charset = (part.strip() for part in parameter.partition("="))
        if name == "charset" and charset.strip('"') not in ("utf-8", "utf8"):
            return "JSON is UTF-8 (RFC 8259 §8.1); leave the charset out"
    return ""


def idempotency_key(headers: Headers, scope: str, method: str, path: str, body: bytes, secret: bytes) -> Once | None:
    """The Idempotency-Key header, bare or quoted, with a digest of the request; None if it was not sent.

    The digest is keyed with `secret`: the body may hold a password, and a stored plain hash would let anybody who reads
    it try passwords. Raises Malformed.
    """
    value = headers.one(b"idempotency-key")
    if value is None:
        return None
    match = _IDEMPOTENCY_KEY.fullmatch(value)
    if match is None:
        raise Malformed("the header Idempotency-Key must be 1 to 255 visible ASCII characters; a UUID is a good one")
    digest = hmac.digest(secret, b"%b %b\n%b" % (method.encode(), path.encode(), body), "sha256").hex()
    # Callers without an identity must not see the responses of one another: for them the digest is part of the scope.
    return Once(scope or f"anonymous:{digest}", match["quoted"] or match["bare"], digest)


def expected_revisions(headers: Headers) -> frozenset[int] | None:
    """The revisions in If-Match (RFC 9110 §13.1.1); None if it was not sent, empty for `*`.

    Raises Malformed, and PreconditionFailed if no tag in it can be one of ours.
    """
    value = headers.all(b"if-match")
    if value is None:
        return None
    if value.strip() == "*":
        return frozenset()
    revisions = set()
    for tag in value.split(","):
        match = _ENTITY_TAG.fullmatch(tag)
        if match:
            revisions.add(int(match[1]))
        elif not re.fullmatch(r'\s*(W/)?"[^"]*"\s*', tag):
            raise Malformed('the header If-Match must be * or a list of entity tags such as "42"')
    if not revisions:
        raise PreconditionFailed("If-Match names no entity tag of this server")
    return frozenset(revisions)


def has_already(headers: Headers, etag: str | None) -> bool:
    """Whether If-None-Match names an entity tag, compared weakly (RFC 9110 §13.1.2): the client has the response."""
    value = headers.all(b"if-none-match")
    if value is None or etag is None:
        return False
    return value.strip() == "*" or etag in (tag.strip().removeprefix("W/") for tag in value.split(","))


def trace_of(headers: Headers) -> str:
    """The traceparent for what this request causes: a new span in the trace of the request, or in a new trace.

    Source: W3C Trace Context §3. The ids must be unlikely to collide; they need not be hard to guess.
    """
    ids = f"{getrandbits(192):048x}"
    match = None
    if b"traceparent" in headers.sent:
        match = _TRACEPARENT.fullmatch(headers.all(b"traceparent") or "")
    if not match or match["version"] == "ff" or not match["trace"].strip("0") or not match["span"].strip("0"):
        return f"00-{ids[:32]}-{ids[32:]}-01"
    return f"00-{match['trace']}-{ids[32:]}-{match['flags']}"


def address_of(headers: Headers, peer: str, trusted: frozenset[str]) -> str:
    """Where a request comes from: the peer, or, behind trusted proxies, the last hop that is not one of them."""
    if peer not in trusted:
        return peer
    hops = [hop.strip() for hop in (headers.all(b"x-forwarded-for") or "").split(",")]
    return next((hop for hop in reversed(hops) if hop and hop not in trusted), peer)


def wants_problem(headers: Headers) -> bool:
    """Whether Accept asks for problem documents."""
    return "application/problem+json" in (headers.all(b"accept") or "").lower()
