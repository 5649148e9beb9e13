"""Attempts to get more than one has."""

from typing import Any

from tests.running import Person, Running, refused
from tests.things.support import allow, identify, key_of, may, policy

SEIZING: list[tuple[str, str, Any]] = [
    ("PATCH", "", {"name": "mine"}),
    ("PATCH", "/tags", {"tags": ["mine"]}),
    ("PATCH", "/secret", {"secret": "mine now"}),
    ("PATCH", "/owner", {}),
    ("POST", "/disable", None),
]


async def shared(blazon: Running) -> tuple[Person, Person, Any]:
    """An owner, an attacker who may share a thing of the owner, and the thing."""
    owner, attacker = await blazon.person("owner"), await blazon.person("attacker")
    thing, channel = await blazon.thing(owner), await blazon.channel(owner)
    await allow(blazon, thing, channel, "m_read", by=owner)
    await allow(blazon, attacker, channel, "c_share")
    return owner, attacker, thing


async def cannot_seize(blazon: Running, attacker: Person, thing: Any, status: int = 403) -> None:
    """Nothing that changes a thing is done for the attacker, and it does not learn the key."""
    before = await blazon.ok("GET", f"/things/{thing['id']}")
    for method, path, given in SEIZING:
        body = {"owner": attacker.id} if path == "/owner" else given
        answer = await blazon.call(method, f"/things/{thing['id']}{path}", body, token=attacker.token)
        refused(answer, status)
    seen = await blazon.call("GET", f"/things/{thing['id']}", token=attacker.token)
    assert key_of(thing).encode() not in seen.body
    assert await blazon.ok("GET", f"/things/{thing['id']}") == before
    assert (await identify(blazon, key_of(thing))).json == {"id": thing["id"]}


async def test_who_may_share_a_thing_cannot_seize_it_on_a_channel_of_its_own(blazon: Running) -> None:
    owner, attacker, thing = await shared(blazon)
    mine = await blazon.channel(attacker)
    await allow(blazon, thing, mine, "m_read", "m_write", by=attacker)
    await allow(blazon, attacker, mine, "c_update", "c_delete", "c_share", by=attacker)
    await cannot_seize(blazon, attacker, thing)
    # Who asks on behalf of others is told the same.
    question = {"subject": attacker.id, "object": thing["id"], "entity_type": "client"}
    for action, status in (("c_list", 200), ("c_update", 403), ("c_delete", 403)):
        asked = await blazon.call("POST", "/channels/object/access", question | {"action": action}, token="")
        assert asked.status == status, action
    told = await blazon.ok("POST", "/channels/object/access/explain", question | {"action": "c_update"})
    assert "where neither the thing's owner nor an admin put it" in told["reason"]
    # The same through a friend who is let onto that channel.
    friend = await blazon.person("friend")
    await allow(blazon, friend, mine, "c_update", "c_delete")
    await cannot_seize(blazon, friend, thing)
    # Once the right to share is gone, its channel still lets it see the thing, and the owner puts an end to that.
    channels = (await blazon.ok("GET", "/policies?subject=" + attacker.id))["policies"]
    first = next(each["object"] for each in channels if each["object"] != mine["id"])
    await blazon.ok("DELETE", f"/policies/{attacker.id}/{first}")
    await cannot_seize(blazon, attacker, thing)
    await blazon.ok("DELETE", f"/policies/{thing['id']}/{mine['id']}")
    await cannot_seize(blazon, attacker, thing, 404)
    assert (await blazon.ok("GET", f"/things/{thing['id']}", token=owner.token))["owner"] == owner.id


async def test_to_add_a_policy_again_makes_it_nobody_elses(blazon: Running) -> None:
    _, attacker, thing = await shared(blazon)
    mine = await blazon.channel(attacker)
    await allow(blazon, thing, mine, "m_read", by=attacker)
    await allow(blazon, attacker, mine, "c_update", "c_delete", by=attacker)
    # Touched by the owner of the thing or by an admin, it is still the attacker who put it there.
    await allow(blazon, thing, mine, "m_write")
    (found,) = (await blazon.ok("GET", f"/policies?subject={thing['id']}&object={mine['id']}"))["policies"]
    assert found["owner_id"] == attacker.id
    await cannot_seize(blazon, attacker, thing)


async def test_put_there_by_its_owner_or_an_admin_it_is_managed_by_those_with_the_right_there(blazon: Running) -> None:
    owner, keeper = await blazon.person(), await blazon.person()
    channel = await blazon.channel(owner)
    await allow(blazon, keeper, channel, "c_update", "c_delete")
    for by in (owner, None):
        thing = await blazon.thing(owner)
        await allow(blazon, thing, channel, "m_read", by=by)
        path = f"/things/{thing['id']}"
        assert (await blazon.ok("PATCH", path, {"name": "kept"}, token=keeper.token))["updated_by"] == keeper.id
        assert key_of(await blazon.ok("GET", path, token=keeper.token)) == key_of(thing)
        await blazon.ok("PATCH", f"{path}/secret", {"secret": f"kept {thing['id']}"}, token=keeper.token)
        await blazon.ok("POST", f"{path}/disable", token=keeper.token)
        await blazon.ok("POST", f"{path}/enable", token=keeper.token)
        refused(await blazon.call("PATCH", f"{path}/owner", {"owner": keeper.id}, token=keeper.token), 403, "owner")


async def test_a_thing_that_was_given_away_is_not_managed_through_what_its_old_owner_did(blazon: Running) -> None:
    owner, heir = await blazon.person("owner"), await blazon.person("heir")
    thing, channel = await blazon.thing(owner), await blazon.channel(owner)
    await allow(blazon, thing, channel, "m_read", by=owner)
    await allow(blazon, owner, channel, "c_update", "c_delete", by=owner)
    await blazon.ok("PATCH", f"/things/{thing['id']}/owner", {"owner": heir.id}, token=owner.token)
    await cannot_seize(blazon, owner, thing)


async def test_to_own_a_channel_is_not_to_own_what_is_on_it(blazon: Running) -> None:
    host, guest = await blazon.person("host"), await blazon.person("guest")
    channel, thing = await blazon.channel(host), await blazon.thing(guest)
    await allow(blazon, guest, channel, "g_add", "m_read")
    await allow(blazon, thing, channel, "m_read", by=guest)
    # The host sees it in the list of the channel.
    page = await blazon.ok("GET", f"/channels/{channel['id']}/things", token=host.token)
    assert [each["id"] for each in page["things"]] == [thing["id"]]
    await cannot_seize(blazon, host, thing, 404)


async def test_a_policy_of_the_thing_itself_gives_nobody_else_a_right(blazon: Running) -> None:
    attacker = await blazon.person("attacker")
    thing, channel = await blazon.thing(), await blazon.channel()
    await allow(blazon, thing, channel, "c_update", "g_delete", "g_add", "m_read")
    await cannot_seize(blazon, attacker, thing, 404)
    other = await blazon.thing()
    await allow(blazon, other, channel, "m_read")
    assert not await may(blazon, thing, channel, "m_write")


async def test_a_holder_of_g_add_cannot_widen_its_own_policy(blazon: Running) -> None:
    holder, channel = await blazon.person(), await blazon.channel()
    await allow(blazon, holder, channel, "g_add", "m_read")
    for beyond in ("g_delete", "c_update", "m_write"):
        body = policy(holder, channel, "g_add", "m_read", beyond)
        refused(await blazon.call("POST", "/policies", body, token=holder.token), 403, beyond)
        refused(await blazon.call("PUT", "/policies", body, token=holder.token), 403, "only who made a policy")
    body = {"subjects": [holder.id], "objects": [channel["id"]], "actions": ["c_share"], "external": True}
    refused(await blazon.call("POST", "/connect", body, token=holder.token), 403, "c_share")


async def test_a_holder_of_g_add_cannot_take_from_others_by_giving_less(blazon: Running) -> None:
    owner, holder, stronger = (
        await blazon.person("owner"),
        await blazon.person("holder"),
        await blazon.person("stronger"),
    )
    channel, free = await blazon.channel(owner), await blazon.channel(owner)
    for each in (channel, free):
        await allow(blazon, holder, each, "g_add", "g_list", "m_read")
    await allow(blazon, stronger, channel, "g_delete", "g_update", "m_read")
    # The holder may put it on a channel, as far as that goes: it is its owner.
    await blazon.ok("PATCH", f"/users/{stronger.id}/owner", {"owner": holder.id})
    path = f"/policies?subject={stronger.id}&object={channel['id']}"
    before = await blazon.ok("GET", path)
    for method in ("POST", "PUT"):
        body = {**policy(stronger, channel, "m_read"), "external": True}
        refused(await blazon.call(method, "/policies", body, token=holder.token), 403, "only who made a policy")
    pairs = {"subjects": [stronger.id], "objects": [free["id"], channel["id"]], "actions": ["m_read"], "external": True}
    refused(await blazon.call("POST", "/connect", pairs, token=holder.token), 403, "only who made a policy")
    assert await blazon.ok("GET", path) == before
    # What it made itself it may make again.
    for _ in range(2):
        await blazon.ok("POST", "/connect", {**pairs, "objects": [free["id"]]}, token=holder.token)


async def test_implied_actions_are_not_a_way_around(blazon: Running) -> None:
    """c_share is one's own, but not c_list and g_list, which it brings: they were taken out by a change."""
    holder, channel = await blazon.person(), await blazon.channel()
    await allow(blazon, holder, channel, "g_add")
    await blazon.ok("PUT", "/policies", policy(holder, channel, "g_add", "c_share"))
    body = policy(holder, channel, "c_share")
    refused(await blazon.call("POST", "/policies", body, token=holder.token), 403, "c_list")


async def test_rights_on_one_channel_are_none_on_another(blazon: Running) -> None:
    holder = await blazon.person()
    one, two = await blazon.channel(), await blazon.channel()
    thing = await blazon.thing()
    await allow(blazon, holder, one, "g_add", "g_update", "g_delete", "c_update", "c_delete", "c_share", "m_read")
    await allow(blazon, thing, two, "m_read")
    await cannot_seize(blazon, holder, thing, 404)
    pair = {"subjects": [(await blazon.thing(holder))["id"]], "objects": [one["id"], two["id"]], "actions": ["m_read"]}
    refused(await blazon.call("POST", "/connect", pair, token=holder.token), 404, "not a channel")
    for method, path, body in (("PUT", "", {"name": "n"}), ("POST", "/disable", None), ("GET", "/things", None)):
        refused(await blazon.call(method, f"/channels/{two['id']}{path}", body, token=holder.token), 404)


async def test_rights_on_users_are_none_on_things(blazon: Running) -> None:
    """Groups and channels are kept apart, even when a policy of users names the same subject."""
    holder, owner = await blazon.person(), await blazon.person()
    group = await blazon.group()
    for person in (holder, owner):
        body = {"subject": person.id, "object": group["id"], "actions": ["c_update", "c_delete", "c_share", "g_add"]}
        await blazon.ok("POST", "/users/policies", body)
    thing = await blazon.thing(owner)
    await cannot_seize(blazon, holder, thing, 404)


async def test_a_thing_with_the_id_of_a_user_has_none_of_its_rights(blazon: Running) -> None:
    victim, attacker = await blazon.person("victim"), await blazon.person("attacker")
    channel = await blazon.channel()
    await allow(blazon, victim, channel, "m_read", "m_write", "c_update")
    body = {"id": victim.id, "credentials": {"secret": "key of a double"}}
    refused(await blazon.call("POST", "/things", body, token=attacker.token), 409, "this id")
    answer = await blazon.call("POST", "/things/bulk", [{}, body], token=attacker.token)
    refused(answer, 409, "things[1]")
    assert not await may(blazon, {"credentials": {"secret": "key of a double"}}, channel, "m_write")
    assert await may(blazon, victim, channel, "m_write", "group")


async def test_fields_of_the_row_are_not_fields_of_a_request(blazon: Running) -> None:
    person = await blazon.person()
    thing = await blazon.thing(person)
    body = {
        "id": "x",
        "owner": blazon.admin.id,
        "status": "disabled",
        "credentials": {"secret": "mine mine", "identity": "x"},
        "key": "mine mine",
        "key_hash": "00",
        "secret": "mine mine",
        "created_at": "2001-01-01T00:00:00Z",
        "revision": 1,
    }
    after = await blazon.ok("PATCH", f"/things/{thing['id']}", body, token=person.token)
    assert after == {**thing, "updated_at": after["updated_at"], "updated_by": person.id}
    refused(await identify(blazon, "mine mine"), 401)


async def test_a_thing_does_not_sign_in(blazon: Running) -> None:
    thing, channel = await blazon.thing(), await blazon.channel()
    await allow(blazon, thing, channel, "g_add", "g_list", "c_list", "c_update")
    for method, path, body in (
        ("GET", "/things", None),
        ("GET", f"/things/{thing['id']}", None),
        ("PATCH", f"/things/{thing['id']}/secret", {"secret": "mine"}),
        ("GET", f"/channels/{channel['id']}", None),
        ("POST", "/policies", policy(thing, channel, "m_write")),
    ):
        refused(await blazon.call(method, path, body, token=key_of(thing)), 401)
        headers = {"Authorization": f"Thing {key_of(thing)}"}
        refused(await blazon.call(method, path, body, token="", headers=headers), 401)
