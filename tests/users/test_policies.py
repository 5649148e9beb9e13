"""Policies: who may give what to whom, change it and take it back (fact sheet §3.3, §9.2, §9.3)."""

from typing import Any

import pytest

from tests.running import Person, Running, refused
from tests.users.support import allow

NEVER = "0001-01-01T00:00:00Z"


async def policies(blazon: Running, query: str, person: Person | None = None) -> list[Any]:
    page = await blazon.ok("GET", f"/users/policies?{query}", token=person.token if person else None)
    assert set(page) == {"limit", "offset", "total", "policies"}
    return list(page["policies"])


async def actions_of(blazon: Running, subject: Person, group: Any) -> list[str]:
    """The actions of the one policy of a user in a group."""
    (policy,) = await policies(blazon, f"subject={subject.id}&object={group['id']}")
    return list(policy["actions"])


def body_of(subject: Person, group: Any, *actions: str) -> dict[str, Any]:
    return {"subject": subject.id, "object": group["id"], "actions": list(actions)}


async def test_answers(blazon: Running) -> None:
    person, group = await blazon.person(), await blazon.group()
    answer = await blazon.call("POST", "/users/policies", body_of(person, group, "g_list"))
    assert (answer.status, answer.body) == (201, b"")
    (policy,) = await policies(blazon, f"subject={person.id}")
    assert policy == {
        "owner_id": blazon.admin.id,
        "subject": person.id,
        "object": group["id"],
        "actions": ["g_list"],
        "created_at": policy["created_at"],
        "updated_at": NEVER,
    }
    answer = await blazon.call("PUT", "/users/policies", body_of(person, group, "g_add"))
    assert (answer.status, answer.body) == (204, b"")
    (changed,) = await policies(blazon, f"subject={person.id}")
    assert changed["updated_by"] == blazon.admin.id
    assert changed["updated_at"] > changed["created_at"] == policy["created_at"]
    answer = await blazon.call("DELETE", f"/users/policies/{person.id}/{group['id']}")
    assert (answer.status, answer.body) == (204, b"")
    assert await policies(blazon, f"subject={person.id}") == []


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["c_update"], ["c_update", "c_list", "g_list"]),
        (["c_list"], ["c_list", "g_list"]),
        (["g_add"], ["g_add", "g_list"]),
        (["g_list", "g_list"], ["g_list"]),
        (["m_read", "c_share", "g_update"], ["m_read", "c_share", "g_update", "c_list", "g_list"]),
        (["g_list", "c_delete"], ["g_list", "c_delete", "c_list"]),
        (["m_write", "m_read"], ["m_write", "m_read"]),
    ],
)
async def test_implied_actions(blazon: Running, given: list[str], kept: list[str]) -> None:
    person, group = await blazon.person(), await blazon.group()
    await allow(blazon, person, group, *given)
    assert await actions_of(blazon, person, group) == kept


async def test_adding_again_replaces_and_keeps_the_creator(blazon: Running) -> None:
    owner, person = await blazon.person(), await blazon.person()
    group = await blazon.group(owner)
    await allow(blazon, person, group, "g_list", by=owner)
    (first,) = await policies(blazon, f"subject={person.id}")
    await allow(blazon, person, group, "m_read")
    (second,) = await policies(blazon, f"subject={person.id}")
    assert second == {
        **first,
        "actions": ["m_read"],
        "updated_at": second["updated_at"],
        "updated_by": blazon.admin.id,
    }
    assert second["owner_id"] == owner.id


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"subject": ""}, 400, "subject is missing"),
        ({"subject": None}, 400, "subject is missing"),
        ({"object": ""}, 400, "object is missing"),
        ({"actions": []}, 400, "actions"),
        ({"actions": None}, 400, "actions"),
        ({"actions": ["c_fly"]}, 400, "actions"),
        ({"actions": ["C_LIST"]}, 400, "actions"),
        ({"actions": "c_list"}, 400, "actions"),
        ({"subject": "x" * 300}, 400, "longer than 254 bytes"),
        ({"object": "a\nb"}, 400, "control character"),
        ({"subject": "no-such-user"}, 404, "user"),
        ({"object": "no-such-group"}, 404, "group"),
    ],
)
async def test_bad_policies(blazon: Running, change: dict[str, Any], status: int, reason: str) -> None:
    group = await blazon.group()
    body = {"subject": blazon.admin.id, "object": group["id"], "actions": ["g_list"], **change}
    refused(await blazon.call("POST", "/users/policies", body), status, reason)
    if status == 400:
        refused(await blazon.call("PUT", "/users/policies", body), status, reason)
    assert await policies(blazon, f"object={group['id']}") == []


async def test_who_may_add(blazon: Running) -> None:
    owner, holder, reader, stranger, new = [await blazon.person() for _ in range(5)]
    group = await blazon.group(owner)
    await allow(blazon, holder, group, "g_add", "c_update", by=owner)
    await allow(blazon, reader, group, "g_list", by=owner)
    path, body = "/users/policies", body_of(new, group, "c_update")

    refused(await blazon.call("POST", path, body, token=stranger.token), 404, "group")
    refused(await blazon.call("POST", path, body, token=reader.token), 403, "g_add")
    refused(await blazon.call("POST", path, body, token=""), 401)
    # A holder of g_add gives what it has, and nothing else.
    await blazon.ok("POST", path, body, token=holder.token)
    assert await actions_of(blazon, new, group) == ["c_update", "c_list", "g_list"]
    for beyond in ("c_delete", "g_delete", "m_read"):
        more = body_of(new, group, "c_update", beyond)
        refused(await blazon.call("POST", path, more, token=holder.token), 403, beyond)
    # The owner and an admin give anything.
    await blazon.ok("POST", path, body_of(new, group, "g_delete", "m_write"), token=owner.token)
    await blazon.ok("POST", path, body_of(new, group, "c_delete"))
    assert await actions_of(blazon, new, group) == ["c_delete", "c_list", "g_list"]


async def test_who_may_change_and_delete(blazon: Running) -> None:
    owner, maker, subject, reader, stranger = [await blazon.person() for _ in range(5)]
    group = await blazon.group(owner)
    await allow(blazon, maker, group, "g_add", "m_read", by=owner)
    await allow(blazon, reader, group, "g_list", by=owner)
    await allow(blazon, subject, group, "m_read", by=maker)
    body, path = body_of(subject, group, "m_read"), f"/users/policies/{subject.id}/{group['id']}"

    for person, status in ((stranger, 404), (subject, 403), (reader, 403)):
        refused(await blazon.call("PUT", "/users/policies", body, token=person.token), status)
        refused(await blazon.call("DELETE", path, token=person.token), status)
    for person in (maker, owner, blazon.admin):
        await blazon.ok("PUT", "/users/policies", body, token=person.token)
    for person in (maker, owner, blazon.admin):
        await blazon.ok("DELETE", path, token=person.token)
        assert await policies(blazon, f"subject={subject.id}") == []
        await allow(blazon, subject, group, "m_read", by=maker)


async def test_a_change_is_as_given_and_within_ones_rights(blazon: Running) -> None:
    owner, maker, subject = [await blazon.person() for _ in range(3)]
    group = await blazon.group(owner)
    await allow(blazon, maker, group, "g_add", "c_list", by=owner)
    await allow(blazon, subject, group, "c_list", by=maker)
    await blazon.ok("PUT", "/users/policies", body_of(subject, group, "g_add"), token=maker.token)
    assert await actions_of(blazon, subject, group) == ["g_add"]
    beyond = body_of(subject, group, "g_delete")
    refused(await blazon.call("PUT", "/users/policies", beyond, token=maker.token), 403, "g_delete")
    # Whose own right to give is gone changes nothing any more, but may take back what it gave.
    await blazon.ok("PUT", "/users/policies", body_of(maker, group, "g_list"), token=owner.token)
    refused(await blazon.call("PUT", "/users/policies", body_of(subject, group, "g_list"), token=maker.token), 403)
    await blazon.ok("DELETE", f"/users/policies/{subject.id}/{group['id']}", token=maker.token)


async def test_a_policy_that_is_not_there(blazon: Running) -> None:
    person, owner = await blazon.person(), await blazon.person()
    group = await blazon.group(owner)
    refused(await blazon.call("PUT", "/users/policies", body_of(person, group, "g_list")), 404, "no such policy")
    # To delete nothing is no mistake of those who may know that there is nothing.
    path = f"/users/policies/{person.id}/{group['id']}"
    for who, status in ((blazon.admin, 204), (owner, 204), (person, 404)):
        assert (await blazon.call("DELETE", path, token=who.token)).status == status


async def test_list(blazon: Running) -> None:
    first, second, subject = [await blazon.person() for _ in range(3)]
    groups = [await blazon.group(first), await blazon.group(second)]
    await allow(blazon, subject, groups[0], "c_update", by=first)
    await allow(blazon, subject, groups[1], "m_read", by=second)
    await allow(blazon, second, groups[0], "m_read", by=first)

    async def found(query: str, person: Person | None = None) -> list[tuple[str, str]]:
        return [(policy["subject"], policy["object"]) for policy in await policies(blazon, query, person)]

    a, b, c = (subject.id, groups[0]["id"]), (subject.id, groups[1]["id"]), (second.id, groups[0]["id"])
    assert await found(f"subject={subject.id}") == [a, b]
    assert await found(f"object={groups[0]['id']}") == [a, c]
    assert await found(f"owner_id={first.id}") == [a, c]
    assert await found(f"owner_id={first.id}&action=m_read") == [c]
    assert await found(f"subject={subject.id}&action=c_list") == [a]
    assert await found(f"subject={subject.id}&action=g_delete") == []
    assert await found(f"owner_id={first.id}&limit=1&offset=1") == [c]
    # Others see what they made, whatever they ask for.
    assert await found("", first) == [a, c]
    assert await found(f"owner_id={second.id}", first) == [a, c]
    assert await found(f"subject={second.id}", first) == [c]
    assert await found("", subject) == []
    refused(await blazon.call("GET", "/users/policies?action=fly"), 400, "action")
