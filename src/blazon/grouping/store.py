"""SQL of groups and policies: what is read. What is written is in `apply`."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from blazon.access import Action
from blazon.entity import STATUSES
from blazon.grouping.events import Grouping
from blazon.grouping.models import Group, Placed, Policy
from blazon.listing import Where, page
from blazon.storage import Database, Value

__all__ = ["GroupStore"]

_GROUP: Final = (
    "g.id, g.owner, g.name, g.description, g.parent, g.metadata, g.status, g.created_at, g.updated_at, g.updated_by,"
    " g.revision"
)
_POLICY: Final = "p.subject, p.object, p.actions, p.owner, p.created_at, p.updated_at, p.updated_by, p.revision"
_DEEPEST: Final = 1_000_000


class GroupStore:
    """Reads the groups and policies of one use of the pattern."""

    def __init__(self, database: Database, grouping: Grouping) -> None:
        self.database = database
        self.dialect = database.dialect
        self.groups_table = groups = grouping.group.table
        self.policies_table = grouping.policy.table
        # Down from a group: every group below it, with its level and the path of ids to it.
        self._down = (
            f"WITH RECURSIVE tree (id, level, path) AS (SELECT id, 0, id FROM {groups} WHERE id = ? UNION ALL"
            f" SELECT c.id, t.level + 1, t.path || '.' || c.id FROM {groups} c JOIN tree t ON c.parent = t.id"
            " WHERE c.parent <> '' AND t.level < ?) "
        )
        # Up from a group: every group above it, at negative levels.
        self._up = (
            f"WITH RECURSIVE tree (id, level, path) AS (SELECT id, 0, '' FROM {groups} WHERE id = ? UNION ALL"
            f" SELECT above.parent, t.level - 1, '' FROM {groups} above JOIN tree t ON above.id = t.id"
            " WHERE above.parent <> '' AND -t.level < ?) "
        )

    async def group(self, identifier: str) -> Group | None:
        """A group by id."""
        row = await self.database.row(f"SELECT {_GROUP} FROM {self.groups_table} g WHERE g.id = ?", (identifier,))
        return None if row is None else _group(row)

    async def named(self, owner: str, name: str) -> bool:
        """Whether an owner has a group of this name."""
        row = await self.database.row(
            f"SELECT 1 FROM {self.groups_table} WHERE owner = ? AND name = ? AND name <> ''", (owner, name)
        )
        return row is not None

    async def depth(self, identifier: str) -> int:
        """How many groups stand above a group."""
        row = await self.database.row(self._up + "SELECT max(-level) FROM tree", (identifier, _DEEPEST))
        return 0 if row is None or row[0] is None else int(row[0])

    async def groups(self, where: Where, offset: int, limit: int) -> tuple[int, list[Placed]]:
        """How many groups fulfil the conditions, and a page of them, the oldest first."""
        total, rows = await page(self.database, _GROUP, f"{self.groups_table} g", where, "g", offset, limit)
        return total, [Placed(_group(row)) for row in rows]

    async def hierarchy(
        self, root: str, *, up: bool, levels: int | None, where: Where, offset: int, limit: int
    ) -> tuple[int, list[Placed]]:
        """The groups above or below a group, itself included, as far as so many levels."""
        walk = self._up if up else self._down
        source = f"tree t JOIN {self.groups_table} g ON g.id = t.id"
        start: list[Value] = [root, _DEEPEST if levels is None else levels]
        counted = await self.database.rows_aside(
            f"{walk}SELECT count(*) FROM {source}{where}", [*start, *where.parameters]
        )
        rows = await self.database.rows_aside(
            f"{walk}SELECT {_GROUP}, t.level, t.path FROM {source}{where} ORDER BY g.created_at, g.id LIMIT ? OFFSET ?",
            [*start, *where.parameters, limit, offset],
        )
        return counted[0][0], [Placed(_group(row), row[11], row[12]) for row in rows]

    async def policy(self, subject: str, object_: str) -> Policy | None:
        """The policy of a member in a group."""
        row = await self.database.row(
            f"SELECT {_POLICY} FROM {self.policies_table} p WHERE p.subject = ? AND p.object = ?", (subject, object_)
        )
        return None if row is None else _policy(row)

    async def policies_in(self, object_: str, subjects: Sequence[str]) -> dict[str, Policy]:
        """The policies of these members in a group, by member."""
        wanted = msgspec.json.encode(subjects).decode()
        rows = await self.database.rows(
            f"SELECT {_POLICY} FROM {self.policies_table} p WHERE p.object = ? AND {self.dialect.one_of('p.subject')}",
            (object_, wanted),
        )
        return {row[0]: _policy(row) for row in rows}

    async def policies(self, where: Where, offset: int, limit: int) -> tuple[int, list[Policy]]:
        """How many policies fulfil the conditions, and a page of them, the oldest first."""
        counted = await self.database.rows_aside(
            f"SELECT count(*) FROM {self.policies_table} p{where}", where.parameters
        )
        rows = await self.database.rows_aside(
            f"SELECT {_POLICY} FROM {self.policies_table} p{where} ORDER BY p.created_at, p.subject, p.object"
            " LIMIT ? OFFSET ?",
            [*where.parameters, limit, offset],
        )
        return counted[0][0], [_policy(row) for row in rows]


def _group(row: Any) -> Group:
    return Group(
        id=row[0],
        owner=row[1],
        name=row[2],
        description=row[3],
        parent=row[4],
        metadata=msgspec.Raw(row[5].encode()),
        status=STATUSES[row[6]],
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
