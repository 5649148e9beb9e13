"""Log → RabbitMQ, at least once and in order.

One channel with publisher confirms and a window of messages under way. The cursor moves behind what the broker has
confirmed; after a lost connection, or a message the broker refuses, the relay goes on from the cursor, so some messages
may come twice. `message_id` is the event's id, by which a consumer can tell.
"""

import asyncio
from collections import deque
from typing import Final

import structlog

from blazon.clock import NANOSECONDS
from blazon.log import Log, Record, cursor_position, move_cursor
from blazon.relay.amqp import Channel, connect
from blazon.relay.supervision import RelayMetrics, SinkRefused
from blazon.settings import Amqp as AmqpSettings
from blazon.storage import Lease
from blazon.wire import cloud_event

__all__ = ["RabbitRelay"]

_CURSOR: Final = "relay.rabbitmq"
_PAGE: Final = 500
_SLICE: Final = 25
"""Messages published before the event loop gets its turn: a slice takes about a millisecond."""

_IDLE: Final = 1.0
_SAVE_EVENTS: Final = 5000
_SAVE_SECONDS: Final = 0.25
"""The cursor is saved after so many confirmed events or so many seconds; what lies behind may be sent twice."""

_log = structlog.get_logger("blazon.relay.rabbitmq")


class RabbitRelay:
    """The relay to one RabbitMQ."""

    name = "rabbitmq"
    cursor = _CURSOR

    def __init__(self, log: Log, settings: AmqpSettings, metrics: RelayMetrics) -> None:
        self.position = 0
        self.leading = False
        self._log = log
        self._settings = settings
        self._events = metrics.events.labels(self.name)
        self._connected = metrics.connected.labels(self.name)
        self._window = settings.window
        """Messages that may be under way now. A broker that refuses one gets fewer at once, until it takes them again:
        what was sent behind a refused message is sent again."""
        self._saved = 0
        self._saved_at = 0.0

    async def serve(self, lease: Lease) -> None:
        """Relays while the lease is held. Raises SinkLost."""
        self._saved = self.position = await cursor_position(self._log, _CURSOR, 0)
        self._saved_at = asyncio.get_running_loop().time()
        channel = await connect(self._settings.url, self._settings.exchange)
        under_way: deque[int] = deque()
        try:
            self._connected.set(1)
            _log.info("connected", position=self.position)
            await self._publish_all(channel, lease, under_way)
        except SinkRefused:
            self._window = 1
            raise
        finally:
            try:
                await channel.close()
            finally:
                self._take_confirmed(channel, under_way)
                if self.position > self._saved:
                    await self._save()

    async def _publish_all(self, channel: Channel, lease: Lease, under_way: deque[int]) -> None:
        loop = asyncio.get_running_loop()
        read = self.position
        page: deque[Record] = deque()
        while lease.held:
            self._take_confirmed(channel, under_way)
            due = loop.time() - self._saved_at > _SAVE_SECONDS or self.position - self._saved > _SAVE_EVENTS
            if self.position > self._saved and due:
                await self._save()
            if not page:
                page.extend(await self._log.after(read, _PAGE))
                if page:
                    read = page[-1].sequence
            free = min(self._window - len(under_way), _SLICE)
            if page and free > 0:
                for _ in range(min(free, len(page))):
                    under_way.append(self._publish(channel, page.popleft()))
                await asyncio.sleep(0)
            elif under_way:
                await channel.confirmed(_SAVE_SECONDS)
            else:
                patience = _IDLE if self.position == self._saved else _SAVE_SECONDS
                await channel.open_for(self._log.pulse.beyond(read, patience))

    def _publish(self, channel: Channel, record: Record) -> int:
        body = cloud_event(record, self._log.catalogue.of(record))
        channel.publish(record.type, record.id, record.time // NANOSECONDS, body)
        return record.sequence

    def _take_confirmed(self, channel: Channel, under_way: deque[int]) -> None:
        confirmed = channel.take_confirmed()
        for _ in range(confirmed):
            self.position = under_way.popleft()
        self._events.inc(confirmed)
        self._window = min(self._window + confirmed, self._settings.window)

    async def _save(self) -> None:
        position = self.position
        move = move_cursor(self._log, _CURSOR, self._saved, position)
        saving = asyncio.create_task(self._log.writer.commit(move))
        try:
            await asyncio.shield(saving)
        finally:
            # Also when this is cancelled: what was begun is done, and the next one goes on from there.
            await asyncio.wait([saving])
            if not saving.cancelled() and saving.exception() is None:
                self._saved, self._saved_at = position, asyncio.get_running_loop().time()
