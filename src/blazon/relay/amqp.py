"""pika's callbacks as one small object to await: a channel that publishes with confirms."""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, Final

import pika
from pika.adapters.asyncio_connection import AsyncioConnection

from blazon.errors import SettingsError
from blazon.relay.supervision import SinkLost, SinkRefused
from blazon.wire import CONTENT_TYPE

__all__ = ["Channel", "connect"]

_PATIENCE: Final = 10.0
"""Seconds to connect, open a channel and declare the exchange."""

_FAREWELL: Final = 2.0
"""Seconds the broker has to close a connection with us."""

_PERSISTENT: Final = 2


class Channel:
    """An open channel in confirm mode on an exchange that is there."""

    def __init__(self, connection: AsyncioConnection, exchange: str) -> None:
        self._connection = connection
        self._exchange = exchange
        self._channel: Any = None
        self._published = 0
        self._confirmed: set[int] = set()
        """Tags that were confirmed before an earlier one was."""
        self._in_order = 0
        """Every tag up to here is confirmed."""
        self._taken = 0
        self._news = asyncio.Event()
        self._lost: str | None = None
        self._ended = asyncio.Event()
        """Whether the connection is closed."""
        self._refused: int | None = None
        """The first tag the broker refused."""

    def publish(self, routing_key: str, message_id: str, timestamp: int, body: bytes) -> None:
        """Sends one persistent message. Raises SinkLost."""
        self._check()
        properties = pika.BasicProperties(
            content_type=CONTENT_TYPE,
            delivery_mode=_PERSISTENT,
            message_id=message_id,
            timestamp=timestamp,
            app_id="blazon",
        )
        self._channel.basic_publish(self._exchange, routing_key, body, properties)
        self._published += 1

    def take_confirmed(self) -> int:
        """How many more messages, in the order they were sent, the broker has since the last call."""
        taken = self._in_order - self._taken
        self._taken = self._in_order
        return taken

    async def confirmed(self, seconds: float) -> None:
        """Waits for the next confirm. Raises SinkLost."""
        self._check()
        if self._in_order == self._taken:
            self._news.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            except TimeoutError:
                pass
        self._check()

    async def open_for(self, other: Coroutine[Any, Any, None]) -> None:
        """Waits for something else, no longer than the channel is open. Raises SinkLost."""
        self._news.clear()
        waits = [asyncio.ensure_future(other), asyncio.ensure_future(self._news.wait())]
        try:
            self._check()
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        self._check()

    async def close(self) -> None:
        """Closes the connection, and waits until it is closed, though not long.

        One that is being made cannot be closed; pika gives it up after `_PATIENCE`.
        """
        if self._connection.is_open:
            self._connection.close()
        if self._connection.is_closing:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FAREWELL):
                    await self._ended.wait()

    def _check(self) -> None:
        if self._refused is not None:
            raise SinkRefused("RabbitMQ refuses a message: a queue is full, or its disk or memory is")
        if self._lost is not None:
            raise SinkLost(self._lost)

    def lose(self, reason: str) -> None:
        """The channel is of no use any more."""
        self._lost = self._lost or f"RabbitMQ: {reason}"
        self._news.set()

    def end(self, reason: str) -> None:
        """The connection is closed."""
        self._ended.set()
        self.lose(reason)

    def use(self, channel: Any) -> None:
        """Takes an open channel of pika into service."""
        self._channel = channel
        channel.add_on_close_callback(lambda _, reason: self.lose(str(reason)))
        channel.confirm_delivery(self._on_confirm)

    def _on_confirm(self, frame: Any) -> None:
        method = frame.method
        tag: int = method.delivery_tag
        if isinstance(method, pika.spec.Basic.Nack):
            # Nothing from the first refused message on counts: an ack of several that comes later passes over it.
            refused = self._in_order + 1 if method.multiple else tag
            self._refused = min(refused, self._refused or refused)
        elif method.multiple:
            self._in_order = max(self._in_order, self._countable(tag))
            self._confirmed = {other for other in self._confirmed if other > self._in_order}
        else:
            self._confirmed.add(tag)
        while self._in_order + 1 in self._confirmed and self._countable(self._in_order + 1) > self._in_order:
            self._in_order += 1
            self._confirmed.discard(self._in_order)
        self._news.set()

    def _countable(self, tag: int) -> int:
        """The tag, or the last one before the first that was refused."""
        return tag if self._refused is None else min(tag, self._refused - 1)


async def connect(url: str, exchange: str) -> Channel:
    """Connects, opens a channel, and declares the durable topic exchange. Raises SinkLost and SettingsError."""
    try:
        parameters = pika.URLParameters(url)
    except (ValueError, TypeError, KeyError):  # its text may repeat a part of the URL
        raise SettingsError(
            "amqp.url is not a URL of RabbitMQ, or a parameter in it is wrong: write amqp://user:password@host:5672/"
        ) from None
    parameters.heartbeat = 20
    parameters.blocked_connection_timeout = 60
    parameters.connection_attempts = 1
    parameters.socket_timeout = parameters.stack_timeout = _PATIENCE
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[Channel] = loop.create_future()

    def fail(reason: object) -> None:
        if not ready.done():
            ready.set_exception(SinkLost(f"RabbitMQ: {reason or type(reason).__name__}"))
        channel.lose(str(reason))

    def ended(reason: object) -> None:
        fail(reason)
        channel.end(str(reason))

    def opened(_: object) -> None:
        if ready.done():  # nobody waits for it any more
            connection.close()
        else:
            connection.channel(on_open_callback=declare)

    def declare(opened_channel: Any) -> None:
        opened_channel.add_on_close_callback(lambda _, reason: fail(reason))
        opened_channel.exchange_declare(
            exchange, exchange_type="topic", durable=True, callback=lambda _: declared(opened_channel)
        )

    def declared(opened_channel: Any) -> None:
        channel.use(opened_channel)
        if not ready.done():
            ready.set_result(channel)

    connection = AsyncioConnection(
        parameters,
        on_open_callback=opened,
        on_open_error_callback=lambda _, error: ended(error),
        on_close_callback=lambda _, reason: ended(reason),
        custom_ioloop=loop,
    )
    channel = Channel(connection, exchange)
    try:
        async with asyncio.timeout(_PATIENCE):
            return await ready
    except TimeoutError:
        await channel.close()
        raise SinkLost("RabbitMQ did not answer in time") from None
    except BaseException:
        # A channel that was refused, over an exchange of another kind say, leaves its connection open.
        await channel.close()
        raise
