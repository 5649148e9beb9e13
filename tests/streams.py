"""The streams of a running Blazon as a consumer reads them, and what an entry must be."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self

import msgspec
import redis.asyncio

from blazon.clock import rfc3339
from tests.running import Running

PATIENCE = 15.0
"""Seconds a test waits for what must happen."""

_marks = itertools.count(1)


class Entry(msgspec.Struct, frozen=True):
    """An entry of a stream."""

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
    """The streams of some services of a running Blazon, read with redis-py as if they were one."""

    def __init__(self, blazon: Running, *services: str, without: Iterable[str] = ()) -> None:
        self._blazon = blazon
        self._client = redis.asyncio.Redis.from_url(blazon.redis_url, decode_responses=True)
        self._positions = {f"mainflux.{service}": "0" for service in services}
        self._without = frozenset(without)

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
        found += [entry for entry in await self._advance() if entry.operation not in self._without]

    async def _advance(self) -> list[Entry]:
        """The entries since the last call. Order is kept, so a last one of our own says that they are all there."""
        found = []
        for stream in self._positions:
            mark = f"mark {next(_marks)}"
            body = {"subject": self._blazon.admin.id, "object": mark, "action": "g_list", "entity_type": "group"}
            path = "/authorize" if stream == "mainflux.users" else "/channels/object/access"
            await self._blazon.ok("POST", path, body, token="")
            *entries, last = await self._until(stream, lambda entry, mark=mark: entry.fields.get("object") == mark)
            self._positions[stream] = last.id
            found += entries
        return sorted(found, key=lambda entry: entry.sequence)

    async def wait_for(self, operation: str, **fields: str) -> Entry:
        """The first entry of the block with an operation and fields, on the only stream that is read."""
        (stream,) = self._positions
        wanted = {"operation": operation, **fields}.items()
        return (await self._until(stream, lambda entry: wanted <= entry.fields.items()))[-1]

    async def _until(self, stream: str, wanted: Callable[[Entry], bool]) -> list[Entry]:
        position, found = self._positions[stream], list[Entry]()
        async with asyncio.timeout(PATIENCE):
            while True:
                answer: Any = await self._client.xread({stream: position}, block=1000)
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
