"""Channels: made, seen, changed, disabled and enabled, and how they stand above each other (fact sheet §4.2)."""

import asyncio
import uuid
from typing import Any

import msgspec
import pytest

from tests.running import Person, Running, refused
from tests.things.support import NEVER, UNKNOWN, allow


async def test_a_channel_of_nothing_but_a_name(blazon: Running) -> None:
    answer = await blazon.call("POST", "/channels", {"name": "alone"})
    channel = answer.json
    assert answer.status == 201
    assert answer.headers["Location"] == f"/channels/{channel['id']}"
    assert channel == {
        "id": channel["id"],
        "owner_id": blazon.admin.id,
        "name": "alone",
        "created_at": channel["created_at"],
        "updated_at": NEVER,
        "status": "enabled",
    }
    assert str(uuid.UUID(channel["id"])) == channel["id"]
    view = await blazon.call("GET", f"/channels/{channel['id']}")
    assert (view.json, view.headers["ETag"]) == (channel, answer.headers["ETag"])


async def test_a_channel_with_everything(blazon: Running) -> None:
    owner, parent = await blazon.person(), await blazon.channel()
    body = {
        "id": "4e0f4e52-2f1c-4f0c-9f0a-1d5f5b7a7c11",
        "name": "all",
        "description": "two\nlines\tand a tab",
        "parent_id": parent["id"],
        "owner_id": owner.id,
        "metadata": {"b": {"c": [1, 2.5, None, True]}},
        "status": "disabled",
    }
    channel = await blazon.ok("POST", "/channels", {**body, "level": 3, "path": "x", "children": []})
    assert channel == {**body, "created_at": channel["created_at"], "updated_at": NEVER}
    assert await blazon.ok("GET", f"/channels/{body['id']}") == channel
    assert await blazon.ok("GET", f"/channels/{body['id']}", token=owner.token) == channel


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ({}, 400, "name is missing"),
        ({"name": ""}, 400, "name is missing"),
        ({"name": None}, 400, "name is missing"),
        ({"name": "x" * 1025}, 400, "1024"),
        ({"name": "a\tb"}, 400, "control character"),
        ({"name": "n", "description": "x" * 1025}, 400, "1024"),
        ({"name": "n", "description": "\u0007"}, 400, "control character"),
        ({"name": "n", "id": "no-uuid"}, 400, "UUID"),
        ({"name": "n", "id": "4E0F4E52-2F1C-4F0C-9F0A-1D5F5B7A7C11"}, 400, "lower case"),
        ({"name": "n", "metadata": [1]}, 400, "metadata"),
        ({"name": "n", "status": "all"}, 400, "status"),
        ({"name": "n", "parent_id": UNKNOWN}, 404, "the parent is not a channel"),
        ({"name": "n", "parent_id": "\u202e"}, 404, "the parent is not a channel"),
        ({"name": "n", "owner_id": "nobody"}, 404, "the owner is not a user"),
    ],
)
async def test_channels_that_cannot_be(blazon: Running, body: Any, status: int, reason: str) -> None:
    refused(await blazon.call("POST", "/channels", body), status, reason)
    assert (await blazon.ok("GET", "/channels?name=n&status=all"))["total"] == 0


async def test_a_name_is_taken_once_for_an_owner(blazon: Running) -> None:
    person, other = await blazon.person(), await blazon.person()
    channel = await blazon.channel(person, name="taken")
    refused(await blazon.call("POST", "/channels", {"name": "taken"}, token=person.token), 409, "of this name")
    refused(await blazon.call("POST", "/channels", {"name": "taken", "owner_id": person.id}), 409, "of this name")
    second = await blazon.channel(other, name="taken")
    renamed = await blazon.channel(person, name="free")
    body, path = {"name": "taken"}, f"/channels/{renamed['id']}"
    refused(await blazon.call("PUT", path, body, token=person.token), 409, "of this name")
    await blazon.ok("PUT", f"/channels/{second['id']}", body, token=other.token)
    await blazon.ok("POST", f"/channels/{channel['id']}/disable")
    refused(await blazon.call("POST", "/channels", {"name": "taken"}, token=person.token), 409, "of this name")
    await blazon.ok("POST", f"/channels/{channel['id']}/enable")
    await blazon.ok("PUT", f"/channels/{channel['id']}", {"name": "given up"})
    await blazon.ok("PUT", path, body, token=person.token)


async def test_names_and_ids_wanted_at_the_same_time_are_given_once(blazon: Running) -> None:
    for body in ({"name": "raced for"}, {"name": "n", "id": "4e0f4e52-2f1c-4f0c-9f0a-1d5f5b7a7c99"}):
        bodies = [body if "id" not in body else {**body, "name": f"n {number}"} for number in range(15)]
        answers = await asyncio.gather(*(blazon.call("POST", "/channels", body) for body in bodies))
        assert sorted(answer.status for answer in answers) == [201] + [409] * 14


async def test_a_channel_of_a_bulk_needs_no_name(blazon: Running) -> None:
    made = await blazon.ok("POST", "/channels/bulk", [{}, {"description": "no name either"}])
    assert [channel["name"] for channel in made["channels"]] == ["", ""]
    for channel in made["channels"]:
        assert await blazon.ok("GET", f"/channels/{channel['id']}") == channel
    assert (await blazon.ok("PUT", f"/channels/{made['channels'][0]['id']}", {"name": "now"}))["name"] == "now"


async def test_update(blazon: Running) -> None:
    parent = await blazon.channel()
    channel = await blazon.channel(parent_id=parent["id"], description="d", metadata={"a": 1})
    path = f"/channels/{channel['id']}"
    after = await blazon.ok("PUT", path, {"name": "after", "parent_id": "", "owner_id": UNKNOWN, "status": "disabled"})
    assert after == {**channel, "name": "after", "updated_at": after["updated_at"], "updated_by": blazon.admin.id}
    assert after["updated_at"] > after["created_at"]
    after = await blazon.ok("PUT", path, {"metadata": {"b": 2}, "description": "e"})
    assert (after["name"], after["metadata"], after["description"]) == ("after", {"b": 2}, "e")
    after = await blazon.ok("PUT", path, {"name": "", "description": "", "metadata": None})
    assert (after["name"], after["metadata"], after["description"]) == ("after", {"b": 2}, "e")
    after = await blazon.ok("PUT", path, {"metadata": {}})
    assert "metadata" not in after
    assert await blazon.ok("GET", path) == after
    refused(await blazon.call("PUT", path, {"name": "x" * 1025}), 400, "1024")
    for identifier in (UNKNOWN, "nobody", "x" * 300):
        refused(await blazon.call("PUT", f"/channels/{identifier}", {"name": "n"}), 404, "no channel")


async def test_enable_and_disable(blazon: Running) -> None:
    channel = await blazon.channel()
    path = f"/channels/{channel['id']}"
    refused(await blazon.call("POST", f"{path}/enable"), 409, "status already assigned")
    off = await blazon.ok("POST", f"{path}/disable")
    assert off["status"] == "disabled"
    refused(await blazon.call("POST", f"{path}/disable"), 409, "status already assigned")
    refused(await blazon.call("PUT", path, {"name": "n"}), 404, "disabled")
    assert await blazon.ok("GET", path) == off
    assert (await blazon.ok("POST", f"{path}/enable"))["status"] == "enabled"
    for verb in ("enable", "disable"):
        refused(await blazon.call("POST", f"/channels/{UNKNOWN}/{verb}"), 404, "no channel")
    refused(await blazon.call("DELETE", path), 405)


async def test_a_change_rests_on_what_was_read(blazon: Running) -> None:
    answer = await blazon.call("POST", "/channels", {"name": "etag"})
    path, first = f"/channels/{answer.json['id']}", answer.headers["ETag"]
    assert (await blazon.call("PUT", path, {"description": "d"}, headers={"If-Match": first})).status == 200
    refused(await blazon.call("PUT", path, {"description": "e"}, headers={"If-Match": first}), 412)
    refused(await blazon.call("POST", f"{path}/disable", headers={"If-Match": first}), 412)


async def test_lists(blazon: Running) -> None:
    owner, reader = await blazon.person(), await blazon.person()
    made = {
        name: await blazon.channel(owner, name=name, metadata={"n": name, "long": len(name) > 1})
        for name in ("a", "b", "cc")
    }
    await blazon.ok("POST", f"/channels/{made['b']['id']}/disable")
    await allow(blazon, reader, made["cc"], "g_list")

    async def seen(query: str, person: Person | None) -> list[str]:
        page = await blazon.ok("GET", f"/channels?{query}", token=person.token if person else None)
        assert set(page) == {"limit", "offset", "total", "channels"}
        return [channel["name"] for channel in page["channels"]]

    assert await seen("", owner) == ["a", "cc"]
    assert await seen("status=all", owner) == ["a", "b", "cc"]
    assert await seen("status=disabled", owner) == ["b"]
    assert await seen("name=a", owner) == ["a"]
    assert await seen("metadata=%7B%22long%22:true%7D", owner) == ["cc"]
    assert await seen("metadata=%7B%22long%22:false,%22n%22:%22a%22%7D", owner) == ["a"]
    assert await seen("limit=1&offset=1", owner) == ["cc"]
    assert await seen(f"owner_id={owner.id}", None) == ["a", "cc"]
    # C8: shared channels are listed, whoever's they are.
    assert await seen("", reader) == ["cc"]
    assert await seen(f"owner_id={owner.id}", reader) == ["cc"]
    assert await seen(f"owner_id={reader.id}", reader) == []
    page = await blazon.ok("GET", "/channels?limit=1&offset=5", token=owner.token)
    assert page == {"limit": 1, "offset": 5, "total": 2, "channels": []}


class Tree(msgspec.Struct, frozen=True):
    """
    root ── a ── aa ── aaa
         └─ b
    """

    owner: Person
    channels: dict[str, Any]

    def id(self, name: str) -> str:
        return str(self.channels[name]["id"])

    def path(self, *names: str) -> str:
        return ".".join(self.id(name) for name in names)


@pytest.fixture(scope="module")
async def tree(blazon: Running) -> Tree:
    made = Tree(await blazon.person("owner"), {})
    for name, parent in (("root", ""), ("a", "root"), ("b", "root"), ("aa", "a"), ("aaa", "aa")):
        above = {"parent_id": made.id(parent)} if parent else {}
        made.channels[name] = await blazon.channel(made.owner, name=name, **above)
    return made


async def walked(blazon: Running, tree: Tree, path: str) -> dict[str, tuple[int, str]]:
    """The channels of an answer with their levels and paths; both are left out when 0 or empty."""
    page = await blazon.ok("GET", path, token=tree.owner.token)
    assert page["total"] == len(page["channels"])
    return {channel["name"]: (channel.get("level", 0), channel.get("path", "")) for channel in page["channels"]}


async def test_down(blazon: Running, tree: Tree) -> None:
    expected = {
        "root": (0, tree.path("root")),
        "a": (1, tree.path("root", "a")),
        "b": (1, tree.path("root", "b")),
        "aa": (2, tree.path("root", "a", "aa")),
        "aaa": (3, tree.path("root", "a", "aa", "aaa")),
    }
    root = tree.id("root")
    for path in (f"/channels/{root}/children", f"/channels?parent_id={root}", f"/channels?parent_id={root}&dir=-1"):
        assert await walked(blazon, tree, path) == expected


async def test_up(blazon: Running, tree: Tree) -> None:
    expected = {"aaa": (0, ""), "aa": (-1, ""), "a": (-2, ""), "root": (-3, "")}
    lowest = tree.id("aaa")
    for path in (
        f"/channels/{lowest}/parents",
        f"/channels?parent_id={lowest}&dir=0",
        f"/channels?parent_id={lowest}&dir=1",
    ):
        assert await walked(blazon, tree, path) == expected


async def test_levels(blazon: Running, tree: Tree) -> None:
    for level, expected in ((1, "root a b"), (2, "root a b aa"), (3, "root a b aa aaa"), (0, "root a b aa aaa")):
        found = await walked(blazon, tree, f"/channels/{tree.id('root')}/children?level={level}")
        assert set(found) == set(expected.split())
    page = await blazon.ok("GET", f"/channels/{tree.id('root')}/children?level=2", token=tree.owner.token)
    assert page["level"] == 2
    for query in ("level=6", "level=-1", "dir=2", "dir=x", "tree=maybe"):
        refused(await blazon.call("GET", f"/channels/{tree.id('root')}/children?{query}"), 400, query[:3])


async def test_as_a_tree(blazon: Running, tree: Tree) -> None:
    def names(channels: list[Any]) -> Any:
        return {channel["name"]: names(channel.get("children", [])) for channel in channels}

    page = await blazon.ok("GET", f"/channels/{tree.id('root')}/children?tree=true", token=tree.owner.token)
    assert names(page["channels"]) == {"root": {"a": {"aa": {"aaa": {}}}, "b": {}}}
    page = await blazon.ok("GET", "/channels?tree=true", token=tree.owner.token)
    assert names(page["channels"]) == {"root": {"a": {"aa": {"aaa": {}}}, "b": {}}}


async def test_a_walk_shows_what_one_may_see(blazon: Running, tree: Tree) -> None:
    reader = await blazon.person()
    for name in ("root", "aa"):
        await allow(blazon, reader, tree.channels[name], "g_list")
    page = await blazon.ok("GET", f"/channels/{tree.id('root')}/children", token=reader.token)
    assert [channel["name"] for channel in page["channels"]] == ["root", "aa"]
    hidden = await blazon.call("GET", f"/channels/{tree.id('a')}/children", token=reader.token)
    unknown = await blazon.call("GET", f"/channels/{UNKNOWN}/children", token=reader.token)
    refused(hidden, 404)
    assert hidden.body == unknown.body


async def test_a_parent_must_be_seen(blazon: Running, tree: Tree) -> None:
    stranger, reader = await blazon.person(), await blazon.person()
    await allow(blazon, reader, tree.channels["b"], "g_list")
    for path, wrap in (("/channels", False), ("/channels/bulk", True)):
        answers = []
        for parent in (tree.id("b"), UNKNOWN):
            body: Any = {"name": "below", "parent_id": parent}
            answers.append(await blazon.call("POST", path, [body] if wrap else body, token=stranger.token))
        refused(answers[0], 404, "parent")
        assert answers[0].body == answers[1].body
    assert (await blazon.channel(reader, parent_id=tree.id("b")))["parent_id"] == tree.id("b")


async def test_how_deep_channels_go(blazon: Running) -> None:
    ids = [str(uuid.UUID(int=number, version=4)) for number in range(100, 167)]
    rows = [{"id": ids[0]}, *({"id": ids[at], "parent_id": ids[at - 1]} for at in range(1, 67))]
    refused(await blazon.call("POST", "/channels/bulk", rows), 422, "channels[65]: channels are nested at most 64 deep")
    await blazon.ok("POST", "/channels/bulk", rows[:65])
    refused(await blazon.call("POST", "/channels", {**rows[65], "name": "one too many"}), 422, "64")
    assert (await blazon.ok("GET", f"/channels/{ids[64]}/parents"))["total"] == 65


async def test_groups_and_channels_are_two_things(blazon: Running) -> None:
    channel, group = await blazon.channel(), await blazon.group()
    refused(await blazon.call("GET", f"/groups/{channel['id']}"), 404)
    refused(await blazon.call("GET", f"/channels/{group['id']}"), 404)
    refused(await blazon.call("POST", "/channels", {"name": "n", "parent_id": group["id"]}), 404)
    thing = await blazon.thing()
    body = {"subject": thing["id"], "object": group["id"], "actions": ["g_list"]}
    refused(await blazon.call("POST", "/policies", body), 404)  # the object is a group, and no thing is in groups
    refused(await blazon.call("POST", "/connect", {"subjects": [thing["id"]], "objects": [group["id"]]}), 404)
    person = await blazon.person()
    body = {"subject": person.id, "object": channel["id"], "actions": ["g_list"]}
    refused(await blazon.call("POST", "/users/policies", body), 404)
