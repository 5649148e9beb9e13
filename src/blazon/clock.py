"""The time, behind one small interface, so that tests can move it."""

import re
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol

__all__ = [
    "NANOSECONDS",
    "TOLERANCE",
    "Clock",
    "ComparedClock",
    "ManualClock",
    "SystemClock",
    "parse_rfc3339",
    "rfc3339",
]

NANOSECONDS = 1_000_000_000
"""Nanoseconds in a second."""

TOLERANCE = 2 * NANOSECONDS
"""How far two clocks may be apart: machines that keep time (NTP) are within some milliseconds."""

_ZERO = "0001-01-01T00:00:00Z"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
    digits = str(micros).zfill(6).rstrip("0")  # the format `06d` takes twice as long
    return f"{_to_the_second(seconds)}.{digits}Z"


_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt]([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)(?:\.(\d+))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))",
    re.ASCII,
)


def parse_rfc3339(text: str) -> int:
    """A time in RFC 3339 §5.6 as Unix nanoseconds; finer parts of a second are left out.

    Its letters may be small. It has a zone, and seconds: week dates, ordinal dates and the basic format of ISO 8601 are
    none. A leap second is the first second after it. Raises ValueError.
    """
    found = _RFC3339.fullmatch(text)
    if found is None:
        raise ValueError("not a time as in RFC 3339, such as 2030-01-31T12:00:00Z")
    year, month, day, hour, minute, second = (int(found[group]) for group in range(1, 7))
    # In whole numbers: a float of seconds cannot hold the last microsecond of the year 9999.
    seconds = (datetime(year, month, day, tzinfo=UTC) - _EPOCH).days * 86400 + hour * 3600 + minute * 60
    if found[8]:
        offset = int(found[9]) * 3600 + int(found[10]) * 60
        seconds -= offset if found[8] == "+" else -offset
    if second == 60 and seconds % 86400 != 86340:
        raise ValueError("a leap second is the last of a day in UTC")
    return (seconds + second) * NANOSECONDS + int((found[7] or "")[:9].ljust(9, "0"))


# Events that follow each other share their second: formatting it once halves the cost of a flat map.
@lru_cache(maxsize=64)
def _to_the_second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
