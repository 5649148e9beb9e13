"""Lists of users: pages, filters, who sees whom (fact sheet §2 and §9.6, decisions C4 and C7)."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pytest

from tests.running import PASSWORD, Person, Running, refused
from tests.streams import compact
from tests.users.support import allow


class Flock:
    """Users with many properties, all of one owner."""

    def __init__(self, owner: Person, users: Mapping[str, Any]) -> None:
        self.owner = owner
        self.users = users


@pytest.fixture(scope="module")
async def flock(blazon: Running) -> Flock:
    owner, users = await blazon.person("owner"), {}
    metadata: dict[str, Any] = {
        "a": {"site": "A", "n": 1},
        "b": {"site": "A", "n": 2, "deep": {"x": [1, 2, {"y": "z"}]}},
        "c": {"site": "B", "n": 1.0, "none": None, "flag": True},
        "d": {},
    }
    for name, value in metadata.items():
        body = {
            "name": name,
            "tags": ["all", f"tag-{name}"],
            "metadata": value,
            "credentials": {"identity": f"{name}@flock.example", "secret": PASSWORD},
        }
        users[name] = await blazon.ok("POST", "/users", body, token=owner.token)
    users["d"] = await blazon.ok("POST", f"/users/{users['d']['id']}/disable")
    return Flock(owner, users)


async def names(blazon: Running, query: str, person: Person | None = None) -> list[str]:
    """The names on a page, whose numbers must fit."""
    page = await blazon.ok("GET", f"/users?{query}", token=person.token if person else None)
    assert set(page) == {"limit", "offset", "total", "users"}
    assert len(page["users"]) <= page["limit"]
    assert page["total"] >= page["offset"] + len(page["users"]) or not page["users"]
    return [user["name"] for user in page["users"]]


async def test_page_shape(blazon: Running, flock: Flock) -> None:
    page = await blazon.ok("GET", "/users", token=flock.owner.token)
    assert page == {"limit": 10, "offset": 0, "total": 3, "users": [flock.users[name] for name in "abc"]}
    empty = await blazon.ok("GET", "/users?name=nobody", token=flock.owner.token)
    assert empty == {"limit": 10, "offset": 0, "total": 0, "users": []}


async def test_pages(blazon: Running, flock: Flock) -> None:
    for offset, limit, expected in ((0, 2, "ab"), (2, 2, "cd"), (3, 2, "d"), (4, 2, ""), (2**62, 100, "")):
        page = await blazon.ok("GET", f"/users?status=all&offset={offset}&limit={limit}", token=flock.owner.token)
        assert [user["name"] for user in page["users"]] == list(expected)
        assert (page["offset"], page["limit"], page["total"]) == (offset, limit, 4)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "abc"),
        ("status=", "abc"),
        ("status=enabled", "abc"),
        ("status=disabled", "d"),
        ("status=all", "abcd"),
        ("name=b", "b"),
        ("name=", "abc"),
        ("name=B", ""),
        ("identity=c%40flock.example", "c"),
        ("identity=c", ""),
        ("tag=all", "abc"),
        ("tag=tag-b", "b"),
        ("tag=tag", ""),
        ("tag=tag-b&name=a", ""),
        ("status=all&tag=tag-d", "d"),
        ("unknown=parameter", "abc"),
    ],
)
async def test_filters(blazon: Running, flock: Flock, query: str, expected: str) -> None:
    assert await names(blazon, query, flock.owner) == list(expected)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, "abc"),
        ({"site": "A"}, "ab"),
        ({"site": "A", "n": 2}, "b"),
        ({"n": 1, "site": "A"}, "a"),
        ({"n": 1}, "ac"),
        ({"none": None}, "c"),
        ({"flag": True}, "c"),
        ({"flag": 1}, ""),
        ({"deep": {}}, "b"),
        ({"deep": {"x": [2]}}, "b"),
        ({"deep": {"x": [{"y": "z"}, 1]}}, "b"),
        ({"deep": {"x": 2}}, ""),
        ({"deep": {"x": [3]}}, ""),
        ({"site": "a"}, ""),
        ({"missing": {}}, ""),
    ],
)
async def test_metadata_is_contained(blazon: Running, flock: Flock, wanted: dict[str, Any], expected: str) -> None:
    assert await names(blazon, f"metadata={quote(compact(wanted))}", flock.owner) == list(expected)


@pytest.mark.parametrize(
    "text",
    ["a", "[]", "1", "null", '"a"', '{"a":1', '{"a":1e999}', '{"a":1,"a":2}', '{"a":"\\u0000"}', '{"a":"\\ud800"}',
     '{"a":' + "[" * 900 + "]" * 900 + "}", '{"a":' + "9" * 5000 + "}"],
)  # fmt: skip
async def test_metadata_that_cannot_be_looked_for(blazon: Running, text: str) -> None:
    for path in ("/users", "/groups"):
        refused(await blazon.call("GET", f"{path}?metadata={quote(text)}"), 400, "metadata must be a JSON object")


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "limit=-1", "limit=x", "limit=", "limit=1.5", "offset=-1", "offset=x", "offset=",
     f"offset={2**62 + 1}", "offset=9" + "9" * 40, "status=none", "status=ENABLED", "visibility=none",
     "name=a&name=b", "limit=1&limit=1", "name=%00", "name=%FF", "name=%ED%A0%80", "=&="],
)  # fmt: skip
async def test_bad_queries(blazon: Running, query: str) -> None:
    everywhere = ("/users", "/groups", f"/users/{blazon.admin.id}/memberships", "/users/policies")
    for path in ("/users",) if query.startswith(("status", "visibility", "name")) else everywhere:
        refused(await blazon.call("GET", f"{path}?{query}"), 400, "invalid query parameters")


async def test_who_sees_whom(blazon: Running) -> None:
    viewer, friend, other = await blazon.person("viewer"), await blazon.person("friend"), await blazon.person("other")
    own = {"name": "own", "credentials": {"identity": "own@example.com", "secret": PASSWORD}}
    await blazon.ok("POST", "/users", own, token=viewer.token)
    near, far = await blazon.group(), await blazon.group()
    await allow(blazon, viewer, near, "c_list")
    await allow(blazon, friend, near, "m_read")
    await allow(blazon, viewer, far, "g_list")
    await allow(blazon, other, far, "c_list")

    assert await names(blazon, "", viewer) == ["own"]
    assert await names(blazon, "visibility=mine", viewer) == ["own"]
    assert await names(blazon, "visibility=shared", viewer) == ["friend"]
    assert sorted(await names(blazon, "visibility=all", viewer)) == ["friend", "own"]
    assert await names(blazon, f"owner_id={blazon.admin.id}", viewer) == ["own"]
    assert await names(blazon, "visibility=all&name=other", viewer) == []
    assert await names(blazon, "visibility=all", friend) == []
    # The right goes, the sight goes.
    await blazon.ok("DELETE", f"/users/policies/{viewer.id}/{near['id']}")
    assert await names(blazon, "visibility=all", viewer) == ["own"]


async def test_what_an_admin_sees(blazon: Running, flock: Flock) -> None:
    page = await blazon.ok("GET", "/users?status=all&limit=100")
    everybody = await blazon.ok("GET", "/users?status=all&visibility=all&limit=100")
    assert everybody == page
    assert page["total"] == len(page["users"])
    assert {"a", "b", "c", "d", "admin", "owner"} <= {user["name"] for user in page["users"]}
    assert await names(blazon, f"owner_id={flock.owner.id}") == list("abc")
    mine = await blazon.ok("GET", "/users?visibility=mine&status=all")
    assert all(user["owner"] == blazon.admin.id for user in mine["users"])


async def test_members(blazon: Running) -> None:
    group = await blazon.group()
    boss, clerk, lister = await blazon.person("boss"), await blazon.person("clerk"), await blazon.person("lister")
    await allow(blazon, boss, group, "c_list")
    await allow(blazon, clerk, group, "m_write")
    await allow(blazon, lister, group, "g_list")
    path = f"/groups/{group['id']}/members"

    page = await blazon.ok("GET", f"{path}?status=all")
    assert set(page) == {"limit", "offset", "total", "members"}
    assert [member["name"] for member in page["members"]] == ["boss", "clerk", "lister"]
    assert page["members"][0] == await blazon.ok("GET", f"/users/{boss.id}")

    async def seen(person: Person, query: str = "") -> list[str]:
        return [user["name"] for user in (await blazon.ok("GET", path + query, token=person.token))["members"]]

    assert await seen(boss) == ["boss", "clerk", "lister"]
    await blazon.ok("PUT", "/users/policies", {"subject": boss.id, "object": group["id"], "actions": ["c_list"]})
    assert await seen(boss) == ["boss", "clerk", "lister"]
    assert await seen(lister) == ["boss", "clerk"]
    assert await seen(boss, f"?identity={clerk.identity}") == ["clerk"]
    assert await seen(boss, "?limit=1&offset=1") == ["clerk"]
    await blazon.ok("POST", f"/users/{clerk.id}/disable")
    assert await seen(boss) == ["boss", "lister"]
    assert await seen(boss, "?status=disabled") == ["clerk"]
    refused(await blazon.call("GET", path, token=(await blazon.person()).token), 404)
    refused(await blazon.call("GET", "/groups/no-such-group/members"), 404)


async def test_members_for_the_owner_of_the_group(blazon: Running) -> None:
    owner, member = await blazon.person("owner"), await blazon.person("member")
    group = await blazon.group(owner)
    await allow(blazon, member, group, "m_read", by=owner)
    page = await blazon.ok("GET", f"/groups/{group['id']}/members", token=owner.token)
    assert [user["id"] for user in page["members"]] == [member.id]
    # A member with nothing but a right to read messages does not know the group.
    refused(await blazon.call("GET", f"/groups/{group['id']}/members", token=member.token), 404)
