"""The words of the CA API: serial numbers, durations, expirations, reasons."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blazon.ca.x509 import (
    NO_END,
    Expiration,
    ExpirationType,
    Reason,
    check_issuance_expiration,
    format_duration,
    format_serial,
    format_time,
    new_serial,
    parse_duration,
    parse_serial,
    parse_time,
    read_expiration,
)
from blazon.errors import Malformed, RuleBroken
from tests.ca.x509.support import DAY, NOW

SECOND = 1_000_000_000


@given(st.integers(-(2**160), 2**160))
@example(0)
@example(0x80)
@example(-0x80)
def test_a_serial_number_is_written_and_read(serial: int) -> None:
    text = format_serial(serial)
    assert parse_serial(text) == parse_serial(text.upper()) == serial
    pairs = text.removeprefix("-")
    for written in (pairs.replace("-", ":"), pairs.replace("-", "")):
        assert parse_serial(text.removesuffix(pairs) + written) == serial
    assert format_serial(parse_serial(text)) == text


def test_a_serial_number_looks_as_on_the_wire() -> None:
    text = "b0-32-b8-77-bd-03-17-5a-61-26-fe-40-a7-2e-12-c0-0b-47-a9-6c"
    assert format_serial(parse_serial(text)) == text
    assert format_serial(1) == "01"
    assert format_serial(-0x11D4) == "-11-d4"  # openssl x509 -serial: -11D4


@pytest.mark.parametrize(
    "text", ["", "a", "zz", "aa-", "--aa", "-", "aa-bb:cc", "aa--bb", "aabb-cc", "0x01", "aa bb", "٣٣"]
)
def test_what_is_no_serial_number_is_malformed(text: str) -> None:
    with pytest.raises(Malformed, match="pairs of hexadecimal digits"):
        parse_serial(text)


def test_a_serial_number_has_no_endless_length() -> None:
    with pytest.raises(Malformed):
        parse_serial("aa" * 1000)


def test_new_serial_numbers_are_positive_differ_and_fill_twenty_octets() -> None:
    made = {new_serial() for _ in range(1000)}
    assert len(made) == 1000
    assert {serial.bit_length() for serial in made} == {159}
    assert {len(format_serial(serial)) for serial in made} == {59}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("90m", 5400),
        ("1.5h", 5400),
        ("24h", DAY),
        ("1d", DAY),
        ("1w", 7 * DAY),
        ("1y", 364 * DAY),
        ("52w", 364 * DAY),
        ("14w2d", 100 * DAY),
        ("1y2w3d4h5m6s", 364 * DAY + 14 * DAY + 3 * DAY + 4 * 3600 + 5 * 60 + 6),
        ("2d1y", 366 * DAY),
    ],
)
def test_a_duration_is_read(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds * SECOND


def test_a_duration_is_read_to_the_nanosecond() -> None:
    assert parse_duration("1ns") == 1
    assert parse_duration("1us") == parse_duration("1µs") == parse_duration("1μs") == 1000
    assert parse_duration("1ms2us3ns") == 1_002_003
    assert parse_duration("0.1s") == 100_000_000


@given(st.integers(0, 2**63 - 1))
def test_a_duration_is_written_and_read(nanoseconds: int) -> None:
    assert parse_duration(format_duration(nanoseconds)) == nanoseconds


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (364 * DAY, "1y"), (100 * DAY, "14w2d"), (3661, "1h1m1s"), (7 * DAY, "1w")]
)
def test_a_duration_is_written_with_its_largest_units_first(seconds: int, text: str) -> None:
    assert format_duration(seconds * SECOND) == text


@pytest.mark.parametrize("text", ["", "1", "-1d", "1x", "d", "1 d", "1d ", "1dd", "1e3s", ".5h", "1.h", "٣d", "1D"])
def test_what_is_no_duration_is_malformed(text: str) -> None:
    with pytest.raises(Malformed, match="numbers with units"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["294y", "9999999999999999999y", "9" * 200 + "y", "1y" * 300])
def test_a_duration_that_is_too_long_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        parse_duration(text)
    with pytest.raises(ValueError, match="not negative"):
        format_duration(-1)


@given(st.integers(0, NO_END))
def test_a_time_is_written_and_read(seconds: int) -> None:
    assert parse_time(format_time(seconds)) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2024-02-11T13:54:30Z", 1707659670),
        ("2024-02-11T14:54:30+01:00", 1707659670),
        ("2024-02-11T13:54:30.999Z", 1707659670),
        ("9999-12-31T23:59:59Z", NO_END),
        ("9999-12-31T23:59:59.999Z", NO_END),
        ("9999-12-31T23:59:59.999999Z", NO_END),
        ("9999-12-31t23:59:59.999999999z", NO_END),
    ],
)
def test_times_of_others_are_read(text: str, seconds: int) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2024-02-11",
        "2024-02-11T13:54:30",
        "2024-13-01T00:00:00Z",
        "1707659670",
        "2024-W06-7T13:54:30Z",
        "20240211T135430Z",
    ],
)
def test_what_is_no_time_is_malformed(text: str) -> None:
    with pytest.raises(Malformed, match="RFC 3339"):
        parse_time(text)


def test_an_expiration_is_a_time_or_a_duration() -> None:
    at = read_expiration("Time", "2034-01-01T00:00:00Z", None)
    assert at.ends_at(NOW) == int(datetime(2034, 1, 1, tzinfo=UTC).timestamp())
    assert at.wire() == {"type": "Time", "time": "2034-01-01T00:00:00Z"}
    after = read_expiration("Duration", None, "14w2d")
    assert after.ends_at(NOW) == NOW + 100 * DAY
    assert after.wire() == {"type": "Duration", "duration": "14w2d", "time": str(100 * DAY * 1000)}
    assert list(after.wire()) == ["type", "duration", "time"]
    assert read_expiration("Time", "9999-12-31T23:59:59.999Z", "ignored").ends_at(NOW) == NO_END


@pytest.mark.parametrize(
    ("kind", "time", "duration"),
    [
        ("Time", None, "1d"),
        ("Time", "", None),
        ("Duration", "2034-01-01T00:00:00Z", None),
        ("Duration", None, ""),
        ("time", "2034-01-01T00:00:00Z", None),
        ("", None, None),
        ("Time", "0001-01-01T00:00:00Z", None),
        ("Duration", None, "0s"),
        ("Duration", None, "1ms"),
    ],
)
def test_an_expiration_that_is_neither_is_malformed(kind: str, time: str | None, duration: str | None) -> None:
    with pytest.raises(Malformed, match="incompatible expiration time ref"):
        read_expiration(kind, time, duration)


@given(st.integers(0, NO_END), st.integers(SECOND, 2**63 - 1))
def test_no_duration_goes_beyond_the_end_of_time(now: int, duration: int) -> None:
    ends = Expiration(ExpirationType.DURATION, duration=duration).ends_at(now)
    assert now <= ends <= NO_END


def test_what_a_ca_issues_ends_with_it_at_the_latest() -> None:
    a_day = Expiration(ExpirationType.DURATION, duration=DAY * SECOND)
    check_issuance_expiration(a_day, now=NOW, ca_valid_to=NOW + DAY)
    with pytest.raises(Malformed, match="issuance expiration greater than CA expiration"):
        check_issuance_expiration(a_day, now=NOW, ca_valid_to=NOW + DAY - 1)
    with pytest.raises(RuleBroken, match="over already"):
        check_issuance_expiration(Expiration(ExpirationType.TIME, time=NOW), now=NOW, ca_valid_to=NOW + DAY)


def test_reasons_have_the_codes_of_rfc_5280() -> None:
    assert {reason.value: reason.code for reason in Reason} == {
        "Unspecified": 0,
        "KeyCompromise": 1,
        "CACompromise": 2,
        "AffiliationChanged": 3,
        "Superseded": 4,
        "CessationOfOperation": 5,
        "CertificateHold": 6,
        "RemoveFromCRL": 8,
        "PrivilegeWithdrawn": 9,
        "AACompromise": 10,
    }
