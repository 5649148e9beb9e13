"""Lists of things: pages, filters, who sees what (fact sheet §2 and §9.6, decisions C4, C7, C8)."""

from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from tests.running import Person, Running, refused
from tests.streams import compact
from tests.things.support import UNKNOWN, allow

METADATA: dict[str, Any] = {
    "a": {"site": "A", "n": 1},
    "b": {"site": "A", "n": 2, "deep": {"x": [1, 2, {"y": "z"}]}},
    "c": {"site": "B", "n": 1.0, "none": None, "flag": True},
    "d": {},
}


class Flock(msgspec.Struct, frozen=True):
    """Things with many properties, all of one owner and on one channel."""

    owner: Person
    channel: Any
    things: dict[str, Any]


def listed(thing: Any) -> Any:
    """A thing as lists show it: without its key."""
    shown = {name: value for name, value in thing["credentials"].items() if name != "secret"}
    return {**thing, "credentials": shown}


@pytest.fixture(scope="module")
async def flock(blazon: Running) -> Flock:
    owner = await blazon.person("owner")
    channel, things = await blazon.channel(owner), {}
    for name, metadata in METADATA.items():
        body = {"name": name, "tags": ["all", f"tag-{name}"], "metadata": metadata}
        things[name] = listed(await blazon.thing(owner, **body, credentials={"identity": f"id-{name}"}))
        await allow(blazon, things[name], channel, "m_read", by=owner)
    things["d"] = await blazon.ok("POST", f"/things/{things['d']['id']}/disable")
    return Flock(owner, channel, things)


async def names(blazon: Running, query: str, person: Person | None = None, path: str = "/things") -> list[str]:
    """The names on a page, whose numbers must fit."""
    page = await blazon.ok("GET", f"{path}?{query}", token=person.token if person else None)
    assert set(page) == {"limit", "offset", "total", "things"}
    assert len(page["things"]) <= page["limit"]
    assert page["total"] >= page["offset"] + len(page["things"]) or not page["things"]
    return [thing["name"] for thing in page["things"]]


async def test_page_shape(blazon: Running, flock: Flock) -> None:
    for path in ("/things", f"/channels/{flock.channel['id']}/things"):
        page = await blazon.ok("GET", path, token=flock.owner.token)
        assert page == {"limit": 10, "offset": 0, "total": 3, "things": [flock.things[name] for name in "abc"]}
        empty = await blazon.ok("GET", f"{path}?name=nobody", token=flock.owner.token)
        assert empty == {"limit": 10, "offset": 0, "total": 0, "things": []}


async def test_pages(blazon: Running, flock: Flock) -> None:
    for path in ("/things", f"/channels/{flock.channel['id']}/things"):
        for offset, limit, expected in ((0, 2, "ab"), (2, 2, "cd"), (3, 2, "d"), (4, 2, ""), (2**62, 100, "")):
            query = f"status=all&offset={offset}&limit={limit}"
            page = await blazon.ok("GET", f"{path}?{query}", token=flock.owner.token)
            assert [thing["name"] for thing in page["things"]] == list(expected)
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
        ("tag=all", "abc"),
        ("tag=tag-b", "b"),
        ("tag=tag", ""),
        ("tag=tag-b&name=a", ""),
        ("status=all&tag=tag-d", "d"),
        ("tag=%25", ""),
        ("unknown=parameter", "abc"),
    ],
)
async def test_filters(blazon: Running, flock: Flock, query: str, expected: str) -> None:
    for path in ("/things", f"/channels/{flock.channel['id']}/things"):
        assert await names(blazon, query, flock.owner, path) == list(expected)
        # The same for an admin who asks for the things of this owner.
        more = f"{query}&owner_id={flock.owner.id}"
        assert await names(blazon, more, path=path) == list(expected)


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
    for path in ("/things", f"/channels/{flock.channel['id']}/things"):
        assert await names(blazon, f"metadata={quote(compact(wanted))}", flock.owner, path) == list(expected)


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "limit=-1", "limit=x", "limit=", "limit=1.5", "offset=-1", "offset=x", "offset=",
     f"offset={2**62 + 1}", "status=none", "status=ENABLED", "name=a&name=b", "limit=1&limit=1", "name=%00",
     "name=%FF", "metadata=a", "metadata=[]", "metadata=1", "metadata=%7B%22a%22:1", "metadata=%7B%22a%22:1e999%7D"],
)  # fmt: skip
async def test_bad_queries(blazon: Running, flock: Flock, query: str) -> None:
    thing, channel = flock.things["a"]["id"], flock.channel["id"]
    for path in ("/things", "/channels", f"/channels/{channel}/things", f"/things/{thing}/channels"):
        refused(await blazon.call("GET", f"{path}?{query}"), 400, "invalid query parameters")


async def test_a_visibility_that_does_not_exist(blazon: Running) -> None:
    for visibility in ("none", "MINE", "mine%20", "shared,mine"):
        refused(await blazon.call("GET", f"/things?visibility={visibility}"), 400, "visibility")


async def test_who_sees_what(blazon: Running) -> None:
    viewer, owner = await blazon.person("viewer"), await blazon.person("owner")
    near, far = await blazon.channel(owner), await blazon.channel(owner)
    for name, channel in (("shown", near), ("hidden", far), ("nowhere", None)):
        thing = await blazon.thing(owner, name=name)
        if channel:
            await allow(blazon, thing, channel, "m_read", by=owner)
    await blazon.thing(viewer, name="own")
    await allow(blazon, viewer, near, "c_list")
    await allow(blazon, viewer, far, "g_update", "m_read")

    async def seen(query: str, person: Person | None = viewer) -> list[str]:
        return await names(blazon, query, person)

    # C8: what is shared is listed too, unless only what is one's own is asked for.
    assert await seen("") == ["shown", "own"]
    assert await seen("visibility=all") == ["shown", "own"]
    assert await seen("visibility=shared") == ["shown"]
    assert await seen("visibility=mine") == ["own"]
    assert await seen(f"visibility=mine&owner_id={owner.id}") == ["own"]
    assert await seen(f"owner_id={owner.id}") == ["shown", "own"]
    assert await seen("limit=1&offset=1") == ["own"]
    assert await seen("name=hidden") == []
    # Others see their own, and an admin sees all, of one owner or of everybody.
    assert await seen("", owner) == ["shown", "hidden", "nowhere"]
    assert await seen("visibility=shared", owner) == []
    assert await seen(f"owner_id={owner.id}", None) == ["shown", "hidden", "nowhere"]
    assert await seen(f"owner_id={UNKNOWN}", None) == []
    assert await seen("visibility=mine&name=shown", None) == []
    assert await seen("visibility=all&name=shown", None) == ["shown"]
    # What is taken back is seen no more.
    await blazon.ok("DELETE", f"/policies/{viewer.id}/{near['id']}")
    for query in ("", "visibility=all"):
        assert await seen(query) == ["own"]
    assert await seen("visibility=shared") == []


async def test_a_thing_on_several_shared_channels_is_listed_once(blazon: Running) -> None:
    viewer, thing = await blazon.person(), await blazon.thing(name="many times")
    for _ in range(3):
        channel = await blazon.channel()
        await allow(blazon, viewer, channel, "c_update")
        await allow(blazon, thing, channel, "m_read")
    for query in ("", "visibility=shared", "visibility=all"):
        page = await blazon.ok("GET", f"/things?{query}", token=viewer.token)
        assert (page["total"], [each["id"] for each in page["things"]]) == (1, [thing["id"]])


async def test_totals_follow_every_change(blazon: Running) -> None:
    """Totals of most lists come from memory: they must be those of the table whatever happens."""
    first, second = await blazon.person(), await blazon.person()

    async def totals() -> list[int]:
        asked = [
            (path, person.token)
            for person in (first, second)
            for path in ("/things", "/things?status=disabled", "/things?status=all", "/things?visibility=mine")
        ]
        found = [(await blazon.ok("GET", path, token=token))["total"] for path, token in asked]
        # A filter that lets everything pass is counted in the table.
        counted = [
            (await blazon.ok("GET", f"{path}{'&' if '?' in path else '?'}metadata=%7B%7D", token=token))["total"]
            for path, token in asked
        ]
        assert found == counted
        return found[:3] + found[4:7]

    assert await totals() == [0, 0, 0, 0, 0, 0]
    made = (await blazon.ok("POST", "/things/bulk", [{}] * 3, token=first.token))["things"]
    assert await totals() == [3, 0, 3, 0, 0, 0]
    await blazon.ok("POST", f"/things/{made[0]['id']}/disable")
    assert await totals() == [2, 1, 3, 0, 0, 0]
    await blazon.ok("PATCH", f"/things/{made[1]['id']}/owner", {"owner": second.id})
    assert await totals() == [1, 1, 2, 1, 0, 1]
    await blazon.ok("PATCH", f"/things/{made[1]['id']}/secret", {"secret": "counts for nothing"})
    await blazon.ok("POST", f"/things/{made[0]['id']}/enable")
    await blazon.ok("POST", "/things", {"status": "disabled"}, token=second.token)
    assert await totals() == [2, 0, 2, 1, 1, 2]
    refused(await blazon.call("POST", "/things", {"id": made[0]["id"]}, token=second.token), 409)
    assert await totals() == [2, 0, 2, 1, 1, 2]


async def test_deep_pages_are_the_same_as_shallow_ones(blazon: Running) -> None:
    """Pages near the end are read from there."""
    owner = await blazon.person()
    bodies = [{"name": f"{number:03}", "tags": ["even"] * (number % 2 == 0)} for number in range(237)]
    await blazon.ok("POST", "/things/bulk", bodies, token=owner.token)
    expected = [body["name"] for body in bodies]
    for limit in (1, 7, 100):
        for offset in (0, 1, 117, 118, 119, 120, 230, 236, 237, 238, 1000):
            page = await blazon.ok("GET", f"/things?limit={limit}&offset={offset}", token=owner.token)
            assert [thing["name"] for thing in page["things"]] == expected[offset : offset + limit], (offset, limit)
            assert page["total"] == 237
    for offset in (0, 60, 118, 119):
        page = await blazon.ok("GET", f"/things?tag=even&limit=50&offset={offset}", token=owner.token)
        assert [thing["name"] for thing in page["things"]] == expected[::2][offset : offset + 50]
        assert page["total"] == 119


async def test_things_of_a_channel(blazon: Running) -> None:
    owner, keeper, lister = await blazon.person("owner"), await blazon.person("keeper"), await blazon.person("lister")
    channel = await blazon.channel(owner)
    path = f"/channels/{channel['id']}/things"
    await allow(blazon, keeper, channel, "g_list")
    await allow(blazon, lister, channel, "c_list")
    for name, of in (("owned", owner), ("kept", keeper), ("admin's", None)):
        await allow(blazon, await blazon.thing(of, name=name), channel, "m_read")
    off = await blazon.thing(owner, name="off")
    await allow(blazon, off, channel, "m_read")
    await blazon.ok("POST", f"/things/{off['id']}/disable")

    # All for the owner, an admin and who may list members; who may only see the channel sees its own on it.
    everything = ["owned", "kept", "admin's"]
    for person, expected in ((owner, everything), (None, everything), (lister, everything), (keeper, ["kept"])):
        assert await names(blazon, "", person, path) == expected
    assert await names(blazon, "status=disabled", owner, path) == ["off"]
    assert await names(blazon, "status=all", keeper, path) == ["kept"]
    assert await names(blazon, f"owner_id={keeper.id}", None, path) == ["kept"]
    assert await names(blazon, "limit=1&offset=2", None, path) == ["admin's"]
    # A user the channel is shared with is none of its things.
    assert keeper.id not in [each["id"] for each in (await blazon.ok("GET", path))["things"]]
    refused(await blazon.call("GET", path, token=(await blazon.person()).token), 404, "no channel")
    refused(await blazon.call("GET", f"/channels/{UNKNOWN}/things"), 404, "no channel")


async def test_channels_of_a_thing(blazon: Running) -> None:
    owner, lister = await blazon.person("owner"), await blazon.person("lister")
    thing = await blazon.thing(owner)
    channels = [await blazon.channel(owner, name=name, metadata={"n": name}) for name in "abc"]
    hidden = await blazon.channel(name="hidden")
    for channel in (*channels, hidden):
        await allow(blazon, thing, channel, "m_read")
    await blazon.ok("POST", f"/channels/{channels[2]['id']}/disable")
    await allow(blazon, lister, channels[1], "c_list")
    path = f"/things/{thing['id']}/channels"

    async def seen(query: str, person: Person | None) -> list[str]:
        page = await blazon.ok("GET", f"{path}?{query}", token=person.token if person else None)
        assert set(page) == {"limit", "offset", "total", "channels"}
        return [channel["name"] for channel in page["channels"]]

    # Those the one who asks may see too.
    assert await seen("", owner) == ["a", "b"]
    assert await seen("", None) == ["a", "b", "hidden"]
    assert await seen("", lister) == ["b"]
    assert await seen("status=all", owner) == ["a", "b", "c"]
    assert await seen("status=disabled", owner) == ["c"]
    assert await seen("name=b", owner) == ["b"]
    assert await seen("metadata=%7B%22n%22:%22a%22%7D", owner) == ["a"]
    assert await seen("limit=1&offset=1", owner) == ["b"]
    assert await seen(f"owner_id={owner.id}", None) == ["a", "b"]
    refused(await blazon.call("GET", path, token=(await blazon.person()).token), 404, "no thing")
    refused(await blazon.call("GET", f"/things/{UNKNOWN}/channels"), 404, "no thing")
