"""Reading a request: headers, parameters, body. Everything here raises a RequestError that says what is wrong."""

import hmac
import re
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from functools import lru_cache
from random import getrandbits
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec

from blazon.caller import Once
from blazon.errors import Malformed, PreconditionFailed, TooLarge, TooSlow, UnsupportedMedia
from blazon.web.deadlines import Deadlines
from blazon.web.json import place_first

__all__ = [
    "JSON",
    "JSON_OR_TEXT",
    "Asked",
    "Fields",
    "Headers",
    "Receive",
    "address_of",
    "announces_body",
    "bearer_token",
    "body_of",
    "check_json",
    "device_key",
    "expected_revisions",
    "has_already",
    "idempotency_key",
    "query_of",
    "trace_of",
    "wants_problem",
]

Q = TypeVar("Q")
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Fields = Sequence[tuple[bytes, bytes]]

_DRAIN: Final = 16 * 1024 * 1024
"""Bytes of a body that is too large which are read and thrown away, so that its sender can read the answer."""

_IDEMPOTENCY_KEY: Final = re.compile(r'"(?P<quoted>[\x21\x23-\x5b\x5d-\x7e]{1,255})"|(?P<bare>[\x21\x23-\x7e]{1,255})')
_ENTITY_TAG: Final = re.compile(r'\s*"(\d{1,18})"\s*')
_TRACEPARENT: Final = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(-.*)?"
)
JSON: Final = ("application/json",)
JSON_OR_TEXT: Final = (*JSON, "text/plain")
"""Browsers send a body of text as text/plain unless they are told otherwise; web clients of `/api` do not tell them."""

_MEDIA: Final = 256
"""Characters of a Content-Type that are looked at."""

_QUERY_FIELDS: Final = 64
"""Most parameters in a query."""


class Headers:
    """The headers of a request, by lower-case name. One that must be there once and is there twice is refused."""

    __slots__ = ("_fields", "_values")

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self._values = dict(fields)

    def one(self, name: bytes) -> str | None:
        """The value of a header that may be there once. Raises Malformed when it is there twice or is not ASCII."""
        value = self._values.get(name)
        if value is None:
            return None
        if len(self._values) != len(self._fields):
            times = sum(each == name for each, _ in self._fields)
            if times > 1:
                raise Malformed(f"the header {name.decode()} is there {times} times; send it once")
        return _ascii(name, value)

    def repeatable(self, name: bytes) -> str | None:
        """As `one`, for a header that may be there again with the same value, which then says nothing new."""
        value = self._values.get(name)
        if value is None:
            return None
        if len(self._values) != len(self._fields) and any(
            each == name and other != value for each, other in self._fields
        ):
            raise Malformed(f"the header {name.decode()} is there with different values; send it once")
        return _ascii(name, value)

    def all(self, name: bytes) -> str | None:
        """The values of a header that is a list, joined as RFC 9110 §5.3 says; None when it is not there."""
        if name not in self._values:
            return None
        return ", ".join(value.decode("latin-1") for each, value in self._fields if each == name)


def _ascii(name: bytes, value: bytes) -> str:
    try:
        return value.decode("ascii").strip()
    except UnicodeDecodeError:
        raise Malformed(f"the header {name.decode()} holds characters that are not ASCII") from None


class Asked:
    """A request as it came. `body` is all of it, unless `receive` is there to get it; `old` means before HTTP/1.1."""

    __slots__ = ("body", "headers", "method", "old", "path", "peer", "query", "receive", "traceparent")

    def __init__(
        self,
        method: str,
        path: str,
        query: bytes,
        fields: Fields,
        peer: str,
        *,
        body: bytes = b"",
        receive: Receive | None = None,
        old: bool = False,
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = Headers(fields)
        self.traceparent = trace_of(self.headers)
        self.peer = peer
        self.body = body
        self.receive = receive
        self.old = old


def bearer_token(headers: Headers) -> str:
    """The token of `Authorization: Bearer …`; empty when there is none."""
    return _credentials(headers, "bearer")


def device_key(headers: Headers) -> str:
    """The key of `Authorization: Thing …`, which devices send; empty when there is none."""
    return _credentials(headers, "thing")


def _credentials(headers: Headers, wanted: str) -> str:
    value = headers.one(b"authorization")
    if value is None:
        return ""
    scheme, _, given = value.partition(" ")
    return given.strip() if scheme.lower() == wanted else ""


def announces_body(headers: Headers) -> bool:
    """Whether a body comes with the request (RFC 9112 §6.3)."""
    return headers.all(b"content-length") not in (None, "0") or headers.all(b"transfer-encoding") is not None


def check_json(headers: Headers, media: tuple[str, ...] = JSON) -> None:
    """The body must be JSON in UTF-8, sent under one of these content types, and not compressed.

    Raises UnsupportedMedia.
    """
    # The Go SDK of users and things sends Content-Type twice when it signs in.
    refused = _refused_media((headers.repeatable(b"content-type") or "")[:_MEDIA], media)
    if refused:
        raise UnsupportedMedia(refused)
    if (headers.one(b"content-encoding") or "identity").lower() != "identity":
        raise UnsupportedMedia("send the body without Content-Encoding")


@lru_cache(maxsize=64)
def _refused_media(value: str, media: tuple[str, ...]) -> str:
    """Why a Content-Type is refused; empty when it is not. Clients send the same few again and again."""
    kind, *parameters = (part.strip().lower() for part in value.split(";"))
    if kind not in media:
        return "send the header Content-Type: application/json"
    for parameter in parameters:
        name, _, charset = (part.strip() for part in parameter.partition("="))
        if name == "charset" and charset.strip('"') not in ("utf-8", "utf8"):
            return "JSON is UTF-8 (RFC 8259 §8.1); leave the charset out"
    return ""


async def body_of(headers: Headers, receive: Receive, limit: int, deadlines: Deadlines) -> bytes:
    """The whole body. Raises TooLarge over `limit` bytes, TooSlow when it does not come in time."""
    declared = headers.one(b"content-length")
    size = int(declared) if declared is not None and declared.isdigit() else 0
    if size > limit and (size > _DRAIN or headers.one(b"expect")):
        raise TooLarge(f"the body is {size} bytes long; at most {limit} are read")
    try:
        with deadlines.watch():
            return await _receive_all(receive, limit)
    except TimeoutError:
        raise TooSlow(f"the body did not come within {deadlines.seconds:g} seconds") from None


async def _receive_all(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Malformed("the connection ended before the body did")
        part: bytes = message.get("body", b"")
        size += len(part)
        if size <= limit:
            parts.append(part)
        elif size > _DRAIN:
            break
        if not message.get("more_body", False):
            break
    if size > limit:
        raise TooLarge(f"the body is longer than {limit} bytes, which is all that is read")
    return b"".join(parts) if len(parts) > 1 else parts[0]


def query_of(raw: bytes, shape: type[Q]) -> Q:
    """The parameters of a query. One that is not known is ignored; one that is there twice and no list is refused."""
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_QUERY_FIELDS)
    except UnicodeDecodeError:
        raise Malformed("invalid query parameters: the query is not percent-encoded UTF-8") from None
    except ValueError:
        raise Malformed(f"invalid query parameters: there are more than {_QUERY_FIELDS}") from None
    lists = _lists(shape)  # type: ignore[arg-type]
    many = {name: tuple(value for key, value in pairs if key == name and value) for name in lists}
    pairs = [(name, value) for name, value in pairs if name not in lists]
    values = dict(pairs)
    if len(values) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Malformed(f"invalid query parameters: {twice[:100]!r} is there twice")
    if any("\0" in value for value in (*values.values(), *(each for found in many.values() for each in found))):
        raise Malformed("invalid query parameters: U+0000 is not a character that can be asked for")
    # A text that is given and empty asks for nothing; a number that is empty is a mistake.
    texts = _texts(shape)  # type: ignore[arg-type]
    values = {name: value for name, value in values.items() if value or name not in texts}
    try:
        found = msgspec.convert({**values, **many}, shape, strict=False)
    except msgspec.ValidationError as error:
        raise Malformed(f"invalid query parameters: {place_first(str(error))}") from None
    for name, value in values.items():
        if value and getattr(found, name, value) is None:  # msgspec takes the word null for nothing
            raise Malformed(f"invalid query parameters: {name}: invalid value {value[:100]!r}")
    return found


@lru_cache(maxsize=256)
def _lists(shape: Any) -> frozenset[str]:
    """The names of the parameters that may be there more than once."""
    described = msgspec.inspect.type_info(shape)
    assert isinstance(described, msgspec.inspect.StructType)
    return frozenset(
        field.encode_name for field in described.fields if isinstance(_bare(field.type), msgspec.inspect.VarTupleType)
    )


@lru_cache(maxsize=256)
def _texts(shape: Any) -> frozenset[str]:
    """The names of the parameters that are text or a word of a list."""
    found = set()
    described = msgspec.inspect.type_info(shape)
    assert isinstance(described, msgspec.inspect.StructType)
    for field in described.fields:
        kinds = field.type.types if isinstance(field.type, msgspec.inspect.UnionType) else (field.type,)
        if any(isinstance(_bare(kind), msgspec.inspect.StrType | msgspec.inspect.EnumType) for kind in kinds):
            found.add(field.encode_name)
    return frozenset(found)


def _bare(kind: msgspec.inspect.Type) -> msgspec.inspect.Type:
    """A type without its description."""
    return kind.type if isinstance(kind, msgspec.inspect.Metadata) else kind


def idempotency_key(headers: Headers, scope: str, method: str, path: str, body: bytes, secret: bytes) -> Once | None:
    """What the Idempotency-Key header says; bare or quoted. Raises Malformed.

    A body may hold a password, and what is kept of it must not let anybody try passwords: its hash is keyed with
    `secret`.
    """
    value = headers.one(b"idempotency-key")
    if value is None:
        return None
    match = _IDEMPOTENCY_KEY.fullmatch(value)
    if match is None:
        raise Malformed("the header Idempotency-Key must be 1 to 255 visible ASCII characters; a UUID is a good one")
    digest = hmac.digest(secret, b"%b %b\n%b" % (method.encode(), path.encode(), body), "sha256").hex()
    # Those who do not sign in share no scope but with themselves: the same body is the same caller.
    return Once(scope or f"anonymous:{digest}", match["quoted"] or match["bare"], digest)


def expected_revisions(headers: Headers) -> frozenset[int] | None:
    """The revisions in If-Match (RFC 9110 §13.1.1); None when it was not sent, empty for `*`."""
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
    """Whether If-None-Match names an entity tag, compared weakly (RFC 9110 §13.1.2): its sender has the answer."""
    value = headers.all(b"if-none-match")
    if value is None or etag is None:
        return False
    return value.strip() == "*" or etag in (tag.strip().removeprefix("W/") for tag in value.split(","))


def trace_of(headers: Headers) -> str:
    """The traceparent for what this request causes: in the trace it belongs to, or in a new one (W3C Trace Context).

    The ids need only be unlikely to meet, not unlikely to be guessed.
    """
    span = f"{getrandbits(64):016x}"
    values = headers.all(b"traceparent")
    match = _TRACEPARENT.fullmatch(values) if values else None
    if not match or match["version"] == "ff" or not match["trace"].strip("0") or not match["span"].strip("0"):
        return f"00-{getrandbits(128):032x}-{span}-01"
    return f"00-{match['trace']}-{span}-{match['flags']}"


def address_of(headers: Headers, peer: str, trusted: frozenset[str]) -> str:
    """Where a request comes from: the peer, or, behind proxies that are trusted, the last hop that is none of them."""
    if peer not in trusted:
        return peer
    hops = [hop.strip() for hop in (headers.all(b"x-forwarded-for") or "").split(",")]
    return next((hop for hop in reversed(hops) if hop and hop not in trusted), peer)


def wants_problem(headers: Headers) -> bool:
    """Whether Accept asks for problem documents."""
    return "application/problem+json" in (headers.all(b"accept") or "").lower()
