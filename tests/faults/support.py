"""What must be true after any fault."""

import asyncio
import itertools
import json
from pathlib import Path
from typing import Any

import aio_pika
import redis.asyncio

from blazon.app import ROOMS
from blazon.history import verify_tables
from blazon.log import Reader, Record, verify
from blazon.storage import open_database
from tests.faults.process import BlazonProcess
from tests.servers import RedisServer

STREAM = "mainflux.users"


async def records_of(folder: Path, url: str) -> list[Record]:
    """The whole log, after verifying it and every table against it."""
    database = await open_database(url, folder, writable=False)
    try:
        async with database.snapshot() as snapshot:
            await verify(snapshot)
        async with database.scratch() as scratch, database.snapshot() as snapshot:
            _, difference = await verify_tables(snapshot, scratch, ROOMS)
            assert difference is None, str(difference)
        reader = Reader(database)
        return [record async for page in reader.all((await reader.head()).sequence) for record in page]
    finally:
        await database.close()


def check_log(records: list[Record], answered: list[str]) -> None:
    """Everything answered is there once, and nothing twice."""
    assert [record.sequence for record in records] == list(range(1, len(records) + 1))
    made = [record.key for record in records if record.type == "group.create"]
    assert len(made) == len(set(made))
    assert len(answered) == len(set(answered))
    assert set(answered) <= set(made)


async def stream_of(server: RedisServer, stream: str = STREAM) -> list[int]:
    """The sequence numbers in a stream."""
    client = redis.asyncio.Redis.from_url(server.url, decode_responses=True)
    try:
        return [int(identifier.partition("-")[2]) for identifier, _ in await client.xrange(stream)]
    finally:
        await client.aclose()


async def relays_caught_up(blazon: BlazonProcess) -> int:
    """Waits until every relay has handed on everything; the length of the log."""
    async with asyncio.timeout(90):
        while True:
            found = json.loads(await asyncio.to_thread(blazon.command, "log", "status", "--json"))
            relays = [each for each in found["followers"] if each["name"].startswith("relay.")]
            if relays and all(each["position"] == found["sequence"] for each in relays):
                return int(found["sequence"])
            await asyncio.sleep(0.1)


class Queue:
    """A durable queue bound to everything, and what is in it."""

    def __init__(self, url: str, exchange: str) -> None:
        self._url = url
        self._exchange = exchange

    async def _open(self) -> tuple[aio_pika.abc.AbstractConnection, aio_pika.abc.AbstractQueue]:
        connection = await aio_pika.connect(self._url)
        channel = await connection.channel()
        exchange = await channel.declare_exchange(self._exchange, aio_pika.ExchangeType.TOPIC, durable=True)
        queue = await channel.declare_queue(f"{self._exchange}.all", durable=True)
        await queue.bind(exchange, "#")
        return connection, queue

    async def declare(self) -> None:
        """Makes it."""
        connection, _ = await self._open()
        await connection.close()

    async def sequences(self) -> list[int]:
        """The sequence numbers of everything in it, which is taken out."""
        return [int(event["sequence"]) for event in await self._take()]

    async def ids(self) -> list[str]:
        """The ids of everything in it, which is taken out."""
        return [event["id"] for event in await self._take()]

    async def _take(self) -> list[Any]:
        connection, queue = await self._open()
        found = []
        while (message := await queue.get(no_ack=True, fail=False)) is not None:
            found.append(json.loads(message.body))
        await connection.close()
        return found


def check_queue(found: list[int], length: int, first: int = 1) -> None:
    """Every event from the first is there at least once; what comes again comes again in order."""
    assert list(dict.fromkeys(found)) == list(range(first, length + 1))
    assert all(later <= earlier + 1 for earlier, later in itertools.pairwise(found))
