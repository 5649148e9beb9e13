"""Several processes over one PostgreSQL: one order, one relay at a time, and one that dies is not missed."""

import asyncio
import base64
import time
from pathlib import Path

import aiohttp
import pytest

from tests.faults.process import PASSWORD, BlazonProcess, Load
from tests.faults.support import check_log, records_of, relays_caught_up, stream_of
from tests.servers import PostgresServer, RedisServer
from tests.servers.proxy import Proxy

pytestmark = pytest.mark.faults

KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


def _process(folder: Path, name: str, url: str, redis: RedisServer) -> BlazonProcess:
    (folder / name).mkdir()
    return BlazonProcess(folder / name, database_url=url, redis_url=redis.url, secrets_master_key=KEY)


async def test_two_race_and_one_is_killed(tmp_path: Path, postgres: PostgresServer, redis: RedisServer) -> None:
    url = postgres.new_database()
    one, other = (_process(tmp_path, name, url, redis) for name in ("one", "other"))
    await asyncio.gather(one.start(), other.start())
    loads = [Load(one), Load(other)]
    running = [asyncio.create_task(load.run(f"load{number}")) for number, load in enumerate(loads)]
    await asyncio.gather(*(load.goes_on(200) for load in loads))
    one.kill()
    await running[0]
    await loads[1].goes_on(200)
    loads[1].stop()
    await running[1]
    await relays_caught_up(other)
    assert other.stop() == 0
    answered = loads[0].answered + loads[1].answered
    assert loads[0].answered
    assert loads[1].answered
    records = await records_of(tmp_path, url)
    check_log(records, answered)
    assert await stream_of(redis) == [record.sequence for record in records]


async def test_they_never_both_win(tmp_path: Path, postgres: PostgresServer, redis: RedisServer) -> None:
    """Both processes make groups of the same names for the same owner: each name is made once."""
    url = postgres.new_database()
    processes = [_process(tmp_path, name, url, redis) for name in ("one", "other")]
    await asyncio.gather(*(process.start() for process in processes))
    async with aiohttp.ClientSession() as client:
        token = await processes[0].token(client)

        async def make(process: BlazonProcess, number: int) -> int:
            headers = {"Authorization": f"Bearer {token}"}
            async with client.post(f"{process.url}/groups", json={"name": f"{number}"}, headers=headers) as answer:
                return answer.status

        for number in range(60):
            made = await asyncio.gather(*(make(process, number) for process in processes))
            assert sorted(made) == [201, 409]
    assert [process.stop() for process in processes] == [0, 0]
    records = await records_of(tmp_path, url)
    assert len([record for record in records if record.type == "group.create"]) == 60


async def test_a_disabled_user_is_out_everywhere_at_once(
    tmp_path: Path, postgres: PostgresServer, redis: RedisServer
) -> None:
    """Another process hears of it; the one that did it knows before it answers."""
    url = postgres.new_database()
    here, there = (_process(tmp_path, name, url, redis) for name in ("here", "there"))
    await asyncio.gather(here.start(), there.start())
    async with aiohttp.ClientSession() as client:
        admin = {"Authorization": f"Bearer {await here.token(client)}"}
        body = {"credentials": {"identity": "jo@example.com", "secret": PASSWORD}}
        async with client.post(f"{here.url}/users", json=body) as answer:
            jo = (await answer.json())["id"]
        async with client.post(f"{there.url}/users/tokens/issue", json=body["credentials"]) as answer:
            token = {"Authorization": f"Bearer {(await answer.json())['access_token']}"}
        for process in (here, there):
            async with client.get(f"{process.url}/users/profile", headers=token) as answer:
                assert answer.status == 200
        async with client.post(f"{here.url}/users/{jo}/disable", headers=admin) as answer:
            assert answer.status == 200
        async with client.get(f"{here.url}/users/profile", headers=token) as answer:
            assert answer.status == 401
        async with asyncio.timeout(5):
            while True:
                async with client.get(f"{there.url}/users/profile", headers=token) as answer:
                    if answer.status == 401:
                        break
        # A change is refused there even if the news had not come: the writer checks who asks.
        async with client.post(f"{there.url}/groups", json={"name": "late"}, headers=token) as answer:
            assert answer.status == 401
    assert [process.stop() for process in (here, there)] == [0, 0]


async def test_a_process_with_another_master_key_does_not_start(
    tmp_path: Path, postgres: PostgresServer, redis: RedisServer
) -> None:
    url = postgres.new_database()
    right = _process(tmp_path, "right", url, redis)
    await right.start()
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong" / "master.key").write_bytes(base64.b64encode(bytes(32)))
    wrong = BlazonProcess(tmp_path / "wrong", database_url=url, redis_url=redis.url)
    wrong.spawn()
    assert await asyncio.to_thread(wrong.wait) == 1
    assert "not the key this database was made with" in wrong.output()
    assert right.stop() == 0


async def test_a_connection_that_is_dropped_without_a_word_does_not_keep_news_away(
    tmp_path: Path, postgres: PostgresServer, redis: RedisServer
) -> None:
    """A firewall forgets the connection on which a process hears of others: nothing ends, and nothing comes."""
    url = postgres.new_database()
    async with Proxy(postgres.port) as proxy, aiohttp.ClientSession() as client:
        here = _process(tmp_path, "here", url, redis)
        there = _process(tmp_path, "there", url.replace(str(postgres.port), str(proxy.port)), redis)
        await here.start()
        await there.start()
        body = {"credentials": {"identity": "jo@example.com", "secret": PASSWORD}}
        admin = {"Authorization": f"Bearer {await here.token(client)}"}
        async with client.post(f"{here.url}/users", json=body) as answer:
            jo = (await answer.json())["id"]
        async with client.post(f"{there.url}/users/tokens/issue", json=body["credentials"]) as answer:
            token = {"Authorization": f"Bearer {(await answer.json())['access_token']}"}
        async with client.get(f"{there.url}/users/profile", headers=token) as answer:
            assert answer.status == 200
        assert proxy.sent(b"LISTEN") == 1
        proxy.drop(b"LISTEN")
        async with client.post(f"{here.url}/users/{jo}/disable", headers=admin) as answer:
            assert answer.status == 200
        async with asyncio.timeout(5):
            while True:
                async with client.get(f"{there.url}/users/profile", headers=token) as answer:
                    if answer.status == 401:
                        break
                await asyncio.sleep(0.05)
        stopped = [await asyncio.to_thread(process.stop) for process in (there, here)]
    assert stopped == [0, 0]


async def test_a_process_that_relays_nothing_stops_at_once(
    tmp_path: Path, postgres: PostgresServer, redis: RedisServer
) -> None:
    """It does not wait for relays that are another's, of which it does not know how far they are."""
    url = postgres.new_database()
    leading, other = (_process(tmp_path, name, url, redis) for name in ("leading", "other"))
    await leading.start()
    async with aiohttp.ClientSession() as client:
        await leading.token(client)
        await relays_caught_up(leading)
        await other.start()
        await other.token(client)
    started = time.monotonic()
    assert other.stop() == 0
    assert time.monotonic() - started < 1.5
    assert leading.stop() == 0
    assert await stream_of(redis) == [record.sequence for record in await records_of(tmp_path, url)]
