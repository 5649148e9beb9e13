"""Failed sign-ins: who guesses is slowed down.

Failures are counted for each identity from one address, for each address, and for each identity, in a window that
begins with the first of them; successes are not counted. The first count is the strict one, so that a stranger
elsewhere cannot lock a user out with a few guesses. An attempt counts from its beginning until it is known to be none
that failed: to check a password takes long, and guesses sent at once must not all be let through before the first of
them is found wrong. Those that fit into the limit only if others succeed wait for these.

The counts are in memory and bounded: a restart forgets them, which a guesser cannot cause.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from blazon.clock import NANOSECONDS, Clock
from blazon.errors import TooMany, Unauthenticated

__all__ = ["AttemptLimits", "Attempts"]

_REMEMBERED: Final = 100_000
_WAITING: Final = 200
"""Most attempts that wait for others, as many as passwords may wait to be checked."""

_Key = tuple[str | None, str | None]
"""An identity and an address; None is any."""


class AttemptLimits(msgspec.Struct, frozen=True):
    """How many failures are let through in a window of so many seconds."""

    per_identity_and_address: int = 10
    per_address: int = 100
    per_identity: int = 100
    seconds: int = 60


class _Count:
    """The attempts in one window: those that failed, and those of which it is not known yet."""

    __slots__ = ("began", "failed", "running")

    def __init__(self, began: int) -> None:
        self.began = began
        self.failed = 0
        self.running = 0


class Attempts:
    """Counts failures."""

    def __init__(self, limits: AttemptLimits, clock: Clock, remembered: int = _REMEMBERED) -> None:
        """`remembered` is how many identities and addresses are counted at most; the oldest are forgotten first."""
        self._limits = limits
        self._remembered = remembered
        self._clock = clock
        self._counts: OrderedDict[_Key, _Count] = OrderedDict()
        self._ended = asyncio.Event()
        self._waiting = 0

    def count(self, identity: str, address: str) -> None:
        """Counts something of which there may only be so many, however it ends. Raises TooMany."""
        for count in self._begun(identity, address).values():
            count.failed += 1
            count.running -= 1

    @asynccontextmanager
    async def attempt(self, identity: str, address: str) -> AsyncIterator[None]:
        """An attempt, which fails when the block raises Unauthenticated. Raises TooMany.

        When the block ends well, the failures of this identity from this address are forgotten. Those of the address
        stay, for it may guess at many. What ends in another way, because the database is away, is neither.
        """
        await self._turn(identity, address)
        counts = self._begun(identity, address)
        try:
            yield
            counts[identity, address].failed = 0
        except Unauthenticated:
            for count in counts.values():
                count.failed += 1
            raise
        finally:
            for key, count in counts.items():
                count.running -= 1
                if not count.running and not count.failed and self._counts.get(key) is count:
                    del self._counts[key]
            self._ended.set()
            self._ended = asyncio.Event()

    async def _turn(self, identity: str, address: str) -> None:
        """Waits until one more attempt fits into every limit, also if all that run now fail. Raises TooMany."""
        while not self._fits(identity, address):
            if self._waiting >= _WAITING:
                raise TooMany("too many attempts at once; try again in a moment", 2)
            self._waiting += 1
            try:
                await self._ended.wait()
            finally:
                self._waiting -= 1

    def _fits(self, identity: str, address: str) -> bool:
        now, window = self._clock.now(), self._limits.seconds * NANOSECONDS
        fits = True
        for key, limit in self._limited(identity, address):
            count = self._counts.get(key)
            if count is None:
                continue
            if not 0 <= now - count.began < window:  # also when the clock was put back
                count.began, count.failed = now, 0
            if count.failed >= limit:
                left = count.began + window - now
                raise TooMany("too many failed attempts; wait before the next one", 1 + left // NANOSECONDS)
            fits = fits and count.failed + count.running < limit
        return fits

    def _begun(self, identity: str, address: str) -> Mapping[_Key, _Count]:
        """The counts of an attempt that begins. Who is turned away leaves none, and cannot push out those of others."""
        if not self._fits(identity, address):
            raise TooMany("too many attempts at once; try again in a moment", 2)
        counts = {}
        for key, _ in self._limited(identity, address):
            counts[key] = count = self._counts.setdefault(key, _Count(self._clock.now()))
            count.running += 1
            self._counts.move_to_end(key)
        while len(self._counts) > self._remembered:
            self._counts.popitem(last=False)
        return counts

    def _limited(self, identity: str, address: str) -> Iterable[tuple[_Key, int]]:
        limits = self._limits
        return (
            ((identity, address), limits.per_identity_and_address),
            ((None, address), limits.per_address),
            ((identity, None), limits.per_identity),
        )
