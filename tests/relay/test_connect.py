"""Connecting to RabbitMQ: what fails leaves no connection behind."""

import asyncio

import aio_pika
import psutil
import pytest

from blazon.relay import amqp
from blazon.relay.supervision import SinkLost
from tests.servers import RabbitServer


def _connections(port: int) -> int:
    found = psutil.Process().net_connections("tcp")
    return sum(1 for each in found if each.raddr and each.raddr.port == port and each.status == "ESTABLISHED")


async def _until_none(port: int) -> None:
    async with asyncio.timeout(10):
        while _connections(port):
            await asyncio.sleep(0.02)


async def test_an_exchange_of_another_kind(rabbitmq: RabbitServer) -> None:
    connection = await aio_pika.connect(rabbitmq.url)
    channel = await connection.channel()
    await channel.declare_exchange("of-another-kind", aio_pika.ExchangeType.DIRECT, durable=True)
    await connection.close()
    for _ in range(3):
        with pytest.raises(SinkLost, match="PRECONDITION_FAILED"):
            await amqp.connect(rabbitmq.url, "of-another-kind")
    await _until_none(rabbitmq.port)


async def test_a_channel_that_is_closed_has_no_connection_any_more(rabbitmq: RabbitServer) -> None:
    for _ in range(3):
        channel = await amqp.connect(rabbitmq.url, "any")
        assert _connections(rabbitmq.port) == 1
        await channel.close()
        assert _connections(rabbitmq.port) == 0


@pytest.mark.parametrize("cancelled", [False, True], ids=["out of patience", "cancelled"])
async def test_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch, cancelled: bool) -> None:
    monkeypatch.setattr(amqp, "_PATIENCE", 0.5)
    ended = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        ended.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connecting = asyncio.create_task(amqp.connect(f"amqp://guest:guest@127.0.0.1:{port}/", "any"))
    if cancelled:
        await asyncio.sleep(0.2)
        connecting.cancel()
    with pytest.raises(asyncio.CancelledError if cancelled else SinkLost):
        await connecting
    async with asyncio.timeout(10):
        await ended.wait()
    server.close()
