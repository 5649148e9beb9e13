"""Every route of this room over SQLite and over PostgreSQL: the same answers from both."""

import json
from typing import Any
from urllib.parse import quote

from tests.running import Person, Running, called, declared, refused
from tests.things.support import allow, asked, identify, key_of, may, policy, question


async def things(house: Running, person: Person) -> Any:
    thing = await house.thing(tags=["one", "t'wo"], metadata={"a": {"b": [1, 2]}, "ü": "x"})
    path = f"/things/{thing['id']}"
    assert await house.ok("GET", path) == thing
    refused(await house.call("POST", "/things", {"id": thing["id"]}), 409)
    refused(await house.call("POST", "/things", {"credentials": {"secret": key_of(thing)}}), 409)
    assert (await house.ok("PATCH", path, {"name": "n"}))["name"] == "n"
    assert (await house.ok("PATCH", f"{path}/tags", {"tags": ["one", "t'wo", 'th"ree']}))["tags"][1] == "t'wo"
    await house.ok("PATCH", f"{path}/secret", {"secret": "k'ey"})
    assert (await house.ok("PATCH", f"{path}/owner", {"owner": person.id}))["owner"] == person.id
    for verb in ("disable", "enable"):
        await house.ok("POST", f"{path}/{verb}")
    for query in ("tag=t%27wo", "metadata=" + quote('{"a":{"b":[2]}}'), f"owner_id={person.id}", "visibility=all"):
        page = await house.ok("GET", f"/things?{query}")
        assert [each["id"] for each in page["things"]] == [thing["id"]], query
    assert (await house.ok("GET", f"/things?limit=1&offset={2**62}"))["things"] == []
    made = await house.ok("POST", "/things/bulk", [{"name": f"{number}"} for number in range(30)])
    for offset in (0, 7, 14, 15, 16, 17, 25, 30, 31):
        page = await house.ok("GET", f"/things?limit=5&offset={offset}")
        expected = [thing["id"], *(each["id"] for each in made["things"])]
        assert [each["id"] for each in page["things"]] == expected[offset : offset + 5]
        assert page["total"] == 31
    refused(await house.call("POST", "/things/bulk", [{"name": "good"}, {"id": thing["id"]}]), 409, "things[1]")
    assert (await house.ok("GET", "/things?name=good"))["total"] == 0
    return await house.ok("GET", path)


async def channels(house: Running) -> tuple[Any, Any]:
    top = await house.channel(description="d", metadata={"n": 1.5})
    (below,) = (await house.ok("POST", "/channels/bulk", [{"parent_id": top["id"]}]))["channels"]
    assert await house.ok("GET", f"/channels/{top['id']}") == top
    refused(await house.call("POST", "/channels", {"name": top["name"]}), 409)
    assert (await house.ok("PUT", f"/channels/{top['id']}", {"name": "renamed"}))["name"] == "renamed"
    for verb in ("disable", "enable"):
        await house.ok("POST", f"/channels/{below['id']}/{verb}")
    children = await house.ok("GET", f"/channels/{top['id']}/children?tree=true&level=3")
    assert [channel["id"] for channel in children["channels"][0]["children"]] == [below["id"]]
    parents = await house.ok("GET", f"/channels/{below['id']}/parents")
    assert [channel.get("level", 0) for channel in parents["channels"]] == [-1, 0]
    assert (await house.ok("GET", "/channels?metadata=" + quote('{"n":1.5}')))["total"] == 1
    return top, below


async def policies(house: Running, person: Person, thing: Any, channel: Any, path: str) -> None:
    await house.ok("POST", path, policy(thing, channel, "m_read"))
    assert await may(house, thing, channel, "m_read")
    await house.ok("PUT", path, policy(thing, channel, "m_write"))
    assert await may(house, thing, channel, "m_write")
    page = await house.ok("GET", f"{path}?subject={thing['id']}&action=m_write&owner_id={house.admin.id}")
    assert page["total"] == 1
    await house.ok("DELETE", f"{path}/{thing['id']}/{channel['id']}")
    refused(await asked(house, thing, channel, "m_write"), 403)


async def test_every_route(house: Running) -> None:
    person = await house.person("jane")
    thing = await things(house, person)
    top, below = await channels(house)
    for path in ("/policies", "/things/policies"):
        await policies(house, person, thing, top, path)
    pairs = {"subjects": [thing["id"]], "objects": [top["id"], below["id"]]}
    assert (await house.ok("POST", "/connect", pairs))["total"] == 2
    assert (await house.ok("POST", "/connect", pairs))["total"] == 2
    listed = await house.ok("GET", f"/things/{thing['id']}/channels")
    assert {channel["id"] for channel in listed["channels"]} == {top["id"], below["id"]}
    listed = await house.ok("GET", f"/channels/{top['id']}/things?tag=one")
    assert [each["id"] for each in listed["things"]] == [thing["id"]]
    reader = await house.person("reader")
    await allow(house, reader, top, "c_list")
    for query in ("", "visibility=shared", "visibility=all", "tag=one"):
        assert (await house.ok("GET", f"/things?{query}", token=reader.token))["total"] == 1
    assert (await house.ok("GET", f"/things/{thing['id']}", token=reader.token))["credentials"] == {}
    told = await house.ok("POST", f"/channels/{top['id']}/access/explain", question(thing, top, "m_read"))
    assert told["authorized"]
    await house.ok("PATCH", f"/things/{thing['id']}/secret", {"secret": "plain"})
    assert (await identify(house, "plain")).json == {"id": thing["id"]}
    await house.ok("POST", "/disconnect", pairs)
    assert (await house.ok("GET", f"/channels/{top['id']}/things"))["total"] == 0
    others = ("/users", "/groups", "/authorize", "/password", "/api/")
    own = {route for route in await declared(house) if not route[1].startswith(others)}
    assert own <= await called(house)
    assert len(own) == 34


async def test_text_both_databases_keep(house: Running) -> None:
    odd = ["'; DROP TABLE things; --", "%_\\", "ünïcödé 😀", "\u202e", "{}", "[a,b]", "null", "?", "$1", "\ufffd", '"']
    for text in odd:
        thing = await house.thing(name=text, tags=[text], metadata={text: [text, {text: None}]})
        assert (thing["name"], thing["tags"], thing["metadata"]) == (text, [text], {text: [text, {text: None}]})
        assert await house.ok("GET", f"/things/{thing['id']}") == thing
        for query in (
            f"name={quote(text)}",
            f"tag={quote(text)}",
            f"metadata={quote(json.dumps({text: [text]}))}",
        ):
            page = await house.ok("GET", f"/things?{query}")
            assert [found["id"] for found in page["things"]] == [thing["id"]], query


async def test_numbers_both_databases_keep(house: Running) -> None:
    for number in (0, -1, 2**63, -(2**63) - 1, 10**400, 0.1, 1e308, 5e-324, 1e-7):
        thing = await house.thing(metadata={"n": number})
        assert (await house.ok("GET", f"/things/{thing['id']}"))["metadata"] == {"n": number}
        page = await house.ok("GET", "/things?metadata=" + quote(f'{{"n":{number}}}'))
        assert [found["id"] for found in page["things"]] == [thing["id"]], number


async def test_a_thousand_pairs_in_one_transaction(house: Running) -> None:
    made = await house.ok("POST", "/things/bulk", [{}] * 100)
    places = await house.ok("POST", "/channels/bulk", [{}] * 10)
    pairs = {
        "subjects": [each["id"] for each in made["things"]],
        "objects": [each["id"] for each in places["channels"]],
    }
    assert (await house.ok("POST", "/connect", pairs))["total"] == 1000
    assert (await house.ok("GET", "/policies"))["total"] == 1000
    await house.ok("POST", "/disconnect", pairs)
    assert (await house.ok("GET", "/policies"))["total"] == 0
