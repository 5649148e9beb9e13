"""What happens to the embedded Redis and its files, seen from a whole Blazon: it stays up, says so, and fills the
streams again."""

import json
import os
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.cli.program import PASSWORD, Program, Up, up
from tests.servers import wait_for

STREAMS = ("mainflux.users", "mainflux.things", "mainflux.ca")


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def _health(blazon: Up) -> Any:
    with urllib.request.urlopen(f"{blazon.url}/health", timeout=10) as answer:
        return json.load(answer)


def _entries(port: int) -> dict[str, str]:
    found = {}
    for stream in STREAMS:
        command = ["redis-cli", "-p", str(port), "XRANGE", stream, "-", "+"]
        found[stream] = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return found


def _work(program: Program, blazon: Up, count: int) -> dict[str, str]:
    """Makes a few groups; what the streams hold when all of it is there."""
    program.ok("token", "--data-dir", blazon.data_dir, "--password", PASSWORD)
    for number in range(count):
        program.ok("groups", "create", f"group {number} of {blazon.process.pid}")
    last = f"group {count - 1} of {blazon.process.pid}"
    wait_for(lambda: last in _entries(blazon.redis_port)["mainflux.users"], "the last event in Redis")
    return _entries(blazon.redis_port)


def _begins_with(blazon: Up, before: dict[str, str]) -> bool:
    now = _entries(blazon.redis_port)
    return all(now[stream].startswith(before[stream].rstrip("\n")) for stream in STREAMS)


@pytest.mark.parametrize("first", ["/nonexistent", os.environ["PATH"]], ids=["from the wheel", "to the wheel"])
def test_another_server_takes_over_the_streams(program: Program, first: str) -> None:
    second = os.environ["PATH"] if first == "/nonexistent" else "/nonexistent"
    with up(program, program.home / "data", PATH=first) as blazon:
        (process,) = psutil.Process(blazon.process.pid).children()
        was = process.exe()
        before = _work(program, blazon, 2)
        assert blazon.end() == 0
    with up(program, program.home / "data", PATH=second) as blazon:
        (process,) = psutil.Process(blazon.process.pid).children()
        assert process.exe() != was
        wait_for(lambda: _begins_with(blazon, before), "what the streams had")
        assert _health(blazon)["status"] == "pass"
        _work(program, blazon, 1)


def test_damaged_data_are_put_aside_and_the_streams_filled_again(program: Program) -> None:
    with up(program, program.home / "data") as blazon:
        before = _work(program, blazon, 3)
        assert blazon.end() == 0
    increment = program.home / "data" / "redis" / "appendonlydir" / "appendonly.aof.1.incr.aof"
    raw = bytearray(increment.read_bytes())
    raw[len(raw) // 2 : len(raw) // 2 + 16] = b"x" * 16
    increment.write_bytes(raw)
    with up(program, program.home / "data") as blazon:
        (aside,) = (program.home / "data").glob("redis-damaged-*")
        assert (aside / "appendonlydir" / increment.name).read_bytes() == raw
        assert f"data is kept in {aside}" in blazon.output
        health = _health(blazon)
        assert health["status"] == "warn"
        assert str(aside) in health["checks"]["embedded-redis-data"][0]["output"]
        wait_for(lambda: _begins_with(blazon, before), "what the streams had")
        shutil.rmtree(aside)
        wait_for(lambda: _health(blazon)["status"] == "pass", "health without the folder")


def test_a_server_that_crashes_at_once_each_time_stops_nothing(program: Program) -> None:
    (program.home / "bin").mkdir()
    binary = program.home / "bin" / "redis-server"
    binary.write_text("#!/bin/sh\nkill -SEGV $$\n")
    binary.chmod(0o755)
    with up(program, program.home / "data", PATH=f"{binary.parent}:{os.environ['PATH']}") as blazon:
        assert "Trouble    embedded-redis: the embedded Redis does not start; " in blazon.output
        check = _health(blazon)["checks"]["embedded-redis"][0]
        assert check["status"] == "warn"
        assert "redis.log says why" in check["output"]
        program.ok("token", "--data-dir", blazon.data_dir, "--password", PASSWORD)
        program.ok("groups", "create", "while it was away")
        binary.unlink()
        wait_for(lambda: "while it was away" in _entries(blazon.redis_port)["mainflux.users"], "the event in Redis")
        assert _health(blazon)["status"] == "pass"


def test_one_that_ends_is_said_at_once(program: Program) -> None:
    with up(program, program.home / "data") as blazon:
        (process,) = psutil.Process(blazon.process.pid).children()
        process.kill()
        wait_for(lambda: "the embedded Redis ended (SIGKILL)" in blazon.output, "the line in the log", 2)
        wait_for(lambda: _health(blazon)["status"] == "pass", "the next one")
        assert '"event":"recovered"' in blazon.output
