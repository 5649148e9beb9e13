"""SQLite through apsw.

Statements of a write transaction run on the event loop, where they take microseconds; only COMMIT, which waits for the
disk, runs in a thread, so that the loop goes on gathering the next batch meanwhile. Reads use a second connection,
straight from the loop. Queries that may take long run in threads of their own, each with its own connection; pages of
lists get a moment on the loop first (`brief`).

WAL with `synchronous=FULL`: a commit that returned is on disk. One process writes: the data folder is locked.
"""

import asyncio
import fcntl
import tempfile
import threading
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

import apsw

from blazon.errors import OutcomeUnknown, StartError, StorageUnavailable
from blazon.storage.brief import BriefReader
from blazon.storage.containment import json_contains
from blazon.storage.engine import (
    DIALECTS,
    Database,
    Dialect,
    Lease,
    Page,
    Reads,
    Row,
    Transaction,
    Value,
)
from blazon.storage.sqliteerrors import REFUSED_COMMIT, damaged, translated, translation

__all__ = ["SqliteDatabase"]

_CHECKPOINT_PAGES = 8000
"""Pages (of 4 KiB) in the write-ahead log before they are put into the database: pages that are written again and again
are put there once."""

_THREADS = 2
"""Threads for queries that take long."""

_ROLLED_BACK = "SQLite could not write and rolled back; nothing was kept. Is the disk full, or failing?"


class _Reader:
    """One connection to read from."""

    def __init__(self, connection: apsw.Connection) -> None:
        self.dialect: Dialect = DIALECTS["sqlite"]
        self._connection = connection

    async def rows(self, sql: str, parameters: Sequence[Value] = ()) -> Sequence[Row]:
        try:
            return self._connection.execute(sql, parameters).fetchall()
        except (apsw.Error, UnicodeDecodeError) as error:
            raise translation(error) from error

    async def row(self, sql: str, parameters: Sequence[Value] = ()) -> Row | None:
        try:
            return self._connection.execute(sql, parameters).fetchone()
        except (apsw.Error, UnicodeDecodeError) as error:
            raise translation(error) from error

    async def page(self, page: Page, parameters: Sequence[Value]) -> Sequence[Row]:
        sql = (
            f"SELECT {page.columns}, octet_length({page.sized}) FROM {page.table} WHERE {page.where}"
            f" ORDER BY {page.order} LIMIT ?"
        )
        found: list[Row] = []
        octets = 0
        try:
            # Rows are read one by one: those behind the page are never read.
            for row in self._connection.execute(sql, parameters):
                octets += row[-1] or 0
                if found and octets > page.octets:
                    break
                found.append(row[:-1])
        except (apsw.Error, UnicodeDecodeError) as error:
            raise translation(error) from error
        return found


class SqliteTransaction(_Reader):
    """A write transaction on the one connection that writes.

    After a full disk, an I/O error or for want of memory SQLite may roll the whole transaction back by itself. Whatever
    ran after that would be kept at once and alone, so nothing does.
    """

    def check(self) -> None:
        """Raises StorageUnavailable when SQLite has rolled the transaction back."""
        if not self._connection.in_transaction:
            raise StorageUnavailable(_ROLLED_BACK)

    async def run(self, sql: str, parameters: Sequence[Value] = ()) -> None:
        self.check()
        try:
            self._connection.execute(sql, parameters)
        except apsw.Error as error:
            raise translation(error) from error

    async def run_many(self, sql: str, parameters: Sequence[tuple[Value, ...]]) -> None:
        self.check()
        try:
            self._connection.executemany(sql, parameters)
        except apsw.Error as error:
            raise translation(error) from error

    async def script(self, sql: str) -> None:
        await self.run(sql)

    async def column_of(
        self, table: str, column: str, keys: tuple[str, ...], wanted: Sequence[tuple[str, ...]]
    ) -> dict[tuple[str, ...], Any]:
        where = " AND ".join(f"{key} = ?" for key in keys)
        sql = f"SELECT {column} FROM {table} WHERE {where}"
        found: dict[tuple[str, ...], Any] = {}
        for key in wanted:
            row = await self.row(sql, key)
            if row is not None:
                found[key] = row[0]
        return found

    async def signal(self, channel: str) -> None:
        """One process has the file: there is nobody else to wake."""

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        await self.run("SAVEPOINT part")
        try:
            yield
        except BaseException as error:
            if self._connection.in_transaction:
                await self.run("ROLLBACK TO part")
                await self.run("RELEASE part")
            elif not isinstance(error, StorageUnavailable) and isinstance(error, Exception):
                # The savepoint is gone with its transaction, and that is what the caller must hear.
                raise StorageUnavailable(_ROLLED_BACK) from error
            raise
        await self.run("RELEASE part")


class _Sole:
    """The lease of the only process there is."""

    held = True


class SqliteDatabase(_Reader):
    """A SQLite file. `durable=False` is for scratch databases only: it does not wait for the disk."""

    shared = False

    def __init__(self, path: Path, *, writable: bool = True, durable: bool = True) -> None:
        self._path = path
        self._durable = durable
        self._lock_file = _lock(path) if writable and durable else None
        with translated():
            self._writer = self._connect(writable=True) if writable else None
            super().__init__(self._connect(writable=False) if durable else self._writer_or_die())
        self._brief = BriefReader(partial(self._connect, writable=False))
        self._moments = asyncio.Lock()
        self._writing = asyncio.Lock()
        self._doubtful = False
        """Whether a commit failed that may be in the write-ahead log all the same; see `_bury`."""
        self._commits = ThreadPoolExecutor(1, "sqlite-commit")
        self._aside = ThreadPoolExecutor(_THREADS, "sqlite-aside")
        self._results = asyncio.Semaphore(_THREADS)
        self._local = threading.local()
        self._leading: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def _writer_or_die(self) -> apsw.Connection:
        if self._writer is None:
            raise StorageUnavailable("this database was opened to read only")
        return self._writer

    def _connect(self, *, writable: bool) -> apsw.Connection:
        flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if writable else 0)
        connection = apsw.Connection(str(self._path), flags=flags)
        connection.set_busy_timeout(5000)
        try:
            connection.execute("PRAGMA journal_mode = WAL" if self._durable else "PRAGMA journal_mode = OFF")
        except apsw.SQLError as error:  # the first look into the file: "unsupported file format"
            raise damaged(error) from error
        connection.execute(f"PRAGMA synchronous = {'FULL' if self._durable else 'OFF'}")
        connection.execute("PRAGMA cache_size = -16000")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        connection.execute("PRAGMA temp_store = MEMORY")
        if not writable:
            connection.execute("PRAGMA query_only = ON")
        connection.create_scalar_function("json_contains", json_contains, 2, deterministic=True)  # type: ignore[arg-type]
        return connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        connection = self._writer_or_die()
        async with self._writing:
            with translated():
                connection.execute("BEGIN IMMEDIATE")
            try:
                transaction = SqliteTransaction(connection)
                yield transaction
                if self._doubtful:
                    await self._bury(transaction)
                transaction.check()
                await self._commit(connection)
            except BaseException:
                # SQLite itself may have rolled back already, after an I/O error or a full disk.
                if connection.in_transaction:
                    with translated():
                        connection.execute("ROLLBACK")
                raise

    async def _bury(self, transaction: SqliteTransaction) -> None:
        """Has this transaction write something, whatever else it does.

        The pages of a commit that failed, with the mark that makes them one, may be at the end of the write-ahead log:
        SQLite does not see them, but would after a crash, and bring back what was refused. The next commit that writes
        is put over them; one that has nothing to write would leave them.
        """
        row = await transaction.row("PRAGMA user_version")
        assert row is not None
        await transaction.run(f"PRAGMA user_version = {(row[0] + 1) % 2**31}")

    async def _commit(self, connection: apsw.Connection) -> None:
        commit = asyncio.get_running_loop().run_in_executor(self._commits, _commit, connection)
        cancelled: asyncio.CancelledError | None = None
        while not commit.done():
            try:
                await asyncio.wait([commit])
            except asyncio.CancelledError as error:
                # The thread cannot be stopped half-way: wait for it, so that the connection is free when we let go.
                cancelled = error
        failed = commit.exception()
        self._doubtful = isinstance(failed, OutcomeUnknown) or (self._doubtful and failed is not None)
        if cancelled is not None:
            raise cancelled
        commit.result()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Reads]:
        with translated():
            connection = self._connect(writable=False)
        try:
            with translated():
                connection.execute("BEGIN")
                connection.execute("SELECT 1 FROM sqlite_schema").fetchall()  # the read lock is taken by reading
            yield _Reader(connection)
        finally:
            connection.close()

    @asynccontextmanager
    async def scratch(self) -> AsyncIterator[Database]:
        with tempfile.TemporaryDirectory(prefix="blazon-scratch-", dir=self._path.parent) as folder:
            database = SqliteDatabase(Path(folder) / "scratch.db", durable=False)
        # The file has no name any more: it is gone with its last connection, also when we are killed.
        try:
            yield database
        finally:
            await database.close()

    async def rows_briefly(self, sql: str, parameters: Sequence[Value] = ()) -> Sequence[Row]:
        async with self._moments:
            with translated():
                rows = self._brief.rows(sql, parameters)
            if rows is None:
                await asyncio.sleep(
                    0
                )  # the loop has a turn before the next moment: a thousand in a row would hold it up
        return await self.rows_aside(sql, parameters) if rows is None else rows

    async def rows_aside(self, sql: str, parameters: Sequence[Value] = ()) -> Sequence[Row]:
        # Whoever waits here takes its result before the next query begins: otherwise threads could read large results
        # faster than anybody takes them.
        async with self._results:
            return await asyncio.get_running_loop().run_in_executor(self._aside, self._rows_in_thread, sql, parameters)

    def _rows_in_thread(self, sql: str, parameters: Sequence[Value]) -> Sequence[Row]:
        with translated():
            connection = getattr(self._local, "connection", None)
            if connection is None:
                connection = self._local.connection = self._connect(writable=False)
            rows: Sequence[Row] = connection.execute(sql, parameters).fetchall()
            return rows

    @asynccontextmanager
    async def leader(self, name: str) -> AsyncIterator[Lease]:
        # No other process has the file open, but another part of this one may want to lead, too.
        async with self._leading[name]:
            yield _Sole()

    async def signals(self, channel: str, every: float) -> AsyncGenerator[None, None]:
        while True:
            await asyncio.sleep(every)
            yield

    def drop_idle(self) -> None:
        pass

    async def close(self) -> None:
        async with self._writing:
            self._commits.shutdown()
            self._aside.shutdown()
            self._brief.close()
            for connection in (self._connection, self._writer):
                if connection is not None:
                    connection.close()
            if self._lock_file is not None:
                self._lock_file.close()


def _commit(connection: apsw.Connection) -> None:
    try:
        connection.execute("COMMIT")
    except apsw.Error as error:
        raised = translation(error)
        if isinstance(raised, StorageUnavailable) and not isinstance(error, REFUSED_COMMIT):
            raise OutcomeUnknown(f"SQLite failed while it committed: {error}") from error
        raise raised from error


def _lock(path: Path) -> IO[bytes]:
    """One process a data folder: the writer relies on being the only one."""
    try:
        file = open(path.with_suffix(".lock"), "ab")  # noqa: SIM115 - held open for as long as the database is
    except OSError as error:
        raise StartError(f"cannot open the database {path}: {error.strerror}; is its folder there?") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise StartError(
            f"another Blazon is using {path.parent}: stop it, or choose another folder with --data-dir"
        ) from None
    return file
