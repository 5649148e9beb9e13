"""`blazon events`: the last, those since a time, those of a type, those to come, one in full, and never a secret."""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cli.program import COMMAND, PASSWORD, Program, Up, up
from tests.servers import PostgresServer, wait_for


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a Blazon that made a user and three groups and ended."""
    program = Program(tmp_path_factory.mktemp("stopped"))
    with up(program, program.home / "data") as blazon:
        program.ok("token", "--data-dir", blazon.data_dir, "--password", PASSWORD)
        program.ok("users", "create", "jo@example.com", "--password", "12345678", "--name", "v1.0 \u202e\u200b\u00a0x")
        for number in (1, 2, 3):
            program.ok("groups", "create", f"group {number}", "--description", "two\nlines")
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


def _types(program: Program, *words: str | Path) -> list[str]:
    return [line.split()[3] for line in program.ok("events", "tail", *words).lines]


def test_the_last_ones_one_a_line(program: Program, stopped: Path) -> None:
    assert _types(program, "--data-dir", stopped) == [
        "user.create",
        "user.issue_token",
        "user.create",
        "group.create",
        "group.create",
        "group.create",
    ]
    assert _types(program, "--data-dir", stopped, "-n", "2") == ["group.create"] * 2
    assert _types(program, "--data-dir", stopped, "-n", "0") == []


def test_types_by_name_and_by_pattern(program: Program, stopped: Path) -> None:
    assert _types(program, "--data-dir", stopped, "--type", "user.*", "-n", "2") == ["user.issue_token", "user.create"]
    both = ("--type", "user.create", "--type", "group.*")
    assert _types(program, "--data-dir", stopped, *both, "-n", "4") == ["user.create", *["group.create"] * 3]


def test_a_type_there_is_none_of_is_code_2(program: Program, stopped: Path) -> None:
    ended = program.run("events", "tail", "--data-dir", stopped, "--type", "group.crate")
    assert ended.code == 2
    assert "there is no event type 'group.crate'; did you mean group.create?" in ended.err
    assert "`blazon events types` lists them all" in program.run("events", "tail", "--type", "zzz").err


def test_since_a_span_or_a_time(program: Program, stopped: Path) -> None:
    assert len(_types(program, "--data-dir", stopped, "--since", "1h")) == 6
    assert _types(program, "--data-dir", stopped, "--since", "2100-01-01T00:00:00Z") == []
    described = [program.ok("events", "tail", "--data-dir", stopped, "--json").lines[3]]
    time = re.findall(r'"time": "([^"]+)"', described[0])[0]
    at = datetime.fromisoformat(time).astimezone(UTC).isoformat()
    assert len(_types(program, "--data-dir", stopped, "--since", at)) == 3
    local = datetime.fromisoformat(time).astimezone(UTC).replace(tzinfo=None).isoformat()
    assert len(program.ok("events", "tail", "--data-dir", stopped, "--since", local, TZ="UTC").lines) == 3
    for wrong in ("yesterday", "12", "-5m", "99999999999999d", "", "2026-W05-6", "20260131T120000Z"):
        ended = program.run("events", "tail", "--data-dir", stopped, "--since", wrong)
        assert ended.code == (0 if wrong == "12" else 2), wrong


def test_json_is_one_object_a_line(program: Program, stopped: Path) -> None:
    import json

    records = [json.loads(line) for line in program.ok("events", "tail", "--data-dir", stopped, "--json").lines]
    assert [record["sequence"] for record in records] == [1, 2, 3, 4, 5, 6]
    assert records[3]["fields"]["operation"] == "group.create"
    assert records[3]["fields"]["description"] == "two\nlines"
    assert set(records[0]) == {
        *("sequence", "id", "service", "type", "kind", "subject", "actor", "time", "traceparent", "fields"),
    }


def test_a_line_stays_a_line_and_cannot_steer_a_terminal(program: Program, stopped: Path) -> None:
    ended = program.ok("events", "tail", "--data-dir", stopped)
    assert len(ended.lines) == 6
    assert r"description=two\nlines" in ended.out
    assert "\u202e" not in ended.out


def test_new_ones_are_shown_at_once_and_ctrl_c_is_quiet(running: Up) -> None:
    program = running.program
    output = program.home / "followed"
    words = ["events", "tail", "-n", "0", "--follow", "--type", "group.create", "--data-dir", running.data_dir]
    following = program.start(words, {}, output)
    program.ok("groups", "create", "first")
    # It may have begun behind the first one: a second one shows that it follows.
    wait_for(lambda: bool(following.poll() is None and _seen(program, output)), "an event", 10)
    program.ok("groups", "create", "the next one")
    wait_for(lambda: "the next one" in output.read_text(), "the next event", 1)
    following.send_signal(signal.SIGINT)
    assert following.wait(10) == 130
    assert "Traceback" not in output.read_text()
    assert "Aborted" not in output.read_text()


def _seen(program: Program, output: Path) -> bool:
    if output.read_text():
        return True
    program.ok("groups", "create", f"again {os.urandom(4).hex()}")
    return False


def test_following_waits_for_a_database_that_went_away(program: Program) -> None:
    server = PostgresServer()
    try:
        url = server.new_database()
        with up(program, program.home / "data", "--database-url", url) as blazon:
            program.ok("token", "--data-dir", blazon.data_dir, "--password", PASSWORD)
            place = ("--database-url", url)
            output = program.home / "followed"
            following = program.start(["events", "tail", "--follow", *place], {}, output)
            wait_for(lambda: "user.issue_token" in output.read_text(), "an event")
            server.kill()
            wait_for(lambda: "the database is away" in output.read_text(), "the notice")
            server.start()
            wait_for(lambda: program.run("groups", "create", "after it").code == 0, "a group")
            wait_for(lambda: "after it" in output.read_text(), "the event")
            following.kill()
            following.wait()
            assert program.ok("log", "status", *place, "--json").json["facts"] >= 3
            assert program.ok("log", "verify", *place, "--json").json["whole"] is True
            assert "Every table equals the log." in program.ok("history", "rebuild", "--verify", *place).out
    finally:
        server.remove()


@pytest.mark.parametrize("words", ["events tail --data-dir data", "events types --json", "settings", "events tail -f"])
def test_a_closed_pipe_is_quiet(program: Program, data: Path, words: str) -> None:
    # `true` reads nothing and is gone long before the command writes.
    script = f"{COMMAND} {words} --data-dir data | true; echo ${{PIPESTATUS[0]}}"
    ended = subprocess.run(
        ["bash", "-c", script.replace("types --json --data-dir data", "types --json")],
        env=program.environment,
        cwd=data.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stderr == ""
    assert ended.stdout == "141\n"


def test_one_in_full_by_id_by_number_and_by_stream_entry(program: Program, stopped: Path) -> None:
    place = ("--data-dir", stopped)
    described = program.ok("events", "show", "4", *place, "--json").json
    assert described["data"]["name"] == "group 1"
    assert described["kind"] == "fact"
    assert len(described["hash"]) == 64
    assert program.ok("events", "show", described["id"], *place, "--json").json == described
    assert program.ok("events", "show", "1795177555708-4", *place, "--json").json == described
    assert "type         group.create\n" in program.ok("events", "show", "4", *place).out


def test_one_that_is_not_there(program: Program, stopped: Path) -> None:
    missing = program.run("events", "show", "99", "--data-dir", stopped)
    assert missing.code == 1
    assert "there is no event 99 in this log" in missing.err
    wrong = program.run("events", "show", "nonsense", "--data-dir", stopped)
    assert wrong.code == 2
    assert "is neither a sequence number" in wrong.err


def test_secrets_are_not_shown(program: Program, stopped: Path) -> None:
    made = program.ok("events", "show", "3", "--data-dir", stopped, "--json")
    assert made.json["data"]["secret"] == "(sealed)"
    # A name that only looks like one stays.
    assert made.json["data"]["name"].startswith("v1.0")
    everything = made.out + program.ok("events", "tail", "--data-dir", stopped, "--json").out
    assert "argon2" not in everything
    assert not re.search(r"v1\.[A-Za-z0-9_-]{30,}", everything)


def test_every_type_is_listed(program: Program) -> None:
    from blazon.app import catalogue

    listed = program.ok("events", "types", "--json").json
    assert len(listed) == len(list(catalogue()))
    assert {"service": "users", "type": "policies.authorize", "kind": "observation"} in listed
    assert "users\tuser.create\tfact" in program.ok("events", "types").lines


@pytest.mark.parametrize("words", [["events", "tail"], ["log", "verify"], ["history", "rebuild"]], ids="-".join)
def test_a_folder_without_a_log_is_named(program: Program, words: list[str]) -> None:
    ended = program.run(*words, "--data-dir", "nowhere")
    assert ended.code == 1
    assert ended.err.startswith("blazon: there is no database at nowhere/blazon.db; is --data-dir right?")
    assert not (program.home / "nowhere").exists()


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        (
            "INSERT INTO schema_version VALUES ('users', 99, 'later', '', 0)",
            "written by a newer Blazon (it has migration",
        ),
        ("INSERT INTO schema_version VALUES ('robots', 1, 'x', '', 0)", "it has tables of robots, which this one does"),
        ("DELETE FROM schema_version WHERE owner = 'users'", "of an older Blazon, or was never started"),
        ("DROP TABLE schema_version", "there is no log in this database"),
    ],
    ids=["newer", "more rooms", "older", "none"],
)
def test_a_database_of_another_version_is_named(program: Program, data: Path, sql: str, says: str) -> None:
    _change(data, sql)
    for words in (["events", "tail"], ["events", "show", "1"], ["history", "rebuild", "--verify"]):
        ended = program.run(*words, "--data-dir", data)
        assert ended.code == 1
        assert says in ended.err


def test_what_is_no_database_is_named(program: Program, data: Path) -> None:
    for name in ("blazon.db-wal", "blazon.db-shm"):
        (data / name).unlink(missing_ok=True)
    (data / "blazon.db").write_text("this is a text, and not a database, however long it may be" * 100)
    ended = program.run("events", "tail", "--data-dir", data)
    assert ended.code == 1
    assert "SQLite: " in ended.err


def test_data_that_cannot_be_read_names_the_event(program: Program, data: Path) -> None:
    _change(data, "UPDATE events SET data = '{' WHERE sequence = 5")
    ended = program.run("events", "tail", "--data-dir", data)
    assert ended.code == 1
    assert len(ended.lines) == 4
    assert "the data of event 5 cannot be read; `blazon log verify` names the first bad position" in ended.err
