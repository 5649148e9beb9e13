"""Attackers: connections that send what costs most, and read nothing.

`python -m tests.web.hostile PORT COUNT KIND [TOKEN]` attacks until it is killed, in a process of its own, so that
whoever measures how long others wait does not wait for the attackers. It prints a line when all of them are connected.
"""

import asyncio
import contextlib
import resource
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import uvloop

from tests.faults.process import ADMIN, PASSWORD

MIB = 1024 * 1024
KIB = 1024


def _repeated(request: bytes, size: int = 256 * KIB) -> bytes:
    return request * (size // len(request) + 1)


_POST = b"POST /users/tokens/issue HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
_CHUNKED = _POST + b"Transfer-Encoding: chunked\r\n\r\n"

KINDS = {
    "requests in a row": _repeated(b"GET / HTTP/1.1\r\nHost:x\r\n\r\n"),
    "requests of many fields in a row": _repeated(b"GET / HTTP/1.1\r\nHost:x\r\n" + b"a:\r\n" * 250 + b"\r\n"),
    "requests for a large answer in a row": _repeated(b"GET /openapi.json HTTP/1.1\r\nHost:x\r\n\r\n"),
    "requests with a body in a row": _repeated(_POST + b"Content-Length: 2\r\n\r\n{}"),
    "a head without an end": b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 15 * KIB,
    "a head of fields without an end": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a:\r\n" * 4 * KIB,
    "a body without its end": _POST + b"Content-Length: %d\r\n\r\n" % MIB + b" " * (MIB - 1),
    "a chunked body without its end": _CHUNKED + b"%x\r\n" % (MIB - 1) + b" " * (MIB - 1),
    "a body of tiny chunks": _CHUNKED + _repeated(b"1\r\n \r\n"),
    "a body of small chunks": _CHUNKED + _repeated(b"10\r\n                \r\n"),
    "a body of empty lines": _CHUNKED + _repeated(b"400\r\n" + b"\r\n\r\n" * 256 + b"\r\n"),
    "a chunk extension without an end": _CHUNKED + b"1;" + b"x" * 256 * KIB,
    "a trailer without an end": _CHUNKED + b"0\r\nX: " + b"x" * 256 * KIB,
    "empty lines": b"\r\n" * 8 * KIB,
    "nothing": b"",
}
"""What each attacker sends at once, by what it is."""

TRICKLE = "one octet after the other"

PAGES = "requests for a large page in a row"
"""These attackers are signed in; see `fill`."""

ALL_KINDS = (*KINDS, TRICKLE, PAGES)

_BULK = 10


async def fill(client: aiohttp.ClientSession, url: str) -> str:
    """Makes a hundred things whose page has 5 MB. Returns the token of whoever may list them."""
    credentials = {"identity": ADMIN, "secret": PASSWORD}
    async with client.post(f"{url}/users/tokens/issue", json=credentials) as answer:
        token: str = (await answer.json())["access_token"]
    drafts = [{"metadata": {"text": "x" * 50 * KIB}}] * _BULK
    for _ in range(100 // _BULK):
        headers = {"Authorization": f"Bearer {token}"}
        async with client.post(f"{url}/things/bulk", json=drafts, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
    return token


def _octets(kind: str, token: str) -> bytes:
    if kind == PAGES:
        return _repeated(
            b"GET /things?limit=100 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\n\r\n" % token.encode()
        )
    return KINDS[kind]


async def _send(client: socket.socket, kind: str, token: str) -> None:
    """Sends as long as the server takes it, and reads nothing."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError):
        if kind != TRICKLE:
            await loop.sock_sendall(client, _octets(kind, token))
            return
        for octet in _CHUNKED + b"1\r\n \r\n" * 1000:
            await loop.sock_sendall(client, bytes((octet,)))
            await asyncio.sleep(0.01)


@contextlib.contextmanager
def many_files() -> Iterator[None]:
    """Lets this process have as many open files as it may, and those it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536) if hard > 0 else 65536, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@asynccontextmanager
async def attack(port: int, count: int, kind: str, token: str = "") -> AsyncIterator[None]:
    """So many attackers of one kind."""
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        sending = []
        for _ in range(count):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            await loop.sock_connect(client, ("127.0.0.1", port))
            sending.append(asyncio.create_task(_send(client, kind, token)))
        try:
            yield
        finally:
            for task in sending:
                task.cancel()
            await asyncio.gather(*sending, return_exceptions=True)


@asynccontextmanager
async def attacking(port: int, count: int, kind: str, token: str) -> AsyncIterator[None]:
    """So many attackers of one kind, in a process of their own. `token` is what `fill` returned."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.web.hostile", str(port), str(count), kind, token),
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"connected\n"
        yield
    finally:
        process.kill()
        await process.wait()


async def _main(port: str, count: str, kind: str, token: str = "") -> None:
    async with attack(int(port), int(count), kind, token):
        print("connected", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_main(*sys.argv[1:]))
