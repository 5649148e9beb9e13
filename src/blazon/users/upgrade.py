"""What a newer Blazon does once to the rows of an older one, because SQL alone cannot."""

from typing import Final

import structlog

from blazon.storage import Database
from blazon.users.identities import compared

__all__ = ["compare_identities"]

_PAGE: Final = 1000
_SHOWN: Final = 20
"""Most groups of users that are named in the log."""

_log = structlog.get_logger("blazon.users")


async def compare_identities(database: Database) -> None:
    """Fills the columns `compared` and `twin` of rows that lack them, with what `apply` makes of their records.

    Names in the log the users whose identities are one and the same: an older Blazon told them apart by their case.
    """
    filled = False
    while True:
        async with database.transaction() as tx:
            rows = await tx.rows(
                "SELECT id, identity FROM users WHERE compared = '' AND identity <> '' ORDER BY id LIMIT ?", (_PAGE,)
            )
            # Unless the identity has changed meanwhile, in a process of the older Blazon.
            await tx.run_many(
                "UPDATE users SET compared = ?, twin = id WHERE id = ? AND identity = ?",
                [(compared(identity), identifier, identity) for identifier, identity in rows],
            )
        if not rows:
            break
        filled = True
    if filled:
        await _name_twins(database)


async def _name_twins(database: Database) -> None:
    forms = await database.rows_aside(
        "SELECT compared FROM users GROUP BY compared HAVING count(*) > 1 ORDER BY compared LIMIT ?", (_SHOWN,)
    )
    for (form,) in forms:
        rows = await database.rows("SELECT id FROM users WHERE compared = ? ORDER BY created_at, id", (form,))
        _log.warning(
            "several users have one identity, which they spell differently; change the identity of all but one",
            users=[row[0] for row in rows],
        )
