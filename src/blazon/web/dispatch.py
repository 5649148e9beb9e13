"""The dispatcher: an ASGI application that serves routes.

It finds the route, reads and checks the request, finds out who asks, calls the room, and writes the answer. Every error
becomes an answer in `failures`; what is no BlazonError is a bug, is logged with its trace, and answers 500.
"""

import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from http import HTTPStatus
from typing import Any, Protocol

import msgspec
import structlog

from blazon.caller import Caller
from blazon.errors import BlazonError, Malformed, MethodNotAllowed, NotFound, OutcomeUnknown, Unavailable
from blazon.web import failures, json, reading
from blazon.web.deadlines import Deadlines
from blazon.web.metrics import HttpMetrics
from blazon.web.route import AnyRoute, Auth, BinaryRoute, Call, Reply

__all__ = ["Authenticator", "Dispatcher", "Limits", "Receive", "Resource", "Scope", "Send"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Resource = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An ASGI application for one path that is not JSON: pages, metrics, streams."""

_JSON = (b"content-type", b"application/json")
_encode = msgspec.json.Encoder().encode
_log = structlog.get_logger("blazon.http")


class Limits(msgspec.Struct, frozen=True):
    """What a request may cost. Bytes and seconds."""

    body_bytes: int = 1024 * 1024
    body_seconds: float = 20.0
    request_seconds: float = 30.0


class Authenticator(Protocol):
    """Finds out who a token belongs to."""

    async def authenticate(self, token: str, *, refresh: bool) -> Caller:
        """The caller a token belongs to. Raises Unauthenticated."""
        ...


class _Node:
    """One step of a path."""

    __slots__ = ("literal", "parameter", "resource", "rest", "routes")

    def __init__(self) -> None:
        self.literal: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.rest: _Node | None = None
        self.routes: dict[str, _Bound | _BoundBinary] = {}
        self.resource: Resource | None = None


class _Bound:
    """A route with what it needs at run time."""

    __slots__ = ("decoder", "metrics", "parameters", "route")

    def __init__(self, route: AnyRoute, metrics: HttpMetrics) -> None:
        self.route = route
        self.parameters = route.parameters
        self.decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(route.body)
        self.metrics = metrics.of(route.method, route.path)


class _BoundBinary:
    """A route of octets with what it needs at run time."""

    __slots__ = ("metrics", "route")

    def __init__(self, route: BinaryRoute, metrics: HttpMetrics) -> None:
        self.route = route
        self.metrics = metrics.of(route.method, route.path)


class Dispatcher:
    """Serves routes and resources."""

    def __init__(
        self,
        routes: Iterable[AnyRoute],
        authenticator: Authenticator,
        metrics: HttpMetrics,
        limits: Limits,
        *,
        once_secret: bytes,
        trusted_proxies: frozenset[str] = frozenset(),
        log_requests: bool = False,
    ) -> None:
        self._root = _Node()
        self._authenticator = authenticator
        self._limits = limits
        self._once_secret = once_secret
        self._deadlines = Deadlines(limits.request_seconds)
        self._bodies = Deadlines(limits.body_seconds)
        self._trusted_proxies = trusted_proxies
        self._log_requests = log_requests
        self._unmatched = metrics.of("", "")
        self._metrics = metrics
        for route in routes:
            self._add(_Bound(route, metrics))

    def _add(self, bound: "_Bound | _BoundBinary") -> None:
        node = self._place(bound.route.path)
        if bound.route.method in node.routes:
            raise ValueError(f"{bound.route.method} {bound.route.path} is declared twice")
        node.routes[bound.route.method] = bound

    def add_binary(self, route: BinaryRoute) -> None:
        """Serves a route of octets."""
        self._add(_BoundBinary(route, self._metrics))

    def add_resource(self, path: str, resource: Resource) -> None:
        """Serves GET and HEAD of one path with an ASGI application of its own."""
        self._place(path).resource = resource

    def _place(self, path: str) -> _Node:
        node = self._root
        for part in path.strip("/").split("/"):
            if part.endswith("*}"):
                node.rest = node.rest or _Node()
                node = node.rest
            elif part.startswith("{"):
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.literal.setdefault(part, _Node())
        return node

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request (ASGI 3)."""
        started = time.perf_counter()
        headers = reading.Headers(scope["headers"])
        bound: _Bound | _BoundBinary | None = None
        traceparent = reading.trace_of(headers)
        try:
            if headers.one(b"host") is None and scope["http_version"] == "1.1":
                raise Malformed("the header Host is missing (RFC 9112 §3.2)")
            node, values = self._find(scope["path"])
            if node.resource is not None and scope["method"] in ("GET", "HEAD"):
                await node.resource(scope, receive, send)
                return
            bound = _of_method(node, scope["method"])
            with self._deadlines.watch():
                if isinstance(bound, _BoundBinary):
                    status, answer, more = await self._answer_binary(bound, values, headers, receive)
                else:
                    call = await self._read(bound, values, scope, headers, receive, traceparent)
                    status, answer, more = _written(await bound.route.handler(call))
        except BlazonError as error:
            status, answer, more = _failed(error, scope["path"], headers)
        except TimeoutError:
            late = OutcomeUnknown(
                f"this took longer than {self._limits.request_seconds:g} seconds and may happen yet; what was sent with"
                " an Idempotency-Key can safely be sent again"
            )
            status, answer, more = _failed(late, scope["path"], headers)
        except Exception:  # noqa: BLE001 - a bug of ours is an answer to the caller, and a trace for us
            _log.exception("a request failed", method=scope["method"], path=scope["path"], traceparent=traceparent)
            bug = BlazonError(f"this is a bug of Blazon; the log has it under {traceparent.split('-')[1]}")
            status, answer, more = _failed(bug, scope["path"], headers)
        await _send(send, status, answer, more)
        seconds = time.perf_counter() - started
        (bound.metrics if bound is not None else self._unmatched).observe(status, seconds)
        if self._log_requests:
            _log.info(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=status,
                seconds=round(seconds, 6),
                traceparent=traceparent,
            )

    def _find(self, path: str) -> tuple[_Node, list[str]]:
        """The node of a path and the values of its parameters. A literal step wins over a parameter."""
        node = self._root
        values: list[str] = []
        parts = path[1:].split("/")
        for place, part in enumerate(parts):
            following = node.literal.get(part)
            if following is None and node.rest is not None:
                return node.rest, [*values, "/".join(parts[place:])]
            if following is None:
                following = node.parameter
                if following is None or not part or "\0" in part:
                    raise NotFound("there is nothing at this path")
                values.append(part)
            node = following
        if not node.routes and node.resource is None:
            raise NotFound("there is nothing at this path")
        return node, values

    async def _answer_binary(
        self, bound: _BoundBinary, values: Sequence[str], headers: reading.Headers, receive: Receive
    ) -> "_Written":
        body = b""
        if bound.route.method == "POST":
            body = await reading.body_of(headers, receive, self._limits.body_bytes, self._bodies)
        reply = await bound.route.handler(tuple(values), body)
        more = [(name.encode(), value.encode()) for name, value in reply.headers]
        if bound.route.method == "GET" and reading.has_already(headers, dict(reply.headers).get("etag")):
            return int(HTTPStatus.NOT_MODIFIED), b"", more
        return reply.status, reply.body, [*more, (b"content-type", reply.content_type.encode())]

    async def _read(
        self,
        bound: _Bound,
        values: Sequence[str],
        scope: Scope,
        headers: reading.Headers,
        receive: Receive,
        traceparent: str,
    ) -> Call[Any, Any]:
        route = bound.route
        caller = await self._authenticate(route.auth, headers)
        query = reading.query_of(scope["query_string"], route.query) if scope["query_string"] else route.query()
        raw = b""
        if route.takes_body or route.needs_json:
            reading.check_json(headers)
        if route.takes_body:
            raw = await reading.body_of(headers, receive, self._limits.body_bytes, self._bodies)
            body = json.read(raw, bound.decoder)
        else:
            body = route.body()
        client = scope.get("client")
        once = None
        if route.method == "POST":
            once = reading.idempotency_key(headers, caller.id, route.method, scope["path"], raw, self._once_secret)
        caller = msgspec.structs.replace(
            caller,
            traceparent=traceparent,
            address=reading.address_of(headers, client[0] if client else "", self._trusted_proxies),
            once=once,
            expected=reading.expected_revisions(headers),
        )
        return Call(caller, headers, dict(zip(bound.parameters, values, strict=True)), query, body)

    async def _authenticate(self, auth: Auth, headers: reading.Headers) -> Caller:
        if auth is Auth.NONE:
            return Caller()
        token = reading.bearer_token(headers)
        if auth is not Auth.OPTIONAL:
            return await self._authenticator.authenticate(token, refresh=auth is Auth.REFRESH)
        try:
            return await self._authenticator.authenticate(token, refresh=False) if token else Caller()
        except Unavailable:
            raise
        except BlazonError:
            return Caller()


def _of_method(node: _Node, method: str) -> _Bound | _BoundBinary:
    # HEAD is GET whose answer has no body (RFC 9110 §9.3.2); the server leaves it out.
    bound = node.routes.get("GET" if method == "HEAD" else method)
    if bound is None:
        allowed = sorted(node.routes)
        if node.resource is not None:
            allowed.append("GET")
        if "GET" in allowed:
            allowed.append("HEAD")
        raise MethodNotAllowed(f"this path takes {', '.join(allowed)}", tuple(allowed))
    return bound


_Written = tuple[int, bytes, list[tuple[bytes, bytes]]]


def _written(reply: Reply) -> _Written:
    headers = [(name.encode(), value.encode()) for name, value in reply.headers]
    if reply.body is None:
        return reply.status, b"", headers
    headers.append(_JSON)
    return reply.status, _encode(reply.body), headers


def _failed(error: BlazonError, path: str, asked: reading.Headers) -> _Written:
    problem = reading.wants_problem(asked)
    headers = [(name.encode(), value.encode()) for name, value in failures.headers_of(error)]
    headers.append((b"content-type", failures.PROBLEM.encode()) if problem else _JSON)
    return failures.status_of(error), failures.body_of(error, problem=problem, path=path), headers


async def _send(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    if status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
