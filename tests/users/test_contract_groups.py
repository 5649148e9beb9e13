"""Each sample of the users chapter of the event document, field by field: groups and policies.

As in `test_contract`: `sample` holds every field of the document's sample, the last argument what a decision adds.
"""

from typing import Any

from tests.running import Person, Running
from tests.streams import Entry, Stream, check, picked
from tests.users.support import allow


def times(policy: Any, *names: str) -> dict[str, str]:
    """The members of a policy in a list that say who made it and when."""
    return picked(policy, "owner_id", "subject", "object", *names)


async def only_policy(blazon: Running, person: Person) -> Any:
    page = await blazon.ok("GET", f"/users/policies?subject={person.id}")
    (policy,) = page["policies"]
    return policy


async def test_group_create(blazon: Running, stream: Stream) -> None:
    async with stream.recorded() as events:
        group = await blazon.ok("POST", "/groups", {"name": "-fragrant-resonance"})
    check(
        events,
        "group.create",
        {**picked(group, "name", "id", "status", "created_at"), "metadata": "{}", "owner": blazon.admin.id},
    )
    assert events[0].time == group["created_at"]


async def test_group_create_with_everything(blazon: Running, stream: Stream) -> None:
    parent = await blazon.group()
    async with stream.recorded() as events:
        group = await blazon.group(parent_id=parent["id"], description="two\nlines", metadata={"b": [], "a": {}})
    check(
        events,
        "group.create",
        {
            **picked(group, "name", "id", "status", "created_at"),
            "metadata": '{"a":{},"b":[]}',
            "owner": blazon.admin.id,
        },
        {"parent": parent["id"], "description": "two\nlines"},
    )


async def test_group_update(blazon: Running, stream: Stream) -> None:
    parent = await blazon.group()
    group = await blazon.group(parent_id=parent["id"])
    body = {"name": "young-paper", "description": "more", "metadata": {"Update": "spring-wood"}}
    async with stream.recorded() as events:
        after = await blazon.ok("PUT", f"/groups/{group['id']}", body)
    check(
        events,
        "group.update",
        {
            **picked(after, "name", "updated_at", "updated_by", "id", "created_at", "status"),
            "owner": blazon.admin.id,
            "metadata": '{"Update":"spring-wood"}',
        },
        {"parent": parent["id"], "description": "more"},
    )
    assert events[0].time == after["updated_at"]


async def test_group_view(blazon: Running, stream: Stream) -> None:
    group = await blazon.group()
    sample = {**picked(group, "id", "name", "created_at", "status"), "owner": blazon.admin.id, "metadata": "{}"}
    async with stream.recorded() as events:
        await blazon.ok("GET", f"/groups/{group['id']}")
    check(events, "group.view", sample)

    after = await blazon.ok("PUT", f"/groups/{group['id']}", {"description": "now with one"})
    async with stream.recorded() as events:
        await blazon.ok("GET", f"/groups/{group['id']}")
    check(events, "group.view", sample, picked(after, "description", "updated_at", "updated_by"))


async def test_group_list(blazon: Running, stream: Stream) -> None:
    async with stream.recorded() as events:
        page = await blazon.ok("GET", "/groups")
    check(events, "group.list", {"total": str(page["total"]), "offset": "0", "limit": "10", "status": "enabled"})


async def test_group_list_with_every_filter(blazon: Running, stream: Stream) -> None:
    await blazon.group(name="filtered", metadata={"a": 1, "b": 2}, status="disabled")
    query = f"status=disabled&offset=1&limit=2&owner_id={blazon.admin.id}&metadata=%7B%22a%22:1%7D"
    used = {"name": "filtered", "owner_id": blazon.admin.id, "metadata": '{"a":1}'}
    for name, total, shown in (("filtered", "1", used), ("n", "0", {"hidden_filters": "[metadata,name,owner_id]"})):
        async with stream.recorded() as events:
            await blazon.ok("GET", f"/groups?{query}&name={name}")
        check(events, "group.list", {"total": total, "offset": "1", "limit": "2", "status": "disabled"}, shown)


async def test_group_list_of_a_hierarchy(blazon: Running, stream: Stream) -> None:
    parent = await blazon.group()
    await blazon.group(parent_id=parent["id"])
    above, below = f"/groups/{parent['id']}/parents", f"/groups/{parent['id']}/children"
    listed = f"/groups?parent_id={parent['id']}"
    for path, total, used in (
        (below, "2", {"dir": "-1"}),
        (f"{below}?level=3&dir=1", "2", {"dir": "-1", "level": "3"}),
        (listed, "2", {"dir": "-1"}),
        (f"{listed}&dir=0&level=1", "1", {"dir": "1", "level": "1"}),
        (above, "1", {"dir": "1"}),
        (f"{above}?level=5&owner_id={blazon.admin.id}", "1", {"dir": "1", "level": "5", "owner_id": blazon.admin.id}),
    ):
        async with stream.recorded() as events:
            await blazon.ok("GET", path)
        sample = {"total": total, "offset": "0", "limit": "10", "status": "enabled"}
        check(events, "group.list", sample, {"parent_id": parent["id"], **used})
    # Without a group to begin with there is no walk, and they say nothing.
    async with stream.recorded() as events:
        await blazon.ok("GET", "/groups?level=2&dir=1&name=nobody")
    sample = {"total": "0", "offset": "0", "limit": "10", "status": "enabled"}
    check(events, "group.list", sample, {"hidden_filters": "[name]"})


async def test_group_list_by_user(blazon: Running, stream: Stream) -> None:
    person, group = await blazon.person(), await blazon.group()
    await allow(blazon, person, group, "g_list")
    async with stream.recorded() as events:
        await blazon.ok("GET", f"/users/{person.id}/memberships")
    check(
        events,
        "group.list_by_user",
        {"limit": "10", "channel_id": person.id, "status": "enabled", "total": "1", "offset": "0"},
        {"user_id": person.id},
    )


async def test_group_remove(blazon: Running, stream: Stream) -> None:
    group = await blazon.group()
    for verb, status in (("disable", "disabled"), ("enable", "enabled")):
        async with stream.recorded() as events:
            after = await blazon.ok("POST", f"/groups/{group['id']}/{verb}")
        assert after["status"] == status
        check(events, "group.remove", picked(after, "updated_by", "id", "status", "updated_at"))
        assert events[0].time == after["updated_at"]


async def test_policies_authorize(blazon: Running, stream: Stream) -> None:
    person, group = await blazon.person(), await blazon.group()
    await allow(blazon, person, group, "c_list")
    questions = (
        (person.id, "group", group["id"], "c_list"),
        (person.id, "client", person.id, "g_list"),
        (blazon.admin.id, "thing", "8a85e2d5-e783-43ee-8bea-d6d0f8039e78", "m_read"),
    )
    for subject, kind, object_, action in questions:
        async with stream.recorded() as events:
            body = {"subject": subject, "object": object_, "action": action, "entity_type": kind}
            await blazon.ok("POST", "/authorize", body, token="")
        check(
            events,
            "policies.authorize",
            {"entity_type": kind, "object": object_, "actions": action},
            {"subject": subject, "action": action},
        )


async def test_policies(blazon: Running, stream: Stream) -> None:
    person, group = await blazon.person(), await blazon.group()

    async with stream.recorded() as events:
        await allow(blazon, person, group, "g_add", "c_list")
    policy = await only_policy(blazon, person)
    check(events, "policies.add", {**times(policy, "created_at"), "actions": "[g_add,c_list,g_list]"})
    assert policy["owner_id"] == blazon.admin.id
    assert events[0].time == policy["created_at"]

    async with stream.recorded() as events:
        await allow(blazon, person, group, "m_read")
    policy = await only_policy(blazon, person)
    check(
        events,
        "policies.add",
        {**times(policy, "created_at"), "actions": "[m_read]"},
        picked(policy, "updated_at", "updated_by"),
    )

    async with stream.recorded() as events:
        body = {"subject": person.id, "object": group["id"], "actions": ["g_add", "c_list"]}
        await blazon.ok("PUT", "/users/policies", body)
    policy = await only_policy(blazon, person)
    check(
        events,
        "policies.update",
        {**times(policy, "created_at", "updated_at"), "actions": "[g_add,c_list]"},
        picked(policy, "updated_by"),
    )
    assert events[0].time == policy["updated_at"]

    async with stream.recorded() as events:
        await blazon.ok("DELETE", f"/users/policies/{person.id}/{group['id']}")
    check(
        events,
        "policies.delete",
        {"subject": person.id, "object": group["id"], "actions": "[g_add,c_list]"},
        {"owner_id": blazon.admin.id},
    )


async def test_policies_list(blazon: Running, stream: Stream) -> None:
    async with stream.recorded() as events:
        page = await blazon.ok("GET", "/users/policies")
    check(events, "policies.list", {"total": str(page["total"]), "limit": "10", "offset": "0"})

    person, group = await blazon.person(), await blazon.group()
    await allow(blazon, person, group, "g_list")
    filters = {"owner_id": blazon.admin.id, "subject": person.id, "object": group["id"], "action": "g_list"}
    hidden = {"action": "g_list", "hidden_filters": "[object,owner_id,subject]"}
    for found, total, shown in ((filters, "1", filters), ({**filters, "subject": "s"}, "0", hidden)):
        query = "&".join(f"{name}={value}" for name, value in found.items())
        async with stream.recorded() as events:
            await blazon.ok("GET", f"/users/policies?offset=4&limit=5&{query}")
        check(events, "policies.list", {"total": total, "limit": "5", "offset": "4"}, shown)
    # To others than admins only policies of their own are shown.
    async with stream.recorded() as events:
        await blazon.ok("GET", "/users/policies?subject=s&owner_id=o", token=person.token)
    mine = {"owner_id": person.id, "hidden_filters": "[subject]"}
    check(events, "policies.list", {"total": "0", "limit": "10", "offset": "0"}, mine)


async def test_order_and_identity_of_entries(blazon: Running, stream: Stream) -> None:
    group = await blazon.group()
    entries: list[Entry] = []
    for _ in range(5):
        async with stream.recorded() as events:
            await blazon.ok("PUT", f"/groups/{group['id']}", {"description": "again"})
            await blazon.ok("GET", f"/groups/{group['id']}")
        entries += events
    assert [entry.operation for entry in entries] == ["group.update", "group.view"] * 5
    sequences = [entry.sequence for entry in entries]
    assert sequences == sorted(set(sequences))
    moments = [int(entry.fields["occurred_at"]) for entry in entries]
    assert moments == sorted(set(moments))
    assert [moment // 1_000_000 for moment in moments] == [entry.milliseconds for entry in entries]


async def test_a_refused_request_has_no_event(blazon: Running, stream: Stream) -> None:
    person, stranger, group = await blazon.person(), await blazon.person(), await blazon.group()
    await allow(blazon, person, group, "g_list")
    refused: list[tuple[str, str, Any, str, int]] = [
        ("GET", f"/users/{blazon.admin.id}", None, stranger.token, 404),
        ("GET", f"/groups/{group['id']}", None, stranger.token, 404),
        ("GET", f"/groups/{group['id']}/members", None, stranger.token, 404),
        ("GET", f"/groups/{group['id']}/children", None, stranger.token, 404),
        ("GET", f"/users/{person.id}/memberships", None, stranger.token, 404),
        ("GET", "/users/profile", None, "", 401),
        ("GET", "/users?limit=0", None, person.token, 400),
        ("PUT", f"/groups/{group['id']}", {"name": "mine"}, person.token, 403),
        ("POST", f"/groups/{group['id']}/disable", None, person.token, 403),
        ("POST", "/groups", {"name": ""}, person.token, 400),
        ("POST", "/groups", {"name": group["name"]}, blazon.admin.token, 409),
        ("POST", "/users/tokens/issue", {"identity": person.identity, "secret": "wrong"}, "", 401),
        ("POST", "/users/tokens/refresh", None, person.token, 401),
        ("PATCH", "/users/secret", {"old_secret": "wrong", "new_secret": "a new secret"}, person.token, 401),
        (
            "POST",
            "/authorize",
            {"subject": person.id, "object": group["id"], "action": "g_add", "entity_type": "group"},
            "",
            403,
        ),
        ("POST", "/users/policies", {"subject": person.id, "object": "x", "actions": ["g_add"]}, person.token, 404),
        ("DELETE", f"/users/policies/{stranger.id}/{group['id']}", None, person.token, 404),
        ("POST", f"/users/{person.id}/enable", None, blazon.admin.token, 409),
    ]
    async with stream.recorded() as events:
        for method, path, body, token, status in refused:
            answer = await blazon.call(method, path, body, token=token)
            assert answer.status == status, (method, path, answer.body)
    assert events == []
