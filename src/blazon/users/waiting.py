"""Mails that wait: those the mail server did not take when their turn came, while it takes others.

A mail that waits is a row that names the record it is made of. The row is written before the follower's cursor passes
that record, and nobody touches it until the cursor has: so a mail is always before the cursor or in the table, and
never both. The row goes in the transaction that records what became of the mail.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from blazon.clock import NANOSECONDS
from blazon.log import Event, Log, Operation, Record, SubjectKind
from blazon.storage import Statement

__all__ = ["WAITING", "WaitingMail", "WaitingMails"]

WAITING: Final = SubjectKind("waiting-mail", "waiting_mails", ("id",), "tries")
"""A subject, so that of several processes one takes a mail up: each try is a revision."""

_PAUSES: Final = tuple(minutes * 60 * NANOSECONDS for minutes in (1, 2, 4))
"""Before the second try, the third, and each one after. A try takes less than the first of them."""

_MOST: Final = 100
"""Most mails that are looked at together."""

_PUT: Final = (
    "INSERT INTO waiting_mails (id, sequence, tries, next_at, reason) VALUES (?, ?, 1, ?, ?)"
    " ON CONFLICT (id) DO NOTHING"
)
_KNOWN: Final = "SELECT 1 FROM waiting_mails WHERE id = ?"
_DUE: Final = (
    "SELECT id, sequence, tries FROM waiting_mails WHERE next_at <= ?"
    " AND sequence <= (SELECT position FROM cursors WHERE name = ?) ORDER BY next_at LIMIT ?"
)
_TAKE_UP: Final = "UPDATE waiting_mails SET tries = tries + 1, next_at = ? WHERE id = ?"
_EXPLAIN: Final = "UPDATE waiting_mails SET reason = ? WHERE id = ?"
_DROP: Final = "DELETE FROM waiting_mails WHERE id = ?"


class WaitingMail(msgspec.Struct, frozen=True):
    """A mail that waits: the id and place of its record, and how often it was tried."""

    id: str
    sequence: int
    tries: int


class WaitingMails:
    """The mails that wait behind the cursor of one follower."""

    def __init__(self, log: Log, follower: str) -> None:
        self._log = log
        self._follower = follower

    async def put(self, record: Record, reason: str) -> None:
        """Lets the mail of a record wait. The follower's cursor has not passed the record yet."""
        statement = Statement(_PUT, (record.id, record.sequence, self._log.clock.now() + _PAUSES[0], reason))
        await self._log.writer.commit(Operation(also=lambda _: (statement,)))

    async def has(self, record: Record) -> bool:
        """Whether the mail of a record waits."""
        return await self._log.database.row(_KNOWN, (record.id,)) is not None

    async def due(self) -> Sequence[WaitingMail]:
        """The mails whose next try is due."""
        parameters = (self._log.clock.now(), self._follower, _MOST)
        return [WaitingMail(*row) for row in await self._log.database.rows(_DUE, parameters)]

    async def take_up(self, mail: WaitingMail) -> tuple[WaitingMail, Record | None]:
        """Takes a mail up for one more try, and puts the one after that off: if we die, it is made then.

        Gives the mail as it is now and its record, which is gone when the log was restored from before it. Raises
        Stale when another process was faster.
        """
        pause = _PAUSES[min(mail.tries, len(_PAUSES) - 1)]
        await self._commit(mail, Statement(_TAKE_UP, (self._log.clock.now() + pause, mail.id)))
        found = await self._log.reader.between(mail.sequence, mail.sequence)
        taken = msgspec.structs.replace(mail, tries=mail.tries + 1)
        return taken, found[0] if found and found[0].id == mail.id else None

    async def explain(self, mail: WaitingMail, reason: str) -> None:
        """Keeps why a mail goes on waiting, for the person who looks. Raises Stale."""
        await self._commit(mail, Statement(_EXPLAIN, (reason, mail.id)))

    async def drop(self, mail: WaitingMail, events: Sequence[Event] = (), cause: str = "") -> None:
        """Lets a mail wait no longer, and records what became of it. Raises Stale."""
        await self._commit(mail, Statement(_DROP, (mail.id,)), events, cause)

    async def _commit(
        self, mail: WaitingMail, statement: Statement, events: Sequence[Event] = (), cause: str = ""
    ) -> None:
        await self._log.writer.commit(
            Operation(
                events=tuple(events),
                relies={WAITING.of(mail.id): mail.tries},
                traceparent=cause,
                also=lambda _: (statement,),
            )
        )
