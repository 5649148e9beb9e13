"""Every call of the Go SDK, and so of its command line, that things, channels and their policies answer (§16)."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.go_client import ACCESS, GROUP, POLICY, THING, GoClient, page_of, policy, unmarshal, user
from tests.running import Running
from tests.things.support import actions_of, key_of

THINGS, CHANNELS, POLICIES = page_of("things", THING), page_of("channels", GROUP), page_of("policies", POLICY)
CONNECTED = {"policies": [POLICY], "total": "uint", "offset": "uint", "limit": "uint"}


def channel(**given: Any) -> Mapping[str, Any]:
    """A channel as `json.Marshal` writes it: only its id and times are there when they are empty."""
    return {"id": "", "created_at": "0001-01-01T00:00:00Z", "updated_at": "0001-01-01T00:00:00Z", **given}


@pytest.fixture
def go(blazon: Running) -> GoClient:
    return GoClient(blazon, blazon.admin.token)


async def test_things(blazon: Running, go: GoClient) -> None:
    body = user(name="go lamp", tags=["a"], metadata={"k": "v"}, status="enabled")
    made = await go.call("POST", "/things", 201, body, shape=THING)
    many = await go.call("POST", "/things/bulk", 200, [body, {**body, "status": ""}], shape={"things": [THING]})
    assert [each["name"] for each in many["things"]] == ["go lamp", "go lamp"]
    one = f"/things/{made['id']}"
    assert await go.call("GET", one, 200, shape=THING) == made
    found = await go.call("GET", "/things?limit=10&metadata=%7B%22k%22%3A%22v%22%7D&name=go+lamp", 200, shape=THINGS)
    assert found["total"] == 3

    changed = await go.call("PATCH", one, 200, user(id=made["id"], name="gopher", metadata={"x": "y"}), shape=THING)
    assert (changed["name"], changed["metadata"]) == ("gopher", {"x": "y"})
    changed = await go.call("PATCH", f"{one}/tags", 200, user(id=made["id"], tags=["b", "c"]), shape=THING)
    assert changed["tags"] == ["b", "c"]
    await go.call("PATCH", f"{one}/secret", 200, {"secret": "a key of its own"}, shape=THING)
    owner = (await blazon.person()).id
    changed = await go.call("PATCH", f"{one}/owner", 200, user(id=made["id"], owner=owner), shape=THING)
    assert changed["owner"] == owner
    for verb in ("disable", "enable"):
        changed = await go.call("POST", f"{one}/{verb}", 200, shape=THING)
        assert changed["status"] == f"{verb}d"
    named = await go.call("POST", "/identify", 200, shape={"id": "string"}, authorization="Thing a key of its own")
    assert named == {"id": made["id"]}


async def test_channels(blazon: Running, go: GoClient) -> None:
    made = await go.call("POST", "/channels", 201, channel(name="go up", metadata={"k": "v"}), shape=GROUP)
    body = [channel(name="go b", status="enabled"), channel(name="go c")]
    assert len((await go.call("POST", "/channels/bulk", 200, body, shape={"channels": [GROUP]}))["channels"]) == 2
    one = f"/channels/{made['id']}"
    assert await go.call("GET", one, 200, shape=GROUP) == made
    assert (await go.call("GET", "/channels?limit=10&name=go+up", 200, shape=CHANNELS))["channels"] == [made]
    changed = await go.call("PUT", one, 200, channel(id=made["id"], description="changed"), shape=GROUP)
    assert (changed["name"], changed["description"]) == ("go up", "changed")
    for verb in ("disable", "enable"):
        changed = await go.call("POST", f"{one}/{verb}", 200, shape=GROUP)
        assert changed["status"] == f"{verb}d"


async def test_connections(blazon: Running, go: GoClient) -> None:
    things, up = [await blazon.thing(), await blazon.thing()], await blazon.channel()
    pairs = {"subjects": [thing["id"] for thing in things], "objects": [up["id"]]}
    made = await go.call("POST", "/connect", 200, pairs, shape=CONNECTED)
    assert {(each["subject"], each["object"]) for each in made["policies"]} == {(t["id"], up["id"]) for t in things}
    assert all(each["actions"] == ["m_write", "m_read"] for each in made["policies"])
    assert (await go.call("GET", f"/channels/{up['id']}/things?limit=10", 200, shape=THINGS))["total"] == 2
    assert (await go.call("GET", f"/things/{things[0]['id']}/channels?limit=10", 200, shape=CHANNELS))["total"] == 1
    await go.call("POST", "/disconnect", 204, pairs)
    assert (await go.call("GET", f"/channels/{up['id']}/things?limit=10", 200, shape=THINGS))["total"] == 0
    # An SDK struct without `omitempty`: no actions are the usual ones.
    await go.call("POST", "/connect", 200, {**pairs, "actions": None}, shape=CONNECTED)
    assert await actions_of(blazon, things[0], up) == ["m_write", "m_read"]


async def test_policies(blazon: Running, go: GoClient) -> None:
    thing, up, person = await blazon.thing(), await blazon.channel(), await blazon.person()
    pair = {"subject": thing["id"], "object": up["id"]}
    await go.call("POST", "/policies", 201, policy(**pair))  # ConnectThing names no actions
    assert await actions_of(blazon, thing, up) == ["m_write", "m_read"]
    await go.call("PUT", "/policies", 204, policy(**pair, actions=["m_read"]))
    path = f"/policies?limit=10&object={up['id']}&subject={thing['id']}"
    (found,) = (await go.call("GET", path, 200, shape=POLICIES))["policies"]
    assert (found["actions"], found["updated_by"]) == (["m_read"], blazon.admin.id)
    shared = policy(subject=person.id, object=up["id"], actions=["c_list", "c_delete"], external=True)
    await go.call("POST", "/policies", 201, shared)  # ShareThing

    question = {"subject": key_of(thing), "object": up["id"], "action": "m_read", "entity_type": "thing"}
    path = f"/channels/{up['id']}/access"
    assert await go.call("POST", path, 200, question, shape=ACCESS) == {"thing_id": thing["id"], "authorized": True}
    await go.call("POST", path, 403, {**question, "action": "m_write"}, shape={"error": "string"})
    await go.call("DELETE", f"/policies/{thing['id']}/{up['id']}", 204)
    await go.call("POST", path, 403, question, shape={"error": "string"})


async def test_errors_are_read(blazon: Running, go: GoClient) -> None:
    """`CheckError` wants an object with the texts `error` and `message`, whatever went wrong."""
    for method, path, body, authorization, status in (
        ("GET", "/things/no-such-thing", None, None, 404),
        ("POST", "/things/bulk", [], None, 400),
        ("POST", "/connect", {"subjects": None, "objects": None}, None, 400),
        ("POST", "/identify", None, "Thing no such key", 401),
        ("POST", "/identify", None, "", 401),
        ("GET", "/identify", None, None, 405),
        ("PUT", "/policies", policy(subject="a", object="b", actions=["m_fly"]), None, 400),
        ("OPTIONS", "/things", None, None, 405),
    ):
        answer = await go.raw(method, path, body, authorization=authorization)
        assert answer.status == status, (method, path, answer.body)
        assert answer.headers["Content-Type"] == "application/json"
        unmarshal(answer.json, {"error": "string", "message": "string"}, path)
        assert answer.json["error"]
        assert answer.json["message"]


async def test_the_answers_of_decisions_say_what_they_are(blazon: Running, go: GoClient) -> None:
    thing, up = await blazon.thing(), await blazon.channel()
    await blazon.ok("POST", "/connect", {"subjects": [thing["id"]], "objects": [up["id"]]})
    question = {"subject": key_of(thing), "object": up["id"], "action": "m_read", "entity_type": "thing"}
    group = {**question, "subject": blazon.admin.id, "entity_type": "group"}
    for path, body, authorization in (
        ("/identify", None, f"Thing {key_of(thing)}"),
        (f"/channels/{up['id']}/access", question, ""),
        (f"/channels/{up['id']}/access", group, ""),
        ("/authorize", group, ""),
    ):
        answer = await go.raw("POST", path, body, authorization=authorization)
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json"), path
        assert len(answer.body) == int(answer.headers["Content-Length"])
