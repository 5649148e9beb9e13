"""`blazon log` and `blazon history`: what is whole is said to be whole, and the first thing that is not is named."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.cli.program import PASSWORD, Program, Up, up


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a Blazon that made three groups and ended."""
    program = Program(tmp_path_factory.mktemp("stopped"))
    with up(program, program.home / "data") as blazon:
        program.ok("token", "--data-dir", blazon.data_dir, "--password", PASSWORD)
        for number in (1, 2, 3):
            program.ok("groups", "create", f"group {number}")
        assert blazon.end() == 0
    return program.home / "data"


@pytest.fixture
def data(stopped: Path, tmp_path: Path) -> Path:
    """A copy of it, to break."""
    return shutil.copytree(stopped, tmp_path / "data")


def _change(data: Path, sql: str) -> None:
    with sqlite3.connect(data / "blazon.db") as database:
        database.executescript(sql)
    database.close()


def test_status_beside_a_running_blazon(running: Up) -> None:
    program = running.program
    found = program.ok("log", "status", "--data-dir", running.data_dir, "--json").json
    assert found["sequence"] == found["facts"] + found["observations"]
    assert {follower["name"] for follower in found["followers"]} >= {"password-reset-mail"}
    shown = program.ok("log", "status", "--data-dir", running.data_dir).out
    assert f"sequence      {found['sequence']}\n" in shown


def test_status_of_an_ended_one_has_no_lag(program: Program, stopped: Path) -> None:
    found = program.ok("log", "status", "--data-dir", stopped, "--json").json
    assert found["facts"] == 5
    assert found["last_event"].endswith("Z")
    (redis,) = [follower for follower in found["followers"] if follower["name"] == "relay.redis"]
    assert set(redis) == {"name", "position", "lag", "moved_at"}


def test_a_whole_log(program: Program, stopped: Path) -> None:
    found = program.ok("log", "verify", "--data-dir", stopped, "--json").json
    assert found["whole"] is True
    assert found["facts"] == 5
    out = program.ok("log", "verify", "--data-dir", stopped).out
    assert out.startswith("The log is whole: 5 facts and 0 observations up to 5")
    assert found["hash"] in out


@pytest.mark.parametrize(
    ("sql", "position"),
    [
        ("UPDATE events SET data = replace(data, 'group 2', 'group 9') WHERE sequence = 4", 4),
        ("DELETE FROM events WHERE sequence = 3", 3),
        ("DELETE FROM events WHERE sequence = 5", 5),
        ("UPDATE events SET actor = 'somebody else' WHERE sequence = 1", 1),
    ],
    ids=["changed", "removed", "cut off", "first"],
)
def test_a_damaged_log_names_the_first_bad_position(program: Program, data: Path, sql: str, position: int) -> None:
    _change(data, sql)
    ended = program.run("log", "verify", "--data-dir", data)
    assert ended.code == 1
    assert ended.out.startswith(f"The log is damaged at position {position}: ")
    described = program.run("log", "verify", "--data-dir", data, "--json")
    assert described.code == 1
    assert (described.json["whole"], described.json["position"]) == (False, position)


def test_tables_that_equal_the_log(running: Up) -> None:
    program = running.program
    out = program.ok("history", "rebuild", "--verify", "--data-dir", running.data_dir).out
    assert out.endswith("Every table equals the log.\n")
    described = program.ok("history", "rebuild", "--verify", "--data-dir", running.data_dir, "--json").json
    assert described["differs"] is None
    assert described["events"] >= 2


def test_a_table_that_differs_is_named_and_made_anew(program: Program, data: Path) -> None:
    _change(data, "UPDATE groups SET name = 'slipped in' WHERE name = 'group 2'")
    ended = program.run("history", "rebuild", "--verify", "--data-dir", data)
    assert ended.code == 1
    assert "The live tables differ from the log. First in groups " in ended.out
    assert "name differs: live 'slipped in', from the log 'group 2'" in ended.out
    described = program.run("history", "rebuild", "--verify", "--data-dir", data, "--json")
    assert described.code == 1
    assert "slipped in" in described.json["differs"]
    assert "The tables are made anew." in program.ok("history", "rebuild", "--data-dir", data).out
    assert "Every table equals the log." in program.ok("history", "rebuild", "--verify", "--data-dir", data).out


def test_a_password_that_was_changed_behind_our_back_is_named_and_not_shown(program: Program, data: Path) -> None:
    _change(data, "UPDATE users SET secret = 'v1.forged'")
    ended = program.run("history", "rebuild", "--verify", "--data-dir", data)
    assert ended.code == 1
    assert "secret differs" in ended.out
    assert "v1." not in ended.out


def test_a_rebuild_in_place_asks_that_blazon_be_stopped(running: Up) -> None:
    ended = running.program.run("history", "rebuild", "--data-dir", running.data_dir)
    assert ended.code == 1
    assert f"another Blazon is using {running.data_dir}: stop it" in ended.err
