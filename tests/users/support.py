"""What the tests of this room share: the stream as a consumer reads it, and people who stand to each other somehow."""

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import msgspec
import redis.asyncio

from blazon.clock import rfc3339
from tests.running import PASSWORD, Answer, Person, Running

STREAM = "mainflux.users"
PATIENCE = 15.0
"""Seconds a test waits for what must happen."""

_marks = itertools.count(1)


class Entry(msgspec.Struct, frozen=True):
    """An entry of the stream."""

    id: str
    fields: dict[str, str]

    @property
    def operation(self) -> str:
        return self.fields["operation"]

    @property
    def milliseconds(self) -> int:
        return int(self.id.partition("-")[0])

    @property
    def sequence(self) -> int:
        return int(self.id.partition("-")[2])

    @property
    def time(self) -> str:
        """`occurred_at` as the times in answers are written."""
        return rfc3339(int(self.fields["occurred_at"]))


class Stream:
    """The stream `mainflux.users` of a running Blazon, read with redis-py."""

    def __init__(self, blazon: Running) -> None:
        self._blazon = blazon
        self._client = redis.asyncio.Redis.from_url(blazon.redis_url, decode_responses=True)
        self._position = "0"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    @asynccontextmanager
    async def recorded(self) -> AsyncIterator[list[Entry]]:
        """The entries of what is done in the block: all of them, and nothing else when nothing else runs."""
        await self._advance()
        found: list[Entry] = []
        yield found
        found += await self._advance()

    async def _advance(self) -> list[Entry]:
        """The entries since the last call. Order is kept, so a last one of our own says that they are all there."""
        mark = f"mark {next(_marks)}"
        body = {"subject": self._blazon.admin.id, "object": mark, "action": "g_list", "entity_type": "client"}
        await self._blazon.ok("POST", "/authorize", body, token="")
        entries = await self._until(lambda entry: entry.fields.get("object") == mark)
        self._position = entries[-1].id
        return entries[:-1]

    async def wait_for(self, operation: str, **fields: str) -> Entry:
        """The first entry of the block with an operation and fields."""
        wanted = {"operation": operation, **fields}.items()
        return (await self._until(lambda entry: wanted <= entry.fields.items()))[-1]

    async def _until(self, wanted: Any) -> list[Entry]:
        position, found = self._position, list[Entry]()
        async with asyncio.timeout(PATIENCE):
            while True:
                answer: Any = await self._client.xread({STREAM: position}, block=1000)
                for identifier, fields in answer[0][1] if answer else ():
                    position = identifier
                    found.append(Entry(identifier, fields))
                    if wanted(found[-1]):
                        return found


def check(
    entries: list[Entry], operation: str, sample: Mapping[str, str], extra: Mapping[str, str] | None = None
) -> None:
    """One entry, with the fields of the document's sample, those a decision adds, and no other."""
    (entry,) = entries
    expected = {"operation": operation, **sample, **(extra or {})}
    assert {**entry.fields, "occurred_at": ""} == {**expected, "occurred_at": ""}
    assert int(entry.fields["occurred_at"]) // 1_000_000 == entry.milliseconds


def picked(body: Mapping[str, Any], *names: str) -> dict[str, str]:
    """Some members of an answer."""
    return {name: body[name] for name in names}


def compact(metadata: Mapping[str, Any]) -> str:
    """Metadata as the wires have it."""
    return json.dumps(metadata, separators=(",", ":"), sort_keys=True)


def refused(answer: Answer, status: int, reason: str = "") -> None:
    """The answer is an error with this status and a reason that holds these words."""
    assert answer.status == status, (answer.status, answer.body)
    assert set(answer.json) == {"error", "message"}
    assert answer.json["error"]
    assert answer.json["message"]
    assert reason in answer.json["error"], answer.json


async def allow(blazon: Running, subject: Person | str, group: Any, *actions: str, by: Person | None = None) -> None:
    """Lets a user do something in a group; the admin allows it, or somebody."""
    body = {"subject": subject if isinstance(subject, str) else subject.id, "object": group["id"], "actions": actions}
    await blazon.ok("POST", "/users/policies", body, token=by.token if by else None)


async def registered(blazon: Running, identity: str, **fields: Any) -> Any:
    """Registers a user without signing anybody in."""
    body = {"credentials": {"identity": identity, "secret": PASSWORD}, **fields}
    return await blazon.ok("POST", "/users", body, token="")


def mails_in(folder: Path) -> list[EmailMessage]:
    """The mails of the mail folder, in order."""
    return [message_from_bytes(path.read_bytes(), policy=policy.default) for path in sorted(folder.glob("*.eml"))]


def link_in(mail: EmailMessage) -> str:
    """The link of a reset mail."""
    found = re.search(r"https?://\S+", mail.get_content())
    assert found is not None
    return found[0]


def token_in(mail: EmailMessage) -> str:
    """The token in the link of a reset mail."""
    return parse_qs(urlsplit(link_in(mail)).query)["token"][0]
