"""SQL of plants."""

from blazon.storage import Database
from tests.garden.models import Plant

__all__ = ["Store"]


class Store:
    """Reads plants."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def plant(self, identifier: str) -> Plant | None:
        """The plant with an id."""
        row = await self._database.row("SELECT id, watered, revision FROM plants WHERE id = ?", (identifier,))
        return None if row is None else Plant(*row)

    async def count(self) -> int:
        """How many plants there are."""
        rows = await self._database.rows("SELECT count(*) FROM plants")
        return int(rows[0][0])
