"""Time spans as people write them."""

import re
from typing import Final

__all__ = ["Duration"]

_UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)", re.ASCII)
_PLAIN: Final = re.compile(r"\d+(\.\d+)?", re.ASCII)
_LONGEST: Final = 100 * 365 * 86400
"""Seconds: a hundred years, which Unix nanoseconds still hold."""


class Duration(float):
    """A time span in seconds; written as in `15m`, `24h`, `1h30m`, `500ms`, or as a number of seconds."""

    @classmethod
    def parse(cls, value: object) -> "Duration":
        """Reads a time span of at most a hundred years. Raises ValueError."""
        seconds = -1.0
        if isinstance(value, int | float) and not isinstance(value, bool):
            seconds = value
        elif isinstance(value, str) and _PLAIN.fullmatch(value):
            seconds = float(value)
        elif isinstance(value, str):
            parts = _PART.findall(value)
            if parts and "".join(number + unit for number, unit in parts) == value:
                seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
        if not 0 <= seconds <= _LONGEST:  # so that neither infinity nor what is no number passes
            raise ValueError("write a time span such as 500ms, 30s, 15m, 24h, 7d")
        return cls(seconds)

    def __str__(self) -> str:
        for unit in ("d", "h", "m"):
            if self >= _UNITS[unit] and self % _UNITS[unit] == 0:
                return f"{self / _UNITS[unit]:g}{unit}"
        return f"{self * 1000:g}ms" if 0 < self < 1 else f"{float(self):g}s"
