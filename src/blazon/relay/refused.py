"""Events that a sink refused, kept until it takes them: one full queue must not keep events from all the others.

A topic exchange hands an event to every queue, and the broker refuses it to the publisher when one of them does. So an
event that is offered again reaches the other queues again too: they may get it twice, as after a lost connection.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from blazon.health import Health
from blazon.log import Log, Record
from blazon.relay.supervision import RelayMetrics
from blazon.storage import Statement

__all__ = ["Refused"]

_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0
"""Seconds until a refused event is offered again: from the first pause to the longest, doubling."""

_MOST: Final = 256
"""Events offered again at once, when the sink takes them."""

_ADD: Final = "INSERT INTO refused_events (sink, sequence) VALUES (?, ?) ON CONFLICT (sink, sequence) DO NOTHING"
_REMOVE: Final = "DELETE FROM refused_events WHERE sink = ? AND sequence = ?"
_OLDEST: Final = "SELECT sequence FROM refused_events WHERE sink = ? ORDER BY sequence LIMIT ?"
_COUNT: Final = "SELECT count(*) FROM refused_events WHERE sink = ?"


class Refused:
    """The refused events of one sink. What changes is saved by the relay, with its cursor: see `take_changes`."""

    def __init__(self, log: Log, sink: str, metrics: RelayMetrics, health: Health) -> None:
        self._log = log
        self._sink = sink
        self._refusals = metrics.refusals.labels(sink)
        self._waiting = metrics.waiting.labels(sink)
        self._health = health
        self._count = 0
        self._changes: list[Statement] = []
        self._pause = _FIRST_PAUSE
        self._due_at = 0.0
        self._size = 1

    async def load(self) -> None:
        """Finds what an earlier relay left."""
        row = await self._log.database.row(_COUNT, (self._sink,))
        self._changes.clear()
        self._due_at = 0.0
        self._set(int(row[0]) if row is not None else 0)

    def refuse(self, sequence: int) -> None:
        """The sink refused an event for the first time."""
        self._refusals.inc()
        self._changes.append(Statement(_ADD, (self._sink, sequence)))
        if self._count == 0:
            self._wait()
        self._set(self._count + 1)

    def answer(self, taken: Sequence[int], refused: Sequence[int]) -> None:
        """What became of events that were offered again."""
        self._refusals.inc(len(refused))
        self._changes += [Statement(_REMOVE, (self._sink, sequence)) for sequence in taken]
        self._set(self._count - len(taken))
        if refused:
            self._size = 1
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)
            self._wait()
        else:
            self._size = min(self._size * 2, _MOST)
            self._pause = _FIRST_PAUSE

    @property
    def changed(self) -> bool:
        """Whether there is something to save."""
        return bool(self._changes)

    def take_changes(self) -> list[Statement]:
        """The statements that save what changed since the last call."""
        changes, self._changes = self._changes, []
        return changes

    def put_back(self, changes: Sequence[Statement]) -> None:
        """The statements could not be run."""
        self._changes = [*changes, *self._changes]

    @property
    def is_due(self) -> bool:
        """Whether the oldest events are to be offered again now."""
        return self._count > 0 and not self._changes and asyncio.get_running_loop().time() >= self._due_at

    async def oldest(self) -> Sequence[Record]:
        """The events to offer again: one at first, more once the sink takes them."""
        rows = await self._log.database.rows(_OLDEST, (self._sink, self._size))
        records = []
        for (sequence,) in rows:
            found = await self._log.reader.between(sequence, sequence)
            records += found
            if not found:  # an observation that was trimmed meanwhile
                self._changes.append(Statement(_REMOVE, (self._sink, sequence)))
                self._set(self._count - 1)
        return records

    def _wait(self) -> None:
        self._due_at = asyncio.get_running_loop().time() + self._pause

    def _set(self, count: int) -> None:
        self._count = count
        self._waiting.set(count)
        if count:
            self._health.degrade(
                self._sink,
                "a queue refuses events and gets them later: it is full and has x-overflow=reject-publish; see that its"
                " consumer runs, or delete the queue",
            )
        else:
            self._health.recover(self._sink)
