"""Many at once: all of them or none (decision C6), with the place of the one that is to blame."""

import asyncio
import uuid
from typing import Any

import pytest

from tests.running import Running, refused
from tests.streams import Stream
from tests.things.support import UNKNOWN, identify, key_of

BULKS = ("things", "channels")


async def test_things(blazon: Running) -> None:
    owner = await blazon.person()
    bodies: list[dict[str, Any]] = [
        {"name": "one", "tags": ["t"], "metadata": {"n": 1}},
        {"id": "c1b7f6d2-54b8-4d5e-8d4e-2f3b1c0a9e87", "credentials": {"secret": "key of the second"}},
        {"owner": owner.id, "status": "disabled"},
        {},
        {"name": "one"},
    ]
    answer = await blazon.call("POST", "/things/bulk", bodies)
    assert answer.status == 200
    assert set(answer.json) == {"total", "things"}
    made = answer.json["things"]
    assert answer.json["total"] == len(made) == 5
    for body, thing in zip(bodies, made, strict=True):
        assert body.items() <= {**thing, "credentials": {"secret": key_of(thing)}}.items()
        assert await blazon.ok("GET", f"/things/{thing['id']}") == thing
    assert (await identify(blazon, "key of the second")).json == {"id": bodies[1]["id"]}
    assert len({thing["id"] for thing in made}) == len({key_of(thing) for thing in made}) == 5
    assert [thing["owner"] for thing in made] == [blazon.admin.id] * 2 + [owner.id] + [blazon.admin.id] * 2


async def test_channels_below_each_other(blazon: Running) -> None:
    ids = [str(uuid.UUID(int=number, version=4)) for number in range(1, 4)]
    bodies = [
        {"id": ids[0], "name": "top of the bulk"},
        {"id": ids[1], "name": "middle of the bulk", "parent_id": ids[0]},
        {"id": ids[2], "parent_id": ids[1]},
        {},
    ]
    answer = await blazon.call("POST", "/channels/bulk", bodies)
    assert answer.status == 200
    assert set(answer.json) == {"total", "channels"}
    assert [channel.get("parent_id") for channel in answer.json["channels"]] == [None, ids[0], ids[1], None]
    page = await blazon.ok("GET", f"/channels/{ids[0]}/children")
    assert [(channel["id"], channel.get("level", 0)) for channel in page["channels"]] == [
        (ids[0], 0),
        (ids[1], 1),
        (ids[2], 2),
    ]


async def test_a_parent_in_the_same_bulk_comes_first(blazon: Running) -> None:
    child, parent = str(uuid.UUID(int=11, version=4)), str(uuid.UUID(int=12, version=4))
    bodies = [{"id": child, "parent_id": parent}, {"id": parent}]
    refused(await blazon.call("POST", "/channels/bulk", bodies), 404, "channels[0]: the parent is not a channel")
    own = [{"id": child, "parent_id": child}]
    refused(await blazon.call("POST", "/channels/bulk", own), 404, "channels[0]: the parent is not a channel")
    assert (await blazon.ok("POST", "/channels/bulk", bodies[::-1]))["total"] == 2


@pytest.mark.parametrize("noun", BULKS)
async def test_as_many_as_may_be(blazon: Running, stream: Stream, noun: str) -> None:
    async with stream.recorded() as events:
        answer = await blazon.call("POST", f"/{noun}/bulk", [{"name": f"{noun} {number}"} for number in range(1000)])
    assert answer.status == 200, answer.body
    assert answer.json["total"] == len(events) == 1000
    assert [entry.fields["name"] for entry in events] == [each["name"] for each in answer.json[noun]]
    sequences = [entry.sequence for entry in events]
    assert sequences == list(range(sequences[0], sequences[0] + 1000)), "one transaction"
    async with stream.recorded() as events:
        refused(await blazon.call("POST", f"/{noun}/bulk", [{}] * 1001), 422, "1000")
    assert events == []


@pytest.mark.parametrize("noun", BULKS)
@pytest.mark.parametrize("body", [[], {}, {"name": "n"}, "text", 1, None, [1], ["text"], [None], [[]], [[{}]]])
async def test_what_is_no_list_of_some(blazon: Running, stream: Stream, noun: str, body: Any) -> None:
    sent = b"null" if body is None else None
    async with stream.recorded() as events:
        answer = await blazon.call(
            "POST", f"/{noun}/bulk", body, data=sent, headers={"Content-Type": "application/json"}
        )
        refused(answer, 400)
        if body == []:
            assert "empty list" in answer.json["error"]
    assert events == []


BAD: list[tuple[str, Any, int, str]] = [
    ("things", {"name": "x" * 1025}, 400, "name is longer"),
    ("things", {"name": "\u0007"}, 400, "control character"),
    ("things", {"id": "no-uuid"}, 400, "UUID"),
    ("things", {"tags": [""]}, 400, "a tag is empty"),
    ("things", {"credentials": {"secret": " x"}}, 400, "space"),
    ("things", {"owner": "nobody"}, 404, "owner is not a user"),
    ("things", {"name": 5}, 400, "name"),
    ("things", {"status": "all"}, 400, "status"),
    ("things", {"id": "{there}"}, 409, "this id"),
    ("things", {"credentials": {"secret": "{key}"}}, 409, "this key"),
    ("things", 5, 400, ""),
    ("channels", {"name": "x" * 1025}, 400, "name is longer"),
    ("channels", {"id": "no-uuid"}, 400, "UUID"),
    ("channels", {"parent_id": UNKNOWN}, 404, "the parent is not a channel"),
    ("channels", {"owner_id": "nobody"}, 404, "owner is not a user"),
    ("channels", {"description": "\u0007"}, 400, "control character"),
    ("channels", {"name": "{name}"}, 409, "of this name"),
    ("channels", {"name": "good 1"}, 409, "of this name"),
    ("channels", {"id": "{channel}"}, 409, "this id"),
    ("channels", {"metadata": []}, 400, "metadata"),
]


def filled(body: Any, known: dict[str, str]) -> Any:
    """A body with what is there already put into it."""
    if isinstance(body, dict):
        return {name: filled(value, known) for name, value in body.items()}
    return body.format(**known) if isinstance(body, str) and body.startswith("{") else body


@pytest.mark.parametrize(("noun", "body", "status", "reason"), BAD, ids=lambda value: str(value)[:40])
async def test_one_that_is_wrong_spoils_all(
    blazon: Running, stream: Stream, noun: str, body: Any, status: int, reason: str
) -> None:
    thing, channel = await blazon.thing(), await blazon.channel()
    there = {"there": thing["id"], "key": key_of(thing), "channel": channel["id"], "name": channel["name"]}
    bodies: list[Any] = [{"name": f"good {number}"} for number in range(5)]
    bodies[3] = filled(body, there)
    async with stream.recorded() as events:
        answer = await blazon.call("POST", f"/{noun}/bulk", bodies)
    refused(answer, status, reason)
    assert "[3]" in answer.json["error"]
    assert key_of(thing).encode() not in answer.body
    assert events == []
    assert (await blazon.ok("GET", f"/{noun}?name=good+0"))["total"] == 0


async def test_ten_thousand_rows_of_which_one_is_broken(blazon: Running, stream: Stream) -> None:
    """As a client sends them: in ten requests, of which one is refused and says which row it is."""
    rows: list[dict[str, Any]] = [{"name": f"row {number}"} for number in range(10_000)]
    rows[7_531]["id"] = "broken"
    async with stream.recorded() as events:
        answers = [await blazon.call("POST", "/things/bulk", rows[at : at + 1000]) for at in range(0, 10_000, 1000)]
    assert [answer.status for answer in answers] == [200] * 7 + [400] + [200] * 2
    refused(answers[7], 400, "things[531]")
    names = [entry.fields["name"] for entry in events]
    assert names == [row["name"] for number, row in enumerate(rows) if not 7000 <= number < 8000]


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ({"id": str(uuid.UUID(int=21, version=4))}, {"id": str(uuid.UUID(int=21, version=4))}, "an id"),
        ({"credentials": {"secret": "the same"}}, {"credentials": {"secret": "the same"}}, "a key"),
    ],
)
async def test_two_of_one_bulk_that_are_the_same(
    blazon: Running, stream: Stream, first: Any, second: Any, reason: str
) -> None:
    async with stream.recorded() as events:
        answer = await blazon.call("POST", "/things/bulk", [{}, first, {}, second])
    refused(answer, 400, reason)
    assert "things[1]" in answer.json["error"] or "things[3]" in answer.json["error"]
    assert "the same" not in answer.json["error"]
    assert events == []


async def test_only_an_admin_makes_some_of_them_for_others(blazon: Running, stream: Stream) -> None:
    person = await blazon.person()
    for noun, field in (("things", "owner"), ("channels", "owner_id")):
        async with stream.recorded() as events:
            body = [{field: person.id}, {field: blazon.admin.id}]
            answer = await blazon.call("POST", f"/{noun}/bulk", body, token=person.token)
            refused(answer, 403, f"{noun}[1]")
            refused(await blazon.call("POST", f"/{noun}/bulk", body, token=""), 401)
        assert events == []


async def test_bulks_that_race_for_a_key_are_whole(blazon: Running, stream: Stream) -> None:
    async def make(number: int) -> int:
        bodies: list[Any] = [{"name": f"{number} {place}"} for place in range(20)]
        bodies[10]["credentials"] = {"secret": "raced for"}
        return (await blazon.call("POST", "/things/bulk", bodies)).status

    async with stream.recorded() as events:
        statuses = await asyncio.gather(*(make(number) for number in range(10)))
    assert sorted(statuses) == [200] + [409] * 9
    winner = statuses.index(200)
    assert [entry.fields["name"] for entry in events] == [f"{winner} {place}" for place in range(20)]
