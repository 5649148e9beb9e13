"""A process that stands still, or is cut off, stops no other one, and answers nothing that is not true any more."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.faults.process import PASSWORD, BlazonProcess, Load
from tests.faults.support import check_log, records_of, relays_caught_up, stream_of
from tests.servers import PostgresServer, RedisServer
from tests.servers.proxy import Proxy

pytestmark = pytest.mark.faults

KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

HELD = 3.0
LEASE = 5.0
"""Seconds after which the server takes the head of the log, or a lease, from a process that stands still."""

SLACK = 10.0
"""Seconds more that a busy machine may need."""


def _process(folder: Path, name: str, url: str, redis: RedisServer) -> BlazonProcess:
    (folder / name).mkdir()
    return BlazonProcess(folder / name, database_url=url, redis_url=redis.url, secrets_master_key=KEY)


async def _until(condition: Callable[[], Awaitable[bool]], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)


async def test_a_process_that_stands_still_with_the_head_of_the_log_does_not_keep_it(
    tmp_path: Path, postgres: PostgresServer, redis: RedisServer
) -> None:
    url = postgres.new_database()
    one, other = (_process(tmp_path, name, url, redis) for name in ("one", "other"))
    await one.start()
    other.environment["STOPS"] = "yes"
    await other.start(("-m", "tests.faults.dying", "writer: records are made", "30"))
    loads = [Load(one), Load(other)]
    running = [asyncio.create_task(load.run(f"load{number}")) for number, load in enumerate(loads)]

    async def paused() -> bool:
        return other.is_paused()

    await _until(paused, 30)
    answered = len(loads[0].answered)

    async def goes_on() -> bool:
        return len(loads[0].answered) > answered + len(running) * 20

    await _until(goes_on, HELD + SLACK)
    other.resume()
    answered = len(loads[1].answered)

    async def goes_on_too() -> bool:
        return len(loads[1].answered) > answered + 20

    await _until(goes_on_too, SLACK)
    for load in loads:
        load.stop()
    await asyncio.gather(*running)
    assert {status for load in loads for status, _ in load.refused} <= {503}
    await relays_caught_up(one)
    assert [process.stop() for process in (one, other)] == [0, 0]
    records = await records_of(tmp_path, url)
    check_log(records, loads[0].answered + loads[1].answered)
    assert await stream_of(redis) == [record.sequence for record in records]


async def test_a_relay_that_stands_still_is_taken_over(
    tmp_path: Path, postgres: PostgresServer, redis: RedisServer
) -> None:
    url = postgres.new_database()
    leading, other = (_process(tmp_path, name, url, redis) for name in ("leading", "other"))
    await leading.start()
    await relays_caught_up(leading)
    await other.start()
    load = Load(other)
    running = asyncio.create_task(load.run("load"))

    async def some() -> bool:
        return len(load.answered) > 50

    await _until(some, 30)
    leading.pause()
    before = len(await stream_of(redis))

    async def relayed_on() -> bool:
        return len(await stream_of(redis)) > before + 100

    await _until(relayed_on, LEASE + SLACK)
    leading.resume()
    await asyncio.sleep(0.5)  # what it was about to send when it was stopped, it sends now
    load.stop()
    await running
    await relays_caught_up(other)
    assert [process.stop() for process in (leading, other)] == [0, 0]
    records = await records_of(tmp_path, url)
    assert await stream_of(redis) == [record.sequence for record in records]


class Rights:
    """A thing that may read a channel, and a user, both of which lose what they have."""

    def __init__(self, here: BlazonProcess, client: aiohttp.ClientSession) -> None:
        self._here = here
        self._client = client
        self._admin: dict[str, str] = {}

    async def make(self) -> None:
        self._admin = {"Authorization": f"Bearer {await self._here.token(self._client)}"}
        thing = await self._post("/things", {"name": "lamp", "credentials": {"secret": "key-of-lamp"}})
        channel = await self._post("/channels", {"name": "hall"})
        self.thing, self.channel = thing["id"], channel["id"]
        await self._post("/policies", {"subject": self.thing, "object": self.channel, "actions": ["m_read"]})
        credentials = {"identity": "jo@example.com", "secret": PASSWORD}
        self.user = (await self._post("/users", {"credentials": credentials}))["id"]
        self.token = (await self._post("/users/tokens/issue", credentials))["access_token"]

    async def take_away(self) -> None:
        await self._post(f"/things/{self.thing}/disable", None, 200)
        await self._post(f"/users/{self.user}/disable", None, 200)

    async def give_back(self) -> None:
        await self._post(f"/things/{self.thing}/enable", None, 200)
        await self._post(f"/users/{self.user}/enable", None, 200)
        credentials = {"identity": "jo@example.com", "secret": PASSWORD}
        self.token = (await self._post("/users/tokens/issue", credentials))["access_token"]

    async def _post(self, path: str, body: Any, wanted: int = 201) -> Any:
        async with self._client.post(self._here.url + path, json=body, headers=self._admin) as answer:
            assert answer.status == wanted, (path, answer.status, await answer.text())
            return await answer.json() if answer.content_type == "application/json" else None

    def questions(self, there: BlazonProcess) -> list[Awaitable[int]]:
        """Everything that another process answers from memory."""
        user = {"Authorization": f"Bearer {self.token}"}
        access = {"subject": "key-of-lamp", "action": "m_read", "entity_type": "thing"}
        return [
            self._status("POST", f"{there.url}/channels/{self.channel}/access", {}, access),
            self._status("POST", f"{there.url}/identify", {"Authorization": "Thing key-of-lamp"}, None),
            self._status("POST", f"{there.url}/users/tokens/identify", user, None),
            self._status("GET", f"{there.url}/users/profile", user, None),
        ]

    async def _status(self, method: str, url: str, headers: dict[str, str], body: Any) -> int:
        headers = {"Content-Type": "application/json", **headers}
        data = None if body is None else json.dumps(body)
        async with self._client.request(method, url, data=data, headers=headers) as answer:
            return answer.status


GIVEN = [200] * 4
TAKEN = [403, 401, 401, 401]


@pytest.mark.parametrize("seconds", [0.6, 2.0])
async def test_a_process_that_stood_still_looks_at_the_log_before_it_answers(
    seconds: float, tmp_path: Path, postgres: PostgresServer, redis: RedisServer
) -> None:
    url = postgres.new_database()
    here, there = (_process(tmp_path, name, url, redis) for name in ("here", "there"))
    await asyncio.gather(here.start(), there.start())
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
        rights = Rights(here, client)
        await rights.make()

        async def given() -> bool:
            return await asyncio.gather(*rights.questions(there)) == GIVEN

        for _ in range(3):
            await _until(given, 10)
            there.pause()
            await rights.take_away()
            asked = [asyncio.create_task(_gathered(rights.questions(there))) for _ in range(5)]
            await asyncio.sleep(seconds)  # how long it stands still is what this is about
            there.resume()
            for answers in await asyncio.gather(*asked):
                assert all(status in (taken, 503) for status, taken in zip(answers, TAKEN, strict=True)), answers
            await rights.give_back()
    assert [await asyncio.to_thread(process.stop) for process in (here, there)] == [0, 0]


async def _gathered(questions: list[Awaitable[int]]) -> list[int]:
    return await asyncio.gather(*questions)


async def test_a_process_that_is_cut_off_answers_nothing_from_memory(
    tmp_path: Path, postgres: PostgresServer, redis: RedisServer
) -> None:
    url = postgres.new_database()
    async with Proxy(postgres.port) as proxy, aiohttp.ClientSession() as client:
        here = _process(tmp_path, "here", url, redis)
        there = _process(tmp_path, "there", url.replace(str(postgres.port), str(proxy.port)), redis)
        await asyncio.gather(here.start(), there.start())
        rights = Rights(here, client)
        await rights.make()

        async def given() -> bool:
            return await asyncio.gather(*rights.questions(there)) == GIVEN

        await _until(given, 10)
        proxy.cut()
        cut_at = time.monotonic()
        await rights.take_away()
        # Until the bound has passed an answer may still rest on what was read a moment ago; never a second later.
        while time.monotonic() - cut_at < 4:
            asked_at = time.monotonic()
            answers = await asyncio.gather(*rights.questions(there))
            if asked_at - cut_at > 1.0:
                assert answers == [503] * 4
        proxy.mend()

        async def taken() -> bool:
            return await asyncio.gather(*rights.questions(there)) == TAKEN

        await _until(taken, 30)
        assert [await asyncio.to_thread(process.stop) for process in (there, here)] == [0, 0]
