"""The disk is full or fails under load: 503, what was answered is not lost, and what was refused does not come back.

A full disk is a small file system of its own, which takes root to make.
"""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.faults.process import BlazonProcess, Load
from tests.faults.support import check_log, records_of, relays_caught_up, stream_of
from tests.servers import RedisServer

pytestmark = pytest.mark.faults

_as_root = pytest.mark.skipif(os.geteuid() != 0, reason="a file system of the test's own is mounted, as root")


@contextmanager
def _small_disk(folder: Path, size: str) -> Iterator[Path]:
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def _enlarge(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=2g", str(disk)], check=True)


@_as_root
async def test_a_full_disk_gives_503_and_loses_nothing(tmp_path: Path, redis: RedisServer) -> None:
    with _small_disk(tmp_path, "3m") as disk:
        blazon = BlazonProcess(tmp_path, data_dir=str(disk), redis_url=redis.url)
        await blazon.start()
        load = Load(blazon)
        running = asyncio.create_task(load.run("load"))
        async with asyncio.timeout(60):
            while not load.refused:
                await asyncio.sleep(0.05)
        answered_before = len(load.answered)
        _enlarge(disk)
        async with asyncio.timeout(30):
            while len(load.answered) < answered_before + 50:
                await asyncio.sleep(0.05)
        load.stop()
        await running
        assert {status for status, _ in load.refused} == {503}
        await relays_caught_up(blazon)
        assert blazon.stop() == 0
        records = await records_of(disk, "")
        check_log(records, load.answered)
        assert await stream_of(redis) == [record.sequence for record in records]


@_as_root
async def test_a_disk_that_is_full_while_operations_go_one_by_one(tmp_path: Path) -> None:
    """Each group is made twice, so that batches break a constraint.

    They are so large that SQLite writes in the middle of a batch, and some so small that they would fit afterwards.
    """
    with _small_disk(tmp_path, "150m") as disk:
        blazon = BlazonProcess(tmp_path, data_dir=str(disk), redis_embedded="no", events_metadata_bytes="1000000")
        await blazon.start()
        answered: list[str] = []
        statuses: dict[int, int] = {}
        stop = False

        async def make(client: aiohttp.ClientSession, prefix: str, size: int) -> None:
            number = 0
            while not stop:
                number += 1
                body = {"name": f"{prefix}-{number}", "metadata": {"much": "x" * size}}

                async def once(body: object = body) -> None:
                    async with client.post(f"{blazon.url}/groups", json=body) as answer:
                        said = await answer.json()
                        statuses[answer.status] = statuses.get(answer.status, 0) + 1
                        if answer.status == 201:
                            answered.append(said["id"])

                await asyncio.gather(once(), once())

        async with aiohttp.ClientSession() as client:
            client.headers["Authorization"] = f"Bearer {await blazon.token(client)}"
            running = [asyncio.create_task(make(client, f"{n}", 10 if n % 3 else 900_000)) for n in range(72)]
            async with asyncio.timeout(60):
                while statuses.get(503, 0) < 800:
                    await asyncio.sleep(0.05)
            _enlarge(disk)
            before = len(answered)
            async with asyncio.timeout(60):
                while len(answered) < before + 20:
                    await asyncio.sleep(0.05)
            stop = True
            await asyncio.gather(*running)
        assert set(statuses) == {201, 409, 503}
        assert blazon.stop() == 0
        check_log(await records_of(disk, ""), answered)


async def test_what_was_refused_over_a_failed_fsync_does_not_come_back(tmp_path: Path) -> None:
    """Its pages are in the write-ahead log, with the mark of a commit, and would be taken for one after a kill -9."""
    failing = tmp_path / "failing"
    blazon = BlazonProcess(tmp_path, redis_embedded="no")
    await blazon.start(("-m", "tests.faults.failing_disk", str(failing)))
    async with aiohttp.ClientSession() as client:
        headers = {"Authorization": f"Bearer {await blazon.token(client)}"}

        async def make(name: str) -> tuple[int, str]:
            async with client.post(f"{blazon.url}/groups", json={"name": name}, headers=headers) as answer:
                said = await answer.json()
                return answer.status, said.get("id") or said["message"]

        status, kept = await make("kept")
        assert status == 201
        failing.touch()
        refused = asyncio.create_task(make("refused"))
        await asyncio.sleep(0.5)
        failing.unlink()
        assert await refused == (503, "storage unavailable")
        blazon.kill()
        await blazon.start()
        async with client.get(f"{blazon.url}/groups", headers=headers) as answer:
            assert [group["name"] for group in (await answer.json())["groups"]] == ["kept"]
        status, later = await make("later")
        assert status == 201
    assert blazon.stop() == 0
    check_log(await records_of(tmp_path, ""), [kept, later])
