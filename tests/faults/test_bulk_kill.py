"""kill -9 half-way through bulks: each is there as a whole or not at all, and was whole when it was answered."""

import asyncio
import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.faults.dying import STEPS
from tests.faults.process import BlazonProcess
from tests.faults.support import records_of, relays_caught_up, stream_of
from tests.servers import PostgresServer, RedisServer

pytestmark = pytest.mark.faults

SIZE = 60
STREAM = "mainflux.things"
WRITER = [step for step in STEPS if step.startswith("writer")]


class Bulks:
    """Clients that make things in bulks and connect them, and remember which were answered."""

    def __init__(self, blazon: BlazonProcess, *names: str) -> None:
        self._blazon = blazon
        self._names = names
        self.made: list[str] = []
        self.connected: list[str] = []

    async def run(self) -> None:
        """Goes on until the server is gone."""
        async with aiohttp.ClientSession() as client:
            client.headers["Authorization"] = f"Bearer {await self._blazon.token(client)}"
            await asyncio.gather(*(self._client(client, name) for name in self._names))

    async def _client(self, client: aiohttp.ClientSession, name: str) -> None:
        try:
            channel = (await self._post(client, "/channels", {"name": name}))["id"]
            for number in itertools.count():
                bulk = f"{name} {number}"
                made = await self._post(client, "/things/bulk", [{"name": bulk}] * SIZE)
                self.made.append(bulk)
                things = [thing["id"] for thing in made["things"]]
                await self._post(client, "/connect", {"subjects": things, "objects": [channel]})
                self.connected.append(bulk)
        except (aiohttp.ClientError, ConnectionError):
            return

    async def _post(self, client: aiohttp.ClientSession, path: str, body: Any) -> Any:
        async with client.post(self._blazon.url + path, json=body) as answer:
            said = await answer.json()
            assert answer.status in (200, 201), said
            return said


@pytest.mark.parametrize("step", WRITER)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_each_is_whole(
    step: str, kind: str, tmp_path: Path, redis: RedisServer, request: pytest.FixtureRequest
) -> None:
    url = ""
    if kind == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.new_database()
    blazon = BlazonProcess(tmp_path, redis_url=redis.url, database_url=url)
    bulks = Bulks(blazon, "one", "two", "three")
    # Once for each operation, or once for a batch: late enough that several bulks have been answered.
    await blazon.start(("-m", "tests.faults.dying", step, "25"))
    await asyncio.wait_for(bulks.run(), 60)
    assert blazon.wait() == -9, "it was to die"
    await blazon.start()
    await relays_caught_up(blazon)
    assert blazon.stop() == 0

    records = await records_of(tmp_path, url)
    things = [json.loads(record.data) for record in records if record.type == "thing.create"]
    sizes = Counter(thing["name"] for thing in things)
    assert set(sizes.values()) == {SIZE}
    assert bulks.made
    assert set(bulks.made) <= set(sizes)
    bulk_of = {thing["id"]: thing["name"] for thing in things}
    policies = [record for record in records if (record.service, record.type) == ("things", "policies.add")]
    connected = Counter(bulk_of[json.loads(record.data)["subject"]] for record in policies)
    assert set(connected.values()) <= {SIZE}
    assert set(bulks.connected) <= set(connected)
    told = [record.sequence for record in records if record.service == "things"]
    assert await stream_of(redis, STREAM) == told
