"""SQL of this room: what is read. What is written is in `apply`."""

from typing import Any, Final

import msgspec

from blazon.access import Action, Principal, Role, mask_of
from blazon.entity import STATUSES, Status
from blazon.listing import Where, page
from blazon.storage import Database
from blazon.users.identities import compared
from blazon.users.models import User

__all__ = ["COMPARED", "Store"]

_USER: Final = (
    "u.id, u.name, u.identity, CASE WHEN u.twin = '' THEN u.compared ELSE '' END, u.secret, u.tags, u.owner,"
    " u.metadata, u.status, u.role, u.created_at, u.updated_at, u.updated_by, u.epoch, u.kept, u.revision"
)
_SHARED: Final = (
    "SELECT p.object, p.revision, q.revision FROM user_policies p JOIN user_policies q ON q.object = p.object"
    " WHERE p.subject = ? AND q.subject = ? AND (p.mask & ?) <> 0"
)
# The target was put into the group by itself, by its owner, or by an admin.
_CONSENTED: Final = (
    " AND (q.owner = q.subject OR q.owner = (SELECT owner FROM users WHERE id = q.subject)"
    " OR EXISTS (SELECT 1 FROM users WHERE id = q.owner AND role = 'admin'))"
)

COMPARED: Final = "(u.compared = ? AND u.compared <> '')"
"""A condition: this is the compared form of the identity. Its second half lets the partial index be used."""

_tags = msgspec.json.Decoder(tuple[str, ...]).decode


class Store:
    """Reads users."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.dialect = database.dialect

    async def user(self, identifier: str) -> User | None:
        """A user by id."""
        row = await self._database.row(f"SELECT {_USER} FROM users u WHERE u.id = ?", (identifier,))
        return None if row is None else _user(row)

    async def user_by_identity(self, identity: str) -> User | None:
        """A user by what it signs in with, in whatever spelling.

        Of several whom an older Blazon let in it is the one that is written so, else the oldest.
        """
        row = await self._database.row(
            f"SELECT {_USER} FROM users u WHERE {COMPARED} OR u.identity = ?"
            " ORDER BY CASE WHEN u.identity = ? THEN 0 ELSE 1 END, u.created_at, u.id LIMIT 1",
            (compared(identity), identity, identity),
        )
        return None if row is None else _user(row)

    async def is_taken(self, identity: str, but: str = "") -> bool:
        """Whether a user, other than the one with the id `but`, has this identity in whatever spelling."""
        row = await self._database.row(
            f"SELECT 1 FROM users u WHERE ({COMPARED} OR u.identity = ?) AND u.id <> ? LIMIT 1",
            (compared(identity), identity, but),
        )
        return row is not None

    async def principal(self, identifier: str) -> Principal | None:
        """A user as far as access needs to know it."""
        row = await self._database.row(
            "SELECT id, identity, status, role, epoch, kept, revision FROM users WHERE id = ?", (identifier,)
        )
        if row is None:
            return None
        return Principal(
            id=row[0],
            identity=row[1],
            status=Status(row[2]),
            role=Role(row[3]),
            epoch=row[4],
            kept=row[5],
            revision=row[6],
        )

    async def other_admin(self, identifier: str) -> tuple[str, int] | None:
        """The id and revision of an enabled admin who is not this user."""
        row = await self._database.row(
            "SELECT id, revision FROM users WHERE role = 'admin' AND status = 'enabled' AND id <> ? LIMIT 1",
            (identifier,),
        )
        return None if row is None else (row[0], row[1])

    async def any_admin(self) -> bool:
        """Whether there is an admin, enabled or not."""
        return await self._database.row("SELECT 1 FROM users WHERE role = 'admin' LIMIT 1") is not None

    async def shared_group(self, caller: str, target: str, action: Action) -> tuple[str, int, int] | None:
        """A group in which both have a policy and the caller's holds the action: its id and both revisions.

        To see each other, being in one group is enough. To change somebody it is not: anybody can make a group and put
        strangers into it. Then it counts only if the target, its owner or an admin put it there.
        """
        sql = _SHARED if action is Action.C_LIST else _SHARED + _CONSENTED
        row = await self._database.row(sql + " LIMIT 1", (caller, target, mask_of(action)))
        return None if row is None else (row[0], row[1], row[2])

    async def users(self, where: Where, offset: int, limit: int) -> tuple[int, list[User]]:
        """How many users fulfil the conditions, and a page of them, the oldest first."""
        total, rows = await page(self._database, _USER, "users u", where, "u", offset, limit)
        return total, [_user(row) for row in rows]


def _raw(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


def _user(row: Any) -> User:
    return User(
        id=row[0],
        name=row[1],
        identity=row[2],
        compared=row[3],
        secret=row[4],
        tags=_tags(row[5]),
        owner=row[6],
        metadata=_raw(row[7]),
        status=STATUSES[row[8]],
        role=Role(row[9]),
        created_at=row[10],
        updated_at=row[11],
        updated_by=row[12],
        epoch=row[13],
        kept=row[14],
        revision=row[15],
    )
