"""Users, groups and rights from the command line: every command, by id and by name, for people and as JSON."""

from typing import Any

import pytest

from blazon.cli.client import Api, ApiError
from tests.cli.program import Program, Up


@pytest.fixture
def program(running: Up) -> Program:
    """The command, signed in as the admin."""
    return running.program


def test_a_user_from_beginning_to_end(program: Program) -> None:
    made = program.ok(
        "users", "create", "jo@example.com", "--password", "12345678", "--name", "Jo", "--tag", "a", "--json"
    )
    assert made.json["credentials"] == {"identity": "jo@example.com"}
    identifier = made.json["id"]
    assert program.ok("users", "show", "jo@example.com", "--json").json["id"] == identifier
    assert "name        Jo\n" in program.ok("users", "show", identifier).out
    changed = program.ok(
        *("users", "update", "jo@example.com", "--name", "Joanna", "--tag", "b", "--tag", "c"),
        *("--identity", "joanna@example.com", "--metadata", '{"site":"lab"}', "--json"),
    ).json
    assert changed["name"] == "Joanna"
    assert changed["tags"] == ["b", "c"]
    assert changed["metadata"] == {"site": "lab"}
    assert changed["credentials"]["identity"] == "joanna@example.com"
    assert program.ok("users", "disable", "joanna@example.com", "--json").json["status"] == "disabled"
    assert "joanna" not in program.ok("users", "list").out
    assert "joanna" in program.ok("users", "list", "--status", "disabled").out
    assert program.ok("users", "enable", identifier, "--json").json["status"] == "enabled"


def test_a_list_in_a_pipe_is_tabs(program: Program) -> None:
    (line,) = program.ok("users", "list", "--identity", "admin@example.com").lines
    identifier, *rest = line.split("\t")
    assert rest == ["admin@example.com", "admin", "enabled", "admin"]
    page = program.ok("users", "list", "--identity", "admin@example.com", "--json").json
    assert page["total"] == 1
    assert page["users"][0]["id"] == identifier


def test_an_admin_makes_an_admin(program: Program) -> None:
    made = program.ok("users", "create", "root@example.com", "--password", "12345678", "--admin", "--json").json
    assert made["role"] == "admin"


def test_groups_and_rights_by_name(program: Program) -> None:
    program.ok("users", "create", "kim@example.com", "--password", "12345678")
    program.ok("groups", "create", "site", "--description", "all of it", "--metadata", '{"a":1}')
    floor = program.ok("groups", "create", "floor", "--parent", "site", "--json").json
    assert [line.split("\t")[1] for line in program.ok("groups", "list", "--below", "site").lines] == [
        "site",
        "  floor",
    ]
    assert program.ok("groups", "show", floor["id"], "--json").json["parent_id"] == floor["parent_id"]
    changed = program.ok("groups", "update", "floor", "--name", "floor 1", "--description", "the first", "--json").json
    assert (changed["name"], changed["description"]) == ("floor 1", "the first")

    asked = ("groups", "may", "site", "kim@example.com", "g_list")
    no = program.run(*asked)
    assert (no.code, no.out) == (1, "no: the subject may not g_list this group\n")
    program.ok("groups", "allow", "site", "kim@example.com", "g_list", "c_list")
    assert program.ok(*asked).out == "yes\n"
    assert program.ok(*asked, "--json").json["allowed"] is True
    assert "g_list, c_list" in program.ok("groups", "rights", "site").out
    assert "kim@example.com" in program.ok("groups", "members", "site").out
    assert "site" in program.ok("users", "groups", "kim@example.com").out
    assert program.ok("groups", "deny", "site", "kim@example.com", "--json").json["actions"] == []
    assert program.run(*asked, "--json").json["allowed"] is False

    assert program.ok("groups", "disable", "site", "--json").json["status"] == "disabled"
    assert program.ok("groups", "enable", "site", "--json").json["status"] == "enabled"


def test_a_name_two_groups_have_must_be_an_id(program: Program, running: Up) -> None:
    program.ok("users", "create", "lee@example.com", "--password", "12345678")
    first = program.ok("groups", "create", "twice", "--json").json["id"]
    other = Program(program.home / "lee")
    other.home.mkdir()
    other.ok("token", "--url", running.url, "--email", "lee@example.com", "--password", "12345678")
    second = other.ok("groups", "create", "twice", "--json").json["id"]
    ended = program.run("groups", "show", "twice")
    assert ended.code == 1
    assert first in ended.err
    assert second in ended.err


def test_a_page_is_a_part_of_the_list(program: Program) -> None:
    for number in range(3):
        program.ok("groups", "create", f"page {number}")
    page = program.ok("groups", "list", "--limit", "2", "--offset", "1", "--json").json
    assert (page["limit"], page["offset"], len(page["groups"])) == (2, 1, 2)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["users", "create", "admin@example.com", "--password", "12345678"], "there is a user with this identity"),
        (["users", "create", "nobody", "--password", "12345678"], "must be an e-mail address"),
        (["users", "create", "a@example.com", "--password", "short"], "password does not meet the requirements"),
        (["users", "show", "none@example.com"], "there is no user none@example.com"),
        (["users", "show", "00000000-0000-0000-0000-000000000000"], "there is no user with this id"),
        (["groups", "show", "no such group"], "there is no group 'no such group'"),
        (["users", "password", "--old", "wrong", "--new", "12345678"], "old_secret is not the current password"),
    ],
    ids=lambda value: " ".join(value[:3]) if isinstance(value, list) else "",
)
def test_what_the_server_refuses_is_one_line_and_code_1(program: Program, words: list[str], says: str) -> None:
    ended = program.run(*words)
    assert ended.code == 1
    assert says in ended.err
    assert ended.err.startswith("blazon: ")
    assert ended.err.count("\n") == 1
    assert ended.out == ""


def test_a_password_that_cannot_be_asked_for_must_be_given(program: Program) -> None:
    for words in (["users", "create", "x@example.com"], ["users", "password"], ["users", "password", "--old", "x"]):
        ended = program.run(*words)
        assert ended.code == 2
        assert "there is no terminal to ask on" in ended.err


def test_a_password_is_changed(program: Program) -> None:
    program.ok("users", "create", "max@example.com", "--password", "12345678")
    other = Program(program.home / "max")
    other.home.mkdir()
    signed = ("--data-dir", program.home / "data", "--email", "max@example.com")
    other.ok("token", *signed, "--password", "12345678")
    assert other.ok("users", "password", "--old", "12345678", "--new", "87654321").out == "The password is changed.\n"
    other.ok("users", "show", "me")  # this sign-in made the change and stays
    assert other.run("token", *signed, "--password", "12345678").code == 1
    other.ok("token", *signed, "--password", "87654321")


class Twins(Api):
    """A server with two users of one identity, as an older Blazon let them in."""

    def call(self, method: str, path: str, body: Any = None, query: Any = None, once: str = "") -> Any:
        assert (method, path, query["identity"].lower()) == ("GET", "/users", "jo@example.com")
        written = {"first": "jo@Example.com", "second": "jo@eXample.com"}
        return {"users": [{"id": key, "credentials": {"identity": value}} for key, value in written.items()]}


def test_a_user_is_named_by_its_own_spelling_where_several_have_the_identity() -> None:
    api = Twins("http://127.0.0.1:1")
    assert api.user_id("jo@Example.com") == "first"
    assert api.user_id("jo@eXample.com") == "second"
    with pytest.raises(ApiError, match=r"there are 2 users 'jo@EXAMPLE.com' in other spellings.*first, second"):
        api.user_id("jo@EXAMPLE.com")
