"""Importing things and channels from files: what is right is made once, what is not is reported with its line."""

import csv
import json
import os
import stat
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.cli.program import PASSWORD, Program, Up, up
from tests.cli.test_terminal import Terminal
from tests.servers import wait_for


@pytest.fixture
def program(running: Up) -> Program:
    """The command, signed in as the admin."""
    return running.program


def _file(program: Program, name: str, lines: Iterable[str]) -> Path:
    path = program.home / name
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def _count(program: Program, *words: str) -> int:
    page = program.ok("things", "list", "--status", "all", "--limit", "1", "--json", *words).json
    return int(page["total"])


def test_of_ten_thousand_rows_one_is_broken(program: Program) -> None:
    rows = [f"row {number},many" for number in range(10_000)]
    rows[7776] = "row 7776,many;" + "x" * 255
    path = _file(program, "many.csv", ["name,tags", *rows])
    dry = program.run("things", "import", path, "--dry-run", "--json")
    reason = "a tag is longer than 254 bytes"
    assert (dry.code, dry.json) == (
        1,
        {"rows": 10_000, "good": 9_999, "refused": [{"line": 7778, "reason": reason}]},
    )
    assert _count(program, "--tag", "many") == 0
    ended = program.run("things", "import", path)
    assert (ended.code, ended.out) == (1, "9,999 of 10,000 rows are things now.\n")
    assert ended.err == f"line 7778: {reason}\n"
    assert _count(program, "--tag", "many") == 9_999


def test_a_row_only_the_server_can_refuse_is_found_in_its_batch(program: Program) -> None:
    program.ok("things", "create", "first", "--key", "taken")
    path = _file(
        program,
        "server.csv",
        ["name,secret,tags,owner", *(f"n{number},{'taken' if number == 3 else ''},served," for number in range(20))],
    )
    with open(path, "a") as file:
        file.write("n20,,served,00000000-0000-0000-0000-000000000000\nn21,,served,nobody@example.com\n")
    ended = program.run("things", "import", path)
    assert (ended.code, ended.out) == (1, "19 of 22 rows are things now.\n")
    assert ended.err.splitlines() == [
        "line 5: there is a thing with this key",
        "line 22: the owner is not a user",
        "line 23: there is no user nobody@example.com, or none you may see; blazon users list shows those you may",
    ]
    assert _count(program, "--tag", "served") == 19


def test_a_file_of_nothing_but_broken_rows(program: Program) -> None:
    path = _file(program, "broken.csv", ["name,secret", *(f"b{number},taken twice" for number in range(30))])
    program.ok("things", "create", "holder", "--key", "taken twice")
    report = program.home / "broken-report.csv"
    ended = program.run("things", "import", path, "--report", report)
    assert (ended.code, ended.out) == (1, "0 of 30 rows are things now.\n")
    assert ended.err.splitlines()[-1] == f"and 10 more; {report} has all of them"
    with open(report, newline="") as file:
        found = list(csv.DictReader(file))
    assert found[0] == {"line": "2", "reason": "there is a thing with this key"}
    assert found[1] == {"line": "3", "reason": "it has the key of line 2"}
    assert [int(row["line"]) for row in found] == list(range(2, 32))


def test_the_same_import_again_makes_nothing_twice(program: Program) -> None:
    rows = [*(f"again {number},again," for number in range(50)), "again 7,again,", "again x,again,no@example.com"]
    path = _file(program, "again.csv", ["name,tags,owner", *rows])
    keys = program.home / "keys.csv"
    first = program.run("things", "import", path, "--out", keys)
    assert (first.code, first.out) == (1, "51 of 52 rows are things now.\n")
    second = program.run("things", "import", path, "--out", program.home / "again-keys.csv")
    assert (second.out, second.err) == (first.out, first.err)
    assert _count(program, "--tag", "again") == 51
    assert keys.read_text() == (program.home / "again-keys.csv").read_text()

    # The refused row is mended, and stands in another place: only it is made.
    _file(program, "again.csv", ["name,tags,owner", "again x,again,admin@example.com", *rows[:-1]])
    third = program.ok("things", "import", path)
    assert (third.out, third.err) == ("52 of 52 rows are things now.\n", "")
    assert _count(program, "--tag", "again") == 52

    program.ok("things", "import", path, "--lot", "second delivery")
    assert _count(program, "--tag", "again") == 104


def test_keys_are_written_for_their_owner_only(program: Program) -> None:
    path = _file(program, "keyed.csv", ["name,secret", "made up,", "own,my own key", '"a, b",'])
    keys = program.home / "keyed-keys.csv"
    program.ok("things", "import", path, "--out", keys)
    assert stat.S_IMODE(os.stat(keys).st_mode) == 0o600
    with open(keys, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["line"], row["name"]) for row in rows] == [("2", "made up"), ("3", "own"), ("4", "a, b")]
    assert rows[1]["key"] == "my own key"
    for row in rows:
        assert program.ok("things", "identify", row["key"]).out == f"{row['id']}\n"
    ended = program.run("things", "import", path, "--out", keys)
    assert ended.code == 1
    assert "is there already, and may hold keys; name another file" in ended.err


def test_what_a_row_says_is_what_is_made(program: Program) -> None:
    identifier = "c0ffee00-0000-4000-8000-000000000001"
    path = _file(
        program,
        "whole.csv",
        [
            "ID;Name;identity;Secret;tags;owner;metadata;status",
            f'{identifier};a thing;SN-9;whole key;"x; y";admin@example.com;"{{""site"":{{""a"":[1,2]}}}}";disabled',
        ],
    )
    program.ok("things", "import", path)
    thing = program.ok("things", "show", identifier, "--json").json
    assert thing["name"] == "a thing"
    assert thing["credentials"] == {"identity": "SN-9", "secret": "whole key"}
    assert thing["tags"] == ["x", "y"]
    assert thing["metadata"] == {"site": {"a": [1, 2]}}
    assert thing["status"] == "disabled"
    changed = path.read_text().replace("a thing", "another")
    path.write_text(changed)
    ended = program.run("things", "import", path)
    assert (ended.code, ended.err) == (1, "line 2: there is a thing with this id, and its name is another\n")


def test_json_lines_as_a_list_shows_them(program: Program, running: Up, tmp_path: Path) -> None:
    program.ok("things", "create", "exported", "--tag", "exported", "--metadata", '{"n":1}', "--identity", "SN-3")
    things = program.ok("things", "list", "--tag", "exported", "--json").json["things"]
    other = Program(tmp_path)
    with up(other, other.home / "data") as started:
        other.ok("token", "--data-dir", started.data_dir, "--password", PASSWORD)
        for thing in things:
            thing.pop("owner")  # a user of the other server
        lines = "".join(f"{json.dumps(thing)}\n\n" for thing in things)
        ended = other.run("things", "import", "-", stdin=lines)
        assert (ended.code, ended.out) == (0, "1 of 1 row is a thing now.\n")
        found = other.ok("things", "show", things[0]["id"], "--json").json
    assert {name: found[name] for name in ("id", "name", "tags", "metadata")} == {
        name: things[0][name] for name in ("id", "name", "tags", "metadata")
    }


def test_rows_are_put_on_channels(program: Program) -> None:
    for name in ("up", "down"):
        program.ok("channels", "create", name)
    path = _file(program, "on.csv", ["name,channels", "both,up; down", "upper,up", "none,", "lost,nowhere"])
    dry = program.run("things", "import", path, "--dry-run")
    assert (dry.code, dry.out) == (1, "3 of 4 rows can be made things; nothing was made.\n")
    assert dry.err.startswith("line 5: there is no channel 'nowhere'")
    for _ in range(2):
        ended = program.run("things", "import", path)
        assert (ended.code, ended.out) == (1, "3 of 4 rows are things now.\n")
        assert {line.split("\t")[1] for line in program.ok("channels", "things", "up").lines} == {"both", "upper"}
        assert {line.split("\t")[1] for line in program.ok("channels", "things", "down").lines} == {"both"}
        program.ok("disconnect", "both", "-c", "up")  # and the next import puts it on again


def test_a_thing_that_cannot_be_connected_is_told(program: Program, running: Up) -> None:
    channel = program.ok("channels", "create", "closed", "--json").json["id"]
    program.ok("users", "create", "may@example.com", "--password", "12345678")
    program.ok("channels", "allow", "closed", "may@example.com", "g_list")
    other = Program(program.home / "may")
    other.home.mkdir()
    other.ok("token", "--url", running.url, "--email", "may@example.com", "--password", "12345678")
    ended = other.run("things", "import", "-", stdin=f"name,channels\na,{channel}\nb,\n")
    assert (ended.code, ended.out) == (1, "1 of 2 rows is a thing now.\n")
    assert ended.err.startswith("line 2: the thing is made, and not connected: ")


def test_channels_with_parents_in_any_order(program: Program) -> None:
    program.ok("channels", "create", "root")
    lines = [
        *("name,parent,description,owner,metadata", "leaf,branch,,,", 'branch,root,b,admin@example.com,"{""a"":1}"'),
        *("ring,gnir,,,", "gnir,ring,,,", "alone,no such,,,", "below,alone,,,"),
    ]
    ended = program.run("channels", "import", _file(program, "channels.csv", lines))
    assert (ended.code, ended.out) == (1, "2 of 6 rows are channels now.\n")
    assert ended.err.splitlines() == [
        "line 4: it stands below itself, or more than 64 deep",
        "line 5: it stands below itself, or more than 64 deep",
        "line 6: there is no channel 'no such', or none you may see; blazon channels list shows those you may",
        "line 7: it stands below line 6, which is refused",
    ]
    (root,) = program.ok("channels", "tree", "root", "--json").json
    (branch,) = root["children"]
    assert (branch["description"], branch["metadata"]) == ("b", {"a": 1})
    assert [leaf["name"] for leaf in branch["children"]] == ["leaf"]
    again = program.run("channels", "import", program.home / "channels.csv", "--json")
    assert again.json["imported"] == 2
    same_name = program.run("channels", "import", "-", stdin='{"name":"leaf","description":"another"}\n')
    assert same_name.err == "line 1: its owner has a channel of this name\n"


def test_a_batch_larger_than_the_server_reads_is_halved(tmp_path: Path) -> None:
    program = Program(tmp_path)
    with up(program, program.home / "data", "--http-body-bytes", "20000") as started:
        program.ok("token", "--data-dir", started.data_dir, "--password", PASSWORD)
        lines = [json.dumps({"name": f"n{number}", "metadata": {"pad": "x" * 1000}}) for number in range(100)]
        lines[50] = json.dumps({"name": "huge", "metadata": {"pad": "x" * 30_000}})
        ended = program.run("things", "import", "-", stdin="\n".join(lines))
        assert (ended.code, ended.out) == (1, "99 of 100 rows are things now.\n")
        assert ended.err.startswith("line 51: the body is ")
        assert _count(program) == 99


def test_an_import_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    program = Program(tmp_path)
    with up(program, program.home / "data") as started:
        program.ok("token", "--data-dir", started.data_dir, "--password", PASSWORD)
        path = _file(program, "killed.csv", ["name", *(f"k{number % 9000}" for number in range(20_000))])
        keys = program.home / "keys.csv"
        importing = program.start(["things", "import", path, "--out", keys], {}, program.home / "out")
        wait_for(lambda: keys.exists() and keys.stat().st_size > 200_000, "some batches")
        importing.kill()
        importing.wait()
        made = _count(program)
        assert 1000 <= made < 20_000
        assert program.ok("things", "import", path).out == "20,000 of 20,000 rows are things now.\n"
        assert _count(program) == 20_000


def test_a_server_that_is_killed_and_comes_back_is_waited_for(tmp_path: Path) -> None:
    program = Program(tmp_path)
    data = program.home / "data"
    with up(program, data) as started:
        program.ok("token", "--data-dir", data, "--password", PASSWORD)
        address = started.url.removeprefix("http://")
        path = _file(program, "away.csv", ["name", *(f"a{number}" for number in range(20_000))])
        keys = program.home / "keys.csv"
        importing = program.start(["things", "import", path, "--out", keys], {}, program.home / "out")
        wait_for(lambda: keys.exists() and keys.stat().st_size > 200_000, "some batches")
        started.process.kill()
        started.process.wait()
        assert importing.poll() is None
    with up(program, data, BLAZON_HTTP_LISTEN=address):
        assert importing.wait(60) == 0
        assert (program.home / "out").read_text() == "20,000 of 20,000 rows are things now.\n"
        assert _count(program) == 20_000


def test_a_server_that_stays_away_is_told_with_what_was_done(program: Program) -> None:
    ended = program.run("things", "import", "-", "--url", "http://127.0.0.1:1", stdin="name\nx\n", BLAZON_TOKEN="x")
    assert ended.code == 1
    assert "cannot reach http://127.0.0.1:1" in ended.err
    assert ended.out == ""


def test_progress_is_a_bar_on_a_terminal(program: Program) -> None:
    path = _file(program, "bar.csv", ["name,tags", *(f"bar {number},bar" for number in range(20_000))])
    terminal = Terminal(program, ["things", "import", path])
    terminal.until(r"Importing [█░]{30} +\d+\.\d%  \d+ s left", 30)
    assert terminal.end() == 0
    assert terminal.lines[-1].endswith("20,000 of 20,000 rows are things now.")


def test_what_is_wrong_with_a_file_is_said_before_anything_is_made(program: Program) -> None:
    for words, stdin, says in (
        (["things", "import", "-"], "", "standard input is empty"),
        (["things", "import", "-"], "\n\n", "has no header"),
        (["things", "import", "-"], "name,nmae\n", "'nmae' in line 1 is not a column; did you mean 'name'?"),
        (["things", "import", "-"], "sensor-1,a\n", "the first line must name the columns. There are: id, name"),
        (["things", "import", "-"], "name,name\n", "the column 'name' is there twice"),
        (["things", "import", "-"], '[{"name":"x"}]', "is one JSON array; write one object a line"),
        (["channels", "import", "-"], "name,tags\n", "'tags' in line 1 is not a column"),
        (["things", "import", "/nowhere.csv"], "", "'/nowhere.csv' does not exist"),
        (["things", "import", "-", "--dry-run", "--out", "k.csv"], "name\n", "leave one of them out"),
        (["things", "import", "-", "--report", "/nowhere/r.csv"], "name\n", "cannot use /nowhere/r.csv"),
    ):
        ended = program.run(*words, stdin=stdin)
        assert ended.code in (1, 2)
        assert ended.out == ""
        assert says in ended.err, ended
    nothing = program.run("things", "import", "-", stdin="name\n")
    assert (nothing.code, nothing.out) == (0, "0 of 0 rows are things now.\n")
