"""Times kindly: without seconds, with an offset, with parts of a second, or of the other type (RFC 5280 §4.1.2.5)."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from blazon.pkix.ber import Element, primitive, sequence
from blazon.pkix.lenient.doubt import refuse

__all__ = ["validity"]

_UTC_TIME: Final = 0x17
_GENERALIZED_TIME: Final = 0x18
_ZONE: Final = r"(?P<zone>Z|[+-]\d{4})"
_SHORT: Final = re.compile(r"(?P<year>\d\d)(?P<rest>\d{8}(?:\d\d)?)" + _ZONE, re.ASCII)
_LONG: Final = re.compile(r"(?P<year>\d{4})(?P<rest>\d{8}(?:\d\d(?:[.,]\d+)?)?)" + _ZONE, re.ASCII)


def validity(element: Element, place: str) -> Element:
    """A Validity: two times, each in the form RFC 5280 wants. Parts of a second are left out."""
    if len(element.parts) != 2:
        refuse(place, "a begin and an end should stand here", element)
    return sequence(*(_time(part, place) for part in element.parts))


def _time(element: Element, place: str) -> Element:
    if element.tag not in (_UTC_TIME, _GENERALIZED_TIME):
        refuse(place, "a time should stand here", element)
    text = element.content[:40].decode("latin-1")
    # A year of four digits in a UTCTime needs seconds to be told from one of two.
    short = _SHORT.fullmatch(text) if element.tag == _UTC_TIME else None
    long = _LONG.fullmatch(text) if short is None else None
    found = short or long
    try:
        moment = None if found is None else _moment(found)
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        refuse(place, f"{text!r} is not a time in UTC, such as 20300131120000Z", element)
    if 1950 <= moment.year < 2050:
        return primitive(_UTC_TIME, moment.strftime("%y%m%d%H%M%SZ").encode())
    return primitive(_GENERALIZED_TIME, f"{moment.year:04}{moment:%m%d%H%M%SZ}".encode())


def _moment(found: re.Match[str]) -> datetime:
    year, rest, zone = int(found["year"]), found["rest"][:10].ljust(10, "0"), found["zone"]
    if len(found["year"]) == 2:
        year += 1900 if year >= 50 else 2000
    offset = timedelta()
    if zone != "Z":
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:])) * (-1 if zone[0] == "-" else 1)
    month, day, hour, minute, second = (int(rest[at : at + 2]) for at in range(0, 10, 2))
    return datetime(year, month, day, hour, minute, second, tzinfo=timezone(offset)).astimezone(UTC)
