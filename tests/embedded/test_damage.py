"""Data the embedded Redis cannot use never keeps it from starting: they are put aside, and it begins anew."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from blazon.embedded.datafolder import kept_aside, put_aside
from tests.embedded.support import ENTRIES, fill, started

SERVERS = ("PATH", "wheel")


def _choose(server: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder / "nothing") if server == "wheel" else os.environ["PATH"])


@pytest.mark.parametrize("first", SERVERS)
async def test_another_server_reads_the_same_data(tmp_path: Path, first: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "redis"
    with monkeypatch.context() as patched:
        _choose(first, tmp_path, patched)
        await fill(folder)
    _choose(next(server for server in SERVERS if server != first), tmp_path, monkeypatch)
    async with started(folder) as server:
        await server.until_well()
        assert await server.call("XLEN", "stream") == ENTRIES
        (group,) = await server.call("XINFO", "GROUPS", "stream")  # type: ignore[misc]
        assert group["last-delivered-id"] == "100-100"
        assert not server.damage


async def test_a_snapshot_another_server_cannot_read_is_put_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folders of before hold one, in the format of the server that wrote it."""
    folder = tmp_path / "redis"
    await fill(folder)
    base = folder / "appendonlydir" / "appendonly.aof.2.base.aof"
    base.write_bytes(b"VALKEY080" + bytes(80))
    async with started(folder) as server:
        await server.until_well()
        (aside,) = kept_aside(folder)
        assert (aside / "appendonlydir" / base.name).read_bytes().startswith(b"VALKEY080")
        assert await server.call("XLEN", "stream") == 0


def _manifest(folder: Path) -> Path:
    return folder / "appendonlydir" / "appendonly.aof.manifest"


def _base(folder: Path) -> Path:
    return folder / "appendonlydir" / "appendonly.aof.2.base.aof"


def _increment(folder: Path) -> Path:
    return folder / "appendonlydir" / "appendonly.aof.2.incr.aof"


def _overwrite(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2 : len(raw) // 2 + 16] = bytes(16)
    path.write_bytes(raw)


def _as_folder(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    path.mkdir()


def _as_file(path: Path) -> None:
    shutil.rmtree(path)
    path.write_bytes(b"a file")


def _keep_line(path: Path, number: int) -> None:
    path.write_text(path.read_text().splitlines(keepends=True)[number])


DAMAGES: dict[str, Callable[[Path], object]] = {
    "increment overwritten in the middle": lambda folder: _overwrite(_increment(folder)),
    "increment missing": lambda folder: _increment(folder).unlink(),
    "increment is a folder": lambda folder: _as_folder(_increment(folder)),
    "base overwritten in the middle": lambda folder: _overwrite(_base(folder)),
    "base truncated": lambda folder: os.truncate(_base(folder), 5001),
    "base missing": lambda folder: _base(folder).unlink(),
    "base is a folder": lambda folder: _as_folder(_base(folder)),
    "base of no known format": lambda folder: _base(folder).write_bytes(b"REDIS9999" + bytes(80)),
    "manifest of other text": lambda folder: _manifest(folder).write_text("garbage\n"),
    "manifest empty": lambda folder: _manifest(folder).write_text(""),
    "manifest missing": lambda folder: _manifest(folder).unlink(),
    "manifest without the increment": lambda folder: _keep_line(_manifest(folder), 0),
    "manifest without the base": lambda folder: _keep_line(_manifest(folder), 1),
    "manifest cut in a line": lambda folder: os.truncate(_manifest(folder), 60),
    "manifest of zeros": lambda folder: _manifest(folder).write_bytes(bytes(88)),
    "manifest no text": lambda folder: _manifest(folder).write_bytes(b"\xff\xfe" * 40),
    "manifest is a folder": lambda folder: _as_folder(_manifest(folder)),
    "a file for the folder of the files": lambda folder: _as_file(folder / "appendonlydir"),
    "a file for the folder": _as_file,
    "the lock is a folder": lambda folder: _as_folder(folder / "redis.lock"),
    "the log is a folder": lambda folder: _as_folder(folder / "redis.log"),
}


@pytest.mark.parametrize("server_of", SERVERS)
@pytest.mark.parametrize("name", DAMAGES)
async def test_damaged_data_are_put_aside_and_reported(
    tmp_path: Path, name: str, server_of: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "redis"
    _choose(server_of, tmp_path, monkeypatch)
    await fill(folder)
    DAMAGES[name](folder)
    before = _contents(folder)
    async with started(folder) as server:
        await server.until_well()
        assert await server.call("XLEN", "stream") == 0
        (aside,) = kept_aside(folder)
        assert str(aside) in server.damage
        assert "consumer groups" in server.damage
        # Nothing was written over. An end that holds no whole command Redis itself may have cut off.
        kept = _contents(aside)
        assert kept.keys() == before.keys()
        assert all(before[name].startswith(raw) for name, raw in kept.items())
        await server.call("XADD", "stream", "1-1", "a", "b")
    # It is said until somebody took the folder away.
    async with started(folder) as server:
        assert await server.call("XLEN", "stream") == 1
        assert str(aside) in server.damage
        shutil.rmtree(aside) if aside.is_dir() else aside.unlink()
        async with asyncio.timeout(10):
            while server.damage:
                await asyncio.sleep(0.05)


def _contents(folder: Path) -> dict[str, bytes]:
    if not folder.is_dir():
        return {"": folder.read_bytes()}
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if name != "redis.log"}


@pytest.mark.parametrize("server_of", SERVERS)
async def test_a_cut_off_end_is_left_out_and_the_rest_kept(
    tmp_path: Path, server_of: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "redis"
    _choose(server_of, tmp_path, monkeypatch)
    await fill(folder)
    size = _increment(folder).stat().st_size
    os.truncate(_increment(folder), size - 100)
    async with started(folder) as server:
        await server.until_well()
        assert ENTRIES / 2 < int(str(await server.call("XLEN", "stream"))) < ENTRIES
        assert not server.damage


async def test_files_a_kill_leaves_behind_are_no_damage(tmp_path: Path) -> None:
    folder = tmp_path / "redis"
    await fill(folder)
    files = folder / "appendonlydir"
    shutil.copy(_base(folder), files / "appendonly.aof.3.base.aof")
    (files / "appendonly.aof.3.incr.aof").touch()
    (files / "temp-rewriteaof-bg-1.aof").write_text("half")
    async with started(folder) as server:
        await server.until_well()
        assert await server.call("XLEN", "stream") == ENTRIES
        assert not server.damage


async def test_a_first_start_that_was_killed_is_no_damage(tmp_path: Path) -> None:
    files = tmp_path / "redis" / "appendonlydir"
    files.mkdir(parents=True)
    (files / "appendonly.aof.1.base.aof").write_bytes(b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n")
    (files / "appendonly.aof.1.incr.aof").touch()
    (files / "temp-appendonly.aof.manifest").write_text("file appendonly.aof.1.base.aof seq 1 type b\n")
    async with started(tmp_path / "redis") as server:
        assert await server.call("PING") is True
        assert not server.health.troubles


async def test_data_damaged_while_it_runs_are_put_aside_when_it_ends(tmp_path: Path) -> None:
    folder = tmp_path / "redis"
    await fill(folder)
    async with started(folder) as server:
        port = server.redis.port
        _overwrite(_base(folder))
        server.process.kill()
        await server.until("SIGKILL")
        await server.until_well()
        assert await server.call("XLEN", "stream") == 0
        assert kept_aside(folder)
        assert server.redis.port == port


async def test_data_that_take_long_to_read_hold_up_no_start_and_are_put_aside_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blazon.embedded.redis._LOADING", 0.0)
    folder = tmp_path / "redis"
    await fill(folder)
    raw = _increment(folder).read_bytes()
    command = b"*5\r\n$4\r\nXADD\r\n$5\r\nother\r\n$1\r\n*\r\n$4\r\nname\r\n$1000\r\n%b\r\n" % (b"x" * 1000)
    _increment(folder).write_bytes(raw + command * 50_000 + b"\0" * 64 + command)
    async with started(folder) as server:
        assert not server.damage
        await server.until("exit code 1")
        await server.until_well()
        assert kept_aside(folder)


def test_the_newest_of_what_was_put_aside_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "redis"
    put = []
    for _ in range(5):
        folder.mkdir()
        (folder / "file").touch()
        put.append(put_aside(folder))
    assert kept_aside(folder) == put[-3:]


@pytest.mark.parametrize(
    ("path", "mode", "kept"),
    [
        ("appendonlydir/appendonly.aof.manifest", "000", False),
        ("appendonlydir/appendonly.aof.2.base.aof", "000", False),
        ("appendonlydir/appendonly.aof.2.incr.aof", "400", False),
        ("appendonlydir", "000", False),
        ("redis.log", "000", False),
        ("redis.lock", "000", False),
        ("", "000", False),
        ("", "500", True),  # all there is can be used
    ],
)
def test_data_that_may_not_be_used_are_put_aside(path: str, mode: str, kept: bool) -> None:
    # Not in a folder of pytest, which only its user may enter.
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "tests.embedded.unprivileged", f"{folder}/redis", path, mode]
        ended = subprocess.run(words, capture_output=True, text=True, check=True)
        assert ended.stdout.splitlines()[-1] == (f"{ENTRIES} 0" if kept else "0 1")
