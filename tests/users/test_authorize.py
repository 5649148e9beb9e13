"""May this user do that? (fact sheet §3.3, §9.4)"""

from typing import Any

import pytest

from tests.running import Person, Running, refused
from tests.users.support import allow, registered


async def asked(blazon: Running, subject: str, action: str, kind: str, object_: str) -> int:
    """The status of the answer, which is empty when it is yes."""
    body = {"subject": subject, "object": object_, "action": action, "entity_type": kind}
    answer = await blazon.call("POST", "/authorize", body, token="")
    if answer.status == 200:
        assert answer.body == b"{}"
    else:
        refused(answer, 403)
    return answer.status


async def test_an_admin_may_everything(blazon: Running) -> None:
    group = await blazon.group(await blazon.person())
    for kind, object_ in (("group", group["id"]), ("client", "nobody"), ("thing", "things")):
        for action in ("g_add", "c_delete", "m_write"):
            assert await asked(blazon, blazon.admin.id, action, kind, object_) == 200


async def test_groups(blazon: Running) -> None:
    owner, member, stranger = [await blazon.person() for _ in range(3)]
    group = await blazon.group(owner)
    await allow(blazon, member, group, "g_update", "m_read", by=owner)
    for action in ("g_add", "g_delete", "c_update", "m_write"):
        assert await asked(blazon, owner.id, action, "group", group["id"]) == 200
        assert await asked(blazon, member.id, action, "group", group["id"]) == 403
        assert await asked(blazon, stranger.id, action, "group", group["id"]) == 403
    for action in ("g_update", "g_list", "m_read"):
        assert await asked(blazon, member.id, action, "group", group["id"]) == 200
    assert await asked(blazon, owner.id, "g_list", "group", "no-such-group") == 403


async def test_clients(blazon: Running) -> None:
    boss, member, apart = [await blazon.person() for _ in range(3)]
    group, elsewhere = await blazon.group(), await blazon.group()
    await allow(blazon, boss, group, "c_update")
    await allow(blazon, member, group, "m_read")
    await allow(blazon, apart, elsewhere, "m_read")
    assert await asked(blazon, boss.id, "c_update", "client", member.id) == 200
    assert await asked(blazon, boss.id, "c_list", "client", member.id) == 200
    assert await asked(blazon, boss.id, "c_delete", "client", member.id) == 403
    assert await asked(blazon, member.id, "c_list", "client", boss.id) == 403
    assert await asked(blazon, boss.id, "c_update", "client", apart.id) == 403
    assert await asked(blazon, boss.id, "c_update", "client", "nobody") == 403
    # The owner of a user may everything to it.
    body = {"credentials": {"identity": "owned@example.com", "secret": "12345678"}}
    owned = await blazon.ok("POST", "/users", body, token=boss.token)
    assert await asked(blazon, boss.id, "c_delete", "client", owned["id"]) == 200


async def test_a_right_that_is_taken_away_is_gone(blazon: Running) -> None:
    member, group = await blazon.person(), await blazon.group()
    await allow(blazon, member, group, "g_add")
    assert await asked(blazon, member.id, "g_add", "group", group["id"]) == 200
    body = {"subject": member.id, "object": group["id"], "actions": ["g_list"]}
    await blazon.ok("PUT", "/users/policies", body)
    assert await asked(blazon, member.id, "g_add", "group", group["id"]) == 403
    assert await asked(blazon, member.id, "g_list", "group", group["id"]) == 200
    await blazon.ok("DELETE", f"/users/policies/{member.id}/{group['id']}")
    assert await asked(blazon, member.id, "g_list", "group", group["id"]) == 403


async def test_unknown_and_disabled_subjects(blazon: Running) -> None:
    owner = await blazon.person()
    group = await blazon.group(owner)
    assert await asked(blazon, "nobody", "g_list", "group", group["id"]) == 403
    await blazon.ok("POST", f"/users/{owner.id}/disable")
    assert await asked(blazon, owner.id, "g_list", "group", group["id"]) == 403
    await blazon.ok("POST", f"/users/{owner.id}/enable")
    assert await asked(blazon, owner.id, "g_list", "group", group["id"]) == 200


async def test_things_are_for_admins(blazon: Running) -> None:
    user = await registered(blazon, "thing@example.com")
    assert await asked(blazon, user["id"], "c_list", "thing", user["id"]) == 403


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"subject": ""}, "subject"),
        ({"subject": None}, "subject"),
        ({"object": ""}, "object"),
        ({"object": "x" * 255}, "object"),
        ({"object": "line\nfeed"}, "object"),
        ({"action": ""}, "action"),
        ({"action": None}, "action"),
        ({"action": "g_fly"}, "action"),
        ({"action": ["g_list"]}, "action"),
        ({"entity_type": ""}, "entity_type"),
        ({"entity_type": None}, "entity_type"),
        ({"entity_type": "user"}, "entity_type"),
        ({"entity_type": "x" * 100_000}, "entity_type"),
    ],
)
async def test_bad_questions(blazon: Running, change: dict[str, Any], reason: str) -> None:
    body = {"subject": blazon.admin.id, "object": "o", "action": "g_list", "entity_type": "group", **change}
    refused(await blazon.call("POST", "/authorize", body, token=""), 400, reason)


async def test_a_token_is_not_looked_at(blazon: Running) -> None:
    body = {"subject": blazon.admin.id, "object": "o", "action": "g_list", "entity_type": "group"}
    await blazon.ok("POST", "/authorize", body, token="rubbish")


async def test_members_of_one_group_have_nothing_in_another(blazon: Running) -> None:
    people: list[Person] = [await blazon.person() for _ in range(2)]
    one, two = await blazon.group(), await blazon.group()
    await allow(blazon, people[0], one, "c_delete")
    await allow(blazon, people[0], two, "m_read")
    await allow(blazon, people[1], two, "m_read")
    assert await asked(blazon, people[0].id, "c_delete", "client", people[1].id) == 403
    refused(await blazon.call("POST", f"/users/{people[1].id}/disable", token=people[0].token), 404)
