"""Pages by offset: how many there are in all, and so many from a place on."""

from collections.abc import Sequence

from blazon.listing.where import Where
from blazon.storage import Database, Row

__all__ = ["page"]


async def page(
    database: Database, columns: str, source: str, where: Where, alias: str, offset: int, limit: int
) -> tuple[int, Sequence[Row]]:
    """How many rows of a table fulfil the conditions, and a page of them, the oldest first."""
    counted = await database.rows_aside(f"SELECT count(*) FROM {source}{where}", where.parameters)
    rows = await database.rows_briefly(
        f"SELECT {columns} FROM {source}{where} ORDER BY {alias}.created_at, {alias}.id LIMIT ? OFFSET ?",
        [*where.parameters, limit, offset],
    )
    return counted[0][0], rows
