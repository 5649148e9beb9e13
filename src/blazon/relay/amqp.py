"""pika's callbacks as one small object to await: a channel that publishes with confirms."""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, Final

import pika
from pika.adapters.asyncio_connection import AsyncioConnection

from blazon.errors import SettingsError
from blazon.relay.supervision import SinkLost
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
        self._early: set[int] = set()
        """Tags that were answered before an earlier one was."""
        self._in_order = 0
        """Every tag up to here is answered."""
        self._refused: set[int] = set()
        """Tags that were refused and not taken yet."""
        self._taken = 0
        self._news = asyncio.Event()
        self._lost: str | None = None
        self._ended = asyncio.Event()
        """Whether the connection is closed."""

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

    def take_answers(self) -> list[bool]:
        """What became of the next messages, in the order they were sent: True when the broker has one.

        False when it refuses one: a queue is full and has `x-overflow=reject-publish`.
        """
        answers = [tag not in self._refused for tag in range(self._taken + 1, self._in_order + 1)]
        self._refused = {tag for tag in self._refused if tag > self._in_order}
        self._taken = self._in_order
        return answers

    async def answered(self, seconds: float) -> None:
        """Waits for the next answer. Raises SinkLost."""
        self._check()
        if self._in_order == self._taken:
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._news.wait()
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
        tags = range(self._in_order + 1, tag + 1) if method.multiple else range(tag, tag + 1)
        if isinstance(method, pika.spec.Basic.Nack):
            self._refused.update(each for each in tags if each not in self._early)
        if tags.start == self._in_order + 1:
            self._in_order = tag
        else:
            self._early.add(tag)
        while self._early and self._in_order + 1 in self._early:
            self._in_order += 1
        self._early = {each for each in self._early if each > self._in_order}
        self._news.set()


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
