"""Log → RabbitMQ, at least once and in order.

One channel with publisher confirms and a window of messages under way. The cursor moves behind what the broker has
answered. After a lost connection the relay goes on from the cursor, so some messages may come twice; `message_id` is
the event's id, by which a consumer can tell. An event that the broker refuses is noted beside the cursor and offered
again later, so that the queue which refused it does not hold up the others.
"""

import asyncio
from collections import deque
from typing import Final, NamedTuple

import structlog

from blazon.clock import NANOSECONDS
from blazon.health import Health
from blazon.log import START, Log, Position, Record, cursor_position, move_cursor
from blazon.relay.amqp import Channel, connect
from blazon.relay.refused import Refused
from blazon.relay.supervision import RelayMetrics
from blazon.settings import Amqp as AmqpSettings
from blazon.storage import Lease
from blazon.wire import cloud_event

__all__ = ["RabbitRelay"]

_CURSOR: Final = "relay.rabbitmq"
_PAGE: Final = 500
_SLICE: Final = 25
"""Messages published before the event loop gets its turn: a slice takes about a millisecond."""

_OCTETS: Final = 8 * 1024 * 1024
"""Octets of messages under way, above which no more are sent."""

_IDLE: Final = 1.0
_SAVE_EVENTS: Final = 5000
_SAVE_SECONDS: Final = 0.25
"""The cursor is saved after so many answered events or so many seconds; what lies behind may be sent twice."""

_log = structlog.get_logger("blazon.relay.rabbitmq")


class _Sent(NamedTuple):
    """A message under way: the event, the octets of the message, and whether the event was refused before."""

    event: Position
    octets: int
    again: bool


class RabbitRelay:
    """The relay to one RabbitMQ."""

    name = "rabbitmq"
    cursor = _CURSOR

    def __init__(self, log: Log, settings: AmqpSettings, metrics: RelayMetrics, health: Health) -> None:
        self.leading = False
        self._log = log
        self._settings = settings
        self._events = metrics.events.labels(self.name)
        self._connected = metrics.connected.labels(self.name)
        self._refused = Refused(log, self.name, metrics, health)
        self._under_way: deque[_Sent] = deque()
        self._octets = 0
        self._at = START
        self._saved = START
        self._saved_at = 0.0

    @property
    def position(self) -> int:
        """The last event that the broker has answered for, with all before it."""
        return self._at.sequence

    async def serve(self, lease: Lease) -> None:
        """Relays while the lease is held. Raises SinkLost, and LogWentBack to be called again."""
        self._saved = self._at = await cursor_position(self._log, _CURSOR, 0)
        self._saved_at = asyncio.get_running_loop().time()
        await self._refused.load()
        self._under_way.clear()
        self._octets = 0
        channel = await connect(self._settings.url, self._settings.exchange)
        try:
            self._connected.set(1)
            _log.info("connected", position=self.position)
            await self._publish_all(channel, lease)
        finally:
            try:
                await channel.close()
            finally:
                self._take_answers(channel)
                if self._unsaved:
                    await self._save()

    async def _publish_all(self, channel: Channel, lease: Lease) -> None:
        read = self._at
        page: deque[Record] = deque()
        while lease.held:
            self._take_answers(channel)
            if self._unsaved and self._save_is_due():
                await self._save()
            if not page:
                page.extend(await self._log.behind(read, _PAGE))
                if page:
                    read = Position.of(page[-1])
            if self._refused.is_due and not any(sent.again for sent in self._under_way):
                for record in await self._refused.oldest():
                    self._publish(channel, record, again=True)
            free = 0 if self._octets > _OCTETS else min(self._settings.window - len(self._under_way), _SLICE)
            if page and free > 0:
                for _ in range(min(free, len(page))):
                    self._publish(channel, page.popleft())
                await asyncio.sleep(0)
            elif self._under_way:
                await channel.answered(_SAVE_SECONDS)
            else:
                patience = _SAVE_SECONDS if self._unsaved else _IDLE
                await channel.open_for(self._log.pulse.beyond(read.sequence, patience))

    def _publish(self, channel: Channel, record: Record, *, again: bool = False) -> None:
        body = cloud_event(record, self._log.catalogue.of(record))
        channel.publish(record.type, record.id, record.time // NANOSECONDS, body)
        self._under_way.append(_Sent(Position.of(record), len(body), again))
        self._octets += len(body)

    def _take_answers(self, channel: Channel) -> None:
        taken: list[int] = []
        refused: list[int] = []
        answers = channel.take_answers()
        for has_it in answers:
            sent = self._under_way.popleft()
            self._octets -= sent.octets
            if sent.again:
                (taken if has_it else refused).append(sent.event.sequence)
                continue
            self._at = sent.event
            if not has_it:
                self._refused.refuse(sent.event.sequence)
        self._events.inc(sum(answers))
        if taken or refused:
            self._refused.answer(taken, refused)

    @property
    def _unsaved(self) -> bool:
        return self._at != self._saved or self._refused.changed

    def _save_is_due(self) -> bool:
        since = asyncio.get_running_loop().time() - self._saved_at
        return since > _SAVE_SECONDS or self._at.sequence - self._saved.sequence > _SAVE_EVENTS

    async def _save(self) -> None:
        position, changes = self._at, self._refused.take_changes()
        move = move_cursor(self._log, _CURSOR, self._saved, position, also=changes)
        saving = asyncio.create_task(self._log.writer.commit(move))
        try:
            await asyncio.shield(saving)
        finally:
            # Also when this is cancelled: what was begun is done, and the next one goes on from there.
            await asyncio.wait([saving])
            if not saving.cancelled() and saving.exception() is None:
                self._saved, self._saved_at = position, asyncio.get_running_loop().time()
            else:
                self._refused.put_back(changes)
