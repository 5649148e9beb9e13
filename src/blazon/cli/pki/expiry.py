"""When something ends, as a person types it: after a duration, on a day, or at a time. It is repeated as a date."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import click

from blazon.cli.output import one_line
from blazon.clock import NANOSECONDS, parse_rfc3339
from blazon.durations import SECOND, parse_duration
from blazon.errors import Malformed

__all__ = ["Ending", "EndingType", "said_back", "say_ending", "say_issuing", "spelled", "timestamp"]

_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DATED: Final = re.compile(r"\d{4}-\d\d-\d\d.*", re.ASCII)
_DAYS: Final = re.compile(r"\d+d", re.ASCII)
_MINUTES: Final = re.compile(r"\dm(?!s)", re.ASCII)
_YEAR: Final = parse_duration("1y")
_NO_END: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_UNITS: Final = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_HOW: Final = (
    "write a duration such as 90d or 1y (units: s, m for minutes, h, d, w, y for 364 days), a day such as 2030-01-31,"
    " or a time such as 2030-01-31T12:00:00Z"
)


class Ending(NamedTuple):
    """When something ends: `duration` after it began, in nanoseconds, or at `time`. `text` is what was typed."""

    text: str
    duration: int = 0
    time: datetime | None = None

    def at(self, begin: datetime) -> datetime:
        """When it ends, if it begins then."""
        if self.time is not None:
            return self.time
        return begin + min(timedelta(seconds=self.duration // SECOND), _NO_END - begin)

    def expiration(self) -> dict[str, str]:
        """As the API takes an expiration."""
        if self.time is not None:
            return {"type": "Time", "time": timestamp(self.time)}
        return {"type": "Duration", "duration": self.text}


class EndingType(click.ParamType[Ending]):
    """A duration, a day (its last second, UTC) or a time."""

    name = "WHEN"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """What was typed, read."""
        if isinstance(value, Ending):
            return value
        text = str(value).strip()
        try:
            if _DATED.fullmatch(text):
                seconds = parse_rfc3339(f"{text}T23:59:59Z" if _DAY.fullmatch(text) else text) // NANOSECONDS
                return Ending(text, time=datetime.fromtimestamp(seconds, UTC))
            duration = parse_duration(text)
        except (ValueError, OverflowError, Malformed):
            self.fail(f"{text!r} does not say when; {_HOW}", param, ctx)
        if duration < SECOND:
            self.fail(f"{text!r} is less than a second; {_HOW}", param, ctx)
        return Ending(text, duration=duration)


def timestamp(time: datetime) -> str:
    """A time in RFC 3339, UTC, to the second."""
    # strftime does not fill years up to four digits everywhere.
    return time.astimezone(UTC).replace(tzinfo=None, microsecond=0).isoformat() + "Z"


def spelled(nanoseconds: int) -> str:
    """A duration in words, its two largest units: `3 640 days`, `1 hour 30 minutes`."""
    left = nanoseconds // SECOND
    words = []
    for size, unit in _UNITS:
        number, left = divmod(left, size)
        if number:
            words.append(f"{number:,} {unit}{'' if number == 1 else 's'}".replace(",", " "))
    return " ".join(words[:2]) or "less than a second"


def said_back(ending: Ending, begin: datetime) -> str:
    """When it ends, and what was taken for what: `2026-11-14T12:06:00Z (6m is 6 minutes; …)`."""
    when = timestamp(ending.at(begin))
    if ending.time is not None or _DAYS.fullmatch(ending.text):
        return when
    said = f"{ending.text} is {spelled(ending.duration)}"
    if "y" in ending.text and ending.duration != _YEAR:
        said += "; a year is 364 days here"
    if _MINUTES.search(ending.text):
        said += "; there is no unit for months"
    return f"{when} ({said})"


def say_ending(name: str, ending: Ending, begin: datetime) -> None:
    """Says until when something will be valid, before it is made."""
    click.echo(f"{one_line(name)} will be valid until {said_back(ending, begin)}.", err=True)


def say_issuing(ending: Ending, begin: datetime) -> None:
    """Says until when the certificates of a CA will be valid, before the CA is made."""
    issued = "What it issues" if ending.time is not None else "What it issues today"
    click.echo(f"{issued} will be valid until {said_back(ending, begin)}.", err=True)
