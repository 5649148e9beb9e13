"""A database that is gone is refused beside the key of one that was in use; a first start that was killed goes on.

What was stored is never begun anew without a word: who starts over by mistake would find out by the devices that fail.
"""

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.program import PASSWORD, Program, up
from tests.servers import PostgresServer

QUIET = {"BLAZON_REDIS_EMBEDDED": "no", "BLAZON_HTTP_LISTEN": "127.0.0.1:0"}


def _fill(program: Program, data: Path, url: str = "") -> None:
    with up(program, data, BLAZON_DATABASE_URL=url, **QUIET) as blazon:
        program.ok("token", "--data-dir", data, "--password", PASSWORD)
        program.ok("groups", "create", "kept")
        blazon.end(signal.SIGKILL)  # so that the write-ahead log is still there


def _empty(data: Path) -> None:
    """As a full disk or a wrong redirection leaves it; the write-ahead log is still there."""
    assert (data / "blazon.db-wal").stat().st_size
    (data / "blazon.db").write_bytes(b"")


def _lose_the_file(data: Path) -> None:
    (data / "blazon.db").unlink()


def _lose_everything(data: Path) -> None:
    for file in data.glob("blazon.db*"):
        file.unlink()


def _lose_the_write_ahead_log(data: Path) -> None:
    (data / "blazon.db-wal").unlink()
    (data / "blazon.db-shm").unlink()


LOSSES: dict[str, Callable[[Path], None]] = {
    "the file is missing": _lose_the_file,
    "the file and its log are missing": _lose_everything,
    "the file is empty": _empty,
    "the log is missing": _lose_the_write_ahead_log,
}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_lost_database_is_refused_until_it_is_back(program: Program, loss: str) -> None:
    data = program.home / "data"
    _fill(program, data)
    shutil.copytree(data, program.home / "copy")
    LOSSES[loss](data)
    before = {path.name: path.read_bytes() for path in data.glob("blazon.db*")}
    for _ in range(2):
        ended = program.run("up", "--data-dir", data, **QUIET)
        assert ended.code == 1
        assert ended.err.count("\n") == 1
        assert f"{data}/master.key is the key of a database that was in use" in ended.err
        assert "restore it from a copy" in ended.err
        if loss != "the log is missing":
            # What is left is what may yet be saved.
            assert {path.name: path.read_bytes() for path in data.glob("blazon.db*")} == before
    for path in (program.home / "copy").glob("blazon.db*"):
        shutil.copy(path, data)
    with up(program, data, **QUIET):
        program.ok("token", "--data-dir", data, "--password", PASSWORD)
        assert "kept" in program.ok("groups", "list").out


def test_who_wants_to_begin_anew_moves_the_key_away(program: Program) -> None:
    data = program.home / "data"
    _fill(program, data)
    _lose_everything(data)
    ended = program.run("up", "--data-dir", data, **QUIET)
    assert f"To begin anew without anything it held, move {data}/master.key out of the data folder" in ended.err
    (data / "master.key").rename(program.home / "old.key")
    with up(program, data, **QUIET):
        program.ok("token", "--data-dir", data, "--password", PASSWORD)
        assert "kept" not in program.ok("groups", "list").out


def test_a_file_elsewhere_is_looked_after_as_well(program: Program) -> None:
    data, url = program.home / "data", f"sqlite://{program.home}/else.db"
    _fill(program, data, url)
    (program.home / "else.db").unlink()
    ended = program.run("up", "--data-dir", data, "--database-url", url, **QUIET)
    assert f"{program.home}/else.db is not there, but {data}/master.key is the key of a database" in ended.err
    assert not (program.home / "else.db").exists()


def test_an_empty_postgresql_beside_a_key_is_refused_and_stays_empty(
    program: Program, postgres: PostgresServer
) -> None:
    data, url = program.home / "data", postgres.new_database()
    _fill(program, data, url)
    empty = postgres.new_database()
    ended = program.run("up", "--data-dir", data, "--database-url", empty, **QUIET)
    assert ended.code == 1
    assert f"the database is empty, but {data}/master.key is the key of a database that was in use" in ended.err
    # pg_restore finds nothing in its way.
    tables = ["psql", empty, "-Atc", "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"]
    assert subprocess.run(tables, capture_output=True, text=True, check=True).stdout == "0\n"
    with up(program, data, BLAZON_DATABASE_URL=url, **QUIET):
        program.ok("token", "--data-dir", data, "--password", PASSWORD)
        assert "kept" in program.ok("groups", "list").out
    (data / "master.key").rename(program.home / "old.key")
    with up(program, data, BLAZON_DATABASE_URL=empty, **QUIET):
        pass


# Each place in the first start up to its first record.
DEATHS = {
    "before the tables are made": "blazon.app.migrate",
    "before the key is opened": "blazon.app.open_sealer",
    "before the key is made": "blazon.storage.sealing._make_key_file",
    "after the key is made": "blazon.storage.sealing._read_key_file",
    "before the database knows its key": "blazon.storage.sealing.check_master_key",
    "after the database knows its key": "blazon.app.make_log",
}


@pytest.mark.parametrize("server", ["sqlite", "postgresql"])
@pytest.mark.parametrize("place", DEATHS)
def test_a_first_start_that_was_killed_starts_again(
    program: Program, place: str, server: str, request: pytest.FixtureRequest
) -> None:
    url = "" if server == "sqlite" else request.getfixturevalue("postgres").new_database()
    source = (
        "import importlib, os, signal, sys\n"
        "from blazon.cli.main import main\n"
        f"module, _, name = {DEATHS[place]!r}.rpartition('.')\n"
        "setattr(importlib.import_module(module), name, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))\n"
        "sys.argv = ['blazon', 'up', '--data-dir', 'data']\n"
        "main()\n"
    )
    environment = program.environment | QUIET | {"BLAZON_DATABASE_URL": url}
    ended = subprocess.run([sys.executable, "-c", source], env=environment, cwd=program.home, check=False)
    assert ended.returncode == -signal.SIGKILL
    with up(program, program.home / "data", BLAZON_DATABASE_URL=url, **QUIET):
        program.ok("token", "--data-dir", "data", "--password", PASSWORD)


def test_a_key_in_the_settings_needs_no_file(program: Program) -> None:
    """Nobody can tell then whether the database was in use."""
    key = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
    for _ in range(2):
        with up(program, program.home / "data", BLAZON_SECRETS_MASTER_KEY=key, **QUIET):
            assert not (program.home / "data" / "master.key").exists()
        _lose_everything(program.home / "data")
