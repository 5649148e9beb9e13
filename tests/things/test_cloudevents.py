"""Every event of this room as a CloudEvent on a real RabbitMQ, beside the entries of the stream."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import aio_pika
import msgspec
import pytest

from blazon.things import room
from tests.running import Running, running
from tests.servers import RabbitServer
from tests.streams import PATIENCE, Entry, Stream, compact
from tests.things.support import asked, identify, key_of, policy

pytestmark = pytest.mark.xdist_group("rabbitmq")


class Scenario(msgspec.Struct, frozen=True):
    """What was done, by the admin, and what two consumers heard of it."""

    admin: str
    thing: Any
    channel: Any
    heard: list[dict[str, Any]]
    entries: list[Entry]

    def of(self, kind: str) -> dict[str, Any]:
        """The first message of a type."""
        return next(event for event in self.heard if event["type"] == kind)


async def play(blazon: Running) -> tuple[Any, Any]:
    """Makes every event of the room at least once."""
    body = {"name": "-broken-cloud", "tags": ["a", "b"], "metadata": {"b": 1, "a": [True]}}
    thing = await blazon.thing(**body, credentials={"secret": "the one secret"})
    channel = await blazon.channel(description="d")
    path, place = f"/things/{thing['id']}", f"/channels/{channel['id']}"
    await blazon.ok("POST", "/policies", policy(thing, channel, "m_write", "m_read"))
    await identify(blazon, key_of(thing))
    assert (await asked(blazon, thing, channel, "m_read")).status == 200
    for where in (path, "/things", place, "/channels", f"{place}/things", f"{path}/channels", "/policies"):
        await blazon.ok("GET", where)
    await blazon.ok("PUT", "/policies", policy(thing, channel, "m_read"))
    await blazon.ok("DELETE", f"/policies/{thing['id']}/{channel['id']}")
    await blazon.ok("PATCH", path, {"name": "lingering-sea"})
    await blazon.ok("PATCH", f"{path}/tags", {"tags": ["c"]})
    await blazon.ok("PATCH", f"{path}/secret", {"secret": "another secret"})
    await blazon.ok("PATCH", f"{path}/owner", {"owner": blazon.admin.id})
    await blazon.ok("PUT", place, {"description": "new"})
    await blazon.ok("POST", f"{path}/disable")
    await blazon.ok("POST", f"{place}/disable")
    return thing, channel


@pytest.fixture(scope="module")
async def scenario(
    rabbitmq: RabbitServer, tmp_path_factory: pytest.TempPathFactory, anyio_backend: object
) -> AsyncIterator[Scenario]:
    name = f"things-{uuid.uuid4()}"
    async with await aio_pika.connect(rabbitmq.url) as connection:
        channel = await connection.channel()
        exchange = await channel.declare_exchange(name, aio_pika.ExchangeType.TOPIC, durable=True)
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(exchange, "#")
        flags = {"amqp__url": rabbitmq.url, "amqp__exchange": name}
        async with running(tmp_path_factory.mktemp("blazon"), **flags) as blazon, Stream(blazon, "things") as stream:
            async with stream.recorded() as entries:
                thing, place = await play(blazon)
            yield Scenario(blazon.admin.id, thing, place, await heard_of(queue, entries), entries)


async def heard_of(queue: aio_pika.abc.AbstractQueue, entries: list[Entry]) -> list[dict[str, Any]]:
    """The messages of this room about the same events as some entries."""
    first, last = entries[0].sequence, entries[-1].sequence
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(PATIENCE), queue.iterator(no_ack=True) as messages:
        async for message in messages:
            event = json.loads(message.body)
            assert message.content_type == "application/cloudevents+json"
            assert message.routing_key == event["type"]
            if event["source"] == "/blazon/things" and int(event["sequence"]) >= first:
                found.append(event)
            if int(event["sequence"]) == last:
                return found
    raise AssertionError("the last event did not come")


def flat(value: Any) -> str:
    """A JSON value as the stream writes it."""
    if isinstance(value, list):
        return f"[{','.join(value)}]"
    return compact(value) if isinstance(value, dict) else str(value)


def test_every_type_is_there(scenario: Scenario) -> None:
    assert {event["type"] for event in scenario.heard} == {declared.name for declared in room.types}


def test_same_events_and_fields_as_on_the_stream(scenario: Scenario) -> None:
    for event, entry in zip(scenario.heard, scenario.entries, strict=True):
        assert int(event["sequence"]) == entry.sequence
        assert event["time"] == entry.time
        shown = {name: flat(value) for name, value in event["data"].items()}
        expected = {**shown, "operation": event["type"], "occurred_at": entry.fields["occurred_at"]}
        assert expected == entry.fields


def test_subject_and_actor(scenario: Scenario) -> None:
    thing, channel, admin = scenario.thing["id"], scenario.channel["id"], scenario.admin
    expected = {
        "thing.create": (thing, admin),
        "thing.update_secret": (thing, admin),
        "thing.view": (thing, admin),
        "thing.list": (None, admin),
        "thing.list_by_channel": (channel, admin),
        "thing.identify": (thing, None),
        "channel.create": (channel, admin),
        "channel.list_by_thing": (thing, admin),
        "policies.add": (f"{thing}:{channel}", admin),
        "policies.authorize": (channel, None),
    }
    for kind, (subject, actor) in expected.items():
        event = scenario.of(kind)
        assert (event.get("subject"), event.get("actor")) == (subject, actor), kind


def test_values_are_json(scenario: Scenario) -> None:
    made = scenario.of("thing.create")["data"]
    assert made == {
        "id": scenario.thing["id"],
        "name": "-broken-cloud",
        "tags": ["a", "b"],
        "owner": scenario.admin,
        "metadata": {"a": [True], "b": 1},
        "status": "enabled",
        "created_at": scenario.thing["created_at"],
    }
    assert scenario.of("policies.add")["data"]["actions"] == ["m_write", "m_read"]
    assert scenario.of("policies.authorize")["data"] == {
        "entity_type": "thing",
        "subject": scenario.thing["id"],
        "object": scenario.channel["id"],
        "actions": "m_read",
        "action": "m_read",
    }
    assert scenario.of("thing.identify")["data"] == {"thing_id": scenario.thing["id"]}
    listed = scenario.of("channel.list_by_thing")["data"]
    assert listed == {"total": 1, "offset": 0, "limit": 10, "status": "enabled", "thing_id": scenario.thing["id"]}


def test_no_key_is_told(scenario: Scenario) -> None:
    told = json.dumps(scenario.heard)
    assert "the one secret" not in told
    assert "another secret" not in told
    assert '"key' not in told
