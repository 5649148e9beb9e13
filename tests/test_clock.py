"""Times as text: written by one rule, read by RFC 3339 and by nothing that is wider."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blazon.clock import NANOSECONDS, parse_rfc3339, rfc3339

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_offsets = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(datetime(2, 1, 1), datetime(9999, 12, 30), timezones=st.just(UTC)), _offsets)  # noqa: DTZ001
def test_any_time_in_any_zone_is_read(moment: datetime, zone: timezone) -> None:
    nanoseconds = (moment - _EPOCH) // timedelta(microseconds=1) * 1000
    text = moment.astimezone(zone).isoformat()
    assert parse_rfc3339(text) == nanoseconds
    assert parse_rfc3339(text.lower()) == nanoseconds


@given(st.integers(1, 253_402_300_799 * NANOSECONDS))
def test_what_is_written_is_read(nanoseconds: int) -> None:
    assert parse_rfc3339(rfc3339(nanoseconds)) == nanoseconds // 1000 * 1000


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:01z", NANOSECONDS),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:00:00-01:00", 0),
        ("1969-12-31T23:59:59.5Z", -NANOSECONDS // 2),
        ("2030-01-31T12:00:00.123456789123Z", 1_896_091_200_123_456_789),
        ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999_000),
        ("9999-12-31T23:59:59.9999999999Z", 253_402_300_799_999_999_999),
        ("2016-12-31T23:59:60Z", 1_483_228_800 * NANOSECONDS),
        ("2017-01-01T00:59:60+01:00", 1_483_228_800 * NANOSECONDS),
        ("0001-01-01T00:00:00Z", -62_135_596_800 * NANOSECONDS),
    ],
)
def test_times_by_rfc_3339(text: str, nanoseconds: int) -> None:
    assert parse_rfc3339(text) == nanoseconds


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "2030-01-31", "2030-01-31T12:00Z", "2030-01-31T12:00:00", "2030-01-31 12:00:00Z"),
        *("20300131T120000Z", "2030-W05-4T12:00:00Z", "2030-031T12:00:00Z", "2030-01-31T120000Z", "2030-01-31T12Z"),
        *("2030-02-30T12:00:00Z", "2030-01-31T24:00:00Z", "2030-01-31T12:60:00Z", "2030-01-31T12:00:60Z"),
        *("2030-01-31T12:00:00,5Z", "2030-01-31T12:00:00.Z", "2030-01-31T12:00:00+0100", "2030-01-31T12:00:00+24:00"),
        *("2030-01-31T12:00:00+01", "0000-01-01T00:00:00Z", "٢٠٣٠-01-31T12:00:00Z", "2030-01-31T12:00:00Z\n"),
    ],
)
def test_everything_else_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"RFC 3339|leap second|out of range|must be in|year 0"):
        parse_rfc3339(text)
