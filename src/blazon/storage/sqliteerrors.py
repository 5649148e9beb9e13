"""Errors of SQLite → errors of Blazon."""

from collections.abc import Iterator
from contextlib import contextmanager

import apsw

from blazon.errors import BlazonError, IntegrityConflict, StorageUnavailable
from blazon.storage.engine import StorageDamaged

__all__ = ["REFUSED_COMMIT", "damaged", "translated", "translation"]

_PASSING = (
    apsw.BusyError,
    apsw.CantOpenError,
    apsw.FullError,
    apsw.IOError,
    apsw.LockedError,
    apsw.NoMemError,
    apsw.ProtocolError,
    apsw.ReadOnlyError,
)

_DAMAGED = (apsw.CorruptError, apsw.NotADBError, apsw.FormatError)

REFUSED_COMMIT = (apsw.BusyError, apsw.FullError, apsw.LockedError, apsw.ReadOnlyError)
"""Errors of COMMIT after which nothing can be kept: the last page, which holds the mark of the commit, was not written.
After any other it may have been, and SQLite would find it there after a crash."""


@contextmanager
def translated() -> Iterator[None]:
    """Raises an error of the driver as one of Blazon."""
    try:
        yield
    except (apsw.Error, UnicodeDecodeError) as error:
        raise translation(error) from error


def translation(error: apsw.Error | UnicodeDecodeError) -> BlazonError:
    """The error to raise instead. Raises the one given if it is a bug."""
    if isinstance(error, UnicodeDecodeError):
        return StorageDamaged("SQLite: a text in the database is not UTF-8")
    if isinstance(error, _DAMAGED):
        return damaged(error)
    if isinstance(error, apsw.ConstraintError):
        return IntegrityConflict(str(error))
    if isinstance(error, _PASSING):
        return StorageUnavailable(f"SQLite: {error}")
    raise error


def damaged(error: apsw.Error) -> StorageDamaged:
    """What SQLite says may repeat what it stumbled over, line feeds and all."""
    text = "".join(character if character.isprintable() else " " for character in str(error))
    return StorageDamaged(f"SQLite: {text}")
