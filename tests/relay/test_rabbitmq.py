"""Log → RabbitMQ: each event at least once, in order, whatever happens to RabbitMQ."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import aio_pika
import pytest
from prometheus_client import CollectorRegistry

from blazon.clock import rfc3339
from blazon.health import Health
from blazon.log import Log, Operation, Record, trim
from blazon.storage import open_database
from blazon.testing.toy import look, make, make_log, open_log, operation, prepare, writing
from tests.relay.support import Consumer, caught_up, message_sequences, record, to_rabbitmq, until
from tests.servers import PostgresServer, RabbitServer


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[Log]:
    database = await open_database("", tmp_path)
    async with open_log(database) as opened:
        yield opened
    await database.close()


def _at_least_once_in_order(found: list[int], count: int) -> None:
    """Nothing is missing, and what comes twice comes as a whole stretch, in order."""
    first_seen = list(dict.fromkeys(found))
    assert first_seen == list(range(1, count + 1))
    for earlier, later in itertools.pairwise(found):
        assert later <= earlier + 1


async def test_each_event_is_a_message(log: Log, rabbitmq: RabbitServer, exchange: str) -> None:
    consumer = Consumer(rabbitmq.url, exchange)
    await consumer.declare()
    async with to_rabbitmq(log, rabbitmq.url, exchange) as relay:
        records = await record(log, 120)
        log.writer.observe(operation(look("0")))
        await until(lambda: relay.position == 121)
    messages = await consumer.take()
    await consumer.close()
    assert message_sequences(messages) == list(range(1, 122))
    message = messages[0]
    assert message.routing_key == "box.make"
    assert message.content_type == "application/cloudevents+json"
    assert message.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
    assert message.message_id == records[0].id
    assert json.loads(message.body) == {
        "specversion": "1.0",
        "id": records[0].id,
        "source": "/blazon/toy",
        "type": "box.make",
        "subject": records[0].key,
        "time": rfc3339(records[0].time),
        "datacontenttype": "application/json",
        "sequence": "1",
        "data": {"id": records[0].key, "name": records[0].key},
    }


async def test_a_server_that_is_killed_and_comes_back(log: Log, exchange: str) -> None:
    server = RabbitServer()
    try:
        consumer = Consumer(server.url, exchange)
        await consumer.declare()
        async with to_rabbitmq(log, server.url, exchange) as relay:
            writing_on = asyncio.create_task(record(log, 3000))
            await until(lambda: relay.position > 200)
            server.kill()
            await asyncio.to_thread(server.start)
            await writing_on
            await caught_up(log, relay)
        # The broker confirmed every message, so every message is there.
        _at_least_once_in_order(await consumer.sequences(), 3000)
    finally:
        server.remove()


async def test_a_relay_that_is_stopped_while_it_saves_ends_and_has_saved(
    log: Log, rabbitmq: RabbitServer, exchange: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, saving = log.writer.commit, asyncio.Event()

    async def slow(move: Operation) -> Sequence[Record]:
        going_on = asyncio.ensure_future(commit(move))
        if not move.events:
            saving.set()
            await asyncio.sleep(0.1)
        return await going_on

    async with asyncio.timeout(60):
        async with to_rabbitmq(log, rabbitmq.url, exchange) as relay:
            await until(lambda: relay.leading)
            monkeypatch.setattr(log.writer, "commit", slow)
            await record(log, 50)
            await saving.wait()
    row = await log.database.row("SELECT position FROM cursors WHERE name = 'relay.rabbitmq'")
    assert row is not None
    assert row[0] == relay.position == 50


async def test_a_server_that_comes_back_empty(log: Log, exchange: str) -> None:
    server = RabbitServer()
    try:
        async with to_rabbitmq(log, server.url, exchange) as relay:
            await record(log, 50)
            await caught_up(log, relay)
            server.kill()
            server.empty()
            await asyncio.to_thread(server.start)
            consumer = Consumer(server.url, exchange)
            await consumer.declare()
            await record(log, 50, start=50)
            await caught_up(log, relay)
        found = await consumer.sequences()
        assert list(dict.fromkeys(found))[-50:] == list(range(51, 101))
    finally:
        server.remove()


async def test_an_exchange_that_is_deleted_is_made_again(log: Log, rabbitmq: RabbitServer, exchange: str) -> None:
    consumer = Consumer(rabbitmq.url, exchange)
    async with to_rabbitmq(log, rabbitmq.url, exchange) as relay:
        await record(log, 10)
        await caught_up(log, relay)
        connection = await aio_pika.connect(rabbitmq.url)
        channel = await connection.channel()
        await channel.exchange_delete(exchange)
        await log.writer.commit(operation(make("unheard")))  # the channel breaks over this one
        await caught_up(log, relay)
        await consumer.declare()
        await record(log, 10, start=100)
        await caught_up(log, relay)
        await connection.close()
    assert (await consumer.sequences())[-10:] == list(range(12, 22))
    await consumer.close()


async def test_a_queue_that_is_full_holds_up_no_other_and_gets_its_events_later(
    log: Log, rabbitmq: RabbitServer, exchange: str
) -> None:
    """A queue that is full and has the overflow reject-publish has the broker refuse what is published."""
    registry = CollectorRegistry()
    health = Health(registry)
    good, full = Consumer(rabbitmq.url, exchange), Consumer(rabbitmq.url, exchange, "full")
    queue = await full.declare(**{"x-max-length": 20, "x-overflow": "reject-publish"})
    await good.declare()
    taken: list[int] = []

    async def take() -> None:
        while (message := await queue.get(no_ack=True, fail=False)) is not None:
            taken.append(int(json.loads(message.body)["sequence"]))

    async with to_rabbitmq(log, rabbitmq.url, exchange, registry=registry, health=health) as relay:
        await record(log, 60)
        log.writer.observe(operation(look("0")))
        await until(lambda: relay.position == 61)
        assert "rabbitmq" in health.troubles
        assert registry.get_sample_value("blazon_relay_refused_events", {"sink": "rabbitmq"}) == 41
    # Stopped and started again in between: what was refused is not forgotten.
    async with to_rabbitmq(log, rabbitmq.url, exchange, registry=(again := CollectorRegistry()), health=health):
        async with asyncio.timeout(60):
            while set(taken) != set(range(1, 62)):
                await take()
        await until(lambda: "rabbitmq" not in health.troubles)
        assert again.get_sample_value("blazon_relay_refused_events", {"sink": "rabbitmq"}) == 0
        await until(lambda: again.get_sample_value("blazon_relay_refusals_total", {"sink": "rabbitmq"}) is not None)
    assert (await log.database.rows("SELECT sequence FROM refused_events")) == []
    await full.close()
    # The other queue has each event in order; what was offered again it may have twice.
    assert list(dict.fromkeys(await good.sequences())) == list(range(1, 62))
    await good.close()


async def test_a_refused_observation_that_was_trimmed_is_not_offered_again(
    log: Log, rabbitmq: RabbitServer, exchange: str
) -> None:
    full = Consumer(rabbitmq.url, exchange)
    await full.declare(**{"x-max-length": 5, "x-overflow": "reject-publish"})
    registry = CollectorRegistry()
    health = Health(registry)
    async with to_rabbitmq(log, rabbitmq.url, exchange, registry=registry, health=health) as relay:
        for number in range(20):
            log.writer.observe(operation(look(f"{number}")))
        await until(lambda: relay.position == 20)
    await record(log, 1)
    await trim(log, seconds=0, count=0, relayed=21)
    async with to_rabbitmq(log, rabbitmq.url, exchange, registry=CollectorRegistry(), health=health) as relay:
        async with asyncio.timeout(60):
            while len(await log.database.rows("SELECT sequence FROM refused_events")) > 1:
                await asyncio.sleep(0.05)
        assert [row[0] for row in await log.database.rows("SELECT sequence FROM refused_events")] == [21]
    await full.close()


async def test_a_wrong_password_is_waited_out(log: Log, exchange: str) -> None:
    registry = CollectorRegistry()

    def failures() -> float:
        return registry.get_sample_value("blazon_relay_failures_total", {"sink": "rabbitmq"}) or 0.0

    with RabbitServer() as server:
        consumer = Consumer(server.url, exchange)
        await consumer.declare()
        url = server.url.replace("guest:guest", "blazon:secret")
        async with to_rabbitmq(log, url, exchange, registry=registry) as relay:
            await record(log, 5)
            await until(lambda: failures() >= 2)  # refused, tried again, and refused again
            assert relay.position == 0
            await asyncio.to_thread(server.add_user, "blazon", "secret")
            await caught_up(log, relay)
        _at_least_once_in_order(await consumer.sequences(), 5)
        await consumer.close()


async def test_one_process_relays_and_another_takes_over(
    postgres: PostgresServer, rabbitmq: RabbitServer, exchange: str, tmp_path: Path
) -> None:
    url = postgres.new_database()
    databases = [await open_database(url, tmp_path) for _ in range(2)]
    await prepare(databases[0])
    logs = [make_log(database) for database in databases]
    consumer = Consumer(rabbitmq.url, exchange)
    await consumer.declare()
    async with writing(logs[0]), writing(logs[1]), to_rabbitmq(logs[1], rabbitmq.url, exchange) as second:
        async with to_rabbitmq(logs[0], rabbitmq.url, exchange):
            await record(logs[0], 200)
            await record(logs[1], 200, start=1000)
        await record(logs[0], 100, start=2000)
        await caught_up(logs[1], second)
    found = await consumer.sequences()
    await consumer.close()
    _at_least_once_in_order(found, 500)
    for database in databases:
        await database.close()
