"""Each sample of the things chapter of the event document, field by field: things.

A test drives the HTTP API and reads the entry on the stream. `sample` holds every field of the document's sample with
the value it must have here; the last argument holds the fields a decision adds. Any other field fails the test.
"""

from typing import Any
from urllib.parse import quote

from tests.running import Running
from tests.streams import Stream, check, picked
from tests.things.support import allow, identify, key_of

CHANGED = ("updated_at", "updated_by", "owner", "created_at", "status", "id", "name")


async def test_create(blazon: Running, stream: Stream) -> None:
    async with stream.recorded() as events:
        thing = await blazon.ok("POST", "/things", {"name": "-broken-cloud"})
    check(events, "thing.create", {**picked(thing, "id", "status", "created_at", "name", "owner"), "metadata": "{}"})
    assert events[0].time == thing["created_at"]
    assert thing["owner"] == blazon.admin.id
    assert int(events[0].fields["occurred_at"]) > 10**18


async def test_create_with_everything(blazon: Running, stream: Stream) -> None:
    owner = await blazon.person()
    body = {
        "id": "5b7d0b3e-6f3c-4f5e-9a55-0a8d6d1d3c1e",
        "name": "all of it",
        "tags": ["b", "a,b", "ü"],
        "owner": owner.id,
        "credentials": {"identity": "sensor", "secret": "a key of my own"},
        "metadata": {"z": [1, {"y": None}], "a": {"ü": "x"}},
        "status": "disabled",
    }
    async with stream.recorded() as events:
        await blazon.ok("POST", "/things", body)
    check(
        events,
        "thing.create",
        {
            "id": "5b7d0b3e-6f3c-4f5e-9a55-0a8d6d1d3c1e",
            "status": "disabled",
            "created_at": events[0].time,
            "name": "all of it",
            "owner": owner.id,
            "metadata": '{"a":{"ü":"x"},"z":[1,{"y":null}]}',
        },
        {"tags": "[b,a,b,ü]", "tags_json": '["b","a,b","ü"]', "identity": "sensor"},
    )


async def test_create_without_anything(blazon: Running, stream: Stream) -> None:
    """What is empty is left out."""
    async with stream.recorded() as events:
        thing = await blazon.ok("POST", "/things", {})
    check(events, "thing.create", {**picked(thing, "id", "status", "created_at", "owner"), "metadata": "{}"})


async def test_bulk_is_an_event_each(blazon: Running, stream: Stream) -> None:
    async with stream.recorded() as events:
        made = await blazon.ok("POST", "/things/bulk", [{"name": f"{number}"} for number in range(5)])
    assert len(events) == 5
    for entry, thing in zip(events, made["things"], strict=True):
        sample = picked(thing, "id", "status", "created_at", "name", "owner")
        check([entry], "thing.create", {**sample, "metadata": "{}"})


async def test_updates(blazon: Running, stream: Stream) -> None:
    thing, heir = await blazon.thing(), await blazon.person()
    path = f"/things/{thing['id']}"

    async with stream.recorded() as events:
        body = {"name": "lingering-sea", "metadata": {"Update": "nameless-glitter"}}
        after = await blazon.ok("PATCH", path, body)
    sample = {**picked(after, *CHANGED), "metadata": '{"Update":"nameless-glitter"}'}
    check(events, "thing.update", sample)
    assert events[0].time == after["updated_at"]
    assert (after["name"], after["updated_by"]) == ("lingering-sea", blazon.admin.id)

    async with stream.recorded() as events:
        after = await blazon.ok("PATCH", f"{path}/secret", {"secret": "lingering-key"})
    check(events, "thing.update_secret", {**sample, **picked(after, *CHANGED)})
    assert events[0].time == after["updated_at"]

    async with stream.recorded() as events:
        after = await blazon.ok("PATCH", f"{path}/tags", {"tags": ["morning-pine"]})
    check(events, "thing.update_tags", {**sample, **picked(after, *CHANGED), "tags": "[morning-pine]"})
    assert events[0].time == after["updated_at"]

    async with stream.recorded() as events:
        after = await blazon.ok("PATCH", f"{path}/owner", {"owner": heir.id})
    check(events, "thing.update_owner", {**sample, **picked(after, *CHANGED)}, {"tags": "[morning-pine]"})
    assert events[0].fields["owner"] == heir.id

    async with stream.recorded() as events:
        after = await blazon.ok("PATCH", f"{path}/tags", {"tags": []})
    check(events, "thing.update_tags", {**sample, **picked(after, *CHANGED)})


async def test_remove(blazon: Running, stream: Stream) -> None:
    thing = await blazon.thing()
    for verb, status in (("disable", "disabled"), ("enable", "enabled")):
        async with stream.recorded() as events:
            after = await blazon.ok("POST", f"/things/{thing['id']}/{verb}")
        assert after["status"] == status
        check(events, "thing.remove", picked(after, "updated_by", "id", "status", "updated_at"))
        # A9: the times are those of this change, not stale.
        assert events[0].time == after["updated_at"]


async def test_view(blazon: Running, stream: Stream) -> None:
    thing = await blazon.thing()
    sample = {**picked(thing, "id", "name", "owner", "created_at", "status"), "metadata": "{}"}
    async with stream.recorded() as events:
        await blazon.ok("GET", f"/things/{thing['id']}")
    check(events, "thing.view", sample)

    after = await blazon.ok("PATCH", f"/things/{thing['id']}/tags", {"tags": ["t", "u"]})
    async with stream.recorded() as events:
        await blazon.ok("GET", f"/things/{thing['id']}")
    check(events, "thing.view", sample, {"tags": "[t,u]", **picked(after, "updated_at", "updated_by")})


async def test_list(blazon: Running, stream: Stream) -> None:
    async with stream.recorded() as events:
        page = await blazon.ok("GET", "/things")
    check(events, "thing.list", {"total": str(page["total"]), "offset": "0", "limit": "10", "status": "enabled"})


async def test_list_with_every_filter(blazon: Running, stream: Stream) -> None:
    await blazon.thing(name="filtered", tags=["t"], metadata={"a": 2, "b": 1})
    query = "status=all&offset=3&limit=7&tag=t&metadata=%7B%22b%22:1,%22a%22:2%7D"
    used = {"name": "filtered", "tag": "t", "owner": blazon.admin.id, "metadata": '{"a":2,"b":1}'}
    # What nothing was found by can be anything, the key of a thing too, and is only named.
    hidden = {"hidden_filters": "[metadata,name,owner,tag]"}
    for name, total, shown in (("filtered", "1", used), ("a key", "0", hidden)):
        async with stream.recorded() as events:
            await blazon.ok("GET", f"/things?{query}&name={quote(name)}&owner_id={blazon.admin.id}")
        check(events, "thing.list", {"status": "all", "total": total, "offset": "3", "limit": "7"}, shown)
    # An owner beside a visibility that names another is not looked at.
    for visibility, shown in (("mine", {"owner": blazon.admin.id}), ("shared", {"sharedBy": blazon.admin.id})):
        async with stream.recorded() as events:
            answer = await blazon.ok("GET", f"/things?visibility={visibility}&owner_id=secret")
        page = {"status": "enabled", "total": str(answer["total"]), "offset": "0", "limit": "10"}
        check(events, "thing.list", page, shown)


async def test_list_with_visibility(blazon: Running, stream: Stream) -> None:
    page = {"status": "enabled", "offset": "0", "limit": "10"}
    mine = {"owner": blazon.admin.id}
    shared = {"sharedBy": blazon.admin.id}
    for visibility, shown in (("mine", mine), ("shared", shared), ("all", mine | shared)):
        async with stream.recorded() as events:
            answer = await blazon.ok("GET", f"/things?visibility={visibility}")
        check(events, "thing.list", {**page, "total": str(answer["total"])}, shown)


async def test_list_by_channel(blazon: Running, stream: Stream) -> None:
    thing, channel = await blazon.thing(), await blazon.channel()
    await allow(blazon, thing, channel, "m_read")
    sample = {"total": "1", "offset": "0", "limit": "10", "channel_id": channel["id"], "status": "enabled"}
    async with stream.recorded() as events:
        await blazon.ok("GET", f"/channels/{channel['id']}/things")
    check(events, "thing.list_by_channel", sample)

    query = f"status=all&offset=1&limit=2&owner_id={blazon.admin.id}"
    page = {**sample, "offset": "1", "limit": "2", "status": "all"}
    for more, total, shown in (
        (f"name={quote(thing['name'])}", "1", {"name": thing["name"], "owner_id": blazon.admin.id}),
        ("name=n&tag=t&metadata=%7B%22a%22:1%7D", "0", {"hidden_filters": "[metadata,name,owner_id,tag]"}),
    ):
        async with stream.recorded() as events:
            await blazon.ok("GET", f"/channels/{channel['id']}/things?{query}&{more}")
        check(events, "thing.list_by_channel", {**page, "total": total}, shown)


async def test_identify(blazon: Running, stream: Stream) -> None:
    thing = await blazon.thing()
    async with stream.recorded() as events:
        answer = await identify(blazon, key_of(thing))
    assert (answer.status, answer.json) == (200, {"id": thing["id"]})
    check(events, "thing.identify", {"thing_id": thing["id"]})


async def test_the_key_is_in_no_event(blazon: Running, stream: Stream) -> None:
    keys = [f"key-{number}-very-much-a-secret" for number in range(3)]

    async def all_there_is() -> Any:
        thing = await blazon.thing(credentials={"secret": keys[0]})
        path = f"/things/{thing['id']}"
        await blazon.ok("POST", "/things/bulk", [{"credentials": {"secret": keys[1]}}])
        channel = await blazon.channel()
        await allow(blazon, thing, channel, "m_read")
        await identify(blazon, keys[0])
        body = {"subject": keys[0], "action": "m_read", "entity_type": "thing"}
        assert await blazon.ok("POST", f"/channels/{channel['id']}/access", body)
        await blazon.ok("POST", f"/channels/{channel['id']}/access/explain", body)
        await blazon.ok("PATCH", f"{path}/secret", {"secret": keys[2]})
        for method, place, body in (
            ("GET", path, None),
            ("PATCH", path, {"name": "n"}),
            ("PATCH", f"{path}/tags", {"tags": ["t"]}),
            ("PATCH", f"{path}/owner", {"owner": blazon.admin.id}),
            ("POST", f"{path}/disable", None),
            ("GET", "/things", None),
        ):
            await blazon.ok(method, place, body)

    async with stream.recorded() as events:
        await all_there_is()
    assert len(events) == 13
    shown = " ".join(f"{name} {value}" for entry in events for name, value in entry.fields.items())
    assert not [key for key in keys if key in shown]
    assert not {"key", "key_hash", "secret", "credentials"} & {name for entry in events for name in entry.fields}
