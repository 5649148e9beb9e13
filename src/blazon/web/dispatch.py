"""The dispatcher: requests → responses.

It finds the route, reads and checks the request, authenticates the caller, calls the room's handler, and encodes what
that returns. It knows neither sockets nor rooms. Every error becomes a response in `failures`; an exception that is not
a BlazonError is a bug: it is logged with its traceback and answered 500.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Coroutine, Iterable, Mapping
from typing import Any

import msgspec
import structlog

from blazon.caller import ANONYMOUS, Caller
from blazon.errors import BlazonError, Malformed, MethodNotAllowed, OutcomeUnknown, Unauthenticated, Unavailable
from blazon.web import json, query, request, response
from blazon.web.failures import Failure
from blazon.web.metrics import HttpMetrics
from blazon.web.request import Request
from blazon.web.response import Response
from blazon.web.route import AnyRoute, Call, Reply
from blazon.web.router import Router
from blazon.web.schemes import Scheme

__all__ = ["Dispatcher"]

_log = structlog.get_logger("blazon.http")


class _Bound:
    """A route with what serving it needs, computed once."""

    __slots__ = ("decoder", "handler", "metrics", "no_body", "no_query", "optional", "parameters", "route", "schemes")

    def __init__(self, route: AnyRoute, schemes: Mapping[str, Scheme], metrics: HttpMetrics) -> None:
        self.route = route
        missing = [name for name in route.auth.schemes if name not in schemes]
        if missing:
            raise LookupError(f"{route.method} {route.path} is for the scheme {missing[0]}, which no room offers")
        self.schemes = tuple(schemes[name] for name in route.auth.schemes)
        self.optional = not route.auth.required
        self.handler = route.handler
        self.parameters = route.parameters
        self.decoder: msgspec.json.Decoder[Any] | None = msgspec.json.Decoder(route.body) if route.takes_json else None
        self.no_body = None if route.takes_body else route.body()
        self.no_query = route.query()
        self.metrics = metrics.of(route.method, route.path)


class Dispatcher:
    """Serves routes."""

    def __init__(
        self,
        routes: Iterable[AnyRoute],
        schemes: Iterable[Scheme],
        metrics: HttpMetrics,
        *,
        once_secret: bytes,
        trusted_proxies: frozenset[str] = frozenset(),
        log_requests: bool = False,
    ) -> None:
        self._router: Router[_Bound] = Router()
        self._once_secret = once_secret
        self._trusted_proxies = trusted_proxies
        self._log_requests = log_requests
        self._unmatched = metrics.of("", "")
        by_name = {scheme.name: scheme for scheme in schemes}
        for route in routes:
            self._router.add(route.method, route.path, _Bound(route, by_name, metrics))

    def answer(self, asked: Request) -> Response | Coroutine[Any, Any, Response]:
        """The response to a request, or a coroutine that returns it if its handler must wait."""
        started = time.perf_counter()
        bound = None
        try:
            bound, values = self._find(asked)
            if not bound.schemes:
                reply = bound.handler(self._call(bound, values, ANONYMOUS, asked))
            else:
                reply = self._authenticated(bound, values, asked)
            if not isinstance(reply, Reply):
                return self._answer_later(bound, asked, reply, started)
            answered = response.of_reply(reply, bound.route, asked.headers)
        except Exception as error:  # noqa: BLE001 - each is a response to the caller
            answered = self._failed(error, bound, asked)
        self._count(bound, asked, answered.status, started)
        return answered

    async def check(self, asked: Request) -> Response | None:
        """The response to a request that is refused for its head alone; None if its body is worth sending."""
        started = time.perf_counter()
        bound = None
        try:
            bound, _ = self._find(asked)
            await self._authenticate(bound, asked)
            self._check_head(bound, asked)
        except Exception as error:  # noqa: BLE001 - each is a response to the caller
            refused = self._failed(error, bound, asked)
            self._count(bound, asked, refused.status, started)
            return refused
        return None

    def refuse(self, asked: Request, error: BlazonError) -> Response:
        """The response to a request that no handler finished, in the form its route declares."""
        bound = None
        with contextlib.suppress(BlazonError):  # the error to tell is the one that was given
            bound, _ = self._find(asked)
        refused = self._failed(error, bound, asked)
        self._count(bound, asked, refused.status, time.perf_counter())
        return refused

    def _find(self, asked: Request) -> tuple[_Bound, list[str]]:
        if not asked.old and asked.headers.one(b"host") is None:
            raise Malformed("the header Host is missing (RFC 9112 §3.2)")
        methods, values = self._router.find(asked.path)
        # HEAD is GET whose response is sent without its body (RFC 9110 §9.3.2).
        bound = methods.get("GET" if asked.method == "HEAD" else asked.method)
        if bound is None:
            allowed = (*sorted(methods), *(("HEAD",) if "GET" in methods else ()))
            raise MethodNotAllowed(f"this path takes {', '.join(allowed)}", allowed)
        return bound, values

    async def _authenticated(self, bound: _Bound, values: list[str], asked: Request) -> Reply:
        caller = await self._authenticate(bound, asked)
        reply = bound.handler(self._call(bound, values, caller, asked))
        return reply if isinstance(reply, Reply) else await reply

    async def _answer_later(self, bound: _Bound, asked: Request, reply: Awaitable[Reply], started: float) -> Response:
        try:
            answered = response.of_reply(await reply, bound.route, asked.headers)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            answered = self._failed(error, bound, asked)  # the handler awaited something that was cancelled: a bug
        except Exception as error:  # noqa: BLE001 - each is a response to the caller
            answered = self._failed(error, bound, asked)
        self._count(bound, asked, answered.status, started)
        return answered

    def _failed(self, error: BaseException, bound: _Bound | None, asked: Request) -> Response:
        if isinstance(error, TimeoutError):
            error = OutcomeUnknown("this took too long and may still happen")
        elif not isinstance(error, BlazonError):
            trace = asked.traceparent
            path = _declared_path(bound)
            _log.error("a request failed", method=asked.method, path=path, traceparent=trace, exc_info=error)
            error = BlazonError(f"this is a bug of Blazon; the log has it under {trace.split('-')[1]}")
        # Where no route is, the error looks like those of the routes nearby.
        nearest = bound or self._router.nearest(asked.path)
        shape = Failure if nearest is None else nearest.route.failure
        challenges = () if bound is None else tuple(scheme.challenge for scheme in bound.schemes if scheme.challenge)
        return response.of_error(error, shape, asked.headers, challenges)

    def _count(self, bound: _Bound | None, asked: Request, status: int, started: float) -> None:
        seconds = time.perf_counter() - started
        (self._unmatched if bound is None else bound.metrics).observe(status, seconds)
        if self._log_requests:
            _log.info(
                "request",
                method=asked.method,
                path=_declared_path(bound),
                status=status,
                seconds=round(seconds, 6),
                traceparent=asked.traceparent,
            )

    def _check_head(self, bound: _Bound, asked: Request) -> msgspec.Struct:
        """Checks what can be refused before the body is read; returns the query."""
        parameters: msgspec.Struct = bound.no_query
        if asked.query:
            parameters = query.query_of(asked.query, bound.route.query)
        if bound.decoder is not None and request.announces_body(asked.headers):
            request.check_json(asked.headers, bound.route.consumes)
        return parameters

    def _call(self, bound: _Bound, values: list[str], caller: Caller, asked: Request) -> Call[Any, Any]:
        """A request, read and checked."""
        parameters = self._check_head(bound, asked)
        headers, body = asked.headers, bound.no_body
        if body is None:
            body = asked.body if bound.decoder is None else json.read(asked.body, bound.decoder)
        once = expected = None
        if b"idempotency-key" in headers.sent and asked.method == "POST":
            once = request.idempotency_key(headers, caller.id, asked.method, asked.path, asked.body, self._once_secret)
        if b"if-match" in headers.sent:
            expected = request.expected_revisions(headers)
        address = asked.peer.address
        if address in self._trusted_proxies:
            address = request.address_of(headers, address, self._trusted_proxies)
        caller = Caller(
            id=caller.id,
            session=caller.session,
            epoch=caller.epoch,
            traceparent=asked.traceparent,
            address=address,
            once=once,
            expected=expected,
        )
        return Call(caller, headers, dict(zip(bound.parameters, values, strict=True)), parameters, body)

    async def _authenticate(self, bound: _Bound, asked: Request) -> Caller:
        """Who asks, by the first scheme that the request says anything of."""
        for scheme in bound.schemes:
            try:
                caller = await scheme.authenticate(asked)
            except (Malformed, Unavailable):
                raise
            except BlazonError:
                if not bound.optional:
                    raise
                continue
            if caller is not None:
                return caller
        if bound.optional:
            return ANONYMOUS
        raise Unauthenticated(", or ".join(scheme.missing for scheme in bound.schemes))


def _declared_path(bound: _Bound | None) -> str:
    """The path of a request as its route declares it; empty if no route serves it.

    The path as it was sent is not logged: a client that takes a key for an id puts the key there.
    """
    return "" if bound is None else bound.route.path
