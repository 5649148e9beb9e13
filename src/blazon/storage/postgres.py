"""PostgreSQL through asyncpg.

Reads go through a few connections, write transactions through one of their own, so that statements stay prepared.
Statements are written with `?`; `$1`, `$2` … is made of them once and remembered.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from blazon.errors import DatabaseAway, OutcomeUnknown, SettingsError, StartError, StorageUnavailable
from blazon.storage.engine import DIALECTS, Database, Dialect, Lease, Page, Reads, Row, Transaction, Value
from blazon.storage.pgconnections import Connections, numbered, translated, translation
from blazon.storage.pgleases import HOLD, LEASE, key_of, leading, unhindered

__all__ = ["PostgresDatabase"]

_READERS = 10
"""Connections a process reads through at most."""

_QUERY = 60.0
_STATEMENT = 10.0
"""Seconds that reading may take, and a statement of a write transaction. That one is short and waits for others of its
kind at most, so what takes longer is a connection that was dropped silently."""

_SCRIPT = 3600.0
"""Seconds a migration may take, or making an index anew."""

_RECONNECT = 0.5
"""Seconds between two tries to listen again."""

_PROBE = 10.0
"""Seconds between two checks whether the server still knows the connection that listens."""

_PROBE_ANSWER = 5.0
"""Seconds such a check may take, or beginning to listen: a firewall may have dropped the connection silently."""

_OLDEST = 14
"""The oldest PostgreSQL that can take a lease from a process that stands still (`idle_session_timeout`)."""

_REFUSED = asyncpg.InvalidAuthorizationSpecificationError

_SCRATCH = "blazon_scratch_"


class _Reader:
    """Reads through one connection."""

    def __init__(self, connection: Any) -> None:
        self.dialect: Dialect = DIALECTS["postgresql"]
        self._connection = connection

    async def rows(self, sql: str, parameters: Sequence[Value] = ()) -> Sequence[Row]:
        with translated():
            rows: Sequence[Row] = await self._connection.fetch(numbered(sql), *parameters)
            return rows

    async def row(self, sql: str, parameters: Sequence[Value] = ()) -> Row | None:
        with translated():
            row: Row | None = await self._connection.fetchrow(numbered(sql), *parameters)
            return row

    async def page(self, page: Page, parameters: Sequence[Value]) -> Sequence[Row]:
        size = f"octet_length({page.sized})"
        rows = f"SELECT {page.columns} FROM {page.table} WHERE {page.where} ORDER BY {page.order} LIMIT ?"
        sums = f"SELECT *, sum({size}) OVER (ORDER BY {page.order}) AS octets FROM ({rows}) AS rows"
        return await self.rows(
            f"SELECT {page.columns} FROM ({sums}) AS sums WHERE octets <= {page.octets} OR octets = {size}"
            f" ORDER BY {page.order}",
            parameters,
        )


class PostgresTransaction(_Reader):
    """A write transaction."""

    async def run(self, sql: str, parameters: Sequence[Value] = ()) -> None:
        with translated():
            await self._connection.execute(numbered(sql), *parameters)

    async def run_many(self, sql: str, parameters: Sequence[tuple[Value, ...]]) -> None:
        with translated():
            await self._connection.executemany(numbered(sql), parameters)

    async def script(self, sql: str) -> None:
        with translated():
            await self._connection.execute(sql, timeout=_SCRIPT)

    async def column_of(
        self, table: str, column: str, keys: tuple[str, ...], wanted: Sequence[tuple[str, ...]]
    ) -> dict[tuple[str, ...], Any]:
        arrays = ", ".join(f"${number}::text[]" for number in range(1, len(keys) + 1))
        sql = (
            f"SELECT {', '.join('have.' + key for key in keys)}, have.{column} FROM {table} have"
            f" JOIN unnest({arrays}) AS wanted({', '.join(keys)}) USING ({', '.join(keys)})"
        )
        with translated():
            rows = await self._connection.fetch(sql, *([key[at] for key in wanted] for at in range(len(keys))))
        return {tuple(row[: len(keys)]): row[len(keys)] for row in rows}

    async def signal(self, channel: str) -> None:
        with translated():
            await self._connection.execute(f"NOTIFY {channel}")

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        async with self._connection.transaction():
            yield


class PostgresDatabase:
    """A PostgreSQL database, or one schema of it."""

    shared = True

    def __init__(self, url: str, settings: Mapping[str, str], writing: Mapping[str, str]) -> None:
        self.dialect: Dialect = DIALECTS["postgresql"]
        self._url = url
        self._reading = Connections(url, settings, _READERS, _QUERY)
        self._writing = Connections(url, {**settings, **writing}, 1, _STATEMENT)

    @classmethod
    async def open(cls, url: str, *, schema: str | None = None) -> "PostgresDatabase":
        """Connects. Raises DatabaseAway when the server cannot be reached, and StartError when it refuses."""
        settings, writing = {}, {"idle_in_transaction_session_timeout": f"{HOLD:g}s"}
        if schema is not None:  # a scratch schema, which need not outlive a crash, and which nobody else waits for
            settings, writing = {"search_path": schema, "synchronous_commit": "off"}, {}
        try:
            database = cls(url, settings, writing)
            shown = "SELECT current_setting('server_encoding'), current_setting('server_version_num')::int / 10000"
            encoding, version = (await database.rows(shown))[0]
        except (StorageUnavailable, asyncpg.PostgresError) as error:
            # What is wrong with a name or a password does not pass by itself.
            passes = isinstance(error, StorageUnavailable) and not isinstance(error.__cause__, _REFUSED)
            raise (DatabaseAway if passes else StartError)(
                f"cannot open the PostgreSQL database of database.url: {error}. Is the server running, and are host,"
                " name and password right?"
            ) from error
        except (ValueError, OverflowError):
            # What the driver says of a URL repeats parts of it, and it may have taken half a password for a port.
            raise SettingsError(
                "database.url is not a URL of PostgreSQL, or a parameter in it is wrong: write"
                " postgresql://user:password@host:5432/name, and percent-encode what is neither a letter nor a digit in"
                " user and password"
            ) from None
        if version < _OLDEST:
            await database.close()
            raise StartError(f"database.url names a PostgreSQL {version}; Blazon needs PostgreSQL {_OLDEST} or newer")
        if encoding != "UTF8":
            await database.close()
            raise StartError(
                f"the PostgreSQL database of database.url is encoded in {encoding} and cannot hold every text: make one"
                " with `createdb -E UTF8 -T template0 --locale=C NAME` and name it in database.url"
            )
        return database

    async def rows(self, sql: str, parameters: Sequence[Value] = ()) -> Sequence[Row]:
        async with self._reading.one() as connection:
            return await _Reader(connection).rows(sql, parameters)

    async def row(self, sql: str, parameters: Sequence[Value] = ()) -> Row | None:
        async with self._reading.one() as connection:
            return await _Reader(connection).row(sql, parameters)

    async def page(self, page: Page, parameters: Sequence[Value]) -> Sequence[Row]:
        async with self._reading.one() as connection:
            return await _Reader(connection).page(page, parameters)

    async def rows_aside(self, sql: str, parameters: Sequence[Value] = ()) -> Sequence[Row]:
        return await self.rows(sql, parameters)

    async def rows_briefly(self, sql: str, parameters: Sequence[Value] = ()) -> Sequence[Row]:
        return await self.rows(sql, parameters)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        async with self._writing.one() as connection, unhindered(self.rows):
            transaction = connection.transaction()
            with translated():
                await transaction.start()
            try:
                yield PostgresTransaction(connection)
            except (StorageUnavailable, asyncio.CancelledError):
                raise  # the connection is ended, and the server rolls back
            except BaseException:
                with translated():
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
                raise translation(error) from error
            raise OutcomeUnknown("PostgreSQL went away while it committed") from error

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Reads]:
        async with self._reading.one() as connection:
            with translated():
                async with connection.transaction(isolation="repeatable_read", readonly=True):
                    yield _Reader(connection)

    @asynccontextmanager
    async def scratch(self) -> AsyncIterator[Database]:
        schema = f"{_SCRATCH}{secrets.token_hex(6)}"
        async with self._session() as session:
            # Ours is locked before it is there, for as long as we live: one that is not locked was left behind.
            with translated():
                await session.execute("SELECT pg_advisory_lock($1)", key_of(schema))
            await self._drop_stale(session)
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

    async def _drop_stale(self, session: Any) -> None:
        """Drops the scratch schemas of processes that were killed."""
        found = await self.rows(
            "SELECT nspname FROM pg_namespace WHERE starts_with(nspname, ?) AND pg_has_role(nspowner, 'USAGE')",
            (_SCRATCH,),
        )
        for (schema,) in found:
            with translated():
                if not await session.fetchval("SELECT pg_try_advisory_lock($1)", key_of(schema)):
                    continue
            async with self.transaction() as tx:
                await tx.run(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
            with translated():
                await session.execute("SELECT pg_advisory_unlock($1)", key_of(schema))

    @asynccontextmanager
    async def leader(self, name: str) -> AsyncIterator[Lease]:
        async with (
            self._session({"idle_session_timeout": f"{LEASE:g}s"}) as connection,
            leading(connection, name) as lease,
        ):
            yield lease

    async def signals(self, channel: str, every: float) -> AsyncGenerator[None, None]:
        heard = asyncio.Event()
        listening = asyncio.create_task(self._listen(channel, heard))
        try:
            while not listening.done():
                yield
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(every):
                        await heard.wait()
                heard.clear()
            await listening
        finally:
            listening.cancel()
            await asyncio.wait([listening])

    async def _listen(self, channel: str, heard: asyncio.Event) -> None:
        """Sets `heard` at every signal, and when some may have been missed. Runs for ever."""
        while True:
            try:
                async with self._session() as connection:
                    ended = asyncio.Event()
                    connection.add_termination_listener(lambda _, ended=ended: ended.set())
                    with translated():
                        async with asyncio.timeout(_PROBE_ANSWER):
                            await connection.add_listener(channel, lambda *_: heard.set())
                    heard.set()
                    while not ended.is_set():
                        try:
                            async with asyncio.timeout(_PROBE):
                                await ended.wait()
                        except TimeoutError:
                            with translated():
                                await connection.execute("SELECT 1", timeout=_PROBE_ANSWER)
            except StorageUnavailable:
                await asyncio.sleep(_RECONNECT)

    @asynccontextmanager
    async def _session(self, settings: Mapping[str, str] = {}) -> AsyncIterator[Any]:
        """A connection of one's own, for LISTEN and advisory locks, which hang on a session."""
        connection = await self._reading.connect(settings)
        try:
            yield connection
        finally:
            connection.terminate()

    def drop_idle(self) -> None:
        self._writing.end_idle()
        self._reading.end_idle()

    async def close(self) -> None:
        self.drop_idle()
