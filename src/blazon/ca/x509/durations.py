"""When something expires: at a time, or after a duration.

Times are Unix seconds: the last of them, 9999-12-31T23:59:59Z, says that there is no end (RFC 5280 §4.1.2.5).
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import msgspec

from blazon.clock import NANOSECONDS, parse_rfc3339
from blazon.durations import SECOND, format_duration, parse_duration
from blazon.errors import Malformed, RuleBroken

__all__ = [
    "NO_END",
    "Expiration",
    "ExpirationType",
    "check_issuance_expiration",
    "format_time",
    "parse_time",
    "read_expiration",
]

NO_END: Final = 253_402_300_799
"""9999-12-31T23:59:59Z."""


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
