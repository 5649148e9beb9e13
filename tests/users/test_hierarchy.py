"""Groups in groups: walks up and down, levels, paths, trees, and how deep they go (fact sheet §3.2)."""

from typing import Any

import pytest

from tests.running import Person, Running, refused
from tests.users.support import allow


class Tree:
    """
    root ── a ── aa ── aaa
         └─ b
    """

    def __init__(self, owner: Person, groups: dict[str, Any]) -> None:
        self.owner = owner
        self.groups = groups

    def id(self, name: str) -> str:
        return str(self.groups[name]["id"])

    def path(self, *names: str) -> str:
        return ".".join(self.id(name) for name in names)


@pytest.fixture(scope="module")
async def tree(blazon: Running) -> Tree:
    made = Tree(await blazon.person("owner"), {})
    for name, parent in (("root", ""), ("a", "root"), ("b", "root"), ("aa", "a"), ("aaa", "aa")):
        above = {"parent_id": made.id(parent)} if parent else {}
        made.groups[name] = await blazon.group(made.owner, name=name, metadata={"big": len(name) > 1}, **above)
    return made


async def walked(blazon: Running, tree: Tree, path: str, person: Person | None = None) -> dict[str, tuple[int, str]]:
    """The groups of an answer with their levels and paths; both are left out when 0 or empty."""
    page = await blazon.ok("GET", path, token=(person or tree.owner).token)
    assert page["total"] == len(page["groups"])
    for group in page["groups"]:
        assert group.get("level") != 0
        assert group.get("path") != ""
    return {group["name"]: (group.get("level", 0), group.get("path", "")) for group in page["groups"]}


async def test_down(blazon: Running, tree: Tree) -> None:
    expected = {
        "root": (0, tree.path("root")),
        "a": (1, tree.path("root", "a")),
        "b": (1, tree.path("root", "b")),
        "aa": (2, tree.path("root", "a", "aa")),
        "aaa": (3, tree.path("root", "a", "aa", "aaa")),
    }
    assert await walked(blazon, tree, f"/groups/{tree.id('root')}/children") == expected
    assert await walked(blazon, tree, f"/groups/{tree.id('root')}/children?dir=1") == expected
    assert await walked(blazon, tree, f"/groups?parent_id={tree.id('root')}") == expected
    assert await walked(blazon, tree, f"/groups?parent_id={tree.id('root')}&dir=-1") == expected
    assert await walked(blazon, tree, f"/groups/{tree.id('b')}/children") == {"b": (0, tree.path("b"))}


async def test_up(blazon: Running, tree: Tree) -> None:
    expected = {"aaa": (0, ""), "aa": (-1, ""), "a": (-2, ""), "root": (-3, "")}
    assert await walked(blazon, tree, f"/groups/{tree.id('aaa')}/parents") == expected
    assert await walked(blazon, tree, f"/groups?parent_id={tree.id('aaa')}&dir=0") == expected
    assert await walked(blazon, tree, f"/groups?parent_id={tree.id('aaa')}&dir=1") == expected
    assert await walked(blazon, tree, f"/groups/{tree.id('root')}/parents") == {"root": (0, "")}


async def test_levels(blazon: Running, tree: Tree) -> None:
    for level, expected in ((1, "root a b"), (2, "root a b aa"), (3, "root a b aa aaa"), (5, "root a b aa aaa")):
        found = await walked(blazon, tree, f"/groups/{tree.id('root')}/children?level={level}")
        assert set(found) == set(expected.split())
    assert set(await walked(blazon, tree, f"/groups/{tree.id('aaa')}/parents?level=2")) == {"aaa", "aa", "a"}
    page = await blazon.ok("GET", f"/groups/{tree.id('root')}/children?level=2", token=tree.owner.token)
    assert page["level"] == 2
    assert "level" not in await blazon.ok("GET", f"/groups/{tree.id('root')}/children", token=tree.owner.token)


@pytest.mark.parametrize("query", ["level=6", "level=-1", "level=x", "dir=x", "dir=2", "tree=maybe", "tree="])
async def test_bad_parameters(blazon: Running, tree: Tree, query: str) -> None:
    for path in (f"/groups/{tree.id('root')}/children", f"/groups/{tree.id('root')}/parents", "/groups"):
        refused(await blazon.call("GET", f"{path}?{query}", token=tree.owner.token), 400, query.partition("=")[0])


async def test_as_a_tree(blazon: Running, tree: Tree) -> None:
    def names(groups: list[Any]) -> Any:
        return {group["name"]: names(group.get("children", [])) for group in groups}

    page = await blazon.ok("GET", f"/groups/{tree.id('root')}/children?tree=true", token=tree.owner.token)
    assert names(page["groups"]) == {"root": {"a": {"aa": {"aaa": {}}}, "b": {}}}
    assert page["total"] == 5
    page = await blazon.ok("GET", f"/groups/{tree.id('aaa')}/parents?tree=true", token=tree.owner.token)
    assert names(page["groups"]) == {"root": {"a": {"aa": {"aaa": {}}}}}
    # Those whose parent is not on the page stand at the top.
    page = await blazon.ok("GET", f"/groups/{tree.id('root')}/children?tree=true&offset=1", token=tree.owner.token)
    assert names(page["groups"]) == {"a": {"aa": {"aaa": {}}}, "b": {}}
    page = await blazon.ok("GET", "/groups?tree=true", token=tree.owner.token)
    assert names(page["groups"]) == {"root": {"a": {"aa": {"aaa": {}}}, "b": {}}}


async def test_filters_and_pages(blazon: Running, tree: Tree) -> None:
    path = f"/groups/{tree.id('root')}/children"
    assert set(await walked(blazon, tree, f"{path}?name=aa")) == {"aa"}
    assert set(await walked(blazon, tree, f"{path}?metadata=%7B%22big%22:true%7D")) == {"root", "aa", "aaa"}
    assert await walked(blazon, tree, f"{path}?status=disabled") == {}
    page = await blazon.ok("GET", f"{path}?limit=2&offset=2", token=tree.owner.token)
    assert [group["name"] for group in page["groups"]] == ["b", "aa"]
    assert (page["limit"], page["offset"], page["total"]) == (2, 2, 5)


async def test_a_walk_shows_what_one_may_see(blazon: Running, tree: Tree) -> None:
    reader = await blazon.person()
    for name in ("root", "aa"):
        await allow(blazon, reader, tree.groups[name], "g_list")
    down = await walked(blazon, tree, f"/groups/{tree.id('root')}/children", reader)
    assert {name: level for name, (level, _) in down.items()} == {"root": 0, "aa": 2}
    assert set(await walked(blazon, tree, f"/groups/{tree.id('aa')}/parents", reader)) == {"aa", "root"}
    refused(await blazon.call("GET", f"/groups/{tree.id('a')}/children", token=reader.token), 404)
    refused(await blazon.call("GET", f"/groups?parent_id={tree.id('b')}", token=reader.token), 404)
    refused(await blazon.call("GET", "/groups/no-such-group/parents", token=reader.token), 404)


async def test_a_parent_must_be_seen(blazon: Running, tree: Tree) -> None:
    stranger, reader = await blazon.person(), await blazon.person()
    await allow(blazon, reader, tree.groups["b"], "g_list")
    body = {"name": "below", "parent_id": tree.id("b")}
    hidden = await blazon.call("POST", "/groups", body, token=stranger.token)
    refused(hidden, 404, "parent")
    unknown = await blazon.call("POST", "/groups", {**body, "parent_id": "no-such-group"}, token=stranger.token)
    assert hidden.body == unknown.body
    # One's own group below another's is one's own: who walks down from above does not see it without a right to it.
    below = await blazon.ok("POST", "/groups", body, token=reader.token)
    assert below["parent_id"] == tree.id("b")
    assert set(await walked(blazon, tree, f"/groups/{tree.id('b')}/children")) == {"b"}
    assert set(await walked(blazon, tree, f"/groups/{tree.id('b')}/children", reader)) == {"b", "below"}


async def test_how_deep_groups_go(blazon: Running) -> None:
    group = top = await blazon.group()
    for _ in range(64):
        group = await blazon.group(parent_id=group["id"])
    body = {"name": "one too many", "parent_id": group["id"]}
    refused(await blazon.call("POST", "/groups", body), 422, "64")
    page = await blazon.ok("GET", f"/groups/{group['id']}/parents?limit=100&tree=true")
    assert page["total"] == 65
    assert page["groups"][0]["id"] == top["id"]
    assert (await blazon.ok("GET", f"/groups/{top['id']}/children?offset=64"))["groups"][0]["level"] == 64
