"""PostgreSQL through asyncpg.

Reads go through a few connections, write transactions through one of their own, so that statements stay prepared.
Statements are written with `?`; `$1`, `$2` … is made of them once and remembered.
"""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import lru_cache
from typing import Any

import asyncpg

from blazon.errors import BlazonError, IntegrityConflict, OutcomeUnknown, StartError, StorageUnavailable
from blazon.storage.engine import DIALECTS, Database, Dialect, Lease, Reads, Row, Transaction, Value

__all__ = ["PostgresDatabase"]

_PATIENCE = 5.0
"""Seconds to wait for a connection before a request is told that the storage is away."""

_COMMAND = 60.0
"""Seconds a statement may take."""

_READERS = 10
"""Connections a process reads through at most."""

_LEADER_POLL = 0.5
"""Seconds between two tries to become the leader."""

_RECONNECT = 0.5
"""Seconds between two tries to listen again."""

_PASSING = (
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,
    asyncpg.InternalClientError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.InterfaceError,
    OSError,
    TimeoutError,
)


@lru_cache(maxsize=1024)
def numbered(sql: str) -> str:
    """`?` → `$1`, `$2` … No statement of ours holds a question mark for anything else."""
    parts = sql.split("?")
    return "".join(f"{part}${number}" for number, part in enumerate(parts[:-1], 1)) + parts[-1]


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
        raise _translation(error) from error


def _translation(error: Exception) -> BlazonError:
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        return IntegrityConflict(str(error))
    # An InterfaceError that is a ValueError is a parameter of the wrong type: our bug, not the server's trouble.
    if isinstance(error, _PASSING) and not isinstance(error, ValueError):
        return StorageUnavailable(f"PostgreSQL: {str(error) or type(error).__name__}")
    raise error


class _Reader:
    """Reads through one connection."""

    def __init__(self, connection: Any) -> None:
        self.dialect: Dialect = DIALECTS["postgresql"]
        self._connection = connection

    async def rows(self, sql: str, parameters: Sequence[Value] = ()) -> Sequence[Row]:
        with _translated():
            rows: Sequence[Row] = await self._connection.fetch(numbered(sql), *parameters)
            return rows

    async def row(self, sql: str, parameters: Sequence[Value] = ()) -> Row | None:
        with _translated():
            row: Row | None = await self._connection.fetchrow(numbered(sql), *parameters)
            return row


class PostgresTransaction(_Reader):
    """A write transaction."""

    async def run(self, sql: str, parameters: Sequence[Value] = ()) -> None:
        with _translated():
            await self._connection.execute(numbered(sql), *parameters)

    async def run_many(self, sql: str, parameters: Sequence[tuple[Value, ...]]) -> None:
        with _translated():
            await self._connection.executemany(numbered(sql), parameters)

    async def script(self, sql: str) -> None:
        with _translated():
            await self._connection.execute(sql)

    async def column_of(
        self, table: str, column: str, keys: tuple[str, ...], wanted: Sequence[tuple[str, ...]]
    ) -> dict[tuple[str, ...], Any]:
        arrays = ", ".join(f"${number}::text[]" for number in range(1, len(keys) + 1))
        sql = (
            f"SELECT {', '.join('have.' + key for key in keys)}, have.{column} FROM {table} have"
            f" JOIN unnest({arrays}) AS wanted({', '.join(keys)}) USING ({', '.join(keys)})"
        )
        with _translated():
            rows = await self._connection.fetch(sql, *([key[at] for key in wanted] for at in range(len(keys))))
        return {tuple(row[: len(keys)]): row[len(keys)] for row in rows}

    async def signal(self, channel: str) -> None:
        with _translated():
            await self._connection.execute(f"NOTIFY {channel}")

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        async with self._connection.transaction():
            yield


class _SessionLease:
    """An advisory lock: it lasts as long as its session."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @property
    def held(self) -> bool:
        return not self._connection.is_closed()


class _Connections:
    """Up to so many connections, made when they are needed; one in doubt is ended, not used again.

    asyncpg has a pool of its own; it asks the server to reset each connection that is given back, which costs a round
    trip for every read, and gets stuck over connections that broke in the middle.
    """

    def __init__(self, url: str, settings: dict[str, str], size: int) -> None:
        self._url = url
        self._settings = settings
        self._free = asyncio.Semaphore(size)
        self._idle: list[Any] = []

    async def connect(self) -> Any:
        """One more connection, for whoever keeps it."""
        with _translated():
            return await asyncpg.connect(
                self._url, timeout=_PATIENCE, command_timeout=_COMMAND, server_settings=self._settings
            )

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Any]:
        """A connection for a while. Raises StorageUnavailable."""
        with _translated():
            async with asyncio.timeout(_PATIENCE):
                await self._free.acquire()
        try:
            connection = await self._take()
            try:
                yield connection
            except (StorageUnavailable, OutcomeUnknown, asyncio.CancelledError):
                connection.terminate()
                raise
            finally:
                self._idle.append(connection)
        finally:
            self._free.release()

    async def _take(self) -> Any:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return await self.connect()

    def end(self) -> None:
        """Ends every connection."""
        for connection in self._idle:
            connection.terminate()
        self._idle.clear()


class PostgresDatabase:
    """A PostgreSQL database, or one schema of it."""

    shared = True

    def __init__(self, url: str, settings: dict[str, str]) -> None:
        self.dialect: Dialect = DIALECTS["postgresql"]
        self._url = url
        self._reading = _Connections(url, settings, _READERS)
        self._writing = _Connections(url, settings, 1)

    @classmethod
    async def open(cls, url: str, *, schema: str | None = None) -> "PostgresDatabase":
        """Connects. Raises StartError when the server cannot be reached or refuses."""
        settings = {"application_name": "blazon", "jit": "off"}
        if schema is not None:  # a scratch schema, which need not outlive a crash
            settings |= {"search_path": schema, "synchronous_commit": "off"}
        try:
            database = cls(url, settings)
            await database.rows("SELECT 1")
        except (StorageUnavailable, asyncpg.PostgresError, ValueError) as error:
            raise StartError(
                f"cannot open the PostgreSQL database of database.url: {error}. Is the server running, and are host,"
                " name and password right?"
            ) from error
        return database

    async def rows(self, sql: str, parameters: Sequence[Value] = ()) -> Sequence[Row]:
        async with self._reading.one() as connection:
            return await _Reader(connection).rows(sql, parameters)

    async def row(self, sql: str, parameters: Sequence[Value] = ()) -> Row | None:
        async with self._reading.one() as connection:
            return await _Reader(connection).row(sql, parameters)

    async def rows_aside(self, sql: str, parameters: Sequence[Value] = ()) -> Sequence[Row]:
        return await self.rows(sql, parameters)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        async with self._writing.one() as connection:
            transaction = connection.transaction()
            with _translated():
                await transaction.start()
            try:
                yield PostgresTransaction(connection)
            except (StorageUnavailable, asyncio.CancelledError):
                raise  # the connection is ended, and the server rolls back
            except BaseException:
                with _translated():
                    await transaction.rollback()
                raise
            await self._commit(connection, transaction)

    async def _commit(self, connection: Any, transaction: Any) -> None:
        try:
            await transaction.commit()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            if isinstance(error, asyncpg.PostgresError) and not connection.is_closed():
                raise _translation(error) from error
            raise OutcomeUnknown("PostgreSQL went away while it committed") from error

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Reads]:
        async with self._reading.one() as connection:
            with _translated():
                async with connection.transaction(isolation="repeatable_read", readonly=True):
                    yield _Reader(connection)

    @asynccontextmanager
    async def scratch(self) -> AsyncIterator[Database]:
        schema = f"blazon_scratch_{secrets.token_hex(6)}"
        async with self.transaction() as tx:
            await tx.run(f"CREATE SCHEMA {schema}")
        try:
            database = await PostgresDatabase.open(self._url, schema=schema)
            try:
                yield database
            finally:
                await database.close()
        finally:
            async with self.transaction() as tx:
                await tx.run(f"DROP SCHEMA {schema} CASCADE")

    @asynccontextmanager
    async def leader(self, name: str) -> AsyncIterator[Lease]:
        key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
        async with self._session() as connection:
            while True:
                with _translated():
                    if await connection.fetchval("SELECT pg_try_advisory_lock($1)", key):
                        break
                await asyncio.sleep(_LEADER_POLL)
            yield _SessionLease(connection)

    async def signals(self, channel: str) -> AsyncIterator[None]:
        while True:
            try:
                async with self._session() as connection:
                    heard = asyncio.Event()
                    await _hear(connection, channel, heard)
                    while not connection.is_closed():
                        yield
                        await heard.wait()
                        heard.clear()
            except StorageUnavailable:
                await asyncio.sleep(_RECONNECT)

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[Any]:
        """A connection of one's own, for LISTEN and advisory locks, which hang on a session."""
        connection = await self._reading.connect()
        try:
            yield connection
        finally:
            connection.terminate()

    async def close(self) -> None:
        self._writing.end()
        self._reading.end()


async def _hear(connection: Any, channel: str, heard: asyncio.Event) -> None:
    """Sets `heard` at every signal, and when the connection ends."""
    with _translated():
        await connection.add_listener(channel, lambda *_: heard.set())
    connection.add_termination_listener(lambda _: heard.set())
