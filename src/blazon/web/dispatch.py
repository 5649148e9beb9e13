"""The dispatcher: an ASGI application that serves routes.

It finds the route, reads and checks the request, finds out who asks, calls the room, and writes the answer. Every error
becomes an answer in `failures`; what is no BlazonError is a bug, is logged with its trace, and answers 500.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
import structlog

from blazon.caller import ANONYMOUS, Caller
from blazon.errors import BlazonError, Malformed, MethodNotAllowed, NotFound, OutcomeUnknown, TooLarge, Unavailable
from blazon.web import answers, json, reading
from blazon.web.answers import Send, Written
from blazon.web.deadlines import Deadlines
from blazon.web.metrics import HttpMetrics
from blazon.web.paths import Node, Paths
from blazon.web.reading import Asked, Receive
from blazon.web.route import AnyRoute, Auth, BinaryRoute, Call

__all__ = ["Authenticator", "Dispatcher", "Limits", "Question", "Receive", "Resource", "Scope"]

Scope = MutableMapping[str, Any]
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

    __slots__ = (
        "at_once",
        "decoder",
        "metrics",
        "no_body",
        "no_query",
        "parameters",
        "route",
        "takes_body",
    )

    def __init__(self, route: AnyRoute, metrics: HttpMetrics) -> None:
        if route.at_once is not None and route.auth is not Auth.NONE:
            raise ValueError(f"{route.method} {route.path}: who asks must be found out first, so it cannot be at once")
        self.route = route
        self.parameters = route.parameters
        self.decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(route.body)
        self.takes_body = route.takes_body
        self.no_body = None if route.takes_body else route.body()
        self.no_query = route.query()
        self.at_once = route.at_once
        self.metrics = metrics.of(route.method, route.path)


class _BoundBinary:
    """A route of octets with what it needs at run time."""

    __slots__ = ("at_once", "metrics", "route")

    def __init__(self, route: BinaryRoute, metrics: HttpMetrics) -> None:
        self.route = route
        self.at_once = route.at_once
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
        client = scope.get("client")
        asked = Asked(
            scope["method"],
            scope["path"],
            scope["query_string"],
            scope["headers"],
            client[0] if client else "",
            receive=receive,
            old=scope["http_version"] != "1.1",
        )
        try:
            _check_host(asked)
            node, values = self._paths.find(scope["raw_path"].decode("ascii"))
            if node.resource is not None and asked.method in ("GET", "HEAD"):
                await node.resource(scope, receive, send)
                return
            question = Question(_of_method(node, asked.method), values)
        except Exception as error:  # noqa: BLE001 - each is an answer to the caller
            written = self._failed(error, asked)
            self._count(None, asked, written.status, started)
        else:
            written = await self.answer(question, asked)
        await answers.send(send, written)

    def question(self, method: str, path: str) -> "Question | None":
        """What `answer` needs to answer a request to a path, as it came, when a route serves it."""
        try:
            node, values = self._paths.find(path)
        except NotFound:
            return None
        bound = node.routes.get(method)
        return None if bound is None else Question(bound, values)

    async def answer(self, question: "Question", asked: Asked) -> Written:
        """The answer to a request. In a task of its own: it is cancelled when it takes too long."""
        started = time.perf_counter()
        bound, values = question
        try:
            _check_host(asked)
            with self._deadlines.watch():
                if isinstance(bound, _BoundBinary):
                    body = await self._body(asked) if bound.route.method == "POST" else b""
                    octets = await bound.route.handler(tuple(values), body)
                    written = answers.of_octets(octets, asked.headers, bound.route.method)
                else:
                    call = await self._read(bound, values, asked)
                    written = answers.of_reply(await bound.route.handler(call))
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            written = self._failed(error, asked, bound)  # nobody cancelled this: it waited for something that was
        except Exception as error:  # noqa: BLE001 - each is an answer to the caller
            written = self._failed(error, asked, bound)
        self._count(bound, asked, written.status, started)
        return written

    def given_up(self, asked: Asked) -> Written:
        """The answer to a request that is not done when the server must stop."""
        return self._failed(
            OutcomeUnknown("Blazon stops, and this was not done in time; it may have happened, or may happen yet"),
            asked,
        )

    def answer_at_once(self, question: "Question", asked: Asked) -> Written | None:
        """The answer to a request that has come whole, from memory; None when it takes `answer`.

        A task, its timers and its messages cost several times what such an answer does.
        """
        bound, values = question
        if bound.at_once is None or len(asked.body) > self._limits.body_bytes:
            return None
        started = time.perf_counter()
        try:
            _check_host(asked)
            if isinstance(bound, _BoundBinary):
                octets = bound.at_once(tuple(values), asked.body)
                if octets is None:
                    return None
                written = answers.of_octets(octets, asked.headers, bound.route.method)
            else:
                if bound.takes_body and reading.announces_body(asked.headers):
                    reading.check_json(asked.headers, bound.route.media)
                reply = bound.at_once(self._call(bound, values, ANONYMOUS, bound.no_query, asked, asked.body))
                if reply is None:
                    return None
                written = answers.of_reply(reply)
        except Exception as error:  # noqa: BLE001 - each is an answer to the caller
            written = self._failed(error, asked, bound)
        self._count(bound, asked, written.status, started)
        return written

    def _failed(self, error: BaseException, asked: Asked, bound: "_Bound | _BoundBinary | None" = None) -> Written:
        """The answer to a request that failed. What is neither ours nor a time that is up is a bug."""
        if isinstance(error, TimeoutError):
            error = OutcomeUnknown(
                f"this took longer than {self._limits.request_seconds:g} seconds and may happen yet; what was sent with"
                " an Idempotency-Key can safely be sent again"
            )
        elif not isinstance(error, BlazonError):
            trace = asked.traceparent
            _log.error(
                "a request failed", method=asked.method, path=_declared(bound), traceparent=trace, exc_info=error
            )
            error = BlazonError(f"this is a bug of Blazon; the log has it under {trace.split('-')[1]}")
        return answers.of_error(error, asked.headers, asked.path)

    def _count(self, bound: "_Bound | _BoundBinary | None", asked: Asked, status: int, started: float) -> None:
        seconds = time.perf_counter() - started
        (bound.metrics if bound is not None else self._unmatched).observe(status, seconds)
        if self._log_requests:
            _log.info(
                "request",
                method=asked.method,
                path=_declared(bound),
                status=status,
                seconds=round(seconds, 6),
                traceparent=asked.traceparent,
            )

    async def _read(self, bound: "_Bound", values: Sequence[str], asked: Asked) -> Call[Any, Any]:
        route = bound.route
        caller = await self._authenticate(route.auth, asked.headers)
        query = reading.query_of(asked.query, route.query) if asked.query else bound.no_query
        if bound.takes_body and reading.announces_body(asked.headers):
            reading.check_json(asked.headers, bound.route.media)
        raw = await self._body(asked) if bound.takes_body else b""
        return self._call(bound, values, caller, query, asked, raw)

    async def _body(self, asked: Asked) -> bytes:
        limit = self._limits.body_bytes
        if asked.receive is not None:
            return await reading.body_of(asked.headers, asked.receive, limit, self._bodies)
        if len(asked.body) > limit:
            raise TooLarge(f"the body is longer than {limit} bytes, which is all that is read")
        return asked.body

    def _call(
        self,
        bound: "_Bound",
        values: Sequence[str],
        caller: Caller,
        query: msgspec.Struct,
        asked: Asked,
        raw: bytes,
    ) -> Call[Any, Any]:
        """A request, read and checked. `raw` is its body."""
        headers = asked.headers
        body = json.read(raw, bound.decoder) if bound.takes_body else bound.no_body
        once = None
        if asked.method == "POST":
            once = reading.idempotency_key(headers, caller.id, asked.method, asked.path, raw, self._once_secret)
        caller = Caller(
            id=caller.id,
            session=caller.session,
            epoch=caller.epoch,
            traceparent=asked.traceparent,
            address=reading.address_of(headers, asked.peer, self._trusted_proxies),
            once=once,
            expected=reading.expected_revisions(headers),
        )
        return Call(caller, headers, dict(zip(bound.parameters, values, strict=True)), query, body)

    async def _authenticate(self, auth: Auth, headers: reading.Headers) -> Caller:
        if auth is Auth.NONE:
            return ANONYMOUS
        token = reading.bearer_token(headers)
        if auth is not Auth.OPTIONAL:
            return await self._authenticator.authenticate(token, refresh=auth is Auth.REFRESH)
        try:
            return await self._authenticator.authenticate(token, refresh=False) if token else ANONYMOUS
        except Unavailable:
            raise
        except BlazonError:
            return ANONYMOUS


def _declared(bound: "_Bound | _BoundBinary | None") -> str:
    """The path of a request as its route declares it; empty when there is no route.

    A request's own path is not logged: a key can stand in it, when a client takes it for an id.
    """
    return "" if bound is None else bound.route.path


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
    """What a request is for: its route, and the values of its path's parameters."""

    bound: "_Bound | _BoundBinary"
    values: list[str]


def _check_host(asked: Asked) -> None:
    if not asked.old and asked.headers.one(b"host") is None:
        raise Malformed("the header Host is missing (RFC 9112 §3.2)")
