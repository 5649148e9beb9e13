"""The dispatcher with routes of its own: how it finds them, whom it lets in, and what becomes of errors and bugs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from blazon import errors
from blazon.caller import Caller
from blazon.errors import BlazonError, Unauthenticated, Unavailable
from blazon.web import (
    REFRESH_TOKEN,
    USER_TOKEN,
    AnyRoute,
    Auth,
    BearerScheme,
    Bound,
    Call,
    Dispatcher,
    HttpMetrics,
    HttpServer,
    Limits,
    NoBody,
    NoQuery,
    Page,
    Reply,
    Route,
    listen,
)
from tests.running import Answer


class Seen(msgspec.Struct, frozen=True):
    """What a handler was given."""

    by: str
    path: dict[str, str] = {}
    caller: str = ""
    address: str = ""
    page: tuple[int, int] = (0, 0)


def _door(word: str) -> Callable[[str], Awaitable[Caller]]:
    """Lets in who names itself; the storage of one token is away."""

    async def verify(token: str) -> Caller:
        if token == "away":
            raise Unavailable("the database is away")
        if not token.startswith(word):
            raise Unauthenticated("nobody of ours")
        return Caller(id=token.partition(" ")[2])

    return verify


DOORS = (BearerScheme(USER_TOKEN, _door("access ")), BearerScheme(REFRESH_TOKEN, _door("refresh ")))


def route(path: str, by: str, auth: Auth = Auth.NONE, method: str = "GET", **more: Any) -> AnyRoute:
    """A route whose answer says what it was given."""

    async def handle(call: Call[NoBody, Any]) -> Reply:
        page = (call.query.offset, call.query.limit) if isinstance(call.query, Page) else (0, 0)
        return Reply(200, Seen(by, call.path, call.caller.id, call.caller.address, page))

    return Route(method=method, path=path, summary="See", handler=handle, tag="t", answer=Seen, auth=auth, **more)


def failing(path: str, error: BaseException) -> AnyRoute:
    """A route that raises."""

    async def handle(call: Call[NoBody, NoQuery]) -> Reply:
        raise error

    return Route(method="GET", path=path, summary="Fail", handler=handle, tag="t", auth=Auth.NONE)


class Client:
    """A served dispatcher and a client for it."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def call(self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> Answer:
        url = aiohttp.client.URL(self._url + path, encoded=True)
        async with self._session.request(method, url, headers=dict(headers or {})) as response:
            return Answer(response.status, response.headers, await response.read())


@asynccontextmanager
async def serving(*routes: AnyRoute, limits: Limits | None = None, **more: Any) -> AsyncIterator[Client]:
    dispatcher = Dispatcher(routes, DOORS, HttpMetrics(CollectorRegistry()), once_secret=b"", **more)
    socket = listen("127.0.0.1:0")
    server = HttpServer([Bound(socket, dispatcher)], limits or Limits(stop_seconds=1))
    running = asyncio.create_task(server.run())
    try:
        async with aiohttp.ClientSession() as session:
            yield Client(session, f"http://127.0.0.1:{socket.getsockname()[1]}")
    finally:
        server.stop()
        await running


async def test_a_literal_step_wins() -> None:
    routes = [route("/a/{x}", "any"), route("/a/b", "b"), route("/a/{x}/c", "c"), route("/a/{x}/{y}", "two")]
    async with serving(*routes) as client:
        for path, by, values in (
            ("/a/b", "b", {}),
            ("/a/z", "any", {"x": "z"}),
            ("/a/z/c", "c", {"x": "z"}),
            ("/a/z/d", "two", {"x": "z", "y": "d"}),
            ("/a/%C3%BC%20", "any", {"x": "ü "}),
        ):
            seen = (await client.call(path)).json
            assert (seen["by"], seen["path"]) == (by, values)
        for path in ("/a", "/a/", "/a//c", "/a/b/c/d", "/b", "/a/b/d"):
            assert (await client.call(path)).status == 404


async def test_a_body_may_look_like_the_head_of_an_answer() -> None:
    parts = [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 404 Not Found\r\n\r\n", b"the rest"]

    async def mirrored() -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    def mirror(call: Call[NoBody, NoQuery]) -> Reply:
        return Reply(body=mirrored())

    def whole(call: Call[NoBody, NoQuery]) -> Reply:
        return Reply(body=parts[0])

    routes: list[AnyRoute] = [
        Route(method="GET", path=path, summary="See", handler=handler, tag="t", answer=bytes, auth=Auth.NONE)
        for path, handler in (("/mirror", mirror), ("/whole", whole))
    ]
    async with serving(*routes) as client:
        for _ in range(2):  # the connection is good for another request
            assert (await client.call("/whole")).body == parts[0]
            assert (await client.call("/mirror")).body == b"".join(parts)


def test_a_route_is_declared_once() -> None:
    metrics = HttpMetrics(CollectorRegistry())
    with pytest.raises(ValueError, match=r"GET /a/{y} is declared twice"):
        Dispatcher([route("/a/{x}", "one"), route("/a/{y}", "two")], DOORS, metrics, once_secret=b"")


async def test_who_is_let_in() -> None:
    routes = [
        route("/none", "h", Auth.NONE, "POST"),
        route("/optional", "h", Auth.OPTIONAL, "POST"),
        route("/user", "h", Auth.USER, "POST"),
        route("/refresh", "h", Auth.REFRESH, "POST"),
    ]
    tokens = [None, "access me", "refresh me", "rubbish", "away"]
    expected: dict[str, list[Any]] = {
        "/none": ["", "", "", "", ""],
        "/optional": ["", "me", "", "", 503],
        "/user": [401, "me", 401, 401, 503],
        "/refresh": [401, 401, "me", 401, 503],
    }
    async with serving(*routes) as client:
        for path, answers in expected.items():
            for token, wanted in zip(tokens, answers, strict=True):
                headers = {} if token is None else {"Authorization": f"Bearer {token}"}
                answer = await client.call(path, "POST", headers)
                assert wanted == (answer.json["caller"] if answer.status == 200 else answer.status), (path, token)


async def test_page() -> None:
    async with serving(route("/list", "h", query=Page)) as client:
        assert (await client.call("/list")).json["page"] == [0, 10]
        assert (await client.call("/list?offset=7&limit=100")).json["page"] == [7, 100]
        assert (await client.call("/list?limit=101")).status == 400


async def test_where_a_request_comes_from() -> None:
    headers = {"X-Forwarded-For": "6.6.6.6, 9.9.9.9"}
    async with serving(route("/a", "h")) as client:
        assert (await client.call("/a", headers=headers)).json["address"] == "127.0.0.1"
    async with serving(route("/a", "h"), trusted_proxies=frozenset({"127.0.0.1"})) as client:
        assert (await client.call("/a", headers=headers)).json["address"] == "9.9.9.9"


async def test_errors_become_answers() -> None:
    kinds = [getattr(errors, name) for name in errors.__all__]
    plain = [kind for kind in kinds if kind.__init__ is BlazonError.__init__]
    async with serving(*(failing(f"/{kind.__name__}", kind("why")) for kind in plain)) as client:
        for kind in plain:
            answer = await client.call(f"/{kind.__name__}")
            assert answer.json == {"error": "why", "message": kind.title}


async def test_a_bug_is_an_answer_and_a_trace_in_the_log() -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    bugs = [failing("/bug", ZeroDivisionError("secret word")), failing("/key", KeyError("k")), route("/well", "h")]
    async with serving(*bugs) as client:
        with capture_logs() as lines:
            answer = await client.call("/bug", headers=headers)
        assert answer.status == 500
        assert set(answer.json) == {"error", "message"}
        assert trace in answer.reason
        assert b"secret word" not in answer.body
        (line,) = lines
        assert (line["log_level"], line["path"], line["traceparent"].split("-")[1]) == ("error", "/bug", trace)
        with capture_logs():
            assert (await client.call("/key")).status == 500
        assert (await client.call("/well")).status == 200


async def test_work_that_takes_too_long_is_ended() -> None:
    ended = asyncio.Event()

    async def handle(call: Call[NoBody, NoQuery]) -> Reply:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return Reply()

    slow = Route(method="GET", path="/slow", summary="Wait", handler=handle, tag="t", auth=Auth.NONE)
    async with serving(slow, limits=Limits(request_seconds=0.05)) as client:
        answer = await client.call("/slow")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert "0.05 seconds" in answer.reason
        assert answer.json["message"] == "outcome unknown"
        assert ended.is_set()


async def test_each_request_is_a_line_when_that_is_wanted() -> None:
    async with serving(route("/a/{x}", "h"), log_requests=True) as client:
        with capture_logs() as lines:
            await client.call("/a/secret?token=secret", headers={"Authorization": "Bearer access me"})
            await client.call("/nowhere/secret")
    assert [(line["event"], line["method"], line["path"], line["status"]) for line in lines] == [
        ("request", "GET", "/a/{x}", 200),
        ("request", "GET", "", 404),
    ]
    assert "secret" not in str(lines)
    assert "access me" not in str(lines)
    assert all(line["seconds"] >= 0 and len(line["traceparent"]) == 55 for line in lines)
