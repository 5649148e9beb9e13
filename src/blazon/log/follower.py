"""Followers: durable cursors on the log.

A follower reads records in order and answers each with what shall happen because of it. Its cursor moves in the
transaction of that effect, and only if it still stands where the follower thinks it does, so an effect happens once,
also with several processes and also when one is killed between the two.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from blazon.errors import Unavailable
from blazon.log.log import Log
from blazon.log.operation import Operation, Stale
from blazon.log.position import Position
from blazon.log.record import Event, Record
from blazon.log.types import SubjectKind
from blazon.storage import Lease, Statement

__all__ = ["CURSOR", "Follower", "cursor_position", "move_cursor"]

CURSOR = SubjectKind("cursor", "cursors", ("name",), "position")
"""A cursor is a subject like any other; its position is its revision."""

_STEP = 5000
"""Positions looked through at once."""

_IDLE = 1.0
"""Seconds to wait before looking again even though nothing was heard."""

_SAVE_SECONDS = 1.0
_SAVE_POSITIONS = 10_000
"""A cursor that passes nothing of interest is saved after so long, or so far."""

_RETRY = 1.0

_START = "INSERT INTO cursors (name, position, moved_at) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING"
_MOVE = "UPDATE cursors SET position = ?, moved_at = ? WHERE name = ?"

_log = structlog.get_logger("blazon.follower")


async def cursor_position(log: Log, name: str, start: int) -> Position:
    """Where a cursor stands. A new one is put behind record `start`. Raises Unavailable when it is not of this log."""
    row = await log.database.row("SELECT position FROM cursors WHERE name = ?", (name,))
    if row is not None:
        # The cursor is in the database of the log and goes back with it, so the record is the one it was put behind.
        position = await log.reader.position(row[0])
        head = (await log.reader.head()).sequence
        if position.sequence > head:
            raise Unavailable(
                f"the cursor {name} stands behind record {position.sequence} and the log ends at {head}: somebody put"
                " it there; set its position in the table `cursors` to where it shall go on"
            )
        return position
    statement = Statement(_START, (name, start, log.clock.now()))
    await log.writer.commit(Operation(also=lambda _: (statement,)))
    return await cursor_position(log, name, start)


def move_cursor(
    log: Log,
    name: str,
    old: Position,
    new: Position,
    events: tuple[Event, ...] = (),
    cause: str = "",
    also: Sequence[Statement] = (),
) -> Operation:
    """An operation that moves a cursor and records events with it. It goes stale when the cursor stands elsewhere.

    `also` are statements on working tables for the same transaction.
    """
    statements = (Statement(_MOVE, (new.sequence, log.clock.now(), name)), *also)
    relies = {CURSOR.of(name): old.sequence}
    return Operation(events=events, relies=relies, traceparent=cause, also=lambda _: statements)


class Follower:
    """Follows the log under a name.

    `handle` gets one record of the given types at a time and returns the events it leads to. It may be called again
    for a record whose effect was not committed yet. An Unavailable it raises is waited out.
    """

    def __init__(
        self,
        log: Log,
        name: str,
        types: frozenset[tuple[str, str]],
        handle: Callable[[Record], Awaitable[Sequence[Event]]],
    ) -> None:
        self._log = log
        self._name = name
        self._types = types
        self._handle = handle

    async def run(self) -> None:
        """Follows for ever, in one process at a time."""
        while True:
            try:
                async with self._log.database.leader(f"follower:{self._name}") as lease:
                    saved = await cursor_position(self._log, self._name, 0)
                    await self._follow(lease, saved)
            except (Unavailable, Stale) as error:
                _log.warning("follower waits", follower=self._name, reason=error.reason)
            except Exception:  # noqa: BLE001 - a bug here costs lag, and must not cost the API
                _log.exception("follower failed", follower=self._name)
            await asyncio.sleep(_RETRY)

    async def _follow(self, lease: Lease, saved: Position) -> None:
        loop = asyncio.get_running_loop()
        position, saved_at = saved, loop.time()
        while lease.held:
            through, records = await self._log.of_types(position, self._types, _STEP)
            for record in records:
                events = tuple(await self._handle(record))
                here = Position.of(record)
                await self._log.writer.commit(
                    move_cursor(self._log, self._name, saved, here, events, record.traceparent)
                )
                saved, saved_at = here, loop.time()
            # Nothing of interest up to there. That is saved now and then: to read it again costs little.
            passed = through.sequence - saved.sequence
            if passed > 0 and (loop.time() - saved_at > _SAVE_SECONDS or passed > _SAVE_POSITIONS):
                await self._log.writer.commit(move_cursor(self._log, self._name, saved, through))
                saved, saved_at = through, loop.time()
            if through == position:
                await self._log.pulse.beyond(position.sequence, _IDLE)
            position = through
