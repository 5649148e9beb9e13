"""The questions devices and gateways ask, and why an answer is what it is (fact sheet §4.3, §9.5; decision C9)."""

import itertools
from typing import Any

import pytest

from tests.running import Person, Running, refused
from tests.streams import Stream
from tests.things.support import UNKNOWN, allow, asked, identify, key_of, may, policy, question


async def explain(
    blazon: Running, subject: Any, channel: Any, action: str, entity: str = "thing", by: Person | None = None
) -> Any:
    """Why an access is allowed, or why not, for somebody."""
    path = f"/channels/{channel['id']}/access/explain"
    body = question(subject, channel, action, entity)
    return await blazon.ok("POST", path, body, token=by.token if by else None)


async def test_a_thing_with_a_policy(blazon: Running) -> None:
    thing, channel, other = await blazon.thing(), await blazon.channel(), await blazon.channel()
    refused(await asked(blazon, thing, channel, "m_read"), 403)
    await allow(blazon, thing, channel, "m_read")
    answer = await asked(blazon, thing, channel, "m_read")
    assert (answer.status, answer.json) == (200, {"thing_id": thing["id"], "authorized": True})
    assert not await may(blazon, thing, channel, "m_write")
    assert not await may(blazon, thing, other, "m_read")


async def test_as_the_python_sdk_asks(blazon: Running) -> None:
    """The path has the word `object`, the body the channel; an object in the body wins over any path."""
    thing, channel, other = await blazon.thing(), await blazon.channel(), await blazon.channel()
    await allow(blazon, thing, channel, "m_write")
    body = question(thing, channel, "m_write")
    for path in ("object", other["id"], UNKNOWN, channel["id"]):
        answer = await blazon.call("POST", f"/channels/{path}/access", body, token="")
        assert (answer.status, answer.json) == (200, {"thing_id": thing["id"], "authorized": True})
    body["object"] = other["id"]
    refused(await blazon.call("POST", f"/channels/{channel['id']}/access", body, token=""), 403)
    for nothing in ({}, {"object": ""}, {"object": None}):
        short = {"subject": key_of(thing), "action": "m_write", "entity_type": "thing", **nothing}
        assert (await blazon.call("POST", f"/channels/{channel['id']}/access", short, token="")).status == 200
        refused(await blazon.call("POST", "/channels/object/access", short, token=""), 403)


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"subject": ""}, 400, "subject"),
        ({"subject": None}, 400, "subject"),
        ({"subject": 5}, 400, "subject"),
        ({"action": ""}, 400, "action"),
        ({"action": None}, 400, "action"),
        ({"action": "fly"}, 400, "action"),
        ({"action": "m_read' OR 1=1 --"}, 400, "action"),
        ({"action": ["m_read"]}, 400, "action"),
        ({"entity_type": "device"}, 400, "entity_type"),
        ({"entity_type": ""}, 400, "entity_type"),
        ({"entity_type": None}, 400, "entity_type"),
        ({"entity_type": "Thing"}, 400, "entity_type"),
        ({"object": "x" * 255}, 400, "object"),
        ({"object": "a\u0001"}, 400, "object"),
        ({"object": 5}, 400, "object"),
        ({"subject": "no such key"}, 403, ""),
        ({"subject": "x" * 5000}, 403, ""),
        ({"subject": "\u202e😀"}, 403, ""),
        ({"object": UNKNOWN}, 403, ""),
        ({"object": "nowhere"}, 403, ""),
    ],
)
async def test_questions_that_are_none(
    blazon: Running, stream: Stream, change: dict[str, Any], status: int, reason: str
) -> None:
    thing, channel = await blazon.thing(), await blazon.channel()
    await allow(blazon, thing, channel, "m_read")
    body = {**question(thing, channel, "m_read"), **change}
    async with stream.recorded() as events:
        answer = await blazon.call("POST", f"/channels/{channel['id']}/access", body, token="")
        refused(answer, status, reason)
    assert events == []
    assert key_of(thing).encode() not in answer.body


async def test_who_is_refused_is_told_the_same_whatever_the_reason(blazon: Running) -> None:
    """Anybody may ask, so the answer does not tell what there is."""
    thing, off, channel, closed = (
        await blazon.thing(),
        await blazon.thing(),
        await blazon.channel(),
        await blazon.channel(),
    )
    await allow(blazon, off, channel, "m_read")
    await allow(blazon, thing, closed, "m_read")
    await blazon.ok("POST", f"/things/{off['id']}/disable")
    await blazon.ok("POST", f"/channels/{closed['id']}/disable")
    answers = [
        await asked(blazon, thing, channel, "m_read"),
        await asked(blazon, off, channel, "m_read"),
        await asked(blazon, thing, closed, "m_read"),
        await asked(blazon, thing, UNKNOWN, "m_read"),
        await asked(blazon, UNKNOWN, channel, "m_read"),
        await asked(blazon, thing["id"], channel, "m_read", "group"),
        await asked(blazon, UNKNOWN, thing, "m_read", "client"),
    ]
    assert {answer.status for answer in answers} == {403}
    assert len({answer.body for answer in answers}) == 1


async def test_a_removed_policy_is_refused_at_once(blazon: Running) -> None:
    thing, channel = await blazon.thing(), await blazon.channel()
    for take_back in (
        ("DELETE", f"/policies/{thing['id']}/{channel['id']}", None),
        ("POST", "/disconnect", {"subjects": [thing["id"]], "objects": [channel["id"]]}),
        ("PUT", "/policies", policy(thing, channel, "m_write")),
    ):
        await allow(blazon, thing, channel, "m_read")
        assert await may(blazon, thing, channel, "m_read")
        await blazon.ok(*take_back)
        assert not await may(blazon, thing, channel, "m_read")


async def test_a_disabled_thing_is_refused_at_once(blazon: Running) -> None:
    thing, channel = await blazon.thing(), await blazon.channel()
    await allow(blazon, thing, channel, "m_read", "m_write")
    for _ in range(2):
        assert await may(blazon, thing, channel, "m_read")
        await blazon.ok("POST", f"/things/{thing['id']}/disable")
        assert not await may(blazon, thing, channel, "m_read")
        assert not await may(blazon, thing, channel, "m_write")
        refused(await identify(blazon, key_of(thing)), 401)
        await blazon.ok("POST", f"/things/{thing['id']}/enable")
        assert (await identify(blazon, key_of(thing))).json == {"id": thing["id"]}


async def test_a_disabled_channel_is_refused_at_once(blazon: Running) -> None:
    thing, channel, other = await blazon.thing(), await blazon.channel(), await blazon.channel()
    await allow(blazon, thing, channel, "m_read")
    await allow(blazon, thing, other, "m_read")
    for _ in range(2):
        assert await may(blazon, thing, channel, "m_read")
        await blazon.ok("POST", f"/channels/{channel['id']}/disable")
        assert not await may(blazon, thing, channel, "m_read")
        assert await may(blazon, thing, other, "m_read")
        await blazon.ok("POST", f"/channels/{channel['id']}/enable")


async def test_what_is_made_disabled_is_refused_from_the_start(blazon: Running) -> None:
    off, closed = await blazon.thing(status="disabled"), await blazon.channel(status="disabled")
    thing, channel = await blazon.thing(), await blazon.channel()
    refused(await identify(blazon, key_of(off)), 401)
    for member, place in ((off, channel), (thing, closed)):
        await allow(blazon, member, place, "m_read")
        assert not await may(blazon, member, place, "m_read")


async def test_an_old_key_is_useless_at_once(blazon: Running) -> None:
    thing, channel = await blazon.thing(), await blazon.channel()
    await allow(blazon, thing, channel, "m_read")
    keys = [key_of(thing), *(f"key number {number} of {thing['id']}" for number in range(5))]
    for old, new in itertools.pairwise(keys):
        assert await may(blazon, {"credentials": {"secret": old}}, channel, "m_read")
        await blazon.ok("PATCH", f"/things/{thing['id']}/secret", {"secret": new})
        for useless in keys[: keys.index(new)]:
            refused(await identify(blazon, useless), 401)
            assert not await may(blazon, {"credentials": {"secret": useless}}, channel, "m_read")
        assert (await identify(blazon, new)).json == {"id": thing["id"]}
    assert await may(blazon, {"credentials": {"secret": keys[-1]}}, channel, "m_read")


async def test_two_things_change_keys(blazon: Running) -> None:
    """The key of one becomes that of the other: it counts for the other alone."""
    one, two, channel = await blazon.thing(), await blazon.thing(), await blazon.channel()
    await allow(blazon, one, channel, "m_read")
    await blazon.ok("PATCH", f"/things/{one['id']}/secret", {"secret": "set aside"})
    await blazon.ok("PATCH", f"/things/{two['id']}/secret", {"secret": key_of(one)})
    await blazon.ok("PATCH", f"/things/{one['id']}/secret", {"secret": key_of(two)})
    assert (await identify(blazon, key_of(one))).json == {"id": two["id"]}
    assert (await identify(blazon, key_of(two))).json == {"id": one["id"]}
    refused(await identify(blazon, "set aside"), 401)
    assert await may(blazon, two, channel, "m_read")
    assert not await may(blazon, one, channel, "m_read")


async def test_a_thing_on_many_channels(blazon: Running) -> None:
    thing = await blazon.thing()
    channels = (await blazon.ok("POST", "/channels/bulk", [{}] * 30))["channels"]
    body = {"subjects": [thing["id"]], "objects": [channel["id"] for channel in channels]}
    await blazon.ok("POST", "/connect", {**body, "actions": ["m_read"]})
    await blazon.ok("POST", "/disconnect", {**body, "objects": body["objects"][::3]})
    await blazon.ok("POST", "/connect", {**body, "objects": body["objects"][1::3], "actions": ["m_write"]})
    for number, channel in enumerate(channels):
        allowed = [await may(blazon, thing, channel, action) for action in ("m_read", "m_write")]
        assert allowed == [[False, False], [False, True], [True, False]][number % 3]


async def test_whom_a_question_is_about(blazon: Running) -> None:
    owner, friend = await blazon.person(), await blazon.person()
    thing, channel = await blazon.thing(owner), await blazon.channel(owner)
    await allow(blazon, thing, channel, "m_read", "c_list", by=owner)
    await allow(blazon, friend, channel, "c_update")
    # client: a user to a thing, as owner or through a channel both are on.
    for subject, action, expected in (
        (owner, "c_delete", True),
        (friend, "c_update", True),
        (friend, "c_delete", False),
        (blazon.admin, "c_delete", True),
        (await blazon.person(), "c_list", False),
    ):
        assert await may(blazon, subject, thing, action, "client") == expected
    # group: a user, or a thing by its id, to a channel.
    for who, action, expected in (
        (owner.id, "g_delete", True),
        (friend.id, "g_list", True),
        (friend.id, "g_update", False),
        (thing["id"], "m_read", True),
        (thing["id"], "m_write", False),
        (blazon.admin.id, "g_update", True),
        (UNKNOWN, "g_list", False),
        (key_of(thing), "m_read", False),
    ):
        assert await may(blazon, who, channel, action, "group") == expected
    answer = await asked(blazon, owner, channel, "g_list", "group")
    assert answer.json == {"authorized": True}


async def test_a_disabled_user_may_nothing(blazon: Running) -> None:
    owner = await blazon.person()
    thing, channel = await blazon.thing(owner), await blazon.channel(owner)
    assert await may(blazon, owner, thing, "c_list", "client")
    await blazon.ok("POST", f"/users/{owner.id}/disable")
    assert not await may(blazon, owner, thing, "c_list", "client")
    assert not await may(blazon, owner, channel, "g_list", "group")
    # Its things go on: they are what is disabled one by one.
    await allow(blazon, thing, channel, "m_read")
    assert await may(blazon, thing, channel, "m_read")


async def test_an_owner_is_another_at_once(blazon: Running) -> None:
    first, second = await blazon.person(), await blazon.person()
    thing = await blazon.thing(first)
    await blazon.ok("PATCH", f"/things/{thing['id']}/owner", {"owner": second.id})
    assert not await may(blazon, first, thing, "c_update", "client")
    assert await may(blazon, second, thing, "c_update", "client")


async def test_why(blazon: Running) -> None:
    owner = await blazon.person()
    thing, channel, other = await blazon.thing(owner), await blazon.channel(owner), await blazon.channel(owner)
    told = await explain(blazon, thing, channel, "m_read", by=owner)
    assert told == {
        "authorized": False,
        "reason": "the thing has no policy on the channel",
        "thing_id": thing["id"],
    }
    await allow(blazon, thing, channel, "m_read", "c_list", by=owner)
    told = await explain(blazon, thing, channel, "m_write", by=owner)
    assert told["authorized"] is False
    assert told["reason"] == "the thing's policy on the channel allows c_list, m_read, not m_write"
    told = await explain(blazon, thing, channel, "m_read", by=owner)
    assert told == {
        "authorized": True,
        "reason": "a policy gives the thing m_read on the channel",
        "thing_id": thing["id"],
    }
    # A thing is named by its key or by its id; what is neither is said to be neither.
    assert await explain(blazon, thing["id"], channel, "m_read", by=owner) == told
    nothing = await explain(blazon, "no such key", channel, "m_read", by=owner)
    assert nothing == {"authorized": False, "reason": "no thing has this key or id"}
    nothing = await explain(blazon, UNKNOWN, channel, "m_read", by=owner)
    assert nothing == {"authorized": False, "reason": "no thing has this key or id"}

    await blazon.ok("POST", f"/channels/{channel['id']}/disable")
    assert (await explain(blazon, thing, channel, "m_read", by=owner))["reason"] == "the channel is disabled"
    await blazon.ok("POST", f"/things/{thing['id']}/disable")
    assert (await explain(blazon, thing, channel, "m_read", by=owner))["reason"] == "the thing is disabled"
    assert (await explain(blazon, thing["id"], other, "m_read", by=owner))["reason"] == "the thing is disabled"


async def test_why_for_users(blazon: Running) -> None:
    owner, friend = await blazon.person(), await blazon.person()
    thing, channel = await blazon.thing(owner), await blazon.channel(owner)

    async def why(subject: Any, object_: Any, action: str, entity: str) -> tuple[bool, str]:
        told = await explain(blazon, subject, object_, action, entity)
        return told["authorized"], told["reason"]

    assert await why(owner, channel, "g_delete", "group") == (True, "the subject owns the channel")
    assert await why(owner, thing, "c_delete", "client") == (True, "the subject owns the thing")
    assert await why(blazon.admin, channel, "g_list", "group") == (True, "the subject is an admin")
    assert await why(friend, channel, "g_list", "group") == (False, "the subject has no policy on the channel")
    assert await why(friend, thing, "c_list", "client") == (False, "the subject shares no channel with the thing")
    await allow(blazon, friend, channel, "c_list")
    await allow(blazon, thing, channel, "m_read")
    assert await why(friend, thing, "c_list", "client") == (
        True,
        f"the subject has c_list on channel {channel['id']}, where the thing is",
    )
    allowed, reason = await why(friend, thing, "c_update", "client")
    assert not allowed
    assert "c_update" in reason
    allowed, reason = await why(friend, channel, "g_update", "group")
    assert not allowed
    assert reason == "the subject's policy on the channel allows g_list, c_list, not g_update"
    await blazon.ok("POST", f"/users/{friend.id}/disable")
    assert await why(friend, channel, "g_list", "group") == (False, "the subject is disabled")


async def test_why_is_told_to_those_who_may_see_it(blazon: Running, stream: Stream) -> None:
    owner, reader, stranger = [await blazon.person() for _ in range(3)]
    thing, channel = await blazon.thing(owner), await blazon.channel(owner)
    await allow(blazon, thing, channel, "m_read", by=owner)
    await allow(blazon, reader, channel, "g_list")
    path = f"/channels/{channel['id']}/access/explain"
    body = question(thing, channel, "m_read")
    async with stream.recorded() as events:
        for person, status in ((blazon.admin, 200), (owner, 200), (reader, 200), (stranger, 404)):
            assert (await blazon.call("POST", path, body, token=person.token)).status == status
        refused(await blazon.call("POST", path, body, token=""), 401)
        about = question(owner, thing, "c_list", "client")
        for person, status in ((blazon.admin, 200), (owner, 200), (reader, 404), (stranger, 404)):
            assert (await blazon.call("POST", path, about, token=person.token)).status == status
        for wrong in ({"entity_type": "x"}, {"action": "fly"}, {"subject": ""}):
            refused(await blazon.call("POST", path, {**body, **wrong}), 400)
    # Nobody got access: nothing is recorded.
    assert events == []
    # An object in the body is the one that must be seen: not the channel of the path.
    other = await blazon.channel(stranger)
    body = question(thing, channel, "m_read")
    refused(await blazon.call("POST", f"/channels/{other['id']}/access/explain", body, token=stranger.token), 404)


async def test_no_refusal_holds_the_key(blazon: Running) -> None:
    thing, channel = await blazon.thing(), await blazon.channel()
    key = key_of(thing).encode()
    for path in ("access", "access/explain"):
        for change in ({}, {"action": "m_write"}, {"entity_type": "group"}, {"entity_type": key_of(thing)}):
            body = {**question(thing, channel, "m_read"), **change}
            answer = await blazon.call("POST", f"/channels/{channel['id']}/{path}", body)
            assert key not in answer.body
