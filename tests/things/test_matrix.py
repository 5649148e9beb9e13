"""Who may do what: each of fourteen people × each endpoint of things, channels and policies (fact sheet §9.6).

A thing is on a channel; both belong to `owner`, who put it there. Each of the ten is named for the one action it was
given on that channel, with what that implies; `other` owns things and channels too, but not these. Every request says
what is so already, so that the next one asks the same; where that is refused, 409 says that one may.
"""

from typing import Any

import msgspec
import pytest

from tests.running import Person, Running
from tests.things.support import UNKNOWN, allow, identify, key_of, may

PEOPLE = "admin owner other stranger g_add g_delete g_update g_list c_delete c_update c_list c_share m_write m_read"

MATRIX = """
GET    /things/{thing}                         200 200 404 404 404 404 404 404 200 200 200 200 404 404
PATCH  /things/{thing}                         200 200 404 404 404 404 404 404 403 200 403 403 404 404
PATCH  /things/{thing}/tags                    200 200 404 404 404 404 404 404 403 200 403 403 404 404
PATCH  /things/{thing}/secret                  200 200 404 404 404 404 404 404 403 200 403 403 404 404
PATCH  /things/{thing}/owner                   200 200 404 404 404 404 404 404 403 403 403 403 404 404
POST   /things/{thing}/enable                  409 409 404 404 404 404 404 404 409 403 403 403 404 404
POST   /things/{off}/disable                   409 409 404 404 404 404 404 404 409 403 403 403 404 404
GET    /things/{thing}/channels                200 200 404 404 404 404 404 404 200 200 200 200 404 404
GET    /channels/{channel}                     200 200 404 404 200 200 200 200 200 200 200 200 404 404
GET    /channels/{channel}/things              200 200 404 404 200 200 200 200 200 200 200 200 404 404
GET    /channels/{channel}/children            200 200 404 404 200 200 200 200 200 200 200 200 404 404
GET    /channels/{channel}/parents             200 200 404 404 200 200 200 200 200 200 200 200 404 404
GET    /channels?parent_id={channel}           200 200 404 404 200 200 200 200 200 200 200 200 404 404
PUT    /channels/{channel}                     200 200 404 404 403 403 200 403 403 403 403 403 404 404
POST   /channels/{channel}/enable              409 409 404 404 403 409 403 403 403 403 403 403 404 404
POST   /channels/{closed}/disable              409 409 404 404 403 409 403 403 403 403 403 403 404 404
POST   /channels                               201 201 404 404 201 201 201 201 201 201 201 201 404 404
POST   /channels/{channel}/access/explain      200 200 404 404 200 200 200 200 200 200 200 200 404 404
POST   /policies                               201 201 404 404 404 403 403 403 403 403 403 403 403 403
PUT    /policies                               204 204 404 404 403 403 403 403 403 403 403 403 404 404
DELETE /policies/{thing}/{channel}             204 204 404 404 403 403 403 403 403 403 403 403 404 404
POST   /connect                                200 200 404 404 200 403 403 403 403 403 403 403 403 403
POST   /disconnect                             204 204 404 404 403 403 403 403 403 403 403 403 404 404
"""


class Circle(msgspec.Struct, frozen=True):
    """A thing and a channel, disabled ones as well, and those who ask."""

    ids: dict[str, str]
    people: dict[str, Person]
    own: dict[str, str]
    """A thing of each."""

    def body(self, method: str, path: str, who: str) -> Any:
        """What is sent: that something be as it is."""
        thing, channel = self.ids["thing"], self.ids["channel"]
        given = {
            "PATCH /things/{thing}": {"name": "seen"},
            "PATCH /things/{thing}/tags": {"tags": ["t"]},
            "PATCH /things/{thing}/secret": {"secret": "the key of the thing"},
            "PATCH /things/{thing}/owner": {"owner": self.people["owner"].id},
            "PUT /channels/{channel}": {"description": "seen"},
            "POST /channels": {"name": "below", "parent_id": channel},
            "POST /channels/{channel}/access/explain": {"subject": thing, "action": "m_read", "entity_type": "thing"},
            "POST /policies": {"subject": thing, "object": channel, "actions": ["g_list"]},
            "PUT /policies": {"subject": thing, "object": channel, "actions": ["g_list"]},
            "POST /connect": {"subjects": [self.own[who]], "objects": [channel], "actions": ["g_list"]},
            "POST /disconnect": {"subjects": [thing], "objects": [channel]},
        }
        return given.get(f"{method} {path}")


@pytest.fixture(scope="module")
async def circle(blazon: Running) -> Circle:
    people = {name: await blazon.person(name.replace("_", "-")) for name in PEOPLE.split()[1:]}
    people = {"admin": blazon.admin, **people}
    owner = people["owner"]
    thing = await blazon.thing(owner, name="seen", credentials={"secret": "the key of the thing"})
    channel = await blazon.channel(owner)
    off, closed = await blazon.thing(owner), await blazon.channel(owner)
    await blazon.ok("POST", f"/things/{off['id']}/disable")
    await blazon.ok("POST", f"/channels/{closed['id']}/disable")
    for member in (thing, off):
        await allow(blazon, member, channel, "g_list", by=owner)
    for name in PEOPLE.split()[4:]:
        for place in (channel, closed):
            await allow(blazon, people[name], place, name)
    await blazon.channel(people["other"])
    own = {name: (await blazon.thing(person))["id"] for name, person in people.items()}
    ids = {"thing": thing["id"], "channel": channel["id"], "off": off["id"], "closed": closed["id"]}
    return Circle(ids, people, own)


@pytest.mark.parametrize("row", MATRIX.strip().splitlines(), ids=lambda row: " ".join(row.split()[:2]))
async def test_who_may(blazon: Running, circle: Circle, row: str) -> None:
    method, path, *expected = row.split()
    got = []
    for name, person in circle.people.items():
        body = circle.body(method, path, name)
        answer = await blazon.call(method, path.format(**circle.ids), body, token=person.token)
        got.append(str(answer.status))
        if answer.status == 204:  # the policy is put back as it was
            pair = {"subject": circle.ids["thing"], "object": circle.ids["channel"], "actions": ["g_list"]}
            await blazon.ok("POST", "/policies", pair, token=circle.people["owner"].token)
    assert dict(zip(circle.people, got, strict=True)) == dict(zip(circle.people, expected, strict=True))
    refused = await blazon.call(method, path.format(**circle.ids), circle.body(method, path, "admin"), token="")
    assert refused.status == 401


SEES_THING = ("admin", "owner", "c_delete", "c_update", "c_list", "c_share")
SEES_CHANNEL = ("admin", "owner", *(name for name in PEOPLE.split()[4:] if name[0] in "gc"))


async def test_who_may_know_the_key(blazon: Running, circle: Circle) -> None:
    """Who could set a new one. For everybody else the rest of the answer is the same."""
    path = f"/things/{circle.ids['thing']}"
    bodies = {who: await blazon.ok("GET", path, token=circle.people[who].token) for who in SEES_THING}
    knowing = {who for who, body in bodies.items() if body["credentials"] == {"secret": "the key of the thing"}}
    assert knowing == {"admin", "owner", "c_update"}
    for who, body in bodies.items():
        assert who in knowing or body == {**bodies["owner"], "credentials": {}}


async def test_who_finds_it_in_lists(blazon: Running, circle: Circle) -> None:
    thing, channel = circle.ids["thing"], circle.ids["channel"]
    shared = {"c_delete", "c_update", "c_list", "c_share"}
    for path, name, wanted, finding in (
        ("/things?name=seen", "things", thing, {"admin", "owner", *shared}),
        ("/things?name=seen&visibility=all", "things", thing, {"admin", "owner", *shared}),
        ("/things?name=seen&visibility=mine", "things", thing, {"owner"}),
        ("/things?name=seen&visibility=shared", "things", thing, shared),
        (f"/things?name=seen&owner_id={circle.people['owner'].id}", "things", thing, {"admin", "owner", *shared}),
        (f"/channels/{channel}/things?name=seen", "things", thing, {"admin", "owner", *shared}),
        ("/channels?limit=100", "channels", channel, {*SEES_CHANNEL}),
        (f"/channels?limit=100&owner_id={circle.people['owner'].id}", "channels", channel, {*SEES_CHANNEL}),
    ):
        found = set()
        for who, person in circle.people.items():
            answer = await blazon.call("GET", path, token=person.token)
            if answer.status == 200 and wanted in [each["id"] for each in answer.json[name]]:
                found.add(who)
                assert b"the key of the thing" not in answer.body
        assert found == finding, path


async def test_policies_are_listed_for_those_who_made_them(blazon: Running, circle: Circle) -> None:
    for path in ("/policies", "/things/policies"):
        for who, person in circle.people.items():
            page = await blazon.ok("GET", f"{path}?object={circle.ids['channel']}&limit=100", token=person.token)
            makers = {policy["owner_id"] for policy in page["policies"]}
            if who == "admin":
                assert {circle.people["owner"].id, blazon.admin.id} <= makers
            else:
                assert makers <= {person.id}


@pytest.mark.parametrize(
    "row",
    [row for row in MATRIX.strip().splitlines() if "{thing}" in row and "404" in row],
    ids=lambda row: " ".join(row.split()[:2]),
)
async def test_what_one_may_not_see_is_as_if_it_were_not_there(blazon: Running, circle: Circle, row: str) -> None:
    method, path, *expected = row.split()
    for who in (who for who, status in zip(circle.people, expected, strict=True) if status == "404"):
        body, token = circle.body(method, path, who), circle.people[who].token
        hidden = await blazon.call(method, path.format(**circle.ids), body, token=token)
        unknown = await blazon.call(method, path.format(**{**circle.ids, "thing": UNKNOWN}), body, token=token)
        assert (unknown.status, unknown.body) == (hidden.status, hidden.body), who


async def test_what_a_user_may_do_is_what_it_is_told(blazon: Running, circle: Circle) -> None:
    """The question `client` and `group` for each of the ten actions, in memory, against what was given."""
    implied = {"c": {"c_list", "g_list"}, "g": {"g_list"}, "m": set[str]()}
    actions = PEOPLE.split()[4:]
    for who, person in circle.people.items():
        everything = who in ("admin", "owner")
        has = {who} | implied[who[0]] if who in actions else set()
        for action in actions:
            for entity, place in (("group", circle.ids["channel"]), ("client", circle.ids["thing"])):
                told = await may(blazon, person, place, action, entity)
                assert told == (everything or action in has), (who, action, entity)


async def test_devices_ask_without_signing_in(blazon: Running, circle: Circle) -> None:
    thing = await blazon.thing()
    assert (await identify(blazon, key_of(thing))).status == 200
    await allow(blazon, thing, circle.ids["channel"], "m_write")
    assert await may(blazon, thing, circle.ids["channel"], "m_write")
    assert not await may(blazon, thing, circle.ids["channel"], "m_read")
