"""An engine that takes calls and never answers: it holds up its own CAs, and nobody else's.

The engine is AWS KMS at an address where a real socket listens, takes what comes, and says nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import pytest

from tests.ca.support import API, ca_body, crl_of, decoded, make_ca, revoke, sign
from tests.ca.test_revocation import RSA3072, request_for
from tests.running import running

PROMPT = 5.0
"""Seconds: a machine that others use too is slow, and the engine is given up after ten."""


class Silence:
    """A listening socket that never answers."""

    def __init__(self) -> None:
        self.taken = list[asyncio.StreamWriter]()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        async def take(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.taken.append(writer)

        self._server = await asyncio.start_server(take, "127.0.0.1", 0)

    @property
    def url(self) -> str:
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()
        return f"http://{host}:{port}"

    def end(self) -> None:
        """Refuses from now on, and breaks what was taken off."""
        assert self._server is not None
        self._server.close()
        for writer in self.taken:
            writer.transport.abort()


@pytest.fixture
async def silence() -> AsyncIterator[Silence]:
    server = Silence()
    await server.start()
    yield server
    server.end()


def kms_at(url: str) -> dict[str, str]:
    return {
        "engines__kms_region": "eu-west-1",
        "engines__kms_endpoint": url,
        "engines__kms_access_key": "test",
        "engines__kms_secret_key": "test",
        "redis__embedded": "no",
    }


async def prompt(work: Awaitable[Any]) -> Any:
    """What comes of work that must not wait for the engine."""
    async with asyncio.timeout(PROMPT):
        return await work


async def test_an_engine_that_hangs_holds_up_no_other(tmp_path: Path, silence: Silence) -> None:
    async with running(tmp_path, **kms_at(silence.url), http__request_time="60s") as blazon:
        ca = await make_ca(blazon, "Slow to sign", key_metadata=RSA3072)
        asking = [
            asyncio.create_task(blazon.call("POST", f"{API}/cas", ca_body(id=f"hung-{number}", engine_id="kms")))
            for number in range(40)
        ]
        async with asyncio.timeout(10):
            while not silence.taken:
                await asyncio.sleep(0.05)
        await asyncio.sleep(1)
        leaf = await prompt(sign(blazon, ca))
        await prompt(make_ca(blazon, "In software"))
        await prompt(make_ca(blazon, "Long key", key_metadata={"type": "RSA", "bits": 2048}))
        await prompt(revoke(blazon, leaf))
        await prompt(crl_of(blazon, ca))
        der = request_for(decoded(leaf), decoded(ca))
        assert (await prompt(blazon.call("POST", "/api/va/ocsp", data=der, token=""))).status == 200
        await prompt(blazon.ok("GET", f"{API}/engines"))
        assert not any(task.done() for task in asking), "the engine hangs all the while"
        silence.end()
        assert {answer.status for answer in await asyncio.gather(*asking)} == {503}
