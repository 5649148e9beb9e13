"""SQL of this room: what is read. What is written is in `apply`."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from blazon.storage import Database, Row, Value
from blazon.users.models import Action, Group, Placed, Policy, Principal, Role, Status, User, mask_of

__all__ = ["Store", "Where"]

_USER: Final = (
    "u.id, u.name, u.identity, u.secret, u.tags, u.owner, u.metadata, u.status, u.role, u.created_at, u.updated_at,"
    " u.updated_by, u.epoch, u.kept, u.revision"
)
_GROUP: Final = (
    "g.id, g.owner, g.name, g.description, g.parent, g.metadata, g.status, g.created_at, g.updated_at, g.updated_by,"
    " g.revision"
)
_POLICY: Final = "p.subject, p.object, p.actions, p.owner, p.created_at, p.updated_at, p.updated_by, p.revision"
_SHARED: Final = (
    "SELECT p.object, p.revision, q.revision FROM user_policies p JOIN user_policies q ON q.object = p.object"
    " WHERE p.subject = ? AND q.subject = ? AND (p.mask & ?) <> 0"
)
# The target was put into the group by itself, by its owner, or by an admin.
_CONSENTED: Final = (
    " AND (q.owner = q.subject OR q.owner = (SELECT owner FROM users WHERE id = q.subject)"
    " OR EXISTS (SELECT 1 FROM users WHERE id = q.owner AND role = 'admin'))"
)

# Down from a group: every group below it, with its level and the path of ids to it.
_DOWN: Final = (
    "WITH RECURSIVE tree (id, level, path) AS (SELECT id, 0, id FROM groups WHERE id = ? UNION ALL"
    " SELECT c.id, t.level + 1, t.path || '.' || c.id FROM groups c JOIN tree t ON c.parent = t.id"
    " WHERE c.parent <> '' AND t.level < ?) "
)
# Up from a group: every group above it, at negative levels.
_UP: Final = (
    "WITH RECURSIVE tree (id, level, path) AS (SELECT id, 0, '' FROM groups WHERE id = ? UNION ALL"
    " SELECT above.parent, t.level - 1, '' FROM groups above JOIN tree t ON above.id = t.id"
    " WHERE above.parent <> '' AND -t.level < ?) "
)
_DEEPEST: Final = 1_000_000

_tags = msgspec.json.Decoder(tuple[str, ...]).decode


class Where:
    """The conditions of a list, gathered one after the other."""

    def __init__(self) -> None:
        self._conditions: list[str] = []
        self.parameters: list[Value] = []

    def add(self, condition: str, *parameters: Value) -> None:
        """One more condition that must hold."""
        self._conditions.append(condition)
        self.parameters += parameters

    def add_given(self, given: Mapping[str, Value]) -> None:
        """Equality for each column whose value was given."""
        for column, value in given.items():
            if value is not None:
                self.add(f"{column} = ?", value)

    def __str__(self) -> str:
        return " WHERE " + " AND ".join(self._conditions) if self._conditions else ""


class Store:
    """Reads users, groups and policies."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.dialect = database.dialect

    async def user(self, identifier: str) -> User | None:
        """A user by id."""
        row = await self._database.row(f"SELECT {_USER} FROM users u WHERE u.id = ?", (identifier,))
        return None if row is None else _user(row)

    async def user_by_identity(self, identity: str) -> User | None:
        """A user by what it signs in with."""
        row = await self._database.row(f"SELECT {_USER} FROM users u WHERE u.identity = ?", (identity,))
        return None if row is None else _user(row)

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
        total, rows = await self._page(f"SELECT {_USER} FROM users u", "users u", where, "u", offset, limit)
        return total, [_user(row) for row in rows]

    async def group(self, identifier: str) -> Group | None:
        """A group by id."""
        row = await self._database.row(f"SELECT {_GROUP} FROM groups g WHERE g.id = ?", (identifier,))
        return None if row is None else _group(row)

    async def group_named(self, owner: str, name: str) -> bool:
        """Whether an owner has a group of this name."""
        row = await self._database.row("SELECT 1 FROM groups WHERE owner = ? AND name = ?", (owner, name))
        return row is not None

    async def depth(self, identifier: str) -> int:
        """How many groups stand above a group."""
        row = await self._database.row(_UP + "SELECT max(-level) FROM tree", (identifier, _DEEPEST))
        return 0 if row is None or row[0] is None else int(row[0])

    async def groups(self, where: Where, offset: int, limit: int) -> tuple[int, list[Placed]]:
        """How many groups fulfil the conditions, and a page of them, the oldest first."""
        total, rows = await self._page(f"SELECT {_GROUP} FROM groups g", "groups g", where, "g", offset, limit)
        return total, [Placed(_group(row)) for row in rows]

    async def hierarchy(
        self, root: str, *, up: bool, levels: int | None, where: Where, offset: int, limit: int
    ) -> tuple[int, list[Placed]]:
        """The groups above or below a group, itself included, as far as so many levels."""
        walk = _UP if up else _DOWN
        source = "tree t JOIN groups g ON g.id = t.id"
        start: list[Value] = [root, _DEEPEST if levels is None else levels]
        counted = await self._database.rows_aside(
            f"{walk}SELECT count(*) FROM {source}{where}", [*start, *where.parameters]
        )
        rows = await self._database.rows_aside(
            f"{walk}SELECT {_GROUP}, t.level, t.path FROM {source}{where} ORDER BY g.created_at, g.id LIMIT ? OFFSET ?",
            [*start, *where.parameters, limit, offset],
        )
        return counted[0][0], [Placed(_group(row), row[11], row[12]) for row in rows]

    async def policy(self, subject: str, object_: str) -> Policy | None:
        """The policy of a user in a group."""
        row = await self._database.row(
            f"SELECT {_POLICY} FROM user_policies p WHERE p.subject = ? AND p.object = ?", (subject, object_)
        )
        return None if row is None else _policy(row)

    async def policies(self, where: Where, offset: int, limit: int) -> tuple[int, list[Policy]]:
        """How many policies fulfil the conditions, and a page of them, the oldest first."""
        counted = await self._database.rows_aside(f"SELECT count(*) FROM user_policies p{where}", where.parameters)
        rows = await self._database.rows_aside(
            f"SELECT {_POLICY} FROM user_policies p{where} ORDER BY p.created_at, p.subject, p.object LIMIT ? OFFSET ?",
            [*where.parameters, limit, offset],
        )
        return counted[0][0], [_policy(row) for row in rows]

    async def _page(
        self, select: str, source: str, where: Where, alias: str, offset: int, limit: int
    ) -> tuple[int, Sequence[Row]]:
        counted = await self._database.rows_aside(f"SELECT count(*) FROM {source}{where}", where.parameters)
        rows = await self._database.rows_aside(
            f"{select}{where} ORDER BY {alias}.created_at, {alias}.id LIMIT ? OFFSET ?",
            [*where.parameters, limit, offset],
        )
        return counted[0][0], rows


def _raw(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


def _user(row: Any) -> User:
    return User(
        id=row[0],
        name=row[1],
        identity=row[2],
        secret=row[3],
        tags=_tags(row[4]),
        owner=row[5],
        metadata=_raw(row[6]),
        status=Status(row[7]),
        role=Role(row[8]),
        created_at=row[9],
        updated_at=row[10],
        updated_by=row[11],
        epoch=row[12],
        kept=row[13],
        revision=row[14],
    )


def _group(row: Any) -> Group:
    return Group(
        id=row[0],
        owner=row[1],
        name=row[2],
        description=row[3],
        parent=row[4],
        metadata=_raw(row[5]),
        status=Status(row[6]),
        created_at=row[7],
        updated_at=row[8],
        updated_by=row[9],
        revision=row[10],
    )


def _policy(row: Any) -> Policy:
    return Policy(
        subject=row[0],
        object=row[1],
        actions=tuple(Action(action) for action in row[2].split(",")),
        owner=row[3],
        created_at=row[4],
        updated_at=row[5],
        updated_by=row[6],
        revision=row[7],
    )
