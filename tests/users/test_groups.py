"""Groups: made, seen, changed, listed, disabled (fact sheet §3.2, §9.6)."""

from typing import Any

import pytest

from tests.running import Person, Running, refused
from tests.users.support import allow

NEVER = "0001-01-01T00:00:00Z"


async def test_answer_of_the_least_one_can_give(blazon: Running) -> None:
    answer = await blazon.call("POST", "/groups", {"name": "least"})
    assert answer.status == 201
    group = answer.json
    assert group == {
        "id": group["id"],
        "owner_id": blazon.admin.id,
        "name": "least",
        "created_at": group["created_at"],
        "updated_at": NEVER,
        "status": "enabled",
    }
    assert answer.headers["Location"] == f"/groups/{group['id']}"


async def test_answer_of_everything(blazon: Running) -> None:
    parent = await blazon.group()
    fields = {
        "name": "everything",
        "description": "two\nlines\twith tabs",
        "metadata": {"a": [{}]},
        "status": "disabled",
        "parent_id": parent["id"],
    }
    group = await blazon.ok("POST", "/groups", {**fields, "id": "chosen", "path": "x", "level": 3})
    assert group == {
        **fields,
        "id": group["id"],
        "owner_id": blazon.admin.id,
        "created_at": group["created_at"],
        "updated_at": NEVER,
    }
    assert group["id"] != "chosen"
    assert await blazon.ok("GET", f"/groups/{group['id']}") == group


async def test_names_are_unique_for_an_owner(blazon: Running) -> None:
    person, other = await blazon.person(), await blazon.person()
    group = await blazon.group(person, name="unique")
    refused(await blazon.call("POST", "/groups", {"name": "unique"}, token=person.token), 409, "name")
    await blazon.group(other, name="unique")
    await blazon.ok("POST", f"/groups/{group['id']}/disable", token=person.token)
    refused(await blazon.call("POST", "/groups", {"name": "unique"}, token=person.token), 409, "name")


async def test_only_an_admin_makes_groups_for_others(blazon: Running) -> None:
    person, other = await blazon.person(), await blazon.person()
    body = {"name": "for other", "owner_id": other.id}
    refused(await blazon.call("POST", "/groups", body, token=person.token), 403, "admin")
    assert (await blazon.ok("POST", "/groups", body))["owner_id"] == other.id
    refused(await blazon.call("POST", "/groups", {"name": "for nobody", "owner_id": "nobody"}), 404, "owner")
    own = await blazon.ok("POST", "/groups", {"name": "own", "owner_id": person.id}, token=person.token)
    assert own["owner_id"] == person.id


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ({}, 400, "name is missing"),
        ({"name": ""}, 400, "name is missing"),
        ({"name": None}, 400, "name is missing"),
        ({"name": "x" * 1025}, 400, "name is longer than 1024 bytes"),
        ({"name": "a\tb"}, 400, "control character"),
        ({"name": "n", "description": "x" * 1025}, 400, "description is longer"),
        ({"name": "n", "description": "bell \a"}, 400, "control character"),
        ({"name": "n", "status": "all"}, 400, "status"),
        ({"name": "n", "parent_id": "no-such-group"}, 404, "parent"),
        ({"name": "n", "metadata": []}, 400, "metadata"),
    ],
)
async def test_bad_groups(blazon: Running, body: dict[str, Any], status: int, reason: str) -> None:
    refused(await blazon.call("POST", "/groups", body), status, reason)


async def test_longest_name(blazon: Running) -> None:
    assert (await blazon.group(name="ü" * 512))["name"] == "ü" * 512


async def test_change(blazon: Running) -> None:
    parent, elsewhere = await blazon.group(), await blazon.group()
    group = await blazon.group(parent_id=parent["id"], description="d", metadata={"a": 1})
    path = f"/groups/{group['id']}"
    after = await blazon.ok("PUT", path, {"name": "renamed", "parent_id": elsewhere["id"], "owner_id": "x"})
    assert after == {**group, "name": "renamed", "updated_at": after["updated_at"], "updated_by": blazon.admin.id}
    after = await blazon.ok("PUT", path, {"name": "", "description": "", "metadata": None})
    assert (after["name"], after["description"], after["metadata"]) == ("renamed", "d", {"a": 1})
    after = await blazon.ok("PUT", path, {"description": "e", "metadata": {}})
    assert after["description"] == "e"
    assert "metadata" not in after
    assert await blazon.ok("GET", path) == after


async def test_rename_to_a_name_that_is_taken(blazon: Running) -> None:
    first, second = await blazon.group(), await blazon.group()
    refused(await blazon.call("PUT", f"/groups/{second['id']}", {"name": first["name"]}), 409, "name")
    await blazon.ok("PUT", f"/groups/{second['id']}", {"name": second["name"]})
    refused(await blazon.call("PUT", f"/groups/{second['id']}", {"name": "x" * 1025}), 400, "name")


async def test_status(blazon: Running) -> None:
    group = await blazon.group()
    path = f"/groups/{group['id']}"
    refused(await blazon.call("POST", f"{path}/enable"), 409, "status already assigned")
    assert (await blazon.ok("POST", f"{path}/disable"))["status"] == "disabled"
    refused(await blazon.call("POST", f"{path}/disable"), 409, "status already assigned")
    refused(await blazon.call("PUT", path, {"name": "other"}), 404, "disabled")
    assert (await blazon.ok("GET", path))["status"] == "disabled"
    assert (await blazon.ok("POST", f"{path}/enable"))["status"] == "enabled"
    for verb in ("enable", "disable"):
        refused(await blazon.call("POST", f"/groups/no-such-group/{verb}"), 404)


async def test_who_may_what(blazon: Running) -> None:
    owner = await blazon.person("owner")
    group = await blazon.group(owner)
    people = {"owner": owner, "admin": blazon.admin, "stranger": await blazon.person()}
    for action in ("g_list", "g_update", "g_delete", "g_add", "c_update", "m_read"):
        people[action] = await blazon.person(action.replace("_", "-"))
        await allow(blazon, people[action], group, action, by=owner)

    async def answers(method: str, path: str, body: Any = None) -> dict[str, int]:
        return {
            name: (await blazon.call(method, f"/groups/{group['id']}{path}", body, token=person.token)).status
            for name, person in people.items()
        }

    hidden = {"stranger": 404, "m_read": 404}
    everybody = dict.fromkeys(people, 200) | hidden
    assert await answers("GET", "") == everybody
    assert await answers("GET", "/children") == everybody
    assert await answers("GET", "/parents") == everybody
    assert await answers("GET", "/members") == everybody
    refusing = dict.fromkeys(people, 403) | hidden
    assert await answers("PUT", "", {"description": "x"}) == refusing | {"owner": 200, "admin": 200, "g_update": 200}
    assert await answers("POST", "/enable") == refusing | {"owner": 409, "admin": 409, "g_delete": 409}


async def test_list(blazon: Running) -> None:
    owner, reader = await blazon.person(), await blazon.person()
    groups = [await blazon.group(owner, metadata={"n": number, "all": True}) for number in range(3)]
    await blazon.ok("POST", f"/groups/{groups[2]['id']}/disable", token=owner.token)
    await allow(blazon, reader, groups[1], "g_list", by=owner)
    await allow(blazon, reader, groups[0], "m_write", by=owner)

    async def seen(person: Person, query: str = "") -> list[int]:
        page = await blazon.ok("GET", f"/groups?{query}", token=person.token)
        assert set(page) == {"limit", "offset", "total", "groups"}
        return [group["metadata"]["n"] for group in page["groups"]]

    assert await seen(owner) == [0, 1]
    assert await seen(owner, "status=all") == [0, 1, 2]
    assert await seen(owner, "status=disabled") == [2]
    assert await seen(owner, "limit=1&offset=1") == [1]
    assert await seen(owner, f"name={groups[0]['name'].replace(' ', '%20')}") == [0]
    assert await seen(owner, "metadata=%7B%22n%22:1,%22all%22:true%7D") == [1]
    assert await seen(owner, f"owner_id={blazon.admin.id}") == []
    assert await seen(reader) == [1]
    assert await seen(reader, f"owner_id={owner.id}") == [1]
    assert await seen(blazon.admin, f"owner_id={owner.id}&status=all") == [0, 1, 2]
    page = await blazon.ok("GET", "/groups?limit=1&offset=1", token=owner.token)
    assert (page["limit"], page["offset"], page["total"]) == (1, 1, 2)


async def test_memberships(blazon: Running) -> None:
    person, boss, stranger = await blazon.person(), await blazon.person(), await blazon.person()
    shared, hidden = await blazon.group(), await blazon.group()
    await allow(blazon, person, shared, "m_read")
    await allow(blazon, person, hidden, "m_read")
    await allow(blazon, boss, shared, "c_list")
    path = f"/users/{person.id}/memberships"

    async def seen(viewer: Person, query: str = "") -> list[str]:
        page = await blazon.ok("GET", path + query, token=viewer.token)
        assert set(page) == {"limit", "offset", "total", "memberships"}
        assert page["total"] == len(page["memberships"])
        return [group["id"] for group in page["memberships"]]

    both = [shared["id"], hidden["id"]]
    assert await seen(person) == both
    assert await seen(blazon.admin) == both
    assert await seen(boss) == [shared["id"]]
    assert await seen(person, f"?name={shared['name'].replace(' ', '%20')}") == [shared["id"]]
    refused(await blazon.call("GET", path, token=stranger.token), 404)
    await blazon.ok("POST", f"/groups/{hidden['id']}/disable")
    assert await seen(person) == [shared["id"]]
    assert await seen(person, "?status=all") == both
