"""Failed sign-ins: who guesses is slowed down.

Failures are counted for each identity from one address, for each address, and for each identity, in a window that
begins with the first of them; successes are not counted. The first count is the strict one, so that a stranger
elsewhere cannot lock a user out with a few guesses. The counts are in memory and bounded: a restart forgets them, which
a guesser cannot cause.
"""

from collections import OrderedDict
from typing import Final

import msgspec

from blazon.clock import NANOSECONDS, Clock
from blazon.errors import TooMany

__all__ = ["AttemptLimits", "Attempts"]

_REMEMBERED: Final = 100_000

_Key = tuple[str | None, str | None]
"""An identity and an address; None is any."""


class AttemptLimits(msgspec.Struct, frozen=True):
    """How many failures are let through in a window of so many seconds."""

    per_identity_and_address: int = 10
    per_address: int = 100
    per_identity: int = 100
    seconds: int = 60


class Attempts:
    """Counts failures."""

    def __init__(self, limits: AttemptLimits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._failures: OrderedDict[_Key, tuple[int, int]] = OrderedDict()

    def check(self, identity: str, address: str) -> None:
        """Raises TooMany when this identity or this address has failed too often lately."""
        now = self._clock.now()
        for key, limit in self._keys(identity, address):
            began, count = self._failures.get(key, (now, 0))
            left = began + self._limits.seconds * NANOSECONDS - now
            if count >= limit and left > 0:
                raise TooMany("too many failed attempts; wait before the next one", 1 + left // NANOSECONDS)

    def failed(self, identity: str, address: str) -> None:
        """Counts one failure."""
        now = self._clock.now()
        for key, _ in self._keys(identity, address):
            began, count = self._failures.pop(key, (now, 0))
            if now - began >= self._limits.seconds * NANOSECONDS:
                began, count = now, 0
            self._failures[key] = (began, count + 1)
        while len(self._failures) > _REMEMBERED:
            self._failures.popitem(last=False)

    def succeeded(self, identity: str, address: str) -> None:
        """Forgets the failures of an identity from an address. Those of the address stay: it may guess at many."""
        self._failures.pop((identity, address), None)

    def _keys(self, identity: str, address: str) -> tuple[tuple[_Key, int], ...]:
        return (
            ((identity, address), self._limits.per_identity_and_address),
            ((None, address), self._limits.per_address),
            ((identity, None), self._limits.per_identity),
        )
