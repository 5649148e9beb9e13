"""The time, behind one small interface, so that tests can move it."""

import time
from functools import lru_cache
from typing import Protocol

__all__ = ["NANOSECONDS", "TOLERANCE", "Clock", "ComparedClock", "ManualClock", "SystemClock", "rfc3339"]

NANOSECONDS = 1_000_000_000
"""Nanoseconds in a second."""

TOLERANCE = 2 * NANOSECONDS
"""How far two clocks may be apart: machines that keep time (NTP) are within some milliseconds."""

_ZERO = "0001-01-01T00:00:00Z"


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> int:
        """The time now: Unix nanoseconds, UTC."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> int:
        """The time now: Unix nanoseconds, UTC."""
        return time.time_ns()


class ComparedClock:
    """The clock of the machine, compared now and then with one that several machines share.

    While the two are further apart than `TOLERANCE`, it tells the time by the shared one.
    """

    def __init__(self, machine: Clock) -> None:
        self._machine = machine
        self.ahead = 0
        """Nanoseconds the machine is ahead of the shared clock, negative when behind; 0 while they agree."""

    def now(self) -> int:
        """The time now: Unix nanoseconds, UTC."""
        return self._machine.now() - self.ahead

    def compare(self, shared: int, took: int) -> None:
        """Compares with the shared clock, which told the time `shared` at most `took` nanoseconds ago."""
        machine = self._machine.now()
        agrees = machine - took - TOLERANCE <= shared <= machine + TOLERANCE
        self.ahead = 0 if agrees else machine - shared


class ManualClock:
    """A clock that stands still until it is moved."""

    def __init__(self, start: int = 1_693_307_171_925_834_295) -> None:
        self._now = start

    def now(self) -> int:
        """The time it was last set to: Unix nanoseconds, UTC."""
        return self._now

    def move(self, seconds: float) -> None:
        """Moves the clock by so many seconds; backwards when negative."""
        self._now += round(seconds * NANOSECONDS)


def rfc3339(nanoseconds: int) -> str:
    """RFC 3339 in UTC with `Z`, microseconds, trailing zeros trimmed: `2023-08-29T12:17:50.57866Z`.

    Zero is the zero time of the wires, `0001-01-01T00:00:00Z`.
    """
    if nanoseconds == 0:
        return _ZERO
    seconds, rest = divmod(nanoseconds, NANOSECONDS)
    micros = rest // 1000
    if micros == 0:
        return _to_the_second(seconds) + "Z"
    return f"{_to_the_second(seconds)}.{micros:06d}".rstrip("0") + "Z"


# Events that follow each other share their second: formatting it once halves the cost of a flat map.
@lru_cache(maxsize=64)
def _to_the_second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
