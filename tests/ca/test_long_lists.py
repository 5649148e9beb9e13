"""A CRL with a hundred thousand entries: soon built, soon true, and nobody waits while it is.

The entries are put into the table directly; what is measured is what comes after. The limits are wider than what is
promised, as the machine may have other work; `bench` measures the promise.
"""

import asyncio
import os
import sqlite3
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from blazon.ca.service.crls import Crls
from tests.ca.support import crl_of, eventually, make_ca, revoke, serial_of, sign
from tests.running import Running, running

ENTRIES = 100_000


def fill(folder: Path, count: int) -> None:
    """Puts revoked certificates into the table, like the one that is there."""
    database = sqlite3.connect(next(folder.glob("*.db")))
    names = [row[1] for row in database.execute("PRAGMA table_info(certificates)")]
    sample = dict(zip(names, database.execute("SELECT * FROM certificates LIMIT 1").fetchone(), strict=True))
    sample |= {"status": "REVOKED", "reason": "KeyCompromise", "due": 0, "revoked_at": time.time_ns()}

    def rows() -> Iterator[Sequence[Any]]:
        for number in range(count):
            position = 10**9 + number
            own = {"serial": os.urandom(20).hex("-"), "created": position, "revision": position}
            yield [(sample | own)[name] for name in names]

    database.executemany(f"INSERT INTO certificates VALUES ({', '.join('?' * len(names))})", rows())
    database.commit()
    database.close()


class Lag:
    """The longest time the event loop was held up, in seconds, since it was last asked."""

    def __init__(self) -> None:
        self._longest = 0.0

    async def watch(self) -> None:
        while True:
            started = time.perf_counter()
            await asyncio.sleep(0.001)
            self._longest = max(self._longest, time.perf_counter() - started - 0.001)

    def take(self) -> float:
        longest, self._longest = self._longest, 0.0
        return longest


async def fetched_elsewhere(url: str) -> None:
    """Fetches in another process: reading five megabytes is not to hold up what is measured."""
    script = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1]).read(); print('read')"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, url, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert out == b"read\n"


async def test_a_hundred_thousand_entries(tmp_path: Path) -> None:
    async with running(tmp_path, redis__embedded="no") as blazon:
        ca = await make_ca(blazon)
        leaves = [await sign(blazon, ca, f"leaf {number}") for number in range(4)]
    fill(tmp_path, ENTRIES)
    async with running(tmp_path, redis__embedded="no") as blazon:
        lag = Lag()
        watching = asyncio.create_task(lag.watch())
        lags, times = [], []
        for leaf in leaves[:3]:
            await revoke(blazon, leaf)
            await asyncio.sleep(2.1)  # from now on requests wait for a new list
            fetching = asyncio.create_task(fetched_elsewhere(f"{blazon.url}/api/va/crl/{ca['id']}"))
            await asyncio.sleep(0.02)
            lag.take()  # that of starting a process
            started = time.perf_counter()
            await fetching
            times.append(time.perf_counter() - started)
            lags.append(lag.take())
            await is_shown(blazon, ca, leaf)
        watching.cancel()
        assert min(lags) < 0.03, lags
        assert min(times) < 2, times
        # While somebody asks all the time, too.
        await revoke(blazon, leaves[3])
        async with asyncio.timeout(5):
            while not await shows(blazon, ca, leaves[3]):
                await asyncio.sleep(0.05)


async def shows(blazon: Running, ca: Any, certificate: Any) -> bool:
    return (await crl_of(blazon, ca)).get_revoked_certificate_by_serial_number(serial_of(certificate)) is not None


async def is_shown(blazon: Running, ca: Any, certificate: Any) -> None:
    assert await shows(blazon, ca, certificate)
    assert len(await crl_of(blazon, ca)) > ENTRIES


async def test_who_asks_late_gets_no_list_that_was_begun_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lists take longer than a revocation may, and revocations go on: still every request is answered, and right."""
    original = Crls._signed

    def slow(self: Crls, *arguments: Any) -> bytes:
        time.sleep(3)
        return original(self, *arguments)

    async with running(tmp_path, redis__embedded="no") as blazon:
        ca = await make_ca(blazon)
        leaves = [await sign(blazon, ca, f"leaf {number}") for number in range(20)]
        await crl_of(blazon, ca)
        monkeypatch.setattr(Crls, "_signed", slow)
        await revoke(blazon, leaves[0])
        await asyncio.sleep(1.1)
        assert not await shows(blazon, ca, leaves[0]), "the old list is handed out, while one is built"
        await asyncio.sleep(0.1)
        await revoke(blazon, leaves[1])

        async def revoking() -> None:
            for leaf in leaves[2:]:
                await asyncio.sleep(0.4)
                await revoke(blazon, leaf)

        going_on = asyncio.create_task(revoking())
        await asyncio.sleep(2.2)
        crl: x509.CertificateRevocationList = await crl_of(blazon, ca)
        for leaf in leaves[:2]:
            assert crl.get_revoked_certificate_by_serial_number(serial_of(leaf)) is not None
        await going_on

        async def all_shown() -> bool:
            return len(await crl_of(blazon, ca)) == len(leaves)

        await eventually(all_shown)
