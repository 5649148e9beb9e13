"""Connections to PostgreSQL through asyncpg, and what its errors mean to Blazon."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

import asyncpg

from blazon.errors import BlazonError, IntegrityConflict, OutcomeUnknown, RuleBroken, StorageUnavailable
from blazon.storage.engine import StorageDamaged

__all__ = ["Connections", "numbered", "translated", "translation"]

_PATIENCE = 5.0
"""Seconds to wait for a connection before a request is told that the storage is away."""


_SETTINGS: Final = {
    "application_name": "blazon",
    "jit": "off",
    # The server is to notice within half a minute that a machine or the way to it is gone: until then nobody else
    # can have the locks of its sessions, and with them its relays.
    "tcp_keepalives_idle": "15",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}

_NONE: Final[Mapping[str, str]] = MappingProxyType({})

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


_WORD: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


@lru_cache(maxsize=1024)
def numbered(sql: str) -> str:
    """`?` → `$1`, `$2` … No statement of ours holds a question mark for anything else."""
    parts = sql.split("?")
    return "".join(f"{part}${number}" for number, part in enumerate(parts[:-1], 1)) + parts[-1]


@contextmanager
def translated() -> Iterator[None]:
    """Raises what Blazon calls an error of the driver."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise StorageDamaged("PostgreSQL: a text in the database is not UTF-8") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
        raise translation(error) from error


def translation(error: Exception) -> BlazonError:
    """What Blazon calls an error of the driver. Raises it as it is when it is a bug of ours."""
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        return IntegrityConflict(str(error))
    # A parameter of the wrong type is our bug, neither the server's trouble nor the caller's.
    if isinstance(error, asyncpg.DataError) and not isinstance(error.__cause__, TypeError):
        # Its text may hold the value, and that may be a secret; its class is enough.
        kind = _WORD.sub(" ", type(error).__name__.removesuffix("Error")).lower()
        return RuleBroken(f"the database cannot take a value of this request ({kind}); leave that value out")
    if isinstance(error, asyncpg.InternalServerError):  # class XX: a damaged page, an index that contradicts its table
        return StorageDamaged(f"PostgreSQL: {error}")
    if isinstance(error, _PASSING) and not isinstance(error, ValueError):
        return StorageUnavailable(f"PostgreSQL: {str(error) or type(error).__name__}")
    raise error


class Connections:
    """Up to so many connections, made when they are needed; one in doubt is ended, not used again.

    asyncpg has a pool of its own; it asks the server to reset each connection that is given back, which costs a round
    trip for every read, and gets stuck over connections that broke in the middle.
    """

    def __init__(self, url: str, settings: Mapping[str, str], size: int, statement: float) -> None:
        """`statement` is how long one may take, in seconds, unless it says otherwise."""
        self._url = url
        self._statement = statement
        self._settings = {**_SETTINGS, **settings}
        self._free = asyncio.Semaphore(size)
        self._idle: list[Any] = []

    async def connect(self, settings: Mapping[str, str] = _NONE) -> Any:
        """One more connection, for whoever keeps it, with more settings of the session. Raises StorageUnavailable."""
        with translated():
            return await asyncpg.connect(
                self._url,
                timeout=_PATIENCE,
                command_timeout=self._statement,
                server_settings={**self._settings, **settings},
            )

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Any]:
        """A connection for a while. Raises StorageUnavailable."""
        with translated():
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

    def end_idle(self) -> None:
        """Ends every connection nobody uses now."""
        for connection in self._idle:
            connection.terminate()
        self._idle.clear()
