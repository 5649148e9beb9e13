"""PostgreSQL comes back some records older under two running processes: a failover without its tail, or a restore."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import redis.asyncio

from blazon.log import Record
from tests.faults.process import BlazonProcess
from tests.faults.support import Queue, records_of, relays_caught_up
from tests.servers import PostgresServer, RabbitServer, RedisServer

pytestmark = pytest.mark.faults

KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
MADE_SINCE = 12
"""Things that are made after the database came back."""


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A PostgreSQL of the test's own: it goes back with everything in it."""
    own = PostgresServer()
    yield own
    own.remove()


class Client:
    """An admin of one process, and devices that ask it."""

    def __init__(self, process: BlazonProcess, session: aiohttp.ClientSession) -> None:
        self.process = process
        self._session = session
        self._token = ""

    async def sign_in(self) -> None:
        self._token = await self.process.token(self._session)

    async def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self._token}"}
        async with self._session.request(method, self.process.url + path, json=body, headers=headers) as answer:
            return answer.status, await answer.json() if await answer.read() else None

    async def made(self, path: str, body: object) -> Any:
        """What a POST made, once it can be made."""
        async with asyncio.timeout(30):
            while True:
                status, found = await self.call("POST", path, body)
                if status == 201:
                    return found
                assert status == 503, (status, found)
                await asyncio.sleep(0.05)

    async def may(self, key: str, channel: str) -> int:
        body = {"subject": key, "action": "m_read", "entity_type": "thing"}
        return (await self.call("POST", f"/channels/{channel}/access", body))[0]


class Device:
    """A thing with a key, connected to a channel of its own."""

    def __init__(self, thing: str, key: str, channel: str) -> None:
        self.thing, self.key, self.channel = thing, key, channel

    @classmethod
    async def make(cls, client: Client, name: str) -> "Device":
        key = f"key-of-{name}"
        thing = (await client.made("/things", {"name": name, "credentials": {"secret": key}}))["id"]
        channel = (await client.made("/channels", {"name": name}))["id"]
        status, _ = await client.call("POST", "/policies", {"subject": thing, "object": channel, "actions": ["m_read"]})
        assert status == 201
        return cls(thing, key, channel)


async def _settled(clients: list[Client], sequence: int) -> None:
    """Waits until every process has noticed that the log went back, and answers again."""
    async with asyncio.timeout(60):
        for client in clients:
            while True:
                status, found = await client.call("GET", "/health")
                if status == 200 and "log" in found.get("checks", {}):
                    break
                await asyncio.sleep(0.05)
            assert f"{sequence}" in found["checks"]["log"][0]["output"]


async def test_a_database_that_lost_its_tail(
    tmp_path: Path, server: PostgresServer, redis: RedisServer, rabbitmq: RabbitServer
) -> None:
    url, exchange = server.new_database(), "went-back"
    queue = Queue(rabbitmq.url, exchange)
    await queue.declare()
    processes = []
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        processes.append(
            BlazonProcess(
                tmp_path / name, database_url=url, redis_url=redis.url, amqp_url=rabbitmq.url, amqp_exchange=exchange,
                redis_prefix="back", secrets_master_key=KEY,
            )
        )  # fmt: skip
    await asyncio.gather(*(process.start() for process in processes))
    async with aiohttp.ClientSession() as session:
        here, there = clients = [Client(process, session) for process in processes]
        await asyncio.gather(*(client.sign_in() for client in clients))
        devices = [await Device.make(here, f"device-{number}") for number in range(4)]
        for client in clients:
            assert [await client.may(device.key, device.channel) for device in devices] == [200] * 4
        await asyncio.to_thread(server.keep_copy)
        async with asyncio.timeout(30):
            while (await here.call("GET", "/things?limit=1"))[0] != 200:
                await asyncio.sleep(0.05)
        # What is lost: things that were made, at both processes, and a change of each kind.
        lost = [await client.made("/things", {"name": f"lost-{number}"}) for number in range(5) for client in clients]
        await here.call("PATCH", f"/things/{devices[3].thing}", {"name": "another name"})
        length = await relays_caught_up(processes[0])

        await asyncio.to_thread(server.go_back_to_copy)
        await _settled(clients, length)

        # What is answered from here on counts, everywhere.
        keys = []
        for number in range(MADE_SINCE):
            made = await clients[number % 2].made("/things", {"name": f"since-{number}"})
            keys.append(made["credentials"]["secret"])
        policy, disabled, changed, _ = devices
        assert (await here.call("DELETE", f"/policies/{policy.thing}/{policy.channel}"))[0] == 204
        assert (await here.call("POST", f"/things/{disabled.thing}/disable"))[0] == 200
        assert (await there.call("PATCH", f"/things/{changed.thing}/secret", {"secret": "another-key"}))[0] == 200
        async with asyncio.timeout(10):
            for client in clients:
                for device, key, wanted in (
                    (policy, policy.key, 403),
                    (disabled, disabled.key, 403),
                    (changed, changed.key, 403),
                    (changed, "another-key", 200),
                    (devices[3], devices[3].key, 200),
                ):
                    while await client.may(key, device.channel) != wanted:
                        await asyncio.sleep(0.01)
                for thing in lost:
                    assert (await client.call("GET", f"/things/{thing['id']}"))[0] == 404
                status, listed = await client.call("GET", "/things?limit=100&status=all")
                assert (status, listed["total"]) == (200, len(devices) + MADE_SINCE)
        metrics = [await (await session.get(f"{process.url}/metrics")).text() for process in processes]
        assert all("blazon_log_rewinds_total 1.0" in text for text in metrics)
    await relays_caught_up(processes[0])
    verified = json.loads(await asyncio.to_thread(processes[0].command, "log", "verify", "--json"))
    assert verified["whole"]
    # Each process tells what it knew: one may have seen less than the other.
    assert max(rewind["known"] for rewind in verified["rewinds"]) == length
    assert [await asyncio.to_thread(process.stop) for process in processes] == [0, 0]

    records = await records_of(tmp_path, url)
    kept = max(rewind["kept"] for rewind in verified["rewinds"])
    since = [record for record in records if record.sequence > kept]
    assert len([record for record in since if record.type == "thing.create"]) == MADE_SINCE
    await _each_once_on_redis(redis, since)
    ids = await queue.ids()
    assert {record.id for record in records} <= set(ids)


async def _each_once_on_redis(server: RedisServer, since: list[Record]) -> None:
    client = redis.asyncio.Redis.from_url(server.url, decode_responses=True)
    try:
        for service in ("users", "things"):
            entries = [identifier for identifier, _ in await client.xrange(f"back.{service}")]
            ours = [f"{each.time // 1_000_000}-{each.sequence}" for each in since if each.service == service]
            assert [identifier for identifier in entries if identifier in set(ours)] == ours
            assert len(entries) == len(set(entries))
    finally:
        await client.aclose()
