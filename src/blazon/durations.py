"""The duration grammar of the CA API.

A duration is numbers with units, largest first as it is written, in any order as it is read: `1y2w3d4h5m6s`, `90m`,
`1.5h`. Units are ns, us (µs), ms, s, m, h, d (24 h), w (7 d), y (364 d).
"""

import re
from decimal import Decimal
from typing import Final

from blazon.errors import Malformed

__all__ = ["LONGEST", "SECOND", "format_duration", "parse_duration"]

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
