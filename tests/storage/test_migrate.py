"""Migrations: each applied once, in order, by one process; history is not edited."""

import asyncio
from pathlib import Path

import pytest

from blazon.errors import StartError
from blazon.storage import Database, MigrationSet, create_tables, migrate, open_database
from tests.servers import PostgresServer


def _set(folder: Path, name: str, *files: tuple[int, str]) -> MigrationSet:
    """A package of migrations, written for the test, under a name of its own."""
    name = f"{name}_{folder.name}"
    package = folder / name / "migrations"
    package.mkdir(parents=True, exist_ok=True)
    (folder / name / "__init__.py").touch()
    for number, sql in files:
        for dialect in ("sqlite", "postgresql"):
            (package / f"{number:04}_step.{dialect}.sql").write_text(sql)
    return MigrationSet(name, name)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


async def test_migrations_are_applied_once_and_new_ones_later(database: Database, folder: Path) -> None:
    first = _set(folder, "steps_once", (1, "CREATE TABLE a (id TEXT PRIMARY KEY);\n"))
    assert await migrate(database, (first,)) == 1
    assert await migrate(database, (first,)) == 0
    more = _set(folder, "steps_once", (2, "CREATE TABLE b (id TEXT PRIMARY KEY);\nCREATE INDEX b_id ON b (id);\n"))
    assert await migrate(database, (more,)) == 1
    assert await database.rows("SELECT id FROM b") == []


async def test_an_edited_migration_stops_the_start(database: Database, folder: Path) -> None:
    await migrate(database, (_set(folder, "steps_edited", (1, "CREATE TABLE a (id TEXT PRIMARY KEY);\n")),))
    edited = _set(folder, "steps_edited", (1, "CREATE TABLE a (id TEXT PRIMARY KEY, n BIGINT);\n"))
    with pytest.raises(StartError, match="changed after it was applied"):
        await migrate(database, (edited,))


async def test_a_database_of_a_newer_version_is_refused(database: Database, folder: Path) -> None:
    newer = _set(folder, "steps_newer", (1, "CREATE TABLE a (id TEXT);\n"), (2, "CREATE TABLE b (id TEXT);\n"))
    await migrate(database, (newer,))
    for path in folder.glob("steps_newer_*/migrations/0002*"):
        path.unlink()
    with pytest.raises(StartError, match="newer version"):
        await migrate(database, (newer,))


async def test_a_gap_in_the_numbers_is_refused(database: Database, folder: Path) -> None:
    gap = _set(folder, "steps_gap", (1, "CREATE TABLE a (id TEXT);\n"), (3, "CREATE TABLE b (id TEXT);\n"))
    with pytest.raises(StartError, match="not numbered"):
        await migrate(database, (gap,))


async def test_a_broken_migration_leaves_nothing(database: Database, folder: Path) -> None:
    broken = _set(folder, "steps_broken", (1, "CREATE TABLE a (id TEXT);\n"), (2, "CREATE NONSENSE;\n"))
    with pytest.raises(Exception, match=r"(?i)syntax"):
        await migrate(database, (broken,))
    mended = _set(folder, "steps_broken", (2, "CREATE TABLE b (id TEXT);\n"))
    assert await migrate(database, (mended,)) == 2


async def test_processes_that_start_at_once_migrate_once(postgres: PostgresServer, folder: Path) -> None:
    url = postgres.new_database()
    steps = _set(folder, "steps_race", (1, "CREATE TABLE a (id TEXT PRIMARY KEY);\n"))
    databases = [await open_database(url, folder) for _ in range(4)]
    applied = await asyncio.gather(*(migrate(database, (steps,)) for database in databases))
    assert sorted(applied) == [0, 0, 0, 1]
    for database in databases:
        await database.close()


async def test_tables_come_before_indexes_in_a_rebuild(database: Database, folder: Path) -> None:
    sql = "-- A comment.\nCREATE TABLE a (id TEXT);\n-- Another.\nCREATE UNIQUE INDEX a_id ON a (id);\n"
    steps = _set(folder, "steps_split", (1, sql))
    async with database.transaction() as tx:
        indexes = await create_tables(tx, (steps,))
        await tx.run_many("INSERT INTO a VALUES (?)", [("x",), ("x",)])
        assert len(indexes) == 1
        await tx.run("DELETE FROM a")
        for index in indexes:
            await tx.script(index)


async def test_what_a_migration_does_to_rows_is_left_out_of_a_rebuild(database: Database, folder: Path) -> None:
    """The log makes all rows; and what a migration reads, such as the log, is not beside every set of tables."""
    sql = (
        "-- Rows.\nCREATE TABLE b (id TEXT);\nINSERT INTO b (id) SELECT id FROM a;\n"
        "-- More.\nUPDATE b SET id = 'y';\nDELETE FROM b WHERE id = 'z';\n"
    )
    steps = _set(folder, "steps_rows", (1, sql))
    async with database.transaction() as tx:
        assert await create_tables(tx, (steps,)) == []
        assert await tx.rows("SELECT id FROM b") == []
        await tx.script("DROP TABLE b")
        await tx.script("CREATE TABLE a (id TEXT)")
        await tx.run("INSERT INTO a VALUES ('x')")
    assert await migrate(database, (steps,)) == 1
    assert [tuple(row) for row in await database.rows("SELECT id FROM b")] == [("y",)]
