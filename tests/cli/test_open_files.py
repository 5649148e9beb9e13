"""The limit of open files: it is raised as far as it may be, and connections that are refused for it are said."""

import contextlib
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from tests.cli import program as program_module
from tests.cli.program import COMMAND, PASSWORD, Program, Up, up
from tests.servers import wait_for

FILES = 300
ROOM = FILES - FILES // 2
"""Connections a process with so few files takes."""


def _limit(program: Program, monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    """Has the command started under other limits."""
    wrapper = program.home / "limited"
    wrapper.write_text(f'#!/bin/sh\n{words}\nexec {COMMAND} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setattr(program_module, "COMMAND", str(wrapper))


@contextlib.contextmanager
def _idle(blazon: Up, count: int) -> Iterator[list[socket.socket]]:
    """So many connections that ask for nothing."""
    host, _, port = blazon.url.removeprefix("http://").rpartition(":")
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection((host, int(port)), timeout=10)) for _ in range(count)]


def _get(blazon: Up, path: str) -> str:
    with urllib.request.urlopen(blazon.url + path, timeout=10) as answer:
        return str(answer.read().decode())


def _refused(blazon: Up) -> float:
    (line,) = [line for line in _get(blazon, "/metrics").splitlines() if line.startswith("blazon_http_connections_ref")]
    return float(line.split()[1])


def _checks(blazon: Up) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_get(blazon, "/health")).get("checks", {})
    return found


def test_the_soft_limit_is_raised_to_the_hard_one(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    _limit(program, monkeypatch, "ulimit -Sn 128")
    with up(program, program.home / "data", BLAZON_REDIS_EMBEDDED="no") as blazon:
        soft, hard = psutil.Process(blazon.process.pid).rlimit(psutil.RLIMIT_NOFILE)
        assert soft == hard > 1000
        with _idle(blazon, 500):
            assert _checks(blazon) == {}


def test_connections_that_are_refused_for_it_are_counted_and_said(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    _limit(program, monkeypatch, f"ulimit -n {FILES}")
    with up(program, program.home / "data") as blazon:
        assert _refused(blazon) == 0
        with _idle(blazon, ROOM) as kept, _idle(blazon, 40) as refused:
            for connection in refused:
                assert connection.recv(12) == b"HTTP/1.1 503"
            wait_for(
                lambda: f"new connections are refused while {ROOM} are open" in blazon.output, "the line in the log"
            )
            assert f"the limit of {FILES} open files" in blazon.output
            # Those that were there are served, and the database and Redis have the files they need.
            kept[0].sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = kept[0].recv(65536)
            assert answer.startswith(b"HTTP/1.1 200")
            assert b'"connections":[{"status":"warn"' in answer
        wait_for(lambda: _answers(blazon), "room for another")
        assert _refused(blazon) >= 40
        # One line, however many were refused.
        assert blazon.output.count("new connections are refused") == 1
        program.ok("token", "--data-dir", blazon.data_dir, "--password", PASSWORD)


def _answers(blazon: Up) -> bool:
    try:
        return bool(_get(blazon, "/health"))
    except (OSError, urllib.error.URLError):
        return False
