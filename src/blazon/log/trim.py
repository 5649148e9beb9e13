"""Trimming: observations are kept for a time and up to a number; facts for ever."""

from blazon.clock import NANOSECONDS
from blazon.log import once
from blazon.log.log import Log
from blazon.log.operation import Operation
from blazon.storage import Statement

__all__ = ["trim"]

_NTH_NEWEST = "SELECT sequence FROM events WHERE kind = 1 ORDER BY sequence DESC LIMIT 1 OFFSET ?"
_OLDEST = "SELECT sequence FROM events WHERE kind = 1 ORDER BY sequence LIMIT 1"
_DELETE = "DELETE FROM events WHERE kind = 1 AND sequence > ? AND sequence <= ?"
_TRIMMED = "UPDATE log_head SET trimmed = ? WHERE one = 1 AND trimmed < ?"

_STEP = 5000
"""Positions trimmed in one transaction: other operations wait no longer than that takes."""


async def trim(log: Log, *, seconds: int, count: int, relayed: int) -> int:
    """Trims observations older than `seconds` or beyond the newest `count`, and old idempotency keys.

    None behind `relayed` is touched: what a sink has not got yet stays. Returns the position trimmed to; 0 when there
    was nothing to trim.
    """
    now = log.clock.now()
    forgotten = once.forget(now - once.KEPT_SECONDS * NANOSECONDS)
    await log.writer.commit(Operation(also=lambda _: (forgotten,)))
    horizon = await log.reader.position_at(now - seconds * NANOSECONDS)
    surplus = await log.database.rows_aside(_NTH_NEWEST, (count,))
    if surplus:
        horizon = max(horizon, surplus[0][0])
    # The record a cursor stands behind stays: by its id a relay sees that the log is still the one it knows.
    horizon = min(horizon, relayed - 1)
    oldest = await log.database.rows_aside(_OLDEST)
    if not oldest or oldest[0][0] > horizon:
        return 0
    for start in range(oldest[0][0] - 1, horizon, _STEP):
        end = min(start + _STEP, horizon)
        await log.writer.commit(_trimming(start, end))
    return horizon


def _trimming(start: int, end: int) -> Operation:
    statements = (Statement(_DELETE, (start, end)), Statement(_TRIMMED, (end, end)))
    return Operation(also=lambda _: statements)
