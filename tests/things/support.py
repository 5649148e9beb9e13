"""What the tests of this room share: who is let onto a channel, and the questions of devices."""

from typing import Any

from tests.running import Answer, Person, Running

NEVER = "0001-01-01T00:00:00Z"
UNKNOWN = "00000000-0000-4000-8000-000000000000"
"""An id of nothing."""


def key_of(thing: Any) -> str:
    """The key in an answer."""
    return str(thing["credentials"]["secret"])


def id_of(subject: Person | Any) -> str:
    """The id of a user, of a thing, of a channel."""
    return subject if isinstance(subject, str) else subject.id if isinstance(subject, Person) else str(subject["id"])


def policy(subject: Person | Any, channel: Any, *actions: str) -> dict[str, Any]:
    """A policy as a request says it. The subject of an external one is a user."""
    body = {"subject": id_of(subject), "object": id_of(channel), "actions": list(actions)}
    return {**body, "external": True} if isinstance(subject, Person) else body


async def allow(blazon: Running, subject: Person | Any, channel: Any, *actions: str, by: Person | None = None) -> None:
    """Lets a thing or a user do something on a channel; the admin allows it, or somebody."""
    await blazon.ok("POST", "/policies", policy(subject, channel, *actions), token=by.token if by else None)


def question(subject: Any, channel: Any, action: str, entity: str = "thing") -> dict[str, str]:
    """A question as a request says it: a thing is asked for by its key."""
    asked = key_of(subject) if isinstance(subject, dict) else id_of(subject)
    return {"subject": asked, "object": id_of(channel), "action": action, "entity_type": entity}


async def asked(blazon: Running, subject: Any, channel: Any, action: str, entity: str = "thing") -> Answer:
    """The answer to whether an access is allowed, asked by nobody in particular."""
    path = f"/channels/{id_of(channel)}/access"
    return await blazon.call("POST", path, question(subject, channel, action, entity), token="")


async def may(blazon: Running, subject: Any, channel: Any, action: str, entity: str = "thing") -> bool:
    """Whether an access is allowed."""
    answer = await asked(blazon, subject, channel, action, entity)
    assert answer.status in (200, 403), (answer.status, answer.body)
    return answer.status == 200


async def identify(blazon: Running, key: str) -> Answer:
    """The answer to whose key it is."""
    headers = {"Authorization": f"Thing {key}", "Content-Type": "application/json"}
    return await blazon.call("POST", "/identify", headers=headers, token="")


async def actions_of(blazon: Running, subject: Person | Any, channel: Any) -> list[str]:
    """The actions of the one policy of a subject on a channel."""
    page = await blazon.ok("GET", f"/policies?subject={id_of(subject)}&object={id_of(channel)}")
    (found,) = page["policies"]
    return list(found["actions"])
