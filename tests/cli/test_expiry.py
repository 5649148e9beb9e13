"""When something ends: what a person may type, and how it is said back."""

import re
from datetime import UTC, datetime, timedelta

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blazon.cli.pki.expiry import Ending, EndingType, said_back, spelled, timestamp
from blazon.durations import SECOND, format_duration

BEGIN = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def _read(text: str) -> Ending:
    found = EndingType().convert(text, None, None)
    assert isinstance(found, Ending)
    return found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("10y", "2036-11-12T12:00:00Z (10y is 3 640 days; a year is 364 days here)"),
        ("1y", "2027-11-24T12:00:00Z (1y is 364 days)"),
        ("6m", "2026-11-25T12:06:00Z (6m is 6 minutes; there is no unit for months)"),
        ("1h30m", "2026-11-25T13:30:00Z (1h30m is 1 hour 30 minutes; there is no unit for months)"),
        ("90s", "2026-11-25T12:01:30Z (90s is 1 minute 30 seconds)"),
        ("90000ms", "2026-11-25T12:01:30Z (90000ms is 1 minute 30 seconds)"),
        ("1.5h", "2026-11-25T13:30:00Z (1.5h is 1 hour 30 minutes)"),
        ("26w", "2027-05-26T12:00:00Z (26w is 182 days)"),
        ("1y2w3d", "2027-12-11T12:00:00Z (1y2w3d is 381 days; a year is 364 days here)"),
        ("30d", "2026-12-25T12:00:00Z"),
        ("2030-01-31", "2030-01-31T23:59:59Z"),
        ("2030-01-31T12:00:00Z", "2030-01-31T12:00:00Z"),
        ("2030-01-31t12:00:00.5z", "2030-01-31T12:00:00Z"),
        ("2030-12-31T23:59:60Z", "2031-01-01T00:00:00Z"),
        ("2030-01-31T12:00:00-05:30", "2030-01-31T17:30:00Z"),
        (" 30d ", "2026-12-25T12:00:00Z"),
        ("9999-12-31", "9999-12-31T23:59:59Z"),
    ],
)
def test_it_is_said_back_as_a_date(text: str, said: str) -> None:
    assert said_back(_read(text), BEGIN) == said


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "6", "6 m", "6M", "1mo", "-1d", "0", "0d", "999ms", "300y", "1e3d", "٣d"),
        *("2030-1-31", "2030-02-30", "2030-01-31T12:00:00", "2030-01-31T12:00Z", "2030-01-31T25:00:00Z", "2030-W05-4"),
        *("20300131", "2030-01-31T12:00:00+0100", "0000-01-01", "0001-01-01T00:00:00+10:00"),
    ],
)
def test_anything_else_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(click.BadParameter) as refused:
        _read(text)
    assert "does not say when; write a duration such as 90d" in refused.value.message or "a second" in str(
        refused.value
    )


@given(st.integers(SECOND, 2**63 - 1))
def test_a_duration_ends_when_it_is_over_and_never_after_the_last_second(nanoseconds: int) -> None:
    ending = _read(format_duration(nanoseconds))
    assert ending.expiration() == {"type": "Duration", "duration": format_duration(nanoseconds)}
    assert ending.at(BEGIN) == BEGIN + timedelta(seconds=nanoseconds // SECOND)
    assert ending.at(datetime(9999, 1, 1, tzinfo=UTC)) <= datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


_UNITS = {"day": 86400, "hour": 3600, "minute": 60, "second": 1}


@given(st.integers(SECOND, 2**63 - 1))
def test_words_are_the_two_largest_units(nanoseconds: int) -> None:
    found = re.findall(r"(\d[\d ]*) (day|hour|minute|second)(s?)", spelled(nanoseconds))
    assert 1 <= len(found) <= 2
    assert all((number == "1") == (plural == "") for number, _, plural in found)
    said = sum(int(number.replace(" ", "")) * _UNITS[unit] for number, unit, _ in found)
    smallest = _UNITS[found[-1][1]]
    assert 0 <= nanoseconds // SECOND - said < (smallest if len(found) == 2 else 1)


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_time_is_written_in_rfc_3339(time: datetime) -> None:
    assert datetime.fromisoformat(timestamp(time)) == time.replace(microsecond=0)
