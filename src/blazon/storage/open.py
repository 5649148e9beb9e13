"""Opens the database a URL names, and loads only that driver."""

from pathlib import Path

from blazon.errors import SettingsError
from blazon.storage.engine import Database
from blazon.storage.sealing import has_master_key, lost_database

__all__ = ["open_database"]


async def open_database(url: str, data_dir: Path, *, writable: bool = True) -> Database:
    """Opens the database of `database.url`; an empty URL is SQLite in the data folder.

    With `writable=False` the SQLite file is read beside a running Blazon and must exist. So it must when the data
    folder has the master key of a database: it was lost then. Raises StartError and SettingsError.
    """
    if url.startswith(("postgresql://", "postgres://")):
        from blazon.storage.postgres import PostgresDatabase

        return await PostgresDatabase.open(url)
    from blazon.storage.sqlite import SqliteDatabase

    if url == "":
        path = data_dir / "blazon.db"
    elif url.startswith("sqlite://"):
        path = Path(url.removeprefix("sqlite://"))
    else:
        scheme = url.split(":", 1)[0]
        raise SettingsError(
            f"database.url begins with {scheme!r}; give postgresql://user:password@host:5432/name, or"
            " sqlite:///path/to/file, or leave it out for SQLite in the data folder"
        )
    if not writable and not path.exists():
        raise SettingsError(f"there is no database at {path}; is --data-dir right? `blazon up` makes a new one")
    # SQLite would make a file that is missing, and beside an empty one throw away the log of what was written last.
    if writable and has_master_key(data_dir) and not (path.exists() and path.stat().st_size):
        raise lost_database(f"{path} is {'empty' if path.exists() else 'not there'}", data_dir)
    return SqliteDatabase(path, writable=writable)
