"""The log, opened by a command beside a running Blazon, or without one."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from blazon.errors import StartError, StorageUnavailable
from blazon.log import MIGRATIONS
from blazon.settings import Settings
from blazon.storage import Database, MigrationSet, open_database

__all__ = ["log_of", "log_of_rooms"]


@asynccontextmanager
async def log_of(settings: Settings) -> AsyncIterator[Database]:
    """The database of the settings, to read. Raises StartError when there is no log in it, or one of another version.

    Only the log's own tables are known to be as this Blazon has them.
    """
    async with _opened(settings, writable=False) as database:
        _compare(await _applied(database), (MIGRATIONS,), database)
        yield database


@asynccontextmanager
async def log_of_rooms(settings: Settings, *, writable: bool = False) -> AsyncIterator[Database]:
    """As `log_of`, and every table and event type in it is one this Blazon knows."""
    from blazon.app import ROOMS

    sets = (MIGRATIONS, *(room.migrations for room in ROOMS))
    async with _opened(settings, writable=writable) as database:
        applied = await _applied(database)
        _compare(applied, sets, database)
        unknown = sorted(applied.keys() - {known.owner for known in sets})
        if unknown:
            raise StartError(_newer(f"it has tables of {', '.join(unknown)}, which this one does not know"))
        yield database


@asynccontextmanager
async def _opened(settings: Settings, *, writable: bool) -> AsyncIterator[Database]:
    database = await open_database(settings.database.url, settings.data_path, writable=False)
    try:
        if writable:  # opened to read first: what is not there is not to be made
            await database.close()
            database = await open_database(settings.database.url, settings.data_path)
        yield database
    finally:
        await database.close()


async def _applied(database: Database) -> dict[str, int]:
    """How many migrations of each owner the database has."""
    try:
        rows = await database.rows("SELECT owner, max(number) FROM schema_version GROUP BY owner")
    except StorageUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 - each driver says "no such table" in its own way
        raise StartError(f"there is no log in this database ({error}); `blazon up` makes one") from None
    return {owner: number for owner, number in rows}


def _compare(applied: dict[str, int], sets: Sequence[MigrationSet], database: Database) -> None:
    for known in sets:
        have, want = applied.get(known.owner, 0), len(known.read(database.dialect))
        if have > want:
            raise StartError(_newer(f"it has migration {have} of {known.owner}, this one knows {want}"))
        if have < want:
            raise StartError(
                "this database is of an older Blazon, or was never started; `blazon up` brings it up to date"
            )


def _newer(reason: str) -> str:
    return f"this database was written by a newer Blazon ({reason}); install that version"
