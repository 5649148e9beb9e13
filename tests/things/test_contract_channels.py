"""Each sample of the things chapter of the event document, field by field: channels and policies.

As in `test_contract_things`: `sample` holds every field of the document's sample, the last argument what a decision
adds.
"""

from typing import Any

from tests.running import Running
from tests.streams import Entry, Stream, check, picked
from tests.things.support import UNKNOWN, allow, asked, identify, key_of, policy, question

CHANGED = ("updated_by", "created_at", "status", "updated_at", "id", "name")


async def only_policy(blazon: Running, thing: Any) -> Any:
    page = await blazon.ok("GET", f"/policies?subject={thing['id']}")
    (found,) = page["policies"]
    return found


async def test_create(blazon: Running, stream: Stream) -> None:
    async with stream.recorded() as events:
        channel = await blazon.ok("POST", "/channels", {"name": "-frosty-moon"})
    sample = {**picked(channel, "name", "id", "status", "created_at"), "metadata": "{}", "owner": channel["owner_id"]}
    check(events, "channel.create", sample)
    assert events[0].time == channel["created_at"]
    assert channel["owner_id"] == blazon.admin.id


async def test_create_with_everything(blazon: Running, stream: Stream) -> None:
    parent, owner = await blazon.channel(), await blazon.person()
    body = {
        "id": "7d9a1c52-1b5f-4c5b-8d7e-3f0a5a1b2c3d",
        "parent_id": parent["id"],
        "owner_id": owner.id,
        "description": "two\nlines",
        "metadata": {"b": [], "a": {}},
        "status": "disabled",
    }
    async with stream.recorded() as events:
        channel = await blazon.channel(**body)
    check(
        events,
        "channel.create",
        {
            **picked(channel, "name", "created_at"),
            "id": "7d9a1c52-1b5f-4c5b-8d7e-3f0a5a1b2c3d",
            "status": "disabled",
            "metadata": '{"a":{},"b":[]}',
            "owner": owner.id,
        },
        {"parent": parent["id"], "description": "two\nlines"},
    )


async def test_bulk_is_an_event_each(blazon: Running, stream: Stream) -> None:
    async with stream.recorded() as events:
        made = await blazon.ok("POST", "/channels/bulk", [{"name": "bulk one"}, {}, {"name": "bulk two"}])
    for entry, channel in zip(events, made["channels"], strict=True):
        sample = picked(channel, "id", "status", "created_at", *(["name"] if "name" in entry.fields else []))
        check([entry], "channel.create", {**sample, "metadata": "{}", "owner": blazon.admin.id})
    assert ["name" in entry.fields for entry in events] == [True, False, True]


async def test_update(blazon: Running, stream: Stream) -> None:
    parent = await blazon.channel()
    channel = await blazon.channel(parent_id=parent["id"])
    path = f"/channels/{channel['id']}"
    async with stream.recorded() as events:
        body = {"name": "morning-forest", "metadata": {"Update": "silent-hill"}}
        after = await blazon.ok("PUT", path, body)
    sample = {**picked(after, *CHANGED), "owner": blazon.admin.id, "metadata": '{"Update":"silent-hill"}'}
    check(events, "channel.update", sample, {"parent": parent["id"]})
    assert events[0].time == after["updated_at"]

    # A8: the whole row, also what was not changed.
    async with stream.recorded() as events:
        after = await blazon.ok("PUT", path, {"description": "more"})
    check(
        events,
        "channel.update",
        {**sample, **picked(after, *CHANGED)},
        {"parent": parent["id"], "description": "more"},
    )


async def test_remove(blazon: Running, stream: Stream) -> None:
    channel = await blazon.channel()
    for verb, status in (("disable", "disabled"), ("enable", "enabled")):
        async with stream.recorded() as events:
            after = await blazon.ok("POST", f"/channels/{channel['id']}/{verb}")
        assert after["status"] == status
        check(events, "channel.remove", picked(after, "status", "updated_at", "updated_by", "id"))
        assert events[0].time == after["updated_at"]


async def test_view(blazon: Running, stream: Stream) -> None:
    channel = await blazon.channel()
    sample = {**picked(channel, "id", "name", "created_at", "status"), "owner": blazon.admin.id, "metadata": "{}"}
    async with stream.recorded() as events:
        await blazon.ok("GET", f"/channels/{channel['id']}")
    check(events, "channel.view", sample)

    after = await blazon.ok("PUT", f"/channels/{channel['id']}", {"description": "now with one"})
    async with stream.recorded() as events:
        await blazon.ok("GET", f"/channels/{channel['id']}")
    check(events, "channel.view", sample, picked(after, "description", "updated_at", "updated_by"))


async def test_list(blazon: Running, stream: Stream) -> None:
    async with stream.recorded() as events:
        page = await blazon.ok("GET", "/channels")
    check(events, "channel.list", {"limit": "10", "status": "enabled", "total": str(page["total"]), "offset": "0"})


async def test_list_with_every_filter(blazon: Running, stream: Stream) -> None:
    await blazon.channel(name="filtered", metadata={"a": 1, "b": 2}, status="disabled")
    query = f"status=disabled&offset=1&limit=2&owner_id={blazon.admin.id}&metadata=%7B%22a%22:1%7D"
    used = {"name": "filtered", "owner_id": blazon.admin.id, "metadata": '{"a":1}'}
    for name, total, shown in (("filtered", "1", used), ("n", "0", {"hidden_filters": "[metadata,name,owner_id]"})):
        async with stream.recorded() as events:
            await blazon.ok("GET", f"/channels?{query}&name={name}")
        check(events, "channel.list", {"total": total, "offset": "1", "limit": "2", "status": "disabled"}, shown)


async def test_list_of_a_hierarchy(blazon: Running, stream: Stream) -> None:
    parent = await blazon.channel()
    await blazon.channel(parent_id=parent["id"])
    for path, total, used in (
        (f"/channels/{parent['id']}/children", "2", {"dir": "-1"}),
        (f"/channels?parent_id={parent['id']}&level=2", "2", {"dir": "-1", "level": "2"}),
        (f"/channels/{parent['id']}/parents", "1", {"dir": "1"}),
    ):
        async with stream.recorded() as events:
            await blazon.ok("GET", path)
        sample = {"total": total, "offset": "0", "limit": "10", "status": "enabled"}
        check(events, "channel.list", sample, {"parent_id": parent["id"], **used})


async def test_list_by_thing(blazon: Running, stream: Stream) -> None:
    thing, channel = await blazon.thing(), await blazon.channel()
    await allow(blazon, thing, channel, "m_write")
    sample = {"total": "1", "offset": "0", "limit": "10", "thing_id": thing["id"], "status": "enabled"}
    async with stream.recorded() as events:
        await blazon.ok("GET", f"/things/{thing['id']}/channels")
    check(events, "channel.list_by_thing", sample)

    async with stream.recorded() as events:
        await blazon.ok("GET", f"/things/{thing['id']}/channels?status=all&name=n&owner_id=o&limit=3&offset=2")
    check(
        events,
        "channel.list_by_thing",
        {**sample, "total": "0", "offset": "2", "limit": "3", "status": "all"},
        {"hidden_filters": "[name,owner_id]"},
    )


async def test_policies_authorize(blazon: Running, stream: Stream) -> None:
    thing, channel, person = await blazon.thing(), await blazon.channel(), await blazon.person()
    await allow(blazon, thing, channel, "m_read")
    await allow(blazon, person, channel, "c_list")
    for subject, object_, action, kind, who in (
        (thing, channel, "m_read", "thing", thing["id"]),
        (person, channel, "c_list", "group", person.id),
        (person, thing, "c_list", "client", person.id),
        (blazon.admin, thing, "c_delete", "client", blazon.admin.id),
    ):
        async with stream.recorded() as events:
            assert (await asked(blazon, subject, object_, action, kind)).status == 200
        # A3 adds the subject, never a key but whose it is, and the action under its older name.
        sample = {"entity_type": kind, "object": object_["id"], "actions": action}
        check(events, "policies.authorize", sample, {"subject": who, "action": action})


async def test_policies(blazon: Running, stream: Stream) -> None:
    thing, channel = await blazon.thing(), await blazon.channel()

    async with stream.recorded() as events:
        await blazon.ok("POST", "/policies", {"subject": thing["id"], "object": channel["id"]})
    found = await only_policy(blazon, thing)
    sample = picked(found, "owner_id", "subject", "object", "created_at")
    check(events, "policies.add", {**sample, "actions": "[m_write,m_read]"})
    assert found["owner_id"] == blazon.admin.id
    assert events[0].time == found["created_at"]

    async with stream.recorded() as events:
        await allow(blazon, thing, channel, "m_read")
    found = await only_policy(blazon, thing)
    extra = picked(found, "updated_at", "updated_by")
    check(events, "policies.add", {**sample, "actions": "[m_read]"}, extra)

    async with stream.recorded() as events:
        await blazon.ok("PUT", "/policies", policy(thing, channel, "m_write", "m_read"))
    found = await only_policy(blazon, thing)
    updated = {**sample, **picked(found, "updated_at"), "actions": "[m_write,m_read]"}
    check(events, "policies.update", updated, picked(found, "updated_by"))
    assert events[0].time == found["updated_at"]

    async with stream.recorded() as events:
        await blazon.ok("DELETE", f"/policies/{thing['id']}/{channel['id']}")
    check(
        events,
        "policies.delete",
        {"subject": thing["id"], "object": channel["id"], "actions": "[m_write,m_read]"},
        {"owner_id": blazon.admin.id},
    )


async def test_a_policy_for_a_user_shows_what_it_implies(blazon: Running, stream: Stream) -> None:
    person, channel = await blazon.person(), await blazon.channel()
    async with stream.recorded() as events:
        await allow(blazon, person, channel, "c_update", "g_add")
    found = await only_policy(blazon, {"id": person.id})
    sample = picked(found, "owner_id", "subject", "object", "created_at")
    check(events, "policies.add", {**sample, "actions": "[c_update,g_add,c_list,g_list]"})


async def test_connect_and_disconnect_are_an_event_for_each_pair(blazon: Running, stream: Stream) -> None:
    things = [await blazon.thing() for _ in range(2)]
    channels = [await blazon.channel() for _ in range(2)]
    pairs = {(thing["id"], channel["id"]) for thing in things for channel in channels}
    body = {"subjects": [thing["id"] for thing in things], "objects": [channel["id"] for channel in channels]}
    async with stream.recorded() as events:
        made = await blazon.ok("POST", "/connect", body)
    for entry, found in zip(events, made["policies"], strict=True):
        sample = picked(found, "owner_id", "subject", "object", "created_at")
        check([entry], "policies.add", {**sample, "actions": "[m_write,m_read]"})
    assert {(entry.fields["subject"], entry.fields["object"]) for entry in events} == pairs

    async with stream.recorded() as events:
        await blazon.ok("POST", "/disconnect", body)
    for entry in events:
        sample = {**picked(entry.fields, "subject", "object"), "actions": "[m_write,m_read]"}
        check([entry], "policies.delete", sample, {"owner_id": blazon.admin.id})
    assert {(entry.fields["subject"], entry.fields["object"]) for entry in events} == pairs
    assert len(events) == 4


async def test_policies_list(blazon: Running, stream: Stream) -> None:
    async with stream.recorded() as events:
        page = await blazon.ok("GET", "/policies")
    check(events, "policies.list", {"total": str(page["total"]), "limit": "10", "offset": "0"})

    thing, channel = await blazon.thing(), await blazon.channel()
    await allow(blazon, thing, channel, "m_write")
    filters = {"owner_id": blazon.admin.id, "subject": thing["id"], "object": channel["id"], "action": "m_write"}
    hidden = {"action": "m_write", "hidden_filters": "[object,owner_id,subject]"}
    for subject, total, shown in ((thing["id"], "1", filters), (key_of(thing), "0", hidden)):
        for query in (f"subject={subject}&object={channel['id']}", f"client={subject}&group={channel['id']}"):
            async with stream.recorded() as events:
                await blazon.ok(
                    "GET", f"/things/policies?offset=4&limit=5&{query}&action=m_write&owner_id={blazon.admin.id}"
                )
            check(events, "policies.list", {"total": total, "limit": "5", "offset": "4"}, shown)


async def test_order_and_identity_of_entries(blazon: Running, stream: Stream) -> None:
    thing = await blazon.thing()
    entries: list[Entry] = []
    for _ in range(5):
        async with stream.recorded() as events:
            await blazon.ok("PATCH", f"/things/{thing['id']}", {"name": "again"})
            await blazon.ok("GET", f"/things/{thing['id']}")
        entries += events
    assert [entry.operation for entry in entries] == ["thing.update", "thing.view"] * 5
    sequences = [entry.sequence for entry in entries]
    assert sequences == sorted(set(sequences))
    moments = [int(entry.fields["occurred_at"]) for entry in entries]
    assert moments == sorted(set(moments))
    assert [moment // 1_000_000 for moment in moments] == [entry.milliseconds for entry in entries]


async def test_one_request_is_one_event_of_its_own(blazon: Running) -> None:
    """A18: what things ask users about the caller emits nothing, but that it was identified, once a minute."""
    person = await blazon.person()
    async with Stream(blazon, "users", "things") as both:
        async with both.recorded() as events:
            thing = await blazon.thing(person)
            for _ in range(3):
                await blazon.ok("GET", f"/things/{thing['id']}", token=person.token)
        assert sorted(entry.operation for entry in events) == [
            "thing.create",
            "thing.view",
            "thing.view",
            "thing.view",
            "user.identify",
        ]
        identified = next(entry for entry in events if entry.operation == "user.identify")
        assert identified.fields["user_id"] == person.id


async def test_a_refused_request_has_no_event(blazon: Running, stream: Stream) -> None:
    stranger, reader = await blazon.person(), await blazon.person()
    thing, channel = await blazon.thing(), await blazon.channel()
    await allow(blazon, reader, channel, "c_list")
    await allow(blazon, thing, channel, "m_read")
    path, place = f"/things/{thing['id']}", f"/channels/{channel['id']}"
    both = policy(thing, channel, "m_read")
    pair = {"subjects": [thing["id"]], "objects": [channel["id"]]}
    refused: list[tuple[str, str, Any, str, int]] = [
        ("GET", path, None, stranger.token, 404),
        ("GET", path, None, "", 401),
        ("GET", f"/things/{UNKNOWN}", None, blazon.admin.token, 404),
        ("GET", f"{path}/channels", None, stranger.token, 404),
        ("GET", f"{place}/things", None, stranger.token, 404),
        ("GET", place, None, stranger.token, 404),
        ("GET", f"{place}/children", None, stranger.token, 404),
        ("GET", "/things?limit=0", None, stranger.token, 400),
        ("PATCH", path, {"name": "mine"}, reader.token, 403),
        ("PATCH", f"{path}/secret", {"secret": "mine"}, reader.token, 403),
        ("PATCH", f"{path}/secret", {"secret": key_of(await blazon.thing())}, blazon.admin.token, 409),
        ("PATCH", f"{path}/owner", {"owner": "nobody"}, blazon.admin.token, 404),
        ("POST", f"{path}/disable", None, reader.token, 403),
        ("POST", f"{path}/enable", None, blazon.admin.token, 409),
        ("PUT", place, {"name": "mine"}, reader.token, 403),
        ("POST", f"{place}/disable", None, reader.token, 403),
        ("POST", "/channels", {"name": channel["name"]}, blazon.admin.token, 409),
        ("POST", "/things", {"id": thing["id"]}, blazon.admin.token, 409),
        ("POST", "/policies", both, reader.token, 403),
        ("PUT", "/policies", both, reader.token, 403),
        ("DELETE", f"/policies/{thing['id']}/{channel['id']}", None, reader.token, 403),
        ("POST", "/connect", pair, stranger.token, 404),
        ("POST", "/disconnect", pair, stranger.token, 404),
        ("POST", f"{place}/access", question(thing, channel, "m_write"), "", 403),
        ("POST", f"{place}/access/explain", question(thing, channel, "m_write"), stranger.token, 404),
    ]
    async with stream.recorded() as events:
        for method, where, body, token, status in refused:
            answer = await blazon.call(method, where, body, token=token)
            assert answer.status == status, (method, where, answer.body)
        assert (await identify(blazon, "no such key")).status == 401
    assert events == []
