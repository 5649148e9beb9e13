"""Every event of this room as a CloudEvent on a real RabbitMQ, judged by the CloudEvents SDK.

One scenario makes every event type. The messages must say what the entries of the stream say, in the same order, with
values as JSON: numbers, lists, objects.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import aio_pika
import msgspec
import pytest
from aio_pika.abc import AbstractIncomingMessage
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.rabbitmq import RabbitMQMessage, from_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from blazon.users import room
from tests.running import PASSWORD, Person, Running, running
from tests.servers import RabbitServer
from tests.streams import PATIENCE, Entry, Stream, compact
from tests.users.support import mails_in, token_in

pytestmark = pytest.mark.xdist_group("rabbitmq")

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Heard(msgspec.Struct, frozen=True):
    """A message as a plain consumer gets it, and as the SDK reads it."""

    message: AbstractIncomingMessage
    event: BaseCloudEvent

    @property
    def type(self) -> str:
        return self.event.get_type()

    @property
    def data(self) -> Any:
        return self.event.get_data()


class Scenario(msgspec.Struct, frozen=True):
    """What was done, who did it, and what two consumers heard of it."""

    admin: Person
    person: Person
    group: Any
    heard: list[Heard]
    entries: list[Entry]

    def of(self, kind: str) -> Heard:
        """The first message of a type."""
        return next(heard for heard in self.heard if heard.type == kind)


async def play(blazon: Running, stream: Stream) -> tuple[Person, Any]:
    """Makes every event of the room at least once."""
    person, group = await blazon.person("person", tags=["a", "b"]), await blazon.group(metadata={"b": 1, "a": [True]})
    user, circle = f"/users/{person.id}", f"/groups/{group['id']}"
    policy = {"subject": person.id, "object": group["id"], "actions": ["g_list"]}
    question = {"subject": person.id, "object": group["id"], "action": "g_list", "entity_type": "group"}
    trace = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    await blazon.ok("POST", "/users/policies", policy, headers=trace)
    await blazon.ok("PUT", "/users/policies", policy)
    await blazon.ok("POST", "/authorize", question, token="")
    for path in (user, circle, "/users", "/groups", "/users/policies", f"{circle}/members", f"{user}/memberships"):
        await blazon.ok("GET", path)
    await blazon.ok("PATCH", user, {"name": "new", "metadata": {"Update": "rough-leaf"}})
    await blazon.ok("PATCH", f"{user}/tags", {"tags": ["c"]})
    await blazon.ok("PATCH", f"{user}/owner", {"owner": blazon.admin.id})
    await blazon.ok("PATCH", f"{user}/identity", {"identity": "wandering-brook@example.com"})
    await blazon.ok("PUT", circle, {"description": "new"})
    await blazon.ok("POST", "/users/tokens/identify", token=person.token)
    await blazon.ok("POST", "/users/tokens/refresh", token=person.refresh)
    secrets = {"old_secret": PASSWORD, "new_secret": "a new secret"}
    await blazon.ok("PATCH", "/users/secret", secrets, token=person.token)
    await reset(blazon, stream)
    await blazon.ok("POST", f"{user}/disable")
    await blazon.ok("POST", f"{circle}/disable")
    await blazon.ok("DELETE", f"/users/policies/{person.id}/{group['id']}")
    return person, group


async def reset(blazon: Running, stream: Stream) -> None:
    email = {"email": "wandering-brook@example.com"}
    await blazon.ok("POST", "/password/reset-request", email, token="", headers={"Referer": "http://localhost"})
    await stream.wait_for("user.send_password_reset")
    token = token_in(mails_in(blazon.settings.data_path / "mail")[-1])
    body = {"token": token, "password": "another secret", "confirm_password": "another secret"}
    await blazon.ok("PUT", "/password/reset", body, token="")


@pytest.fixture(scope="module")
async def scenario(
    rabbitmq: RabbitServer, tmp_path_factory: pytest.TempPathFactory, anyio_backend: object
) -> AsyncIterator[Scenario]:
    name = f"users-{uuid.uuid4()}"
    async with await aio_pika.connect(rabbitmq.url) as connection:
        channel = await connection.channel()
        exchange = await channel.declare_exchange(name, aio_pika.ExchangeType.TOPIC, durable=True)
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(exchange, "#")
        folder = tmp_path_factory.mktemp("blazon")
        async with (
            running(folder, amqp__url=rabbitmq.url, amqp__exchange=name) as blazon,
            Stream(blazon, "users") as stream,
        ):
            async with stream.recorded() as entries:
                person, group = await play(blazon, stream)
            heard = await heard_of(queue, entries)
            yield Scenario(blazon.admin, person, group, heard, entries)


async def heard_of(queue: aio_pika.abc.AbstractQueue, entries: list[Entry]) -> list[Heard]:
    """The messages about the same events as some entries."""
    first, last = entries[0].sequence, entries[-1].sequence
    found: list[Heard] = []
    async with asyncio.timeout(PATIENCE), queue.iterator(no_ack=True) as messages:
        async for message in messages:
            told = RabbitMQMessage({}, message.content_type, message.body)
            event = from_structured(told, JSONFormat(), CloudEvent)
            if int(event.get_extension("sequence")) >= first:
                found.append(Heard(message, event))
            if int(event.get_extension("sequence")) == last:
                return found
    raise AssertionError("the last event did not come")


def flat(value: Any) -> str:
    """A JSON value as the stream writes it."""
    if isinstance(value, list):
        return f"[{','.join(value)}]"
    return compact(value) if isinstance(value, dict) else str(value)


def test_every_type_is_there(scenario: Scenario) -> None:
    assert {heard.type for heard in scenario.heard} == {declared.name for declared in room.types}


def test_same_events_as_on_the_stream_in_the_same_order(scenario: Scenario) -> None:
    on_stream = [(entry.sequence, entry.operation) for entry in scenario.entries]
    on_exchange = [(int(heard.event.get_extension("sequence")), heard.type) for heard in scenario.heard]
    assert on_exchange == on_stream


def test_same_fields_as_on_the_stream(scenario: Scenario) -> None:
    for heard, entry in zip(scenario.heard, scenario.entries, strict=True):
        shown = {name: flat(value) for name, value in heard.data.items()}
        assert {**shown, "operation": heard.type, "occurred_at": entry.fields["occurred_at"]} == entry.fields


def test_message_properties(scenario: Scenario) -> None:
    for heard in scenario.heard:
        message = heard.message
        assert message.routing_key == heard.type
        assert message.content_type == "application/cloudevents+json"
        assert message.message_id == heard.event.get_id()
        assert message.delivery_mode is aio_pika.DeliveryMode.PERSISTENT


def test_attributes(scenario: Scenario) -> None:
    for heard, entry in zip(scenario.heard, scenario.entries, strict=True):
        said = json.loads(heard.message.body)
        given = {"specversion", "id", "source", "type", "time", "datacontenttype", "sequence", "data", "traceparent"}
        assert given <= set(said) <= given | {"subject", "actor"}
        assert said["specversion"] == "1.0"
        assert uuid.UUID(said["id"]).version == 7
        assert said["source"] == "/blazon/users"
        assert said["time"] == entry.time
        assert said["datacontenttype"] == "application/json"
        assert said["sequence"] == str(entry.sequence)


def test_subject_and_actor(scenario: Scenario) -> None:
    person, group, admin = scenario.person.id, scenario.group["id"], scenario.admin.id
    expected = {
        "user.create": (person, None),
        "user.issue_token": (person, None),
        "user.view_profile": (person, person),
        "user.update": (person, admin),
        "user.update_secret": (person, person),
        "user.reset_secret": (person, person),
        "user.send_password_reset": (person, None),
        "user.list": (None, admin),
        "user.list_by_group": (group, admin),
        "group.create": (group, admin),
        "group.list_by_user": (person, admin),
        "policies.add": (f"{person}:{group}", admin),
        "policies.authorize": (group, None),
    }
    for kind, (subject, actor) in expected.items():
        event = scenario.of(kind).event
        assert (event.get_subject(), event.get_extension("actor")) == (subject, actor), kind


def test_trace_context_of_the_request(scenario: Scenario) -> None:
    version, trace, span, flags = str(scenario.of("policies.add").event.get_extension("traceparent")).split("-")
    assert (version, trace, flags) == ("00", TRACE, "01")
    assert span != "00f067aa0ba902b7"
    traces = [heard.event.get_extension("traceparent").split("-")[1] for heard in scenario.heard]
    assert traces.count(TRACE) == 1
    # What a follower records belongs to the trace of the request that caused it.
    asked = scenario.of("user.generate_reset_token").event.get_extension("traceparent")
    assert scenario.of("user.send_password_reset").event.get_extension("traceparent") == asked


def test_values_are_json(scenario: Scenario) -> None:
    assert scenario.of("user.create").data["tags"] == ["a", "b"]
    assert scenario.of("user.create").data["metadata"] == {}
    assert scenario.of("group.create").data["metadata"] == {"a": [True], "b": 1}
    assert scenario.of("policies.delete").data["actions"] == ["g_list"]
    listed = scenario.of("user.list_by_group").data
    assert (listed["total"], listed["offset"], listed["limit"]) == (1, 0, 10)


def test_no_secret_is_told(scenario: Scenario) -> None:
    told = b"".join(heard.message.body for heard in scenario.heard)
    shown = "".join(value for entry in scenario.entries for value in entry.fields.values())
    for word in ("secret", "argon2", "a new secret", "another secret", scenario.person.token):
        assert word.encode() not in told.replace(b"update_secret", b"").replace(b"reset_secret", b"")
        assert word not in shown.replace("update_secret", "").replace("reset_secret", "")
