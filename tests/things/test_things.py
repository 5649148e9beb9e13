"""One thing: made, seen, changed, disabled and enabled (fact sheet §4.1)."""

import asyncio
import uuid
from typing import Any

import pytest

from tests.running import Person, Running, refused
from tests.things.support import NEVER, UNKNOWN, identify, key_of

ODD = [
    "\u202e\u2066reversed", "\ufeffbom", "e\u0301", "\u00e9", "\U0001f469\u200d\U0001f469\u200d\U0001f467",
    "\u200b", "\u00a0", "\ufffd", "\U0010ffff", "\u0130i\u0131I", "ﬃ", "'; DROP TABLE things; --", "%_\\", "$1", "?",
    "[a,b]", "{}", "null", "<script>alert(1)</script>", "${jndi:x}", "../..", "\u0430dmin", "ß" * 512, "\ue000",
]  # fmt: skip


async def test_a_thing_of_nothing_but_itself(blazon: Running) -> None:
    answer = await blazon.call("POST", "/things", {})
    thing = answer.json
    assert answer.status == 201
    assert answer.headers["Location"] == f"/things/{thing['id']}"
    assert thing == {
        "id": thing["id"],
        "owner": blazon.admin.id,
        "credentials": {"secret": key_of(thing)},
        "created_at": thing["created_at"],
        "updated_at": NEVER,
        "status": "enabled",
    }
    assert str(uuid.UUID(thing["id"])) == thing["id"]
    assert uuid.UUID(key_of(thing)).version == 4
    assert await blazon.ok("GET", f"/things/{thing['id']}") == thing


async def test_a_thing_with_everything(blazon: Running) -> None:
    owner = await blazon.person()
    identifier = "0f4f1c4e-9d65-4a37-b8a1-c6a0a4b2d9f1"
    body = {
        "id": identifier,
        "name": "all",
        "tags": ["b", "a", "b"],
        "owner": owner.id,
        "credentials": {"identity": "me@site", "secret": "tell nobody but me"},
        "metadata": {"b": {"c": [1, 2.5, None, True]}},
        "status": "disabled",
        "unknown": "is passed over",
    }
    thing = await blazon.ok("POST", "/things", body)
    del body["unknown"]
    assert thing == {**body, "created_at": thing["created_at"], "updated_at": NEVER}
    assert await blazon.ok("GET", f"/things/{identifier}") == thing
    assert await blazon.ok("GET", f"/things/{identifier}", token=owner.token) == thing


@pytest.mark.parametrize("name", ODD)
async def test_names_are_kept_as_they_are(blazon: Running, name: str) -> None:
    thing = await blazon.thing(name=name, tags=[name[:60]], metadata={name: [name]}, credentials={"identity": "i"})
    assert (thing["name"], thing["tags"], thing["metadata"]) == (name, [name[:60]], {name: [name]})
    assert await blazon.ok("GET", f"/things/{thing['id']}") == thing
    after = await blazon.ok("PATCH", f"/things/{thing['id']}", {"name": f"{name[:500]}2"})
    assert after["name"] == f"{name[:500]}2"


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ({"id": "not-a-uuid"}, 400, "id must be a UUID"),
        ({"id": "5B7D0B3E-6F3C-4F5E-9A55-0A8D6D1D3C1E"}, 400, "id must be a UUID"),
        ({"id": "5b7d0b3e6f3c4f5e9a550a8d6d1d3c1e"}, 400, "id must be a UUID"),
        ({"id": "{5b7d0b3e-6f3c-4f5e-9a55-0a8d6d1d3c1e}"}, 400, "id must be a UUID"),
        ({"id": "5b7d0b3e-6f3c-4f5e-9a55-0a8d6d1d3c1e\n"}, 400, "id must be a UUID"),
        ({"id": " "}, 400, "id must be a UUID"),
        ({"id": 5}, 400, "id"),
        ({"name": "x" * 1025}, 400, "name is longer than 1024 bytes"),
        ({"name": "ü" * 513}, 400, "name is longer than 1024 bytes"),
        ({"name": "a\u0007b"}, 400, "name holds a control character"),
        ({"name": "a\u0085b"}, 400, "name holds a control character"),
        ({"name": "a\u0000b"}, 400, "U+0000"),
        ({"name": ["n"]}, 400, "name"),
        ({"tags": ["t"] * 257}, 400, "more than 256 tags"),
        ({"tags": [""]}, 400, "a tag is empty"),
        ({"tags": ["x" * 255]}, 400, "a tag is longer"),
        ({"tags": "t"}, 400, "tags"),
        ({"tags": [1]}, 400, "tags[0]"),
        ({"tags": {"t": 1}}, 400, "tags"),
        ({"metadata": []}, 400, "metadata"),
        ({"metadata": "text"}, 400, "metadata"),
        ({"status": "all"}, 400, "status"),
        ({"status": 0}, 400, "status"),
        ({"credentials": "key"}, 400, "credentials"),
        ({"credentials": []}, 400, "credentials"),
        ({"credentials": {"secret": 5}}, 400, "credentials.secret"),
        ({"credentials": {"secret": "x" * 4097}}, 400, "secret is longer than 4096"),
        ({"credentials": {"secret": " key"}}, 400, "space"),
        ({"credentials": {"secret": "key\t"}}, 400, "space"),
        ({"credentials": {"secret": "a\nb"}}, 400, "control character"),
        ({"credentials": {"secret": "a\u007fb"}}, 400, "control character"),
        ({"credentials": {"identity": " i"}}, 400, "credentials.identity"),
        ({"credentials": {"identity": "x" * 255}}, 400, "credentials.identity"),
        ({"owner": "nobody"}, 404, "owner is not a user"),
        ({"owner": UNKNOWN}, 404, "owner is not a user"),
    ],
)  # fmt: skip
async def test_things_that_cannot_be(blazon: Running, body: dict[str, Any], status: int, reason: str) -> None:
    before = await blazon.ok("GET", "/things?status=all")
    refused(await blazon.call("POST", "/things", body), status, reason)
    assert (await blazon.ok("GET", "/things?status=all"))["total"] == before["total"]


async def test_metadata_as_large_and_as_deep_as_may_be(blazon: Running) -> None:
    large = {"a": "x" * (64 * 1024 - len('{"a":""}'))}
    thing = await blazon.thing(metadata=large)
    assert (await blazon.ok("GET", f"/things/{thing['id']}"))["metadata"] == large
    for body in (
        b'{"metadata":{"a":' + b"[" * 1000 + b"]" * 1000 + b"}}",
        b'{"metadata":' + b'{"a":' * 1000 + b"1" + b"}" * 1001,
        b'[{"metadata":' + b'{"a":' * 1000 + b"1" + b"}" * 1001 + b"]",
    ):
        path = "/things/bulk" if body.startswith(b"[") else "/things"
        answer = await blazon.call("POST", path, data=body, headers={"Content-Type": "application/json"})
        refused(answer, 400, "nested deeper than 64")


async def test_an_id_is_taken_once_whoever_has_it(blazon: Running) -> None:
    thing = await blazon.thing(await blazon.person())
    refused(await blazon.call("POST", "/things", {"id": thing["id"]}), 409, "this id")
    await blazon.ok("POST", f"/things/{thing['id']}/disable")
    refused(await blazon.call("POST", "/things", {"id": thing["id"]}), 409, "this id")


async def test_a_key_is_taken_once_whoever_has_it(blazon: Running) -> None:
    mine, other = await blazon.thing(), await blazon.thing(await blazon.person())
    body = {"credentials": {"secret": key_of(other)}}
    answer = await blazon.call("POST", "/things", body)
    refused(answer, 409, "this key")
    assert key_of(other).encode() not in answer.body
    answer = await blazon.call("PATCH", f"/things/{mine['id']}/secret", {"secret": key_of(other)})
    refused(answer, 409, "this key")
    assert key_of(other).encode() not in answer.body
    assert (await identify(blazon, key_of(mine))).json == {"id": mine["id"]}
    # A key that was given up is free.
    await blazon.ok("PATCH", f"/things/{mine['id']}/secret", {"secret": "one key more"})
    again = await blazon.thing(credentials={"secret": key_of(mine)})
    assert (await identify(blazon, key_of(mine))).json == {"id": again["id"]}


async def test_keys_made_at_the_same_time_are_taken_once(blazon: Running) -> None:
    body = {"credentials": {"secret": "wanted by many"}}
    answers = await asyncio.gather(*(blazon.call("POST", "/things", body) for _ in range(20)))
    assert sorted(answer.status for answer in answers) == [201] + [409] * 19
    body = {"id": "7f9c24e8-3b12-4fef-91e0-56a2d5a3c8b1"}
    answers = await asyncio.gather(*(blazon.call("POST", "/things", body) for _ in range(20)))
    assert sorted(answer.status for answer in answers) == [201] + [409] * 19


@pytest.mark.parametrize(
    "key",
    [
        "ключ и пробел",
        "😀",
        "a key of words",
        "x" * 4096,
        "a,b",
        '"quoted"',
        "Thing x",
        "\\ ~!#$%&'()*+./:;<=>?@[]^_`{|}",
    ],
)
async def test_keys_may_be_any_printable_text(blazon: Running, key: str) -> None:
    thing = await blazon.thing(credentials={"secret": key})
    assert key_of(thing) == key
    assert key_of(await blazon.ok("GET", f"/things/{thing['id']}")) == key
    channel = await blazon.channel()
    body = {"subject": key, "action": "m_read", "entity_type": "thing"}
    refused(await blazon.call("POST", f"/channels/{channel['id']}/access", body, token=""), 403)
    await blazon.ok("POST", "/policies", {"subject": thing["id"], "object": channel["id"]})
    answer = await blazon.ok("POST", f"/channels/{channel['id']}/access", body, token="")
    assert answer == {"thing_id": thing["id"], "authorized": True}
    # A header holds ASCII alone: any other key is good for MQTT and for those who ask in a body.
    assert (await identify(blazon, key)).status == (200 if key.isascii() else 400)


async def test_only_an_admin_makes_things_for_others(blazon: Running) -> None:
    person, other = await blazon.person(), await blazon.person()
    refused(await blazon.call("POST", "/things", {"owner": other.id}, token=person.token), 403, "only an admin")
    # What is not there is none of its business either.
    refused(await blazon.call("POST", "/things", {"owner": UNKNOWN}, token=person.token), 403, "only an admin")
    assert (await blazon.thing(person, owner=person.id))["owner"] == person.id
    assert (await blazon.thing(owner=other.id))["owner"] == other.id
    refused(await blazon.call("POST", "/things", {}, token=""), 401)
    refused(await blazon.call("POST", "/things", {}, token="rubbish"), 401)


async def test_name_and_metadata(blazon: Running) -> None:
    thing = await blazon.thing(name="before", metadata={"a": 1}, tags=["t"])
    path = f"/things/{thing['id']}"
    after = await blazon.ok("PATCH", path, {"name": "after", "tags": ["passed over"], "status": "disabled"})
    assert after == {
        **thing,
        "name": "after",
        "updated_at": after["updated_at"],
        "updated_by": blazon.admin.id,
    }
    assert after["updated_at"] > after["created_at"] == thing["created_at"]
    after = await blazon.ok("PATCH", path, {"metadata": {"b": 2}})
    assert (after["name"], after["metadata"]) == ("after", {"b": 2})
    after = await blazon.ok("PATCH", path, {"name": "", "metadata": None})
    assert (after["name"], after["metadata"]) == ("after", {"b": 2})
    after = await blazon.ok("PATCH", path, {"metadata": {}})
    assert "metadata" not in after
    assert await blazon.ok("GET", path) == after
    refused(await blazon.call("PATCH", path, {"name": "x" * 1025}), 400, "1024")
    refused(await blazon.call("PATCH", path, {"metadata": [1]}), 400, "metadata")


async def test_tags_are_replaced(blazon: Running) -> None:
    thing = await blazon.thing(tags=["a"])
    path = f"/things/{thing['id']}/tags"
    assert (await blazon.ok("PATCH", path, {"tags": ["c", "b", "c"]}))["tags"] == ["c", "b", "c"]
    assert "tags" not in await blazon.ok("PATCH", path, {"tags": []})
    await blazon.ok("PATCH", path, {"tags": ["x"]})
    assert "tags" not in await blazon.ok("PATCH", path, {})
    for tags in (["\t"], [""], ["t"] * 257, "t", [["t"]]):
        refused(await blazon.call("PATCH", path, {"tags": tags}), 400, "tag")


async def test_key(blazon: Running) -> None:
    thing = await blazon.thing()
    path = f"/things/{thing['id']}/secret"
    for body in ({}, {"secret": ""}, {"secret": None}):
        refused(await blazon.call("PATCH", path, body), 400, "secret is missing")
    for wrong in (" k", "k ", "a\rb", "x" * 4097):
        answer = await blazon.call("PATCH", path, {"secret": wrong})
        refused(answer, 400, "secret")
        assert wrong.encode() not in answer.body
    assert (await identify(blazon, key_of(thing))).status == 200
    after = await blazon.ok("PATCH", path, {"secret": "a new key"})
    assert after["credentials"] == {}
    assert key_of(await blazon.ok("GET", f"/things/{thing['id']}")) == "a new key"
    # The same key again is no conflict with itself.
    await blazon.ok("PATCH", path, {"secret": "a new key"})
    assert (await identify(blazon, "a new key")).json == {"id": thing["id"]}


async def test_owner(blazon: Running) -> None:
    first, second = await blazon.person(), await blazon.person()
    thing = await blazon.thing(first)
    path = f"/things/{thing['id']}"
    for body in ({}, {"owner": ""}, {"owner": None}):
        refused(await blazon.call("PATCH", f"{path}/owner", body), 400, "owner is missing")
    refused(await blazon.call("PATCH", f"{path}/owner", {"owner": "nobody"}), 404, "owner is not a user")
    refused(await blazon.call("PATCH", f"{path}/owner", {"owner": [second.id]}), 400, "owner")
    after = await blazon.ok("PATCH", f"{path}/owner", {"owner": second.id}, token=first.token)
    assert (after["owner"], after["updated_by"], after["credentials"]) == (second.id, first.id, {})
    refused(await blazon.call("GET", path, token=first.token), 404)
    assert key_of(await blazon.ok("GET", path, token=second.token)) == key_of(thing)


CHANGES: list[tuple[str, Any]] = [
    ("", {"name": "n"}),
    ("/tags", {"tags": ["t"]}),
    ("/secret", {"secret": "never set"}),
    ("/owner", {"owner": UNKNOWN}),
]


@pytest.mark.parametrize(("path", "body"), CHANGES)
async def test_a_disabled_thing_is_seen_and_not_changed(blazon: Running, path: str, body: Any) -> None:
    thing = await blazon.thing()
    off = await blazon.ok("POST", f"/things/{thing['id']}/disable")
    body = {"owner": blazon.admin.id} if "owner" in body else body
    refused(await blazon.call("PATCH", f"/things/{thing['id']}{path}", body), 404, "disabled")
    assert await blazon.ok("GET", f"/things/{thing['id']}") == {**off, "credentials": thing["credentials"]}


@pytest.mark.parametrize(("path", "body"), CHANGES)
async def test_a_thing_that_is_not_there(blazon: Running, path: str, body: Any) -> None:
    for identifier in (UNKNOWN, "nobody", "5B7D0B3E", "%F0%9F%98%80", "x" * 300):
        answer = await blazon.call("PATCH", f"/things/{identifier}{path}", body)
        refused(answer, 404, "there is no thing with this id")


async def test_enable_and_disable(blazon: Running) -> None:
    thing = await blazon.thing()
    path = f"/things/{thing['id']}"
    refused(await blazon.call("POST", f"{path}/enable"), 409, "status already assigned")
    off = await blazon.ok("POST", f"{path}/disable")
    assert (off["status"], off["credentials"]) == ("disabled", {})
    assert off["updated_at"] > off["created_at"]
    refused(await blazon.call("POST", f"{path}/disable"), 409, "status already assigned")
    assert (await blazon.ok("POST", f"{path}/enable"))["status"] == "enabled"
    for verb in ("enable", "disable"):
        refused(await blazon.call("POST", f"/things/{UNKNOWN}/{verb}"), 404)
    answer = await blazon.call("DELETE", path)
    refused(answer, 405)


async def test_a_change_rests_on_what_was_read(blazon: Running) -> None:
    answer = await blazon.call("POST", "/things", {"name": "first"})
    path, first = f"/things/{answer.json['id']}", answer.headers["ETag"]
    assert (await blazon.call("GET", path)).headers["ETag"] == first
    answer = await blazon.call("PATCH", path, {"name": "second"}, headers={"If-Match": first})
    second = answer.headers["ETag"]
    assert second != first
    for method, where, body in (
        ("PATCH", "", {"name": "third"}),
        ("PATCH", "/tags", {"tags": ["t"]}),
        ("PATCH", "/secret", {"secret": "a third key"}),
        ("PATCH", "/owner", {"owner": blazon.admin.id}),
        ("POST", "/disable", None),
    ):
        stale = await blazon.call(method, path + where, body, headers={"If-Match": first})
        refused(stale, 412, second.strip('"'))
    assert (await blazon.call("POST", f"{path}/disable", headers={"If-Match": second})).status == 200


async def test_many_change_one_thing_and_each_change_counts(blazon: Running) -> None:
    thing = await blazon.thing()
    path = f"/things/{thing['id']}"
    changes = [("PATCH", path, {"metadata": {str(number): 1}}) for number in range(12)]
    changes += [("PATCH", f"{path}/tags", {"tags": [str(number)]}) for number in range(12)]
    answers = await asyncio.gather(*(blazon.call(*change) for change in changes))
    assert [answer.status for answer in answers] == [200] * 24
    assert len({answer.headers["ETag"] for answer in answers}) == 24
    last = max(answers, key=lambda answer: int(answer.headers["ETag"].strip('"'))).json
    assert await blazon.ok("GET", path) == last
    assert {"tags", "metadata"} <= set(last)


async def test_sent_again_with_its_key_it_is_made_once(blazon: Running) -> None:
    headers = {"Idempotency-Key": "make-this-thing-once"}
    first = await blazon.call("POST", "/things", {"name": "once"}, headers=headers)
    again = await blazon.call("POST", "/things", {"name": "once"}, headers=headers)
    assert (first.status, again.status, again.body) == (201, 201, first.body)
    refused(await blazon.call("POST", "/things", {"name": "twice"}, headers=headers), 422, "Idempotency-Key")
    bulk = [{"name": "one"}, {"name": "two"}]
    headers = {"Idempotency-Key": "make-these-once"}
    answers = [await blazon.call("POST", "/things/bulk", bulk, headers=headers) for _ in range(2)]
    assert answers[0].body == answers[1].body
    assert len(answers[1].json["things"]) == 2


async def test_whose_key_it_is(blazon: Running) -> None:
    thing = await blazon.thing()
    assert (await identify(blazon, key_of(thing))).json == {"id": thing["id"]}
    json = {"Content-Type": "application/json"}
    cases: list[tuple[dict[str, str], int]] = [
        ({**json, "Authorization": "Thing no such key"}, 401),
        ({**json, "Authorization": "Thing "}, 401),
        ({**json, "Authorization": "Thing"}, 401),
        ({**json, "Authorization": f"Bearer {key_of(thing)}"}, 401),
        ({**json, "Authorization": f"Thing {thing['id']}"}, 401),
        ({**json, "Authorization": f"Thing {key_of(thing)}x"}, 401),
        ({**json, "Authorization": f"Thing {key_of(thing)[:-1]}"}, 401),
        ({**json, "Authorization": f"Thing {key_of(thing).upper()}"}, 401),
        (json, 401),
        ({"Authorization": f"Thing {key_of(thing)}"}, 200),
        ({"Authorization": f"Thing {key_of(thing)}", "Content-Type": "text/plain"}, 200),
        ({**json, "Authorization": f"Thing {key_of(thing)}"}, 200),
    ]
    for headers, status in cases:
        answer = await blazon.call("POST", "/identify", headers=headers, token="")
        assert answer.status == status, headers
        if status != 200:
            refused(answer, status)
            assert key_of(thing).encode() not in answer.body
    # A sign-in is no key.
    assert (await blazon.call("POST", "/identify", headers=json)).status == 401


async def test_no_answer_to_others_holds_the_key(blazon: Running) -> None:
    person: Person = await blazon.person()
    thing = await blazon.thing(person)
    key = key_of(thing).encode()
    path = f"/things/{thing['id']}"
    for method, where, body in (
        ("GET", "/things", None),
        ("PATCH", f"{path}/owner", {"owner": person.id}),
        ("POST", f"{path}/disable", None),
        ("POST", f"{path}/enable", None),
    ):
        answer = await blazon.call(method, where, body, token=person.token)
        assert answer.status == 200
        assert thing["id"].encode() in answer.body
        assert key not in answer.body
        assert b"secret" not in answer.body
