"""Numbered plain-SQL migrations.

A set of migrations is a folder of files `0001_name.sqlite.sql` and `0001_name.postgresql.sql`. Each is applied once, in
order, in one transaction with its entry in `schema_version`. A file that has changed after it was applied stops the
start: history is not edited, a new number is added.
"""

import hashlib
import re
from importlib import resources
from typing import NamedTuple

from blazon.clock import SystemClock
from blazon.errors import StartError
from blazon.storage.engine import Database, Dialect, Transaction

__all__ = ["Migration", "MigrationSet", "create_tables", "migrate"]

_FILE = re.compile(r"(?P<number>\d{4})_(?P<name>\w+)\.(?P<dialect>sqlite|postgresql)\.sql")
_LOCK = 0x626C617A6F6E  # "blazon", for pg_advisory_xact_lock
_VERSIONS = """CREATE TABLE IF NOT EXISTS schema_version (
  owner TEXT NOT NULL, number BIGINT NOT NULL, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL,
  PRIMARY KEY (owner, number))"""


class Migration(NamedTuple):
    """One file."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, hexadecimal."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


class MigrationSet(NamedTuple):
    """The migrations of one package, found in its folder `migrations`."""

    owner: str
    package: str

    def read(self, dialect: Dialect) -> list[Migration]:
        """The files for a dialect, by number. Raises StartError when the numbers have a gap or a double."""
        found = []
        for file in (resources.files(self.package) / "migrations").iterdir():
            match = _FILE.fullmatch(file.name)
            if match and match["dialect"] == dialect.name:
                found.append(Migration(int(match["number"]), match["name"], file.read_text("utf-8")))
        found.sort()
        if [migration.number for migration in found] != list(range(1, len(found) + 1)):
            raise StartError(f"the migrations of {self.owner} for {dialect.name} are not numbered 1, 2, 3 …")
        return found


async def migrate(database: Database, sets: tuple[MigrationSet, ...]) -> int:
    """Brings the schema up to date and tells how many migrations were applied.

    Several processes may call it at once; one does the work. Raises StartError when the database was written by a
    newer Blazon or when an applied migration has changed.
    """
    async with database.transaction() as tx:
        if database.dialect.name == "postgresql":
            await tx.run("SELECT pg_advisory_xact_lock(CAST(? AS bigint))", (_LOCK,))
        await tx.script(_VERSIONS)
        applied = 0
        for migrations in sets:
            applied += await _apply(tx, migrations)
        return applied


async def _apply(tx: Transaction, migrations: MigrationSet) -> int:
    rows = await tx.rows("SELECT number, checksum FROM schema_version WHERE owner = ?", (migrations.owner,))
    known: dict[int, str] = {number: checksum for number, checksum in rows}
    files = migrations.read(tx.dialect)
    if len(known) > len(files):
        raise StartError(
            f"this database has migration {max(known)} of {migrations.owner}, this Blazon knows {len(files)}: it was"
            " written by a newer version; install that version"
        )
    applied = 0
    for migration in files:
        if migration.number in known:
            if known[migration.number] != migration.checksum:
                raise StartError(f"migration {migration.number} of {migrations.owner} changed after it was applied")
            continue
        await tx.script(migration.sql)
        await tx.run(
            "INSERT INTO schema_version (owner, number, name, checksum, applied_at) VALUES (?, ?, ?, ?, ?)",
            (migrations.owner, migration.number, migration.name, migration.checksum, SystemClock().now()),
        )
        applied += 1
    return applied


_COMMENTS = r"\s*(--[^\n]*\n\s*)*"
_INDEX = re.compile(_COMMENTS + r"(CREATE\s+(UNIQUE\s+)?|DROP\s+)INDEX\b", re.IGNORECASE)
_ROWS = re.compile(_COMMENTS + r"(INSERT|UPDATE|DELETE)\b", re.IGNORECASE)


async def create_tables(tx: Transaction, sets: tuple[MigrationSet, ...]) -> list[str]:
    """Makes the tables of some sets without their indexes, and returns the statements about indexes, in order.

    A rebuild fills the tables first: rows may arrive in another order than they were recorded, and an index is built
    faster over rows that are there. What a migration does to rows is left out, as the log makes them all.
    """
    indexes = []
    for migrations in sets:
        for migration in migrations.read(tx.dialect):
            for statement in filter(str.strip, migration.sql.split(";\n")):
                if _INDEX.match(statement):
                    indexes.append(statement)
                elif not _ROWS.match(statement):
                    await tx.script(statement)
    return indexes
