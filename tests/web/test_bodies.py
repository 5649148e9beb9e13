"""Bodies that cannot be read, for every route that takes one: refused with the reason, and nothing happens."""

import gzip

import pytest

from tests.running import Answer, Running
from tests.streams import Stream
from tests.web.support import Operation, is_clear, request, said, wire

MIB = 1024 * 1024

NOT_JSON = {
    "empty": b"",
    "space": b" \r\n\t",
    "a word": b"name=value",
    "a form": b"a=1&b=2",
    "xml": b"<a/>",
    "cut off": b'{"name":"a',
    "cut off after a comma": b'{"name":"a",',
    "a comma too many": b'{"name":"a",}',
    "two values": b"{}{}",
    "something after": b"{} x",
    "single quotes": b"{'name':'a'}",
    "a comment": b'{"name":"a"/**/}',
    "no quotes": b"{name:1}",
    "a BOM": b"\xef\xbb\xbf{}",
    "UTF-16": '{"name":"a"}'.encode("utf-16"),
    "latin-1": '{"name":"ü"}'.encode("latin-1"),
    "half a character": b'{"name":"\xc3"}',
    "an encoded surrogate": b'{"name":"\xed\xa0\x80"}',
    "overlong": b'{"name":"\xc0\xaf"}',
    "a raw line feed": b'{"name":"a\nb"}',
    "a raw NUL": b'{"name":"a\0b"}',
    "NaN": b'{"metadata":{"a":NaN}}',
    "Infinity": b'{"metadata":{"a":-Infinity}}',
    "a number of 5 000 digits": b'{"metadata":{"a":' + b"9" * 5000 + b"}}",
    "a leading zero": b'{"metadata":{"a":01}}',
    "hexadecimal": b'{"metadata":{"a":0x10}}',
    "a wrong escape": b'{"name":"\\x41"}',
    "compressed": gzip.compress(b"{}"),
}
NOT_AN_OBJECT = {"null": b"null", "a number": b"42", "a text": b'"name"', "a list": b"[]", "a list of one": b"[{}]"}
HOSTILE = {
    "a name twice": b'{"name":"a","name":"b"}',
    "a name twice deep down": b'{"metadata":{"a":[{"b":1,"b":1}]}}',
    "a name twice in a field nobody reads": b'{"unknown":{"a":1,"a":2}}',
    "U+0000": b'{"name":"a\\u0000b"}',
    "U+0000 in a name": b'{"metadata":{"a\\u0000":1}}',
    "U+0000 in a field nobody reads": b'{"unknown":["\\u0000"]}',
    "half a surrogate pair": b'{"name":"\\ud800"}',
    "the other half": b'{"metadata":{"a":"\\udc00x"}}',
    "half a pair in a name": b'{"\\ud83d":1}',
    "65 levels": b'{"metadata":' + b'{"a":' * 64 + b"1" + b"}" * 65,
    "1 000 levels": b'{"metadata":' + b"[" * 1000 + b"]" * 1000 + b"}",
    "100 000 levels": b'{"metadata":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "100 000 levels without an end": b"[" * 100_000,
}


def chunked(data: bytes) -> bytes:
    """A chunk of a chunked body (RFC 9112 §7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


async def send(blazon: Running, operation: Operation, body: bytes) -> Answer:
    headers = {"Content-Type": "application/json"}
    return await blazon.call(operation.method, operation.at(), headers=headers, data=body)


@pytest.mark.parametrize("name", [*NOT_JSON, *NOT_AN_OBJECT, *HOSTILE])
async def test_bodies(blazon: Running, stream: Stream, routes: list[Operation], name: str) -> None:
    body = {**NOT_JSON, **NOT_AN_OBJECT, **HOSTILE}[name]
    async with stream.recorded() as events:
        for operation in routes:
            if operation.takes_list and name in HOSTILE and body.startswith(b"{"):
                is_clear(await send(blazon, operation, b"[" + body + b"]"), 400)
            if operation.takes_body and not (operation.takes_list and name == "a list of one"):
                is_clear(await send(blazon, operation, body), 400)
    assert events == []


@pytest.mark.parametrize("size", [MIB + 1, 4 * MIB])
async def test_too_large(blazon: Running, stream: Stream, routes: list[Operation], size: int) -> None:
    body = b'{"name":"' + b"x" * (size - 11) + b'"}'
    assert len(body) == size
    async with stream.recorded() as events:
        for operation in routes:
            if operation.takes_body:
                head = ("Content-Type", "application/json")
                sent = request(operation.method, operation.at(), head, body=body, token=blazon.admin.token)
                answer = await said(blazon, sent)
                is_clear(answer, 413)
                assert "1048576" in answer.reason
    assert events == []


async def test_as_large_as_may_be(blazon: Running) -> None:
    filler = "x" * (MIB - len('{"name":"large","unknown":""}'))
    body = f'{{"name":"large","unknown":"{filler}"}}'.encode()
    assert len(body) == MIB
    answer = await blazon.call("POST", "/groups", headers={"Content-Type": "application/json"}, data=body)
    assert answer.status == 201


@pytest.mark.parametrize("number", ["1e999", "-1e309", "1" + "0" * 400 + ".5"])
async def test_numbers_that_are_no_numbers_to_a_database(blazon: Running, number: str) -> None:
    body = f'{{"name":"n","metadata":{{"a":{number}}}}}'.encode()
    answer = await blazon.call("POST", "/groups", headers={"Content-Type": "application/json"}, data=body)
    is_clear(answer, 400)
    assert "range" in answer.reason


async def test_as_deep_as_may_be(blazon: Running) -> None:
    value = 1
    for _ in range(62):
        value = {"a": value}  # type: ignore[assignment]
    group = await blazon.group(metadata={"a": value})
    assert (await blazon.ok("GET", f"/groups/{group['id']}"))["metadata"] == {"a": value}


async def test_a_plain_client_can_read_that_it_is_too_large(blazon: Running) -> None:
    """One that sends all it has before it reads, and does not ask first."""
    body = b'{"name":"' + b"x" * (8 * MIB) + b'"}'
    head = ("Content-Type", "application/json")
    for extra in ((), (("Transfer-Encoding", "chunked"),)):
        sent = chunked(body) + b"0\r\n\r\n" if extra else body
        async with wire(blazon) as connection:
            await connection.send(request("POST", "/groups", head, *extra, body=sent, token=blazon.admin.token))
            answer = await connection.answer()
            is_clear(answer, 413)
            assert answer.headers["Connection"] == "close"
            assert await connection.closed() == b""


async def test_a_length_beyond_all_measure_is_not_waited_for(blazon: Running) -> None:
    head = ("Content-Type", "application/json"), ("Content-Length", str(10**12))
    answer = await said(blazon, request("POST", "/groups", *head, body=b"{", token=blazon.admin.token))
    is_clear(answer, 413)


async def test_chunked(blazon: Running) -> None:
    head = ("Content-Type", "application/json"), ("Transfer-Encoding", "chunked")
    chunks = chunked(b'{"na') + b'1;ext="x"\r\nm\r\n' + chunked(b'e":"in chunks!!"}') + b"0\r\n\r\n"
    answer = await said(blazon, request("POST", "/groups", *head, body=chunks, token=blazon.admin.token))
    assert (answer.status, answer.json["name"]) == (201, "in chunks!!")


async def test_a_trailer_is_no_header(blazon: Running, stream: Stream) -> None:
    group = await blazon.group()
    head = ("Content-Type", "application/json"), ("Transfer-Encoding", "chunked")
    trailer = b'If-Match: "1"\r\nAuthorization: Bearer x\r\nTraceparent: y\r\n'
    chunks = chunked(b'{"name":"after"}') + b"0\r\n" + trailer + b"\r\n"
    path = f"/groups/{group['id']}"
    answer = await said(blazon, request("PUT", path, *head, body=chunks, token=blazon.admin.token))
    assert (answer.status, answer.json["name"]) == (200, "after")


async def test_a_body_nobody_asked_for_is_passed_over(blazon: Running) -> None:
    """What follows it on the connection is read as the next request, not as the rest of this one."""
    group = await blazon.group()
    path = f"/groups/{group['id']}"
    async with wire(blazon) as connection:
        for method, action, status in (("GET", "", 200), ("POST", "/disable", 200), ("POST", "/disable", 409)):
            smuggled = request("POST", f"{path}/enable", token=blazon.admin.token)
            await connection.send(request(method, path + action, body=smuggled, token=blazon.admin.token))
            assert (await connection.answer()).status == status
        await connection.send(request("GET", path, token=blazon.admin.token))
        assert (await connection.answer()).json["status"] == "disabled"
