"""The dispatcher: an ASGI application that serves routes.

It finds the route, reads and checks the request, finds out who asks, calls the room, and writes the answer. Every error
becomes an answer in `failures`; what is no BlazonError is a bug, is logged with its trace, and answers 500.
"""

import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
import structlog

from blazon.caller import Caller
from blazon.errors import BlazonError, Malformed, MethodNotAllowed, NotFound, OutcomeUnknown, Unavailable
from blazon.web import answers, json, reading
from blazon.web.answers import Send, Written
from blazon.web.deadlines import Deadlines
from blazon.web.metrics import HttpMetrics
from blazon.web.paths import Node, Paths
from blazon.web.route import AnyRoute, Auth, BinaryRoute, Call

__all__ = ["Authenticator", "Dispatcher", "Limits", "Question", "Receive", "Resource", "Scope"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Fields = Sequence[tuple[bytes, bytes]]
Resource = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An ASGI application for one path that is not JSON: pages, metrics, streams."""

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


class _Bound:
    """A route with what it needs at run time."""

    __slots__ = ("at_once", "decoder", "metrics", "no_body", "no_query", "parameters", "route")

    def __init__(self, route: AnyRoute, metrics: HttpMetrics) -> None:
        if route.at_once is not None and route.auth is not Auth.NONE:
            raise ValueError(f"{route.method} {route.path}: who asks must be found out first, so it cannot be at once")
        self.route = route
        self.parameters = route.parameters
        self.decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(route.body)
        self.no_body = None if route.takes_body else route.body()
        self.no_query = route.query()
        self.at_once = route.at_once or _never
        self.metrics = metrics.of(route.method, route.path)


class _BoundBinary:
    """A route of octets with what it needs at run time."""

    __slots__ = ("at_once", "metrics", "route")

    def __init__(self, route: BinaryRoute, metrics: HttpMetrics) -> None:
        self.route = route
        self.at_once = route.at_once or _never
        self.metrics = metrics.of(route.method, route.path)


def _never(*_: object) -> None:
    """Answers nothing at once."""


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
        self._paths: Paths[_Bound | _BoundBinary, Resource] = Paths()
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
            self._paths.add(_Bound(route, metrics))

    def add_binary(self, route: BinaryRoute) -> None:
        """Serves a route of octets."""
        self._paths.add(_BoundBinary(route, self._metrics))

    def add_resource(self, path: str, resource: Resource) -> None:
        """Serves GET and HEAD of one path with an ASGI application of its own."""
        self._paths.place(path).resource = resource

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request (ASGI 3)."""
        started = time.perf_counter()
        headers = reading.Headers(scope["headers"])
        bound: _Bound | _BoundBinary | None = None
        traceparent = reading.trace_of(headers)
        method, path = scope["method"], scope["path"]
        try:
            if scope["http_version"] == "1.1":
                _check_host(headers)
            node, values = self._paths.find(path)
            if node.resource is not None and method in ("GET", "HEAD"):
                await node.resource(scope, receive, send)
                return
            bound = _of_method(node, method)
            with self._deadlines.watch():
                if isinstance(bound, _BoundBinary):
                    written = await self._answer_binary(bound, values, headers, receive)
                else:
                    call = await self._read(bound, values, scope, headers, receive, traceparent)
                    written = answers.of_reply(await bound.route.handler(call))
        except Exception as error:  # noqa: BLE001 - each is an answer to the caller
            written = self._failed(error, method, path, headers, traceparent)
        await answers.send(send, written)
        self._count(bound, method, path, written.status, started, traceparent)

    def question(self, method: str, path: str) -> "Question | None":
        """What `answer_at_once` needs to answer a request, when its route may answer at once."""
        try:
            node, values = self._paths.find(path)
        except NotFound:
            return None
        bound = node.routes.get(method)
        return None if bound is None or bound.route.at_once is None else Question(bound, values)

    def answer_at_once(self, asked: "Question", fields: Fields, path: str, body: bytes, peer: str) -> "Written | None":
        """The answer to a request that has come whole, from memory; None when it must go through `__call__`.

        A task, its timers and its messages cost several times what such an answer does.
        """
        started = time.perf_counter()
        if len(body) > self._limits.body_bytes:
            return None
        headers = reading.Headers(fields)
        bound, values = asked
        traceparent = reading.trace_of(headers)
        try:
            _check_host(headers)
            if isinstance(bound, _BoundBinary):
                octets = bound.at_once(tuple(values), body)
                if octets is None:
                    return None
                written = answers.of_octets(octets, headers, bound.route.method)
            else:
                if bound.route.takes_body or bound.route.needs_json:
                    reading.check_json(headers)
                call = self._call(bound, values, Caller(), bound.no_query, headers, body, traceparent, path, peer)
                reply = bound.at_once(call)
                if reply is None:
                    return None
                written = answers.of_reply(reply)
        except Exception as error:  # noqa: BLE001 - each is an answer to the caller
            written = self._failed(error, bound.route.method, path, headers, traceparent)
        self._count(bound, bound.route.method, path, written.status, started, traceparent)
        return written

    def _failed(
        self, error: Exception, method: str, path: str, headers: reading.Headers, traceparent: str
    ) -> "Written":
        """The answer to a request that failed. What is neither ours nor a time that is up is a bug."""
        if isinstance(error, TimeoutError):
            error = OutcomeUnknown(
                f"this took longer than {self._limits.request_seconds:g} seconds and may happen yet; what was sent with"
                " an Idempotency-Key can safely be sent again"
            )
        elif not isinstance(error, BlazonError):
            _log.error("a request failed", method=method, path=path, traceparent=traceparent, exc_info=error)
            error = BlazonError(f"this is a bug of Blazon; the log has it under {traceparent.split('-')[1]}")
        return answers.of_error(error, headers, path)

    def _count(
        self, bound: "_Bound | _BoundBinary | None", method: str, path: str, status: int, started: float, trace: str
    ) -> None:
        seconds = time.perf_counter() - started
        (bound.metrics if bound is not None else self._unmatched).observe(status, seconds)
        if self._log_requests:
            _log.info("request", method=method, path=path, status=status, seconds=round(seconds, 6), traceparent=trace)

    async def _answer_binary(
        self, bound: "_BoundBinary", values: Sequence[str], headers: reading.Headers, receive: Receive
    ) -> "Written":
        body = b""
        if bound.route.method == "POST":
            body = await reading.body_of(headers, receive, self._limits.body_bytes, self._bodies)
        return answers.of_octets(await bound.route.handler(tuple(values), body), headers, bound.route.method)

    async def _read(
        self,
        bound: "_Bound",
        values: Sequence[str],
        scope: Scope,
        headers: reading.Headers,
        receive: Receive,
        traceparent: str,
    ) -> Call[Any, Any]:
        route = bound.route
        caller = await self._authenticate(route.auth, headers)
        query = reading.query_of(scope["query_string"], route.query) if scope["query_string"] else bound.no_query
        raw = b""
        if route.takes_body or route.needs_json:
            reading.check_json(headers)
        if route.takes_body:
            raw = await reading.body_of(headers, receive, self._limits.body_bytes, self._bodies)
        client = scope.get("client")
        peer = client[0] if client else ""
        return self._call(bound, values, caller, query, headers, raw, traceparent, scope["path"], peer)

    def _call(
        self,
        bound: "_Bound",
        values: Sequence[str],
        caller: Caller,
        query: msgspec.Struct,
        headers: reading.Headers,
        raw: bytes,
        traceparent: str,
        path: str,
        peer: str,
    ) -> Call[Any, Any]:
        """A request, read and checked: `raw` is its body, `peer` the address it came from."""
        route = bound.route
        body = json.read(raw, bound.decoder) if route.takes_body else bound.no_body
        once = None
        if route.method == "POST":
            once = reading.idempotency_key(headers, caller.id, route.method, path, raw, self._once_secret)
        caller = msgspec.structs.replace(
            caller,
            traceparent=traceparent,
            address=reading.address_of(headers, peer, self._trusted_proxies),
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


def _of_method(node: "Node[_Bound | _BoundBinary, Resource]", method: str) -> _Bound | _BoundBinary:
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


class Question(NamedTuple):
    """A request that may be answered at once: its route, and the values of its path's parameters."""

    bound: "_Bound | _BoundBinary"
    values: list[str]


def _check_host(headers: reading.Headers) -> None:
    if headers.one(b"host") is None:
        raise Malformed("the header Host is missing (RFC 9112 §3.2)")
