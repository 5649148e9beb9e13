"""An embedded Redis of a test, and what tests do with it and to its files."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import redis.asyncio
from prometheus_client import CollectorRegistry

from blazon.embedded import EmbeddedRedis
from blazon.health import Health

ENTRIES = 400
"""How many `fill` leaves in the stream `stream`."""

BUSY = (redis.exceptions.ConnectionError, redis.exceptions.BusyLoadingError)


class Server:
    """One that was started, with what it reports."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.health = Health(CollectorRegistry())
        self.redis = EmbeddedRedis(folder, port, self.health)

    @property
    def trouble(self) -> str:
        """What is wrong with the server; empty when all is well."""
        return self.health.troubles.get("embedded-redis", "")

    @property
    def damage(self) -> str:
        """What became of its data; empty when all is well."""
        return self.health.troubles.get("embedded-redis-data", "")

    async def call(self, *words: str) -> object:
        """One command."""
        client = redis.asyncio.Redis.from_url(self.redis.url, decode_responses=True)
        try:
            return await client.execute_command(*words)
        finally:
            await client.aclose()

    async def add(self, first: int, last: int) -> None:
        """Adds entries to the stream `stream`."""
        client = redis.asyncio.Redis.from_url(self.redis.url)
        pipeline = client.pipeline(transaction=False)
        for number in range(first, last + 1):
            pipeline.xadd("stream", {"name": f"value {number}"}, f"{number}-{number}")
        await pipeline.execute()
        await client.aclose()

    async def until_it_answers(self) -> None:
        """Waits until it has read its data."""
        async with asyncio.timeout(20):
            while True:
                try:
                    await self.call("PING")
                except BUSY:
                    await asyncio.sleep(0.02)
                else:
                    return

    async def until(self, said: str) -> None:
        """Waits until this is said to be wrong."""
        async with asyncio.timeout(20):
            while said not in self.trouble:
                await asyncio.sleep(0.02)

    async def until_well(self) -> None:
        """Waits until nothing is wrong with the server, and it has read its data."""
        async with asyncio.timeout(20):
            while self.trouble:
                await asyncio.sleep(0.02)
        await self.until_it_answers()

    @property
    def processes(self) -> list[psutil.Process]:
        """The servers that live in the folder, among our children."""
        children = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
        return [child for child in children if child.cwd() == str(self.folder)]

    @property
    def process(self) -> psutil.Process:
        (found,) = self.processes
        return found


@asynccontextmanager
async def started(folder: Path, port: int = 0) -> AsyncIterator[Server]:
    """Starts one, and watches it for as long as the block lasts."""
    server = Server(folder, port)
    try:
        await server.redis.start()
        watching = asyncio.create_task(server.redis.watch())
        yield server
        assert not watching.done(), watching
        watching.cancel()
        await asyncio.wait([watching])
    finally:
        await asyncio.to_thread(server.redis.stop)


async def fill(folder: Path) -> None:
    """Leaves a base and an increment, both with entries, and a consumer group."""
    async with started(folder) as server:
        await server.add(1, ENTRIES // 2)
        await server.call("XGROUP", "CREATE", "stream", "group", "100-100")
        await server.call("BGREWRITEAOF")
        async with asyncio.timeout(20):
            while (folder / "appendonlydir" / "appendonly.aof.1.base.aof").exists():
                await asyncio.sleep(0.02)
        await server.add(ENTRIES // 2 + 1, ENTRIES)
