"""The Idempotency-Key: a request that is sent again gets its first answer again.

Kept are the positions of the records the request made, in the transaction that made them. An answer is a function of
records, so the same records give the same answer, and nothing of the answer itself needs to be kept.
"""

from collections.abc import Iterable, Sequence

from blazon.caller import Once
from blazon.errors import RuleBroken
from blazon.log.reader import Reader
from blazon.log.record import Record
from blazon.storage import Database, Statement

__all__ = ["KEPT_SECONDS", "find", "forget", "remember"]

KEPT_SECONDS = 24 * 3600
"""How long a key is remembered."""

_FIND = "SELECT digest, first_sequence, last_sequence FROM idempotency_keys WHERE scope = ? AND key = ?"
_REMEMBER = (
    "INSERT INTO idempotency_keys (scope, key, digest, first_sequence, last_sequence, made_at)"
    " VALUES (?, ?, ?, ?, ?, ?)"
)


async def find(database: Database, once: Once) -> list[Record] | None:
    """The records an earlier request with this key made. Raises RuleBroken when it was another request."""
    row = await database.row(_FIND, (once.scope, once.key))
    if row is None:
        return None
    digest, first, last = row
    if digest != once.digest:
        raise RuleBroken(
            "this Idempotency-Key was used for another request; use a new key for a new request, and the same method,"
            " path and body for a repeated one"
        )
    return await Reader(database).between(first, last)


def remember(once: Once, records: Sequence[Record]) -> Iterable[Statement]:
    """The statement that remembers a key, for the transaction of its records."""
    first, last = records[0], records[-1]
    yield Statement(_REMEMBER, (once.scope, once.key, once.digest, first.sequence, last.sequence, last.time))


def forget(before: int) -> Statement:
    """The statement that forgets the keys made before a time."""
    return Statement("DELETE FROM idempotency_keys WHERE made_at < ?", (before,))
