"""Policies of things: who may connect what to what, change it, take it back (fact sheet §4.3, §9.2, §9.3)."""

import asyncio
from typing import Any

import pytest

from tests.running import Person, Running, refused
from tests.streams import Stream
from tests.things.support import NEVER, UNKNOWN, actions_of, allow, id_of, may, policy

PATHS = ("/policies", "/things/policies")
"""The service's own path, and the gateway's."""


async def policies(blazon: Running, query: str, person: Person | None = None, path: str = "/policies") -> list[Any]:
    page = await blazon.ok("GET", f"{path}?{query}", token=person.token if person else None)
    assert set(page) == {"limit", "offset", "total", "policies"}
    return list(page["policies"])


@pytest.mark.parametrize("path", PATHS)
async def test_answers(blazon: Running, path: str) -> None:
    thing, channel = await blazon.thing(), await blazon.channel()
    answer = await blazon.call("POST", path, policy(thing, channel, "m_read"))
    assert (answer.status, answer.body) == (201, b"")
    (found,) = await policies(blazon, f"subject={thing['id']}", path=path)
    assert found == {
        "owner_id": blazon.admin.id,
        "subject": thing["id"],
        "object": channel["id"],
        "actions": ["m_read"],
        "created_at": found["created_at"],
        "updated_at": NEVER,
    }
    answer = await blazon.call("PUT", path, policy(thing, channel, "m_write"))
    assert (answer.status, answer.body) == (204, b"")
    (changed,) = await policies(blazon, f"subject={thing['id']}", path=path)
    assert changed == {
        **found,
        "actions": ["m_write"],
        "updated_at": changed["updated_at"],
        "updated_by": blazon.admin.id,
    }
    assert changed["updated_at"] > changed["created_at"]
    answer = await blazon.call("DELETE", f"{path}/{thing['id']}/{channel['id']}")
    assert (answer.status, answer.body) == (204, b"")
    assert await policies(blazon, f"subject={thing['id']}", path=path) == []


async def test_default_actions(blazon: Running) -> None:
    thing, channel, person = await blazon.thing(), await blazon.channel(), await blazon.person()
    pair = {"subject": thing["id"], "object": channel["id"]}
    for body in (pair, {**pair, "actions": None}, {**pair, "external": False}):
        await blazon.ok("POST", "/policies", body)
        assert await actions_of(blazon, thing, channel) == ["m_write", "m_read"]
        await blazon.ok("DELETE", f"/policies/{thing['id']}/{channel['id']}")
    made = await blazon.ok("POST", "/connect", {"subjects": [thing["id"]], "objects": [channel["id"]]})
    assert made["policies"][0]["actions"] == ["m_write", "m_read"]
    await blazon.ok("POST", "/policies", {"subject": person.id, "object": channel["id"], "external": True})
    assert await actions_of(blazon, person, channel) == ["m_write", "m_read"]


@pytest.mark.parametrize(
    ("given", "of_a_user"),
    [
        (["c_update"], ["c_update", "c_list", "g_list"]),
        (["c_share"], ["c_share", "c_list", "g_list"]),
        (["g_add"], ["g_add", "g_list"]),
        (["g_list", "g_list"], ["g_list"]),
        (["m_read", "g_update"], ["m_read", "g_update", "g_list"]),
        (["m_write", "m_read", "m_write"], ["m_write", "m_read"]),
    ],
)
async def test_actions_imply_others_for_users_alone(blazon: Running, given: list[str], of_a_user: list[str]) -> None:
    thing, channel, person = await blazon.thing(), await blazon.channel(), await blazon.person()
    await allow(blazon, thing, channel, *given)
    assert await actions_of(blazon, thing, channel) == list(dict.fromkeys(given))
    await allow(blazon, person, channel, *given)
    assert await actions_of(blazon, person, channel) == of_a_user


async def test_adding_again_replaces_and_keeps_the_creator(blazon: Running) -> None:
    owner = await blazon.person()
    thing, channel = await blazon.thing(owner), await blazon.channel(owner)
    await allow(blazon, thing, channel, "m_read", by=owner)
    (first,) = await policies(blazon, f"subject={thing['id']}")
    await allow(blazon, thing, channel, "m_write")
    (second,) = await policies(blazon, f"subject={thing['id']}")
    assert second == {
        **first,
        "actions": ["m_write"],
        "updated_at": second["updated_at"],
        "updated_by": blazon.admin.id,
    }
    assert second["owner_id"] == owner.id
    assert not await may(blazon, thing, channel, "m_read")
    assert await may(blazon, thing, channel, "m_write")


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"subject": ""}, 400, "subject is missing"),
        ({"subject": None}, 400, "subject is missing"),
        ({"subject": 5}, 400, "subject"),
        ({"object": ""}, 400, "object is missing"),
        ({"object": ["o"]}, 400, "object"),
        ({"actions": []}, 400, "actions"),
        ({"actions": ["c_fly"]}, 400, "actions"),
        ({"actions": ["M_READ"]}, 400, "actions"),
        ({"actions": ["m_read "]}, 400, "actions"),
        ({"actions": "m_read"}, 400, "actions"),
        ({"actions": [5]}, 400, "actions"),
        ({"external": "yes"}, 400, "external"),
        ({"external": 1}, 400, "external"),
        ({"subject": "x" * 300}, 400, "longer than 254 bytes"),
        ({"object": "a\nb"}, 400, "control character"),
        ({"subject": UNKNOWN}, 404, "the subject is not a thing"),
        ({"subject": "no-such-thing"}, 404, "the subject is not a thing"),
        ({"subject": "\u202e😀"}, 404, "the subject is not a thing"),
        ({"object": UNKNOWN}, 404, "the object is not a channel"),
        ({"external": True}, 404, "the subject is not a user"),
    ],
)
async def test_bad_policies(blazon: Running, change: dict[str, Any], status: int, reason: str) -> None:
    thing, channel = await blazon.thing(), await blazon.channel()
    body = {**policy(thing, channel, "m_read"), **change}
    for path in PATHS:
        refused(await blazon.call("POST", path, body), status, reason)
        if status == 400 and "external" not in change:
            refused(await blazon.call("PUT", path, body), status, reason)
    assert await policies(blazon, f"object={channel['id']}") == []


async def test_a_user_is_no_thing_and_a_thing_no_user(blazon: Running) -> None:
    thing, channel, person = await blazon.thing(), await blazon.channel(), await blazon.person()
    body = {"subject": person.id, "object": channel["id"], "actions": ["m_read"]}
    refused(await blazon.call("POST", "/policies", body), 404, "the subject is not a thing")
    body = {"subject": thing["id"], "object": channel["id"], "actions": ["m_read"], "external": True}
    refused(await blazon.call("POST", "/policies", body), 404, "the subject is not a user")


async def test_who_may_add(blazon: Running) -> None:
    owner, holder, reader, stranger = [await blazon.person() for _ in range(4)]
    channel = await blazon.channel(owner)
    await allow(blazon, holder, channel, "g_add", "m_read")
    await allow(blazon, reader, channel, "g_list")

    for person, status in ((stranger, 404), (reader, 403)):
        body = policy(await blazon.thing(person), channel, "m_read")
        refused(await blazon.call("POST", "/policies", body, token=person.token), status)
    # A holder of g_add connects things of its own, with what it has, and nothing else.
    own = await blazon.thing(holder)
    await allow(blazon, own, channel, "m_read", by=holder)
    for beyond in ("m_write", "c_list", "g_delete"):
        body = policy(own, channel, "m_read", beyond)
        refused(await blazon.call("POST", "/policies", body, token=holder.token), 403, beyond)
    assert await actions_of(blazon, own, channel) == ["m_read"]
    # Without actions said, publish and subscribe are meant.
    body = {"subject": own["id"], "object": channel["id"]}
    refused(await blazon.call("POST", "/policies", body, token=holder.token), 403, "m_write")
    # The owner of the channel puts its own things on it, not those of others: the subject must be one's own to give.
    other = await blazon.thing(stranger)
    refused(await blazon.call("POST", "/policies", policy(other, channel, "m_read"), token=owner.token), 404, "thing")
    await allow(blazon, await blazon.thing(owner), channel, "m_write", "g_delete", by=owner)
    await allow(blazon, other, channel, "m_write")


async def test_external_sharing(blazon: Running) -> None:
    """A user is given a channel by who may share the user: an admin, its owner, whoever has c_share on it, itself."""
    owner, friend, mate = [await blazon.person() for _ in range(3)]
    channel = await blazon.channel(owner)
    thing = await blazon.thing(owner)
    await allow(blazon, thing, channel, "m_read", by=owner)
    body = policy(friend, channel, "c_list")
    refused(await blazon.call("POST", "/policies", body, token=owner.token), 404, "the subject is not a user")
    unknown = await blazon.call("POST", "/policies", {**body, "subject": UNKNOWN}, token=owner.token)
    refused(unknown, 404, "the subject is not a user")

    group = await blazon.group()
    await blazon.ok("POST", "/users/policies", {"subject": friend.id, "object": group["id"], "actions": ["m_read"]})
    members = {"subject": owner.id, "object": group["id"]}
    await blazon.ok("POST", "/users/policies", {**members, "actions": ["c_list"]})
    refused(await blazon.call("POST", "/policies", body, token=owner.token), 403, "c_share")
    await blazon.ok("POST", "/users/policies", {**members, "actions": ["c_share"]})
    await allow(blazon, friend, channel, "c_list", by=owner)
    assert (await blazon.ok("GET", f"/things/{thing['id']}", token=friend.token))["id"] == thing["id"]
    # With oneself one shares what one may give: the owner of the channel anything.
    await allow(blazon, owner, channel, "c_update", by=owner)
    # Who may see it may not pass it on.
    refused(await blazon.call("POST", "/policies", policy(mate, channel, "c_list"), token=friend.token), 403, "g_add")


async def test_who_may_change_and_delete(blazon: Running) -> None:
    owner, maker, reader, stranger = [await blazon.person() for _ in range(4)]
    channel = await blazon.channel(owner)
    thing = await blazon.thing(maker)
    await allow(blazon, maker, channel, "g_add", "m_read")
    await allow(blazon, reader, channel, "g_list")
    await allow(blazon, thing, channel, "m_read", by=maker)
    body, path = policy(thing, channel, "m_read"), f"/policies/{thing['id']}/{channel['id']}"
    pair = {"subjects": [thing["id"]], "objects": [channel["id"]]}

    for person, status in ((stranger, 404), (reader, 403)):
        refused(await blazon.call("PUT", "/policies", body, token=person.token), status)
        refused(await blazon.call("DELETE", path, token=person.token), status)
        refused(await blazon.call("POST", "/disconnect", pair, token=person.token), status)
    for person in (maker, owner, blazon.admin):
        await blazon.ok("PUT", "/policies", body, token=person.token)
    for person in (maker, owner, blazon.admin):
        for method, where, sent in (("DELETE", path, None), ("POST", "/disconnect", pair)):
            await blazon.ok(method, where, sent, token=person.token)
            assert await policies(blazon, f"subject={thing['id']}") == []
            await allow(blazon, thing, channel, "m_read", by=maker)


async def test_a_change_is_as_given_and_within_ones_rights(blazon: Running) -> None:
    owner, maker = await blazon.person(), await blazon.person()
    channel, thing = await blazon.channel(owner), await blazon.thing(maker)
    await allow(blazon, maker, channel, "g_add", "m_read")
    await allow(blazon, thing, channel, "m_read", by=maker)
    beyond = policy(thing, channel, "m_read", "m_write")
    refused(await blazon.call("PUT", "/policies", beyond, token=maker.token), 403, "m_write")
    await blazon.ok("PUT", "/policies", policy(maker, channel, "g_list"))
    refused(await blazon.call("PUT", "/policies", policy(thing, channel, "m_read"), token=maker.token), 403, "g_add")
    await blazon.ok("DELETE", f"/policies/{thing['id']}/{channel['id']}", token=maker.token)


async def test_a_policy_that_is_not_there(blazon: Running) -> None:
    owner, stranger = await blazon.person(), await blazon.person()
    thing, channel = await blazon.thing(owner), await blazon.channel(owner)
    refused(await blazon.call("PUT", "/policies", policy(thing, channel, "m_read")), 404, "no such policy")
    # To delete nothing is no mistake of those who may know that there is nothing.
    path, pair = f"/policies/{thing['id']}/{channel['id']}", {"subjects": [thing["id"]], "objects": [channel["id"]]}
    for who, status in ((blazon.admin, 204), (owner, 204), (stranger, 404)):
        assert (await blazon.call("DELETE", path, token=who.token)).status == status
        assert (await blazon.call("POST", "/disconnect", pair, token=who.token)).status == status
    assert (await blazon.call("DELETE", f"/policies/{UNKNOWN}/{UNKNOWN}")).status == 204


async def test_list(blazon: Running) -> None:
    first, second = await blazon.person(), await blazon.person()
    channels = [await blazon.channel(first), await blazon.channel(second)]
    things = [await blazon.thing(first), await blazon.thing(second)]
    await allow(blazon, things[0], channels[0], "m_read", by=first)
    await allow(blazon, things[1], channels[1], "m_write", by=second)
    await allow(blazon, first, channels[0], "c_update", by=first)
    await allow(blazon, second, channels[0], "m_read")

    async def found(query: str, person: Person | None = None) -> list[tuple[str, str]]:
        return [(each["subject"], each["object"]) for each in await policies(blazon, query, person)]

    a, b = (things[0]["id"], channels[0]["id"]), (things[1]["id"], channels[1]["id"])
    c, d = (first.id, channels[0]["id"]), (second.id, channels[0]["id"])
    for subject, object_ in (("subject", "object"), ("client", "group")):
        assert await found(f"{object_}={channels[0]['id']}") == [a, c, d]
        assert await found(f"{subject}={things[1]['id']}") == [b]
        assert await found(f"{subject}={first.id}&{object_}={channels[0]['id']}&action=c_list") == [c]
        assert await found(f"{subject}={first.id}&action=g_delete") == []
    assert await found(f"owner_id={first.id}") == [a, c]
    assert await found(f"owner_id={first.id}&action=m_read") == [a]
    assert await found(f"owner_id={first.id}&limit=1&offset=1") == [c]
    # Others see what they made, whatever they ask for.
    assert await found("", first) == [a, c]
    assert await found(f"owner_id={second.id}", first) == [a, c]
    assert await found("", second) == [b]
    for action in ("fly", "M_READ", "m_read,m_write"):
        refused(await blazon.call("GET", f"/policies?action={action}"), 400, "action")
    for query in ("subject=a&client=a", "object=a&group=b"):
        refused(await blazon.call("GET", f"/policies?{query}"), 400, "not both")
    refused(await blazon.call("GET", "/policies?limit=0"), 400, "limit")


async def made_for(blazon: Running, owner: Person, things: int, channels: int) -> dict[str, list[str]]:
    """Things and channels of a person, as `/connect` names them."""
    made = await blazon.ok("POST", "/things/bulk", [{}] * things, token=owner.token)
    places = await blazon.ok("POST", "/channels/bulk", [{}] * channels, token=owner.token)
    return {
        "subjects": [thing["id"] for thing in made["things"]],
        "objects": [channel["id"] for channel in places["channels"]],
    }


async def test_connect(blazon: Running, stream: Stream) -> None:
    owner = await blazon.person()
    body = await made_for(blazon, owner, 3, 4)
    async with stream.recorded() as events:
        answer = await blazon.call("POST", "/connect", {**body, "actions": ["m_read"]}, token=owner.token)
    assert answer.status == 200
    made = answer.json["policies"]
    assert answer.json == {"limit": 12, "offset": 0, "total": 12, "policies": made}
    pairs = [(subject, object_) for object_ in body["objects"] for subject in body["subjects"]]
    assert [(each["subject"], each["object"]) for each in made] == pairs
    assert await policies(blazon, f"owner_id={owner.id}&limit=100") == made
    sequences = [entry.sequence for entry in events]
    assert sequences == list(range(sequences[0], sequences[0] + 12)), "one transaction"
    answer = await blazon.call("POST", "/disconnect", body, token=owner.token)
    assert (answer.status, answer.body) == (204, b"")
    assert await policies(blazon, f"owner_id={owner.id}") == []


async def test_connected_again_the_actions_are_replaced(blazon: Running) -> None:
    owner = await blazon.person()
    body = await made_for(blazon, owner, 2, 1)
    first = await blazon.ok("POST", "/connect", {**body, "subjects": body["subjects"][:1]}, token=owner.token)
    second = await blazon.ok("POST", "/connect", {**body, "actions": ["m_read"]})
    assert [each["actions"] for each in second["policies"]] == [["m_read"], ["m_read"]]
    assert [each["owner_id"] for each in second["policies"]] == [owner.id, blazon.admin.id]
    assert second["policies"][0]["created_at"] == first["policies"][0]["created_at"]
    assert second["policies"][0]["updated_by"] == blazon.admin.id
    assert second["policies"][1]["updated_at"] == NEVER


async def test_users_are_connected_with_external(blazon: Running) -> None:
    people, channel = [await blazon.person() for _ in range(2)], await blazon.channel()
    body = {"subjects": [person.id for person in people], "objects": [channel["id"]], "actions": ["c_update"]}
    refused(await blazon.call("POST", "/connect", body), 404, "not a thing")
    made = await blazon.ok("POST", "/connect", {**body, "external": True})
    assert [each["actions"] for each in made["policies"]] == [["c_update", "c_list", "g_list"]] * 2
    await blazon.ok("POST", "/disconnect", body)
    refused(await blazon.call("GET", f"/channels/{channel['id']}", token=people[0].token), 404)


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"subjects": []}, 400, "empty list"),
        ({"objects": []}, 400, "empty list"),
        ({"subjects": None}, 400, "empty list"),
        ({"objects": None}, 400, "empty list"),
        ({"subjects": "one"}, 400, "subjects"),
        ({"objects": {"a": 1}}, 400, "objects"),
        ({"subjects": [5]}, 400, "subjects[0]"),
        ({"subjects": [""]}, 400, "subjects[0] is missing"),
        ({"objects": [""]}, 400, "objects[0] is missing"),
        ({"objects": ["x" * 255]}, 400, "objects[0] is longer"),
        ({"subjects": ["{subject}", "{subject}"]}, 400, "subjects[1] is there twice"),
        ({"objects": ["{object}", "{object}"]}, 400, "objects[1] is there twice"),
        ({"actions": []}, 400, "actions"),
        ({"actions": ["fly"]}, 400, "actions"),
        ({"external": "no"}, 400, "external"),
        ({"subjects": ["{subject}", UNKNOWN]}, 404, "the subject is not a thing"),
        ({"objects": ["{object}", UNKNOWN]}, 404, "the object is not a channel"),
        ({"subjects": ["{subject}", "{hidden}"]}, 404, "the subject is not a thing"),
        ({"objects": ["{object}", "{closed}"]}, 404, "the object is not a channel"),
    ],
)
async def test_connections_that_cannot_be(
    blazon: Running, stream: Stream, change: dict[str, Any], status: int, reason: str
) -> None:
    owner = await blazon.person()
    body = await made_for(blazon, owner, 1, 1)
    hidden, closed = await blazon.thing(), await blazon.channel()
    known = {
        "subject": body["subjects"][0],
        "object": body["objects"][0],
        "hidden": hidden["id"],
        "closed": closed["id"],
    }
    given = {
        name: [each.format(**known) if isinstance(each, str) else each for each in value]
        if isinstance(value, list)
        else value
        for name, value in change.items()
    }
    async with stream.recorded() as events:
        refused(await blazon.call("POST", "/connect", {**body, **given}, token=owner.token), status, reason)
        if status == 400 and not {"actions", "external"} & set(change):
            refused(await blazon.call("POST", "/disconnect", {**body, **given}, token=owner.token), status, reason)
    assert events == []


async def test_disconnect_is_all_or_nothing(blazon: Running, stream: Stream) -> None:
    owner, other = await blazon.person(), await blazon.person()
    body = await made_for(blazon, owner, 2, 1)
    await blazon.ok("POST", "/connect", body, token=owner.token)
    foreign = await made_for(blazon, other, 1, 1)
    await blazon.ok("POST", "/connect", foreign, token=other.token)
    async with stream.recorded() as events:
        both = {"subjects": body["subjects"], "objects": body["objects"] + foreign["objects"]}
        refused(await blazon.call("POST", "/disconnect", both, token=owner.token), 404)
    assert events == []
    assert len(await policies(blazon, f"owner_id={owner.id}")) == 2
    # What is not there is no reason to keep the rest.
    async with stream.recorded() as events:
        more = {**body, "subjects": [*body["subjects"], UNKNOWN]}
        assert (await blazon.call("POST", "/disconnect", more, token=owner.token)).status == 204
    assert [entry.operation for entry in events] == ["policies.delete"] * 2


async def test_many_pairs(blazon: Running, stream: Stream) -> None:
    owner = await blazon.person()
    body = await made_for(blazon, owner, 40, 25)
    async with stream.recorded() as events:
        made = await blazon.ok("POST", "/connect", body, token=owner.token)
    assert made["total"] == len(events) == 1000
    things = [str(number) for number in range(101)]
    refused(await blazon.call("POST", "/connect", {"subjects": things, "objects": things[:100]}), 422, "10000")
    refused(await blazon.call("POST", "/disconnect", {"subjects": things, "objects": things[:100]}), 422, "10000")
    await blazon.ok("POST", "/disconnect", body, token=owner.token)
    assert await policies(blazon, f"owner_id={owner.id}") == []


async def test_connects_and_disconnects_that_race_are_each_whole(blazon: Running, stream: Stream) -> None:
    owner = await blazon.person()
    body = await made_for(blazon, owner, 5, 2)
    async with stream.recorded() as events:
        answers = await asyncio.gather(
            *(
                blazon.call("POST", ("/connect", "/disconnect")[number % 2], body, token=owner.token)
                for number in range(20)
            )
        )
    assert {answer.status for answer in answers} == {200, 204}
    runs = [entry.operation for entry in events]
    assert len(runs) % 10 == 0
    assert all(len(set(runs[at : at + 10])) == 1 for at in range(0, len(runs), 10))
    left = await policies(blazon, f"owner_id={owner.id}&limit=100")
    assert len(left) == (10 if runs[-1] == "policies.add" else 0)
    for thing in body["subjects"]:
        for channel in body["objects"]:
            assert await may(blazon, thing, channel, "m_read", "group") == bool(left)


async def test_things_of_others_are_connected_by_who_may_share_them(blazon: Running) -> None:
    owner, sharer = await blazon.person(), await blazon.person()
    thing, channel = await blazon.thing(owner), await blazon.channel(owner)
    await allow(blazon, thing, channel, "m_read", by=owner)
    mine = await blazon.channel(sharer)
    body = policy(thing, mine, "m_read")
    for actions, status, reason in ((["g_add"], 404, "not a thing"), (["c_list"], 403, "c_share")):
        await allow(blazon, sharer, channel, *actions)
        refused(await blazon.call("POST", "/policies", body, token=sharer.token), status, reason)
    await allow(blazon, sharer, channel, "c_share")
    await allow(blazon, thing, mine, "m_read", by=sharer)
    (made,) = await policies(blazon, f"object={id_of(mine)}")
    assert made["owner_id"] == sharer.id
