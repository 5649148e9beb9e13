"""A start waits for its database as long as it was told to, and says so.

What does not pass by itself it does not wait for.
"""

import signal
from collections.abc import Iterator
from typing import Self

import pytest

from tests.cli.program import PASSWORD, Program
from tests.servers import PostgresServer, wait_for

QUIET = {"BLAZON_REDIS_EMBEDDED": "no", "BLAZON_HTTP_LISTEN": "127.0.0.1:0", "BLAZON_ADMIN_PASSWORD": PASSWORD}
WAITS = '"event":"waiting for the database"'


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A PostgreSQL server of one's own, to stop and start."""
    started = PostgresServer()
    yield started
    started.remove()


class _Start:
    """A start that waits."""

    def __init__(self, program: Program, url: str, wait: str) -> None:
        self._log = program.home / "out"
        self.process = program.start(["up", "--data-dir", "data", "--database-wait", wait], _with(url), self._log)
        wait_for(lambda: WAITS in self.output or self.process.poll() is not None, "the start")

    @property
    def output(self) -> str:
        return self._log.read_text()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def _with(url: str) -> dict[str, str]:
    return QUIET | {"BLAZON_DATABASE_URL": url}


def test_it_comes_up_when_the_database_does(program: Program, server: PostgresServer) -> None:
    url = server.new_database()
    server.kill()
    with _Start(program, url, "60s") as start:
        assert "cannot open the PostgreSQL database" in start.output
        assert start.process.poll() is None
        server.start()
        wait_for(lambda: "Blazon is up" in start.output, "blazon up")


def test_it_ends_when_the_time_is_over(program: Program) -> None:
    url = "postgresql://nobody@127.0.0.1:1/x"
    with _Start(program, url, "2s") as start:
        assert start.process.wait(30) == 1
        assert start.output.splitlines()[-1].startswith("blazon: cannot open the PostgreSQL database")
        # At 0, 0.5 and 1.5 seconds; the one at 2 seconds is the last.
        assert start.output.count(WAITS) == 3


def test_it_can_be_stopped_meanwhile(program: Program) -> None:
    with _Start(program, "postgresql://nobody@127.0.0.1:1/x", "10m") as start:
        start.process.send_signal(signal.SIGTERM)
        assert start.process.wait(5) == 0


def test_a_database_that_does_not_exist_is_not_waited_for(program: Program, server: PostgresServer) -> None:
    url = server.new_database() + "_which_is_not_there"
    with _Start(program, url, "10m") as start:
        assert start.process.wait(30) == 1
        assert "does not exist" in start.output
        assert WAITS not in start.output


def test_a_wrong_password_is_not_waited_for(program: Program, server: PostgresServer) -> None:
    url = server.new_database()
    server.kill()
    (server.folder / "data" / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
    server.start()
    with _Start(program, url.replace("app@", "app:wrong@"), "10m") as start:
        assert start.process.wait(30) == 1
        assert "password authentication failed" in start.output
        assert WAITS not in start.output
