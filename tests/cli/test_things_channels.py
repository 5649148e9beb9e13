"""Things, channels and connections from the command line: every command, by id and by name, for people and as JSON."""

import pytest

from tests.cli.program import Program, Up


@pytest.fixture
def program(running: Up) -> Program:
    """The command, signed in as the admin."""
    return running.program


def test_a_thing_from_beginning_to_end(program: Program) -> None:
    made = program.ok(
        *("things", "create", "pump", "--tag", "a", "--identity", "SN-1", "--metadata", '{"site":"lab"}'),
        *("--id", "5b7d0b3e-6f3c-4f5e-9a55-0a8d6d1d3c1e", "--key", "a key of mine", "--json"),
    ).json
    assert made["id"] == "5b7d0b3e-6f3c-4f5e-9a55-0a8d6d1d3c1e"
    assert made["credentials"] == {"identity": "SN-1", "secret": "a key of mine"}
    shown = program.ok("things", "show", "pump").out
    assert "\nsecret      a key of mine\n" in shown
    changed = program.ok("things", "update", "pump", "--name", "pump 1", "--tag", "b", "--tag", "c", "--json").json
    assert (changed["name"], changed["tags"], changed["metadata"]) == ("pump 1", ["b", "c"], {"site": "lab"})
    assert "tags" not in program.ok("things", "update", "pump 1", "--no-tags", "--json").json
    assert program.ok("things", "disable", "pump 1", "--json").json["status"] == "disabled"
    assert "pump 1" not in program.ok("things", "list").out
    assert program.ok("things", "list", "--status", "disabled", "--name", "pump 1").lines[0].split("\t")[1] == "pump 1"
    assert program.ok("things", "enable", made["id"], "--json").json["status"] == "enabled"


def test_things_are_listed_by_tag_owner_and_visibility(program: Program) -> None:
    owner = program.ok("users", "create", "kai@example.com", "--password", "12345678", "--json").json["id"]
    program.ok("things", "create", "of kai", "--owner", "kai@example.com", "--tag", "listed")
    program.ok("things", "create", "of admin", "--tag", "listed")
    names = {line.split("\t")[1] for line in program.ok("things", "list", "--tag", "listed").lines}
    assert names == {"of kai", "of admin"}
    page = program.ok("things", "list", "--owner", "kai@example.com", "--json").json
    assert [(thing["name"], thing["owner"]) for thing in page["things"]] == [("of kai", owner)]
    mine = program.ok("things", "list", "--tag", "listed", "--visibility", "mine").lines
    assert [line.split("\t")[1] for line in mine] == ["of admin"]


def test_a_key_is_shown_set_and_renewed(program: Program) -> None:
    identifier = program.ok("things", "create", "lock", "--key", "first key", "--json").json["id"]
    assert program.ok("things", "key", "lock").out == "first key\n"
    assert program.ok("things", "identify", "first key").out == f"{identifier}\n"
    assert program.ok("things", "key", "lock", "--set", "second key", "--json").json == {
        "id": identifier,
        "key": "second key",
    }
    assert program.run("things", "identify", "first key").code == 1
    assert program.run("things", "key", "lock", "--set", "-", stdin="third key\n").out == "third key\n"
    assert program.run("things", "identify", "-", "--json", stdin="third key\n").json == {"id": identifier}
    renewed = program.ok("things", "key", "lock", "--renew").out.strip()
    assert len(renewed) == 36
    assert program.ok("things", "identify", renewed).out == f"{identifier}\n"
    assert program.ok("things", "key", "lock").out == f"{renewed}\n"


def test_a_thing_is_given_away(program: Program) -> None:
    owner = program.ok("users", "create", "uma@example.com", "--password", "12345678", "--json").json["id"]
    program.ok("things", "create", "gift")
    assert program.ok("things", "owner", "gift", "uma@example.com", "--json").json["owner"] == owner
    assert program.ok("things", "may", "gift", "uma@example.com", "c_update").out == "yes: the subject owns the thing\n"


def test_channels_and_their_hierarchy(program: Program) -> None:
    plant = program.ok("channels", "create", "plant", "--description", "all", "--json").json["id"]
    hall = program.ok("channels", "create", "hall", "--parent", "plant", "--metadata", '{"a":1}', "--json").json["id"]
    line = program.ok("channels", "create", "line", "--parent", hall, "--json").json["id"]
    office = program.ok("channels", "create", "office", "--parent", plant, "--json").json["id"]

    def shown(*words: str) -> list[str]:
        return [row.split("\t")[1] for row in program.ok("channels", *words).lines]

    assert shown("children", "plant") == ["plant", "  hall", "  office", "    line"]
    assert shown("parents", "line") == ["plant", "hall", "line"]
    assert shown("list", "--below", "hall") == ["hall", "  line"]
    program.ok("channels", "disable", "office")
    assert program.ok("channels", "tree", "plant").lines == [
        f"plant  {plant}",
        f"├── hall  {hall}",
        f"│   └── line  {line}",
        f"└── office  {office}  (disabled)",
    ]
    (root,) = program.ok("channels", "tree", "plant", "--json").json
    assert [child["name"] for child in root["children"]] == ["hall", "office"]
    assert f"│   └── line  {line}" in program.ok("channels", "tree").lines
    assert program.ok("channels", "enable", office, "--json").json["status"] == "enabled"
    changed = program.ok("channels", "update", "office", "--name", "desk", "--description", "d", "--json").json
    assert (changed["name"], changed["description"]) == ("desk", "d")
    assert program.ok("channels", "show", "desk", "--json").json["parent_id"] == plant


def test_groups_have_a_tree_as_well(program: Program) -> None:
    top = program.ok("groups", "create", "company", "--json").json["id"]
    team = program.ok("groups", "create", "team", "--parent", "company", "--json").json["id"]
    assert program.ok("groups", "tree", "company").lines == [f"company  {top}", f"└── team  {team}"]
    assert [line.split("\t")[1] for line in program.ok("groups", "parents", "team").lines] == ["company", "team"]


def test_things_are_connected_asked_about_and_disconnected(program: Program) -> None:
    for name in ("in", "out"):
        program.ok("channels", "create", name)
    things = {name: program.ok("things", "create", name, "--json").json["id"] for name in ("one", "two")}
    made = program.ok("connect", "one", "two", "--channel", "in", "-c", "out", "--json").json
    assert made["total"] == 4
    assert program.ok("things", "explain", "one", "in", "m_write").out == (
        "yes: a policy gives the thing m_write on the channel\n"
    )
    assert program.ok("connect", "one", "-c", "in", "--action", "m_read").out == "one may m_read on in.\n"
    no = program.run("things", "explain", "one", "in", "m_write")
    assert (no.code, no.out) == (1, "no: the thing's policy on the channel allows m_read, not m_write\n")
    assert {line.split("\t")[1] for line in program.ok("things", "channels", "one").lines} == {"in", "out"}
    assert {line.split("\t")[1] for line in program.ok("channels", "things", "in").lines} == {"one", "two"}
    assert f"{things['one']}\tm_read" in program.ok("channels", "rights", "in").lines
    assert {line.split("\t")[1] for line in program.ok("things", "rights", "one").lines} == {
        "m_read",
        "m_write, m_read",
    }

    assert program.ok("disconnect", "one", "two", "-c", "in").out == "one, two may do nothing on in any more.\n"
    asked = program.run("things", "explain", "one", "in", "m_read", "--json")
    assert (asked.code, asked.json["allowed"]) == (1, False)
    assert asked.json["reason"] == "the thing has no policy on the channel"
    assert program.ok("things", "explain", "one", "out", "m_read", "--json").json["allowed"] is True
    program.ok("things", "disable", "one")
    assert program.run("things", "explain", "one", "out", "m_read").out == "no: the thing is disabled\n"


def test_users_share_a_channel(program: Program) -> None:
    program.ok("channels", "create", "shared")
    program.ok("things", "create", "shared thing")
    program.ok("connect", "shared thing", "-c", "shared")
    program.ok("users", "create", "pat@example.com", "--password", "12345678")
    program.ok("users", "create", "sam@example.com", "--password", "12345678")
    asked = ("channels", "may", "shared", "pat@example.com", "g_list")
    no = program.run(*asked)
    assert (no.code, no.out) == (1, "no: the subject has no policy on the channel\n")
    allowed = program.ok("channels", "allow", "shared", "pat@example.com", "c_list")
    assert allowed.out == "pat@example.com may c_list on shared.\n"
    assert program.ok(*asked).out == "yes: a policy gives the subject g_list on the channel\n"
    assert program.ok("things", "may", "shared thing", "pat@example.com", "c_list", "--json").json["allowed"] is True
    assert program.run("things", "may", "shared thing", "pat@example.com", "c_update").code == 1
    program.ok("channels", "deny", "shared", "pat@example.com")
    assert program.run(*asked).code == 1
    program.ok("connect", "sam@example.com", "--external", "-c", "shared", "--action", "g_list")
    assert program.ok("channels", "may", "shared", "sam@example.com", "g_list").code == 0
    program.ok("disconnect", "sam@example.com", "--external", "-c", "shared", "--json")
    assert program.run("channels", "may", "shared", "sam@example.com", "g_list").code == 1


def test_a_key_one_may_not_know_is_not_printed(program: Program, running: Up) -> None:
    program.ok("channels", "create", "seen")
    identifier = program.ok("things", "create", "seen thing", "--json").json["id"]
    program.ok("connect", "seen thing", "-c", "seen")
    program.ok("users", "create", "eve@example.com", "--password", "12345678")
    program.ok("channels", "allow", "seen", "eve@example.com", "c_list")
    eve = Program(program.home / "eve")
    eve.home.mkdir()
    eve.ok("token", "--url", running.url, "--email", "eve@example.com", "--password", "12345678")
    assert eve.ok("things", "show", "seen thing", "--json").json["credentials"] == {}
    ended = eve.run("things", "key", identifier)
    assert (ended.code, ended.out) == (1, "")
    assert "not its key" in ended.err


def test_a_name_many_things_have_must_be_an_id(program: Program) -> None:
    ids = [program.ok("things", "create", "twin", "--json").json["id"] for _ in range(2)]
    ended = program.run("things", "show", "twin")
    assert ended.code == 1
    assert all(identifier in ended.err for identifier in ids)
    assert program.ok("things", "show", ids[0].upper(), "--json").json["id"] == ids[0]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["things", "show", "none such"], 1, "there is no thing 'none such', or none you may see; blazon things list"),
        (["things", "show", ""], 2, "the name of a thing is empty; `blazon things list` shows names and ids"),
        (["channels", "show", "none such"], 1, "blazon channels list shows those you may"),
        (["things", "create", "x", "--id", "not-a-uuid"], 1, "id must be a UUID in lower case"),
        (["things", "create", "x", "--key", " x"], 1, "the secret begins or ends with space"),
        (["things", "create", "x", "--owner", "none@example.com"], 1, "there is no user none@example.com"),
        (["things", "update", "x"], 2, "say what to change: --name, --tag, --no-tags or --metadata"),
        (["things", "update", "x", "--tag", "a", "--no-tags"], 2, "give --tag or --no-tags, not both"),
        (["things", "key", "x", "--set", "a", "--renew"], 2, "give --set or --renew, not both"),
        (["things", "identify", "no such key"], 1, "no enabled thing has this key"),
        (["things", "identify", "ключ"], 2, "cannot stand in a header"),
        (["connect", "x"], 2, "missing option '--channel'"),
        (["connect", "-c", "x"], 2, "missing argument 'THING...'"),
        (["connect", "none such", "-c", "x"], 1, "there is no thing 'none such'"),
        (["disconnect", "x", "-c", ""], 1, "there is no thing 'x'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_wrong_is_said_with_the_mend(program: Program, words: list[str], code: int, says: str) -> None:
    ended = program.run(*words)
    assert (ended.code, ended.out) == (code, "")
    assert says in ended.err
    assert ended.err.startswith("blazon: ")


def test_a_pair_twice_is_refused_and_nothing_is_connected(program: Program) -> None:
    program.ok("channels", "create", "once")
    program.ok("things", "create", "only")
    ended = program.run("connect", "only", "only", "-c", "once")
    assert ended.code == 1
    assert "is there twice" in ended.err
    assert program.ok("channels", "things", "once").out == ""
