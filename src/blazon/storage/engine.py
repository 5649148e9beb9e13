"""What a database can do for Blazon. Two drivers do it: `sqlite` and `postgres`."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, NamedTuple, Protocol

from blazon.errors import StorageUnavailable

__all__ = [
    "DIALECTS",
    "Database",
    "Dialect",
    "Lease",
    "Page",
    "Reads",
    "Row",
    "Statement",
    "StorageDamaged",
    "Transaction",
    "Value",
]

Value = str | int | float | bytes | None
Row = Sequence[Any]


class StorageDamaged(StorageUnavailable):
    """The database holds something that cannot be read: a damaged page, a text that is no text."""


class Statement(NamedTuple):
    """One SQL statement with its parameters; `?` marks a parameter on both databases."""

    sql: str
    parameters: tuple[Value, ...] = ()


class Page(NamedTuple):
    """A query whose rows may be large: `SELECT <columns> FROM <table> WHERE <where> ORDER BY <order> LIMIT ?`.

    It ends early when the rows have more than `octets` octets of text in the column `sized`.
    """

    columns: str
    table: str
    where: str
    order: str
    sized: str
    octets: int


class Dialect(NamedTuple):
    """The few places where SQLite and PostgreSQL want other words."""

    name: str
    lock: str
    """Ends a SELECT that must hold its row until the transaction ends."""
    clock: str
    """The time of the database's server, in Unix nanoseconds; NULL when it has no clock but that of this process."""

    def contains(self, column: str) -> str:
        """A condition: the JSON text in `column` contains the JSON text given as parameter.

        Containment is PostgreSQL's `@>`: objects by key, arrays as sets, everything else by equality.
        """
        if self.name == "sqlite":
            return f"json_contains({column}, ?)"
        return f"{column}::jsonb @> ?::jsonb"

    def one_of(self, column: str) -> str:
        """A condition: `column` is one of the strings of a JSON array given as parameter."""
        if self.name == "sqlite":
            return f"{column} IN (SELECT value FROM json_each(?))"
        # As an array, not as a subquery to join with: so that an index on the column is used however large the table.
        return f"{column} = ANY(ARRAY(SELECT jsonb_array_elements_text(?::jsonb)))"


DIALECTS: Final = {
    "sqlite": Dialect("sqlite", "", "NULL"),
    "postgresql": Dialect(
        "postgresql", " FOR UPDATE", "CAST(extract(epoch FROM clock_timestamp()) * 1000000000 AS bigint)"
    ),
}


class Reads(Protocol):
    """Somewhere to read from: the database, a transaction, a snapshot."""

    dialect: Dialect

    async def rows(self, sql: str, parameters: Sequence[Value] = ()) -> Sequence[Row]:
        """Every row of a query. Raises StorageUnavailable."""
        ...

    async def row(self, sql: str, parameters: Sequence[Value] = ()) -> Row | None:
        """The first row of a query, or None. Raises StorageUnavailable."""
        ...

    async def page(self, page: Page, parameters: Sequence[Value]) -> Sequence[Row]:
        """The rows of a page, at least one when there is one; the last parameter is the most rows.

        Raises StorageUnavailable.
        """
        ...


class Transaction(Reads, Protocol):
    """A write transaction. It commits when its block ends and rolls back when the block raises."""

    async def run(self, sql: str, parameters: Sequence[Value] = ()) -> None:
        """Runs one statement. Raises IntegrityConflict, StorageUnavailable."""
        ...

    async def run_many(self, sql: str, parameters: Sequence[tuple[Value, ...]]) -> None:
        """Runs one statement once for each tuple of parameters. Raises IntegrityConflict, StorageUnavailable."""
        ...

    async def script(self, sql: str) -> None:
        """Runs several statements without parameters: a migration."""
        ...

    async def column_of(
        self, table: str, column: str, keys: tuple[str, ...], wanted: Sequence[tuple[str, ...]]
    ) -> dict[tuple[str, ...], Any]:
        """One column of many rows at once, by key; keys without a row are left out."""
        ...

    async def signal(self, channel: str) -> None:
        """Wakes the other processes that wait on the channel, when this transaction commits."""
        ...

    def savepoint(self) -> AbstractAsyncContextManager[None]:
        """A part of the transaction that is undone alone when its block raises."""
        ...


class Lease(Protocol):
    """The right to be the one process that does something."""

    @property
    def held(self) -> bool:
        """Whether the right is still ours. A process that stands still, or is cut off, loses it to another in time."""
        ...


class Database(Reads, Protocol):
    """A database that is open."""

    shared: bool
    """Whether several processes may have it open at once."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """A write transaction. Raises StorageUnavailable, and OutcomeUnknown when the commit's answer was lost."""
        ...

    def snapshot(self) -> AbstractAsyncContextManager[Reads]:
        """Reads that all see the same moment."""
        ...

    def scratch(self) -> AbstractAsyncContextManager["Database"]:
        """An empty database beside this one, of the same kind, gone when its block ends."""
        ...

    async def rows_aside(self, sql: str, parameters: Sequence[Value] = ()) -> Sequence[Row]:
        """As `rows`, for a query that may take long: it does not hold up the event loop."""
        ...

    async def rows_briefly(self, sql: str, parameters: Sequence[Value] = ()) -> Sequence[Row]:
        """As `rows_aside`, for a query that is most often done in a moment: pages of lists."""
        ...

    def leader(self, name: str) -> AbstractAsyncContextManager[Lease]:
        """Waits until nobody else may do `name`, in any process, and has the lead until the block ends."""
        ...

    def signals(self, channel: str, every: float) -> AsyncGenerator[None, None]:
        """Yields when another process called `signal` on the channel, and after `every` seconds without; never ends.

        A signal can be lost, so whoever waits must look each time. Whoever waits closes the generator.
        """
        ...

    def drop_idle(self) -> None:
        """Ends the connections nobody uses now. To be called when one did not answer: all may be dropped silently."""
        ...

    async def close(self) -> None:
        """Closes every connection."""
        ...
