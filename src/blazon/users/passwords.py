"""Passwords: argon2id (RFC 9106), in threads, a few at a time.

One hash takes some 20 ms of a core and 19 MiB; those who wait beyond a bound are told to come back.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from blazon.errors import TooMany

__all__ = ["Passwords"]

T = TypeVar("T")

_THREADS: Final = 2
_WAITING: Final = 200
"""Most hashes that may wait: some two seconds of work."""

# Time cost 2, 19 MiB, one lane: the second choice of OWASP's Password Storage Cheat Sheet for argon2id.
_TIME_COST: Final = 2
_MEMORY_KIB: Final = 19_456


class Passwords:
    """Hashes and checks passwords."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(_TIME_COST, _MEMORY_KIB, 1)
        self._threads = ThreadPoolExecutor(_THREADS, "argon2")
        self._waiting = 0
        self._decoy: str | None = None

    async def hash(self, password: str) -> str:
        """The hash of a password, with its salt and parameters. Raises TooMany."""
        return await self._in_thread(self._hasher.hash, password)

    async def matches(self, password: str, hashed: str | None) -> bool:
        """Whether a password is the one of a hash. No hash takes as long as a wrong password does. Raises TooMany."""
        if hashed is None:
            hashed = self._decoy = self._decoy or await self.hash("nobody has this password")
            await self._in_thread(self._verify, hashed, password)
            return False
        return await self._in_thread(self._verify, hashed, password)

    def _verify(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_thread(self, work: Callable[..., T], *arguments: str) -> T:
        if self._waiting >= _WAITING:
            raise TooMany("too many passwords are being checked at once; try again in a moment", 2)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)
