"""Paths and methods: unknown ones, hostile ones, and those that are there for another method."""

from typing import Any

import pytest

from tests.running import Running
from tests.streams import Stream
from tests.web.support import METHODS, Operation, is_clear, request, said

HOSTILE = [
    "%00", "a%00b", "..", ".", "...", "%2e%2e", "%2E", "..%2f..%2fetc%2fpasswd", "%2F", "a%2Fb", "%5C", "%25",
    "%2500", "%", "%zz", "%FF", "%ED%A0%80", "%C0%AE", "%F0%9F%98%80", "%E2%80%AE", ";", "a;b=c", "@", ":", "a:b",
    "*", "~", "$1", "'", "%22", "%27%20OR%201=1--", "%0d%0aX:%20y", "%0a", "%20", "+", "null", "undefined", "0", "-1",
    "{id}", "%7Bid%7D", "x" * 5000, "%41" * 2000,
]  # fmt: skip

MALFORMED = bytes.fromhex("30030a0101")
"""The OCSP response to a request that is none (RFC 6960 §4.2.1)."""


async def test_hostile_ids(blazon: Running, stream: Stream, routes: list[Operation]) -> None:
    """No id of these is one of something. What a route does with one that is unknown is its own matter; 204 is to
    delete nothing."""
    async with stream.recorded() as events:
        for operation in routes:
            if operation.parameters:
                for value in HOSTILE:
                    body: Any = {} if operation.takes_body else None
                    answer = await blazon.call(operation.method, operation.at(value), body)
                    if operation.path.endswith("/cn/{cn}") and answer.status == 200:
                        assert answer.json["list"] == []  # a name nobody has
                        continue
                    if operation.path == "/api/va/ocsp/{request}" and answer.status == 200:
                        assert answer.body == MALFORMED
                        continue
                    if answer.status != 204 or operation.method != "DELETE":
                        is_clear(answer, 400, 404, 405)
    # That the admin was seen by another service is told once a minute (decision A18).
    assert [event for event in events if event.operation != "user.identify"] == []


@pytest.mark.parametrize(
    "path",
    ["/", "//", "/users/", "//users", "/users//", "/users/profile/", "/Users", "/users/profile/x", "/users/%70rofile/x",
     "/nowhere", "/.", "/..", "/%2e%2e/users", "/health/", "/metrics/x", "/openapi.yaml", "/docs/index.html", "/%00",
     "/users%00", "/users%2Fprofile%2Fx", "/favicon.ico", "/robots.txt", "/.git/config", "/groups/a/b/c/d/e/f",
     "/" + "a/" * 3000, "/?", "/%F0%9F%98%80"],
)  # fmt: skip
async def test_unknown_paths(blazon: Running, stream: Stream, path: str) -> None:
    async with stream.recorded() as events:
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            for token in (blazon.admin.token, ""):
                is_clear(await blazon.call(method, path, token=token), 404)
    assert events == []


async def test_a_path_may_be_written_with_escapes(blazon: Running) -> None:
    assert (await blazon.call("GET", "/users/%70rofile")).status == 200
    assert (await blazon.call("GET", f"/users/{blazon.admin.id.replace('-', '%2D')}")).status == 200


async def test_wrong_methods(blazon: Running, stream: Stream, routes: list[Operation]) -> None:
    by_path: dict[str, list[Operation]] = {}
    for operation in routes:
        by_path.setdefault(operation.path, []).append(operation)
    async with stream.recorded() as events:
        for path, operations in by_path.items():
            allowed = {operation.method for operation in operations}
            if "GET" in allowed:
                allowed.add("HEAD")
            if path in ("/users/profile", "/users/secret"):  # a literal step wins over /users/{id}
                assert len(operations) == 1
            for method in METHODS:
                if method not in allowed:
                    answer = await blazon.call(method, operations[0].at())
                    assert answer.status == 405, (method, path)
                    assert set(answer.headers["Allow"].split(", ")) == allowed
                    if method != "HEAD":
                        is_clear(answer, 405)
                        for word in allowed:
                            assert word in answer.reason
    assert events == []


@pytest.mark.parametrize("path", ["/health", "/metrics", "/openapi.json", "/docs"])
async def test_pages_are_read_only(blazon: Running, path: str) -> None:
    assert (await blazon.call("GET", path, token="")).status == 200
    head = await blazon.call("HEAD", path, token="")
    assert (head.status, head.body) == (200, b"")
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        answer = await blazon.call(method, path, token="")
        is_clear(answer, 405)
        assert answer.headers["Allow"] == "GET, HEAD"


async def test_head_is_get_without_the_body(blazon: Running) -> None:
    path = f"/users/{blazon.admin.id}"
    full, head = await blazon.call("GET", path), await blazon.call("HEAD", path)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == str(len(full.body))
    assert head.headers["ETag"] == full.headers["ETag"]
    missing = await blazon.call("HEAD", "/users/nobody")
    assert (missing.status, missing.body) == (404, b"")


@pytest.mark.parametrize("method", ["PROPFIND", "BREW", "GETX", "get", "M-SEARCH", "PRI", "QUERY"])
async def test_methods_nobody_knows(blazon: Running, method: str) -> None:
    answer = await said(blazon, request(method, "/users/profile", token=blazon.admin.token))
    is_clear(answer, 400, 405)


async def test_connect_and_targets_that_are_no_paths(blazon: Running) -> None:
    cases: list[tuple[str, str, Any]] = [
        ("CONNECT", "example.com:443", (400, 404)),
        ("CONNECT", "/users", (400, 405)),
        ("OPTIONS", "*", (404,)),
        ("GET", "*", (404,)),
        ("GET", "users/profile", (400,)),
        ("GET", "http://", (400,)),
        ("GET", "http://other.example.com", (400, 404)),
    ]
    for method, target, statuses in cases:
        is_clear(await said(blazon, request(method, target, token=blazon.admin.token)), *statuses)
    # The absolute form is for proxies, and every server must read it (RFC 9112 §3.2.2).
    answer = await said(blazon, request("GET", "http://localhost/users/profile?x=1", token=blazon.admin.token))
    assert answer.status == 200
