"""`blazon history rebuild` as a process of its own, beside a running Blazon on PostgreSQL."""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections import Counter
from pathlib import Path

import pytest

from blazon.storage import open_database
from tests.running import Running, running
from tests.servers import PostgresServer

pytestmark = pytest.mark.faults


async def _rebuild(folder: Path, url: str, *flags: str, output: int = PIPE) -> Process:
    command = ["-m", "blazon.cli.main", "history", "rebuild", *flags, "--data-dir", str(folder), "--database-url", url]
    return await asyncio.create_subprocess_exec(sys.executable, *command, stdout=output, stderr=STDOUT)


async def _said(process: Process) -> str:
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


async def test_a_rebuild_under_load_loses_nothing(tmp_path: Path, postgres: PostgresServer) -> None:
    url = postgres.new_database()
    async with running(tmp_path, database__url=url, redis__embedded="no") as blazon:
        statuses: Counter[int] = Counter()
        stop = False

        async def load(client: int) -> None:
            number = 0
            while not stop:
                number += 1
                statuses[(await blazon.call("POST", "/groups", {"name": f"{client}-{number}"})).status] += 1

        loading = [asyncio.create_task(load(client)) for client in range(8)]
        await asyncio.sleep(0.5)
        for _ in range(4):
            assert "made anew" in await _said(await _rebuild(tmp_path, url))
        stop = True
        await asyncio.gather(*loading)
        assert set(statuses) == {201}
        assert "Every table equals the log" in await _said(await _rebuild(tmp_path, url, "--verify"))
        assert (await blazon.ok("GET", "/groups?limit=1"))["total"] == statuses[201]


async def _fill(blazon: Running, count: int) -> None:
    for _ in range(count // 20):
        await asyncio.gather(*(blazon.group() for _ in range(20)))


async def test_what_a_killed_verification_left_is_dropped_by_the_next(tmp_path: Path, postgres: PostgresServer) -> None:
    url = postgres.new_database()
    async with running(tmp_path, database__url=url, redis__embedded="no") as blazon:
        await _fill(blazon, 1000)
    database = await open_database(url, tmp_path)

    async def schemas() -> set[str]:
        rows = await database.rows("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'blazon_scratch%'")
        return {row[0] for row in rows}

    try:
        killed = await _rebuild(tmp_path, url, "--verify", output=DEVNULL)
        async with asyncio.timeout(30):
            while not await schemas():
                await asyncio.sleep(0.001)
        killed.kill()
        await killed.wait()
        left = await schemas()
        assert len(left) == 1
        await asyncio.sleep(0.5)  # the server notices
        async with database.scratch():  # a live one, of another process
            assert len(await schemas()) == 1
            assert "Every table equals the log" in await _said(await _rebuild(tmp_path, url, "--verify"))
            assert len(await schemas()) == 1
            assert await schemas() != left
        assert await schemas() == set()
    finally:
        await database.close()
