"""Headers: missing, empty, twice, of another charset, hostile. For every route where they mean something."""

import gzip
from typing import Any

import pytest

from tests.running import Running
from tests.streams import Stream
from tests.web.support import Operation, is_clear, request, said

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


async def test_a_token_is_needed(blazon: Running, stream: Stream, routes: list[Operation]) -> None:
    async with stream.recorded() as events:
        for operation in routes:
            if not operation.needs_token:
                continue
            for value in (None, "", "Bearer", "Bearer ", "Basic YTpi", "Bearer rubbish", "Bearer a.b.c", "x" * 9000):
                headers = {} if value is None else {"Authorization": value}
                answer = await blazon.call(operation.method, operation.at(), headers=headers, token="")
                is_clear(answer, 401)
                assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert events == []


async def test_a_token_comes_before_everything_else(blazon: Running, routes: list[Operation]) -> None:
    """Who is nobody is not told whether the body, the query or the id is right."""
    for operation in routes:
        if operation.needs_token:
            path = f"{operation.at()}?limit=x&limit=y"
            is_clear(await blazon.call(operation.method, path, data=b"rubbish", token=""), 401)


@pytest.mark.parametrize(
    "value",
    [None, "", "text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
     "application/json+x", "application/problem+json", "json", "application/json, application/json",
     "application/json; charset=latin-1", "application/json;charset=UTF-16", 'application/json; charset="iso-8859-1"',
     "application/json; charset = latin-1", "x" * 5000],
)  # fmt: skip
async def test_content_type(blazon: Running, stream: Stream, routes: list[Operation], value: str | None) -> None:
    async with stream.recorded() as events:
        for operation in routes:
            if operation.takes_body:
                head = [] if value is None else [("Content-Type", value)]
                sent = request(operation.method, operation.at(), *head, body=b"{}", token=blazon.admin.token)
                # Web clients of /api call their JSON text: there it is read, and is none that makes anything.
                is_text = value == "text/plain" and operation.path.startswith("/api/")
                is_clear(await said(blazon, sent), *((400, 404) if is_text else (415,)))
    assert events == []


@pytest.mark.parametrize(
    "value",
    ["application/json", "APPLICATION/JSON", " application/json ", "application/json; charset=utf-8",
     'application/json;charset="UTF-8"', "application/json; charset=utf8; version=1", "application/json;"],
)  # fmt: skip
async def test_content_types_that_are_json(blazon: Running, value: str) -> None:
    name = f"group of {value}"
    body = b'{"name":"%b"}' % name.replace('"', "").encode()
    answer = await said(
        blazon, request("POST", "/groups", ("Content-Type", value), body=body, token=blazon.admin.token)
    )
    assert answer.status == 201


@pytest.mark.parametrize("value", ["gzip", "deflate", "br", "identity, gzip", "x"])
async def test_content_encoding(blazon: Running, stream: Stream, routes: list[Operation], value: str) -> None:
    head = [("Content-Type", "application/json"), ("Content-Encoding", value)]
    async with stream.recorded() as events:
        for operation in routes:
            if operation.takes_body:
                sent = request(
                    operation.method, operation.at(), *head, body=gzip.compress(b"{}"), token=blazon.admin.token
                )
                is_clear(await said(blazon, sent), 415)
    assert events == []


async def test_content_encoding_that_is_none(blazon: Running) -> None:
    head = [("Content-Type", "application/json"), ("Content-Encoding", "Identity")]
    sent = request("POST", "/groups", *head, body=b'{"name":"identity"}', token=blazon.admin.token)
    assert (await said(blazon, sent)).status == 201


ONCE = [
    ("Authorization", "POST", "/groups"),
    ("Content-Encoding", "POST", "/groups"),
    ("Idempotency-Key", "POST", "/groups"),
    ("Referer", "POST", "/password/reset-request"),
]
BODY = b'{"email":"admin@example.com","name":"n"}'


def good(blazon: Running) -> dict[str, str]:
    """Headers with which a request would succeed."""
    return {
        "Authorization": f"Bearer {blazon.admin.token}",
        "Content-Type": "application/json",
        "Content-Encoding": "identity",
        "Idempotency-Key": "k",
        "Referer": "http://localhost",
    }


@pytest.mark.parametrize(("name", "method", "path"), ONCE)
async def test_headers_that_are_there_twice(blazon: Running, stream: Stream, name: str, method: str, path: str) -> None:
    headers = good(blazon)
    async with stream.recorded() as events:
        for second in (headers[name], "", "other"):
            answer = await said(blazon, request(method, path, *headers.items(), (name, second), body=BODY))
            is_clear(answer, 400)
            assert f"{name.lower()} is there 2 times" in answer.reason
    assert events == []


async def test_a_content_type_that_is_there_again(blazon: Running, stream: Stream) -> None:
    """The Go SDK of users and things sends it twice; that is no reason to refuse a sign-in. Two types are."""
    head, twice = ("Content-Type", "application/json"), [("Content-Type", "application/json")] * 2
    sent = request("POST", "/groups", *twice, body=b'{"name":"twice"}', token=blazon.admin.token)
    assert (await said(blazon, sent)).status == 201
    asked = b'{"subject":"s","object":"o","action":"m_read","entity_type":"thing"}'
    assert (await said(blazon, request("POST", "/channels/o/access", *twice, body=asked))).status == 403
    async with stream.recorded() as events:
        for second in ("", "application/senml+json", "application/json; charset=utf-8", "\xfc"):
            for first, last in ((head, ("Content-Type", second)), (("Content-Type", second), head)):
                sent = request("POST", "/groups", first, last, body=BODY, token=blazon.admin.token)
                answer = await said(blazon, sent)
                is_clear(answer, 400)
                assert "content-type is there with different values" in answer.reason
    assert events == []


async def test_a_request_without_a_body_needs_no_content_type(
    blazon: Running, stream: Stream, routes: list[Operation]
) -> None:
    """A route that wants a body says that there is none; each other one does not look at the header."""
    async with stream.recorded() as events:
        for operation in routes:
            if operation.method in ("POST", "PUT", "PATCH", "DELETE"):
                for head in ([], [("Content-Length", "0")], [("Content-Type", "text/plain")]):
                    sent = request(operation.method, operation.at(), *head, token=blazon.admin.token)
                    answer = await said(blazon, sent)
                    assert answer.status != 415, (operation.method, operation.path)
                    if operation.takes_body:
                        is_clear(answer, 400)
                        assert answer.reason == "the request has no body; send one in JSON"
    assert {entry.operation for entry in events} <= {"user.identify", "user.refresh_token"}


@pytest.mark.parametrize(
    ("name", "method", "path"),
    [*ONCE, ("Content-Type", "POST", "/groups"), ("If-Match", "PUT", "/groups/no-such-group")],
)
async def test_headers_that_are_not_ascii(blazon: Running, stream: Stream, name: str, method: str, path: str) -> None:
    async with stream.recorded() as events:
        headers = {**good(blazon), name: "\xfc\xff"}
        answer = await said(blazon, request(method, path, *headers.items(), body=BODY))
        is_clear(answer, 400)
        assert name.lower() in answer.reason.lower()
    assert events == []


@pytest.mark.parametrize(
    "value",
    [None, "", "rubbish", f"00-{TRACE}-00f067aa0ba902b7", f"00-{TRACE.upper()}-00f067aa0ba902b7-01",
     f"ff-{TRACE}-00f067aa0ba902b7-01", f"00-{'0' * 32}-00f067aa0ba902b7-01", f"00-{TRACE}-{'0' * 16}-01", "x" * 9000],
)  # fmt: skip
async def test_a_traceparent_that_is_none_begins_a_new_trace(blazon: Running, value: str | None) -> None:
    headers = {} if value is None else {"traceparent": value}
    assert (await blazon.call("GET", "/users/profile", headers=headers)).status == 200


ACCEPTS: list[tuple[Any, str]] = [
    (None, "application/json"),
    ("", "application/json"),
    ("*/*", "application/json"),
    ("application/json", "application/json"),
    ("text/html", "application/json"),
    ("application/problem+json", "application/problem+json"),
    ("text/html, Application/Problem+JSON;q=0.9", "application/problem+json"),
]


@pytest.mark.parametrize(("accept", "kind"), ACCEPTS)
async def test_accept(blazon: Running, accept: str | None, kind: str) -> None:
    headers = [] if accept is None else [("Accept", accept)]
    for method, path, status in (("GET", "/users/nobody", 404), ("GET", "/nowhere", 404), ("PUT", "/users", 405)):
        answer = await said(blazon, request(method, path, *headers, token=blazon.admin.token))
        assert (answer.status, answer.headers["Content-Type"]) == (status, kind)
        if kind == "application/json":
            is_clear(answer)
        else:
            problem = answer.json
            assert set(problem) == {"type", "title", "status", "detail"}
            assert (problem["type"], problem["status"]) == ("about:blank", status)
            assert problem["title"]
            assert problem["detail"]
    good = await said(blazon, request("GET", "/users/profile", *headers, token=blazon.admin.token))
    assert (good.status, good.headers["Content-Type"]) == (200, "application/json")


async def test_headers_nobody_asked_for(blazon: Running) -> None:
    odd = [
        ("X-Forwarded-For", "1.2.3.4, '; DROP TABLE"),
        ("Forwarded", 'for="_x"'),
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-Original-URL", "/users"),
        ("Range", "bytes=0-1"),
        ("If-None-Match", "*"),
        ("If-Modified-Since", "rubbish"),
        ("Cookie", "a=b; c"),
        ("Origin", "https://evil.example.com"),
        ("Accept-Encoding", "gzip;q=x"),
        ("Accept-Language", "\xff"),
        ("TE", "trailers"),
        ("Max-Forwards", "0"),
        ("X" * 200, "y" * 2000),
    ]
    answer = await said(blazon, request("GET", "/users/profile", *odd, token=blazon.admin.token))
    assert answer.status == 200
    assert "Access-Control-Allow-Origin".lower() not in answer.headers
    assert "server" not in answer.headers
