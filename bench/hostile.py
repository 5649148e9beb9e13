"""What a thousand hostile connections cost: memory, and how long an honest client waits."""

import asyncio
import tempfile
import time
from pathlib import Path

import aiohttp
import psutil

from bench.report import Figure, Report
from tests.faults.process import BlazonProcess
from tests.web.hostile import ALL_KINDS, attacking, fill, many_files

_CONNECTIONS = 1000
_SECONDS = 5.0


def run(report: Report) -> None:
    with tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as folder, many_files():
        asyncio.run(_run(report, Path(folder)))


async def _run(report: Report, folder: Path) -> None:
    blazon = BlazonProcess(folder, redis_embedded="false")
    await blazon.start()
    assert blazon.process is not None
    process = psutil.Process(blazon.process.pid)
    try:
        async with aiohttp.ClientSession() as client:
            token = await fill(client, blazon.url)
        before = process.memory_info().rss
        for kind in ALL_KINDS:
            longest, most = await _attacked(blazon, process, kind, token)
            cost = (most - before) / 1e6
            report.add(Figure(f"{_CONNECTIONS} × {kind}: longest wait", longest, "s", lead=1, lower_is_better=True))
            report.add(Figure(f"{_CONNECTIONS} × {kind}: memory", cost, "MB", lead=200, lower_is_better=True))
    finally:
        blazon.stop()


async def _attacked(blazon: BlazonProcess, process: psutil.Process, kind: str, token: str) -> tuple[float, float]:
    """The longest time an honest client waited, in seconds, and the most memory, in bytes."""
    longest, most = 0.0, 0.0
    async with aiohttp.ClientSession() as client, attacking(blazon.port, _CONNECTIONS, kind, token):
        end = time.monotonic() + _SECONDS
        while time.monotonic() < end:
            began = time.monotonic()
            # A connection of its own each time: it must be accepted, too.
            async with client.get(f"{blazon.url}/health", headers={"Connection": "close"}) as answer:
                assert answer.status == 200
            longest = max(longest, time.monotonic() - began)
            most = max(most, process.memory_info().rss)
            await asyncio.sleep(0.01)
    return longest, most
