"""Serial numbers of certificates: made at random, written and read as the wires do (`5c-1f-…`)."""

import re
import secrets
from typing import Final

from blazon.errors import Malformed

__all__ = ["MOST_OCTETS", "format_serial", "new_serial", "parse_serial", "read_serial"]

MOST_OCTETS: Final = 20
"""RFC 5280 §4.1.2.2."""

_PAIR: Final = "[0-9a-fA-F]{2}"
_SERIAL: Final = re.compile(f"-?{_PAIR}(?:(?:{_PAIR})*|(?:-{_PAIR})*|(?::{_PAIR})*)")


def new_serial() -> int:
    """A random serial number that fills 20 octets.

    The first bit is clear, as DER would spend a 21st octet on it (RFC 5280 §4.1.2.2), and the second is set, so that
    every serial number has the same length and sorts as text: 158 random bits.
    """
    return secrets.randbits(158) | (1 << 158)


def format_serial(serial: int) -> str:
    """Pairs of hexadecimal digits with `-`: `5c-1f-…`; a negative one, as OpenSSL does, with `-` before them."""
    size = abs(serial)
    return ("-" if serial < 0 else "") + size.to_bytes(max(1, (size.bit_length() + 7) // 8), "big").hex("-")


def read_serial(text: str) -> int:
    """The number of what `format_serial` wrote."""
    size = int(text.replace("-", ""), 16)
    return -size if text.startswith("-") else size


def parse_serial(text: str) -> int:
    """The number of a serial in pairs of hexadecimal digits, with `-`, with `:` or with nothing between them.

    Raises Malformed: something else, or more than 64 pairs.
    """
    if len(text) > 193 or not _SERIAL.fullmatch(text):
        raise Malformed("a serial number is pairs of hexadecimal digits with - between them, such as 5c-1f-00")
    return read_serial(text.replace(":", "-"))
