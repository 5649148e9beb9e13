"""SQL of this room: what is read. What is written is in `apply`."""

from array import array
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from blazon.access import Action, mask_of
from blazon.entity import STATUSES, Status
from blazon.listing import Where
from blazon.storage import Database, Reads, Row, Value
from blazon.things.models import Thing

__all__ = ["Link", "Store", "all_channels", "all_policies", "all_things"]

_THING: Final = (
    "t.id, t.name, t.identity, t.key, t.key_hash, t.tags, t.owner, t.metadata, t.status, t.created_at, t.updated_at,"
    " t.updated_by, t.revision"
)
_LINKS: Final = (
    "SELECT p.object, p.revision, q.revision, q.owner FROM thing_policies p JOIN thing_policies q"
    " ON q.object = p.object WHERE p.subject = ? AND q.subject = ? AND (p.mask & ?) <> 0 LIMIT 1000"
)
_PAGE: Final = 20_000

_tags = msgspec.json.Decoder(tuple[str, ...]).decode


class Link(NamedTuple):
    """A channel that a user and a thing share: the revisions of both policies, and who put the thing there."""

    channel: str
    mine: int
    theirs: int
    put_by: str


class Store:
    """Reads things."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.dialect = database.dialect

    async def thing(self, identifier: str) -> Thing | None:
        """A thing by id."""
        row = await self._database.row(f"SELECT {_THING} FROM things t WHERE t.id = ?", (identifier,))
        return None if row is None else _thing(row)

    async def present(self, column: str, values: Sequence[str]) -> set[str]:
        """Those of these values that a thing has in a column: `id` or `key_hash`."""
        wanted = msgspec.json.encode(values).decode()
        rows = await self._database.rows(f"SELECT {column} FROM things WHERE {self.dialect.one_of(column)}", (wanted,))
        return {row[0] for row in rows}

    async def links(self, caller: str, thing: str, *actions: Action) -> list[Link]:
        """The channels in which the caller's policy holds one of the actions and the thing has a policy as well."""
        rows = await self._database.rows(_LINKS, (caller, thing, mask_of(*actions)))
        return [Link(*row) for row in rows]

    async def count(self, where: Where) -> int:
        """How many things fulfil the conditions."""
        rows = await self._database.rows_aside(f"SELECT count(*) FROM things t{where}", where.parameters)
        return int(rows[0][0])

    async def page(self, where: Where, offset: int, limit: int) -> list[Thing]:
        """A page of the things that fulfil the conditions, the oldest first."""
        if offset:
            # The ids first: where the database must sort, it would keep every row up to the page, metadata and all.
            page = f" WHERE t.id IN (SELECT t.id FROM things t{where} ORDER BY t.created_at, t.id LIMIT ? OFFSET ?)"
            parameters = [*where.parameters, limit, offset]
            sql = f"SELECT {_THING} FROM things t{page} ORDER BY t.created_at, t.id"
        else:
            parameters = [*where.parameters, limit]
            sql = f"SELECT {_THING} FROM things t{where} ORDER BY t.created_at, t.id LIMIT ?"
        rows = await self._database.rows_briefly(sql, parameters)
        return [_thing(row) for row in rows]

    async def times(self, owner: str | None, status: Status | None) -> "array[int]":
        """When the things of an owner, or of all, in a state, or in any, were made, in order."""
        where = Where()
        where.add_given({"owner": owner, "status": None if status is None else status.value})
        rows = await self._database.rows_aside(
            f"SELECT created_at FROM things{where} ORDER BY created_at", where.parameters
        )
        return array("q", (row[0] for row in rows))


def all_things(source: Reads) -> AsyncIterator[Sequence[Row]]:
    """Every thing, in pages: id, key hash, owner, status."""
    return _all(source, "SELECT id, key_hash, owner, status FROM things WHERE id > ? ORDER BY id LIMIT ?", 1)


def all_channels(source: Reads) -> AsyncIterator[Sequence[Row]]:
    """Every channel, in pages: id, owner, status."""
    return _all(source, "SELECT id, owner, status FROM channels WHERE id > ? ORDER BY id LIMIT ?", 1)


def all_policies(source: Reads) -> AsyncIterator[Sequence[Row]]:
    """Every policy, in pages: subject, object, mask."""
    sql = (
        "SELECT subject, object, mask FROM thing_policies WHERE (subject, object) > (?, ?)"
        " ORDER BY subject, object LIMIT ?"
    )
    return _all(source, sql, 2)


async def _all(source: Reads, sql: str, keys: int) -> AsyncIterator[Sequence[Row]]:
    """The rows of a query that goes on behind the key of the last row; a row begins with its key."""
    position: tuple[Value, ...] = ("",) * keys
    while rows := await source.rows(sql, (*position, _PAGE)):
        yield rows
        position = tuple(rows[-1][:keys])


def _thing(row: Any) -> Thing:
    return Thing(
        id=row[0],
        name=row[1],
        identity=row[2],
        key=row[3],
        key_hash=row[4],
        tags=_tags(row[5]),
        owner=row[6],
        metadata=msgspec.Raw(row[7]),
        status=STATUSES[row[8]],
        created_at=row[9],
        updated_at=row[10],
        updated_by=row[11],
        revision=row[12],
    )
