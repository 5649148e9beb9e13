"""The duration grammar of the CA API, and when something expires.

A duration is numbers with units, largest first as it is written, in any order as it is read: `1y2w3d4h5m6s`, `90m`,
`1.5h`. Units are ns, us (µs), ms, s, m, h, d (24 h), w (7 d), y (364 d). Times are Unix seconds: the last of them,
9999-12-31T23:59:59Z, says that there is no end (RFC 5280 §4.1.2.5).
"""

import re
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec

from blazon.clock import NANOSECONDS, parse_rfc3339
from blazon.errors import Malformed, RuleBroken

__all__ = [
    "LONGEST",
    "NO_END",
    "SECOND",
    "Expiration",
    "ExpirationType",
    "check_issuance_expiration",
    "format_duration",
    "format_time",
    "parse_duration",
    "parse_time",
    "read_expiration",
]

NO_END: Final = 253_402_300_799
"""9999-12-31T23:59:59Z."""

SECOND: Final = 1_000_000_000
"""In nanoseconds."""

_UNITS: Final = {
    "y": 364 * 86400 * SECOND,
    "w": 7 * 86400 * SECOND,
    "d": 86400 * SECOND,
    "h": 3600 * SECOND,
    "m": 60 * SECOND,
    "s": SECOND,
    "ms": 1_000_000,
    "us": 1000,
    "µs": 1000,  # U+00B5
    "μs": 1000,  # U+03BC
    "ns": 1,
}
_WRITTEN: Final = ("y", "w", "d", "h", "m", "s", "ms", "us", "ns")
_PART: Final = re.compile(r"(\d{1,19}(?:\.\d{1,18})?)(ns|us|µs|μs|ms|s|m|h|d|w|y)", re.ASCII)
LONGEST: Final = 2**63 - 1
"""The longest duration, in nanoseconds."""


class ExpirationType(StrEnum):
    """The two ways to say when something expires."""

    TIME = "Time"
    DURATION = "Duration"


class Expiration(msgspec.Struct, frozen=True):
    """When something expires: at `time` (Unix seconds), or after `duration` (nanoseconds)."""

    type: ExpirationType
    time: int = 0
    duration: int = 0

    def ends_at(self, now: int) -> int:
        """When it ends for what begins now; both in Unix seconds. Never after NO_END."""
        if self.type is ExpirationType.TIME:
            return self.time
        return min(now + self.duration // SECOND, NO_END)

    def wire(self) -> dict[str, str]:
        """As the wires show it: a Time with its time, a Duration with itself and as `time` its milliseconds."""
        if self.type is ExpirationType.TIME:
            return {"type": self.type.value, "time": format_time(self.time)}
        return {
            "type": self.type.value,
            "duration": format_duration(self.duration),
            "time": str(self.duration // 1_000_000),
        }


def parse_duration(text: str) -> int:
    """A duration in nanoseconds, less than 2⁶³ of them (292 years). Raises Malformed."""
    parts = _PART.findall(text) if len(text) <= 200 else []
    if text != "0" and (not parts or "".join(number + unit for number, unit in parts) != text):
        raise Malformed("a duration is numbers with units ns, us, ms, s, m, h, d, w, y, such as 1y2w or 90d")
    total = int(sum((Decimal(number) * _UNITS[unit] for number, unit in parts), Decimal(0)))
    if total > LONGEST:
        raise Malformed(
            "a duration is less than 2^63 nanoseconds, 292 years; use a time of 9999-12-31T23:59:59Z for no end"
        )
    return total


def format_duration(nanoseconds: int) -> str:
    """The duration with its largest units first: `1y2w3d4h5m6s`; nothing is `0s`. It is not negative."""
    if nanoseconds < 0:
        raise ValueError("a duration is not negative")
    written = ""
    for unit in _WRITTEN:
        number, nanoseconds = divmod(nanoseconds, _UNITS[unit])
        if number:
            written += f"{number}{unit}"
    return written or "0s"


def parse_time(text: str) -> int:
    """A time in RFC 3339 as Unix seconds, a part of a second left out. Raises Malformed."""
    try:
        return parse_rfc3339(text) // NANOSECONDS
    except ValueError:
        raise Malformed("a time is as in RFC 3339, such as 2030-01-31T12:00:00Z") from None


def format_time(seconds: int) -> str:
    """Unix seconds as RFC 3339 in UTC with `Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_expiration(kind: str, time: str | None, duration: str | None) -> Expiration:
    """An expiration as a request gives it. Raises Malformed (incompatible expiration time ref)."""
    if kind == ExpirationType.TIME and time:
        seconds = parse_time(time)
        if not 0 < seconds <= NO_END:
            raise Malformed("incompatible expiration time ref", "the time must lie between 1970 and 9999")
        return Expiration(ExpirationType.TIME, time=seconds)
    if kind == ExpirationType.DURATION and duration:
        nanoseconds = parse_duration(duration)
        if nanoseconds < SECOND:
            raise Malformed("incompatible expiration time ref", "the duration is less than a second")
        return Expiration(ExpirationType.DURATION, duration=nanoseconds)
    raise Malformed("incompatible expiration time ref", "type is Time with a time, or Duration with a duration")


def check_issuance_expiration(expiration: Expiration, *, now: int, ca_valid_to: int) -> None:
    """What a CA issues must not outlive it. Times are Unix seconds.

    Raises Malformed (the CA API answers 400) when it would, RuleBroken when the expiration is over already.
    """
    ends = expiration.ends_at(now)
    if ends > ca_valid_to:
        raise Malformed(
            "issuance expiration greater than CA expiration", f"{format_time(ends)} is after {format_time(ca_valid_to)}"
        )
    if ends <= now:
        raise RuleBroken(f"issuance expiration is over already: {format_time(ends)}")
