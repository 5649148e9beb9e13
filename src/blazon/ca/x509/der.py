"""Writing DER (X.690): just what CRLs and OCSP answers need, as bytes put together. Reading is done by others."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

__all__ = [
    "BIT_STRING",
    "BOOLEAN_TRUE",
    "ENUMERATED",
    "NULL",
    "OCTET_STRING",
    "SEQUENCE",
    "bit_string",
    "explicit",
    "generalized_time",
    "integer",
    "object_identifier",
    "octets",
    "sequence",
    "time",
    "tlv",
]

BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
ENUMERATED: Final = 0x0A
SEQUENCE: Final = 0x30
NULL: Final = b"\x05\x00"
BOOLEAN_TRUE: Final = b"\x01\x01\xff"

_INTEGER: Final = 0x02
_OBJECT_IDENTIFIER: Final = 0x06
_UTC_TIME: Final = 0x17
_GENERALIZED_TIME: Final = 0x18
_YEAR_2050: Final = 2_524_608_000


def tlv(tag: int, content: bytes) -> bytes:
    """Tag, length in the definite form, content."""
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets_of_length = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets_of_length))) + octets_of_length + content


def sequence(*parts: bytes) -> bytes:
    """A SEQUENCE of parts that are encoded already."""
    return tlv(SEQUENCE, b"".join(parts))


def explicit(number: int, content: bytes) -> bytes:
    """A context-specific, constructed tag around what is encoded already."""
    return tlv(0xA0 | number, content)


def octets(content: bytes) -> bytes:
    """An OCTET STRING."""
    return tlv(OCTET_STRING, content)


def bit_string(content: bytes) -> bytes:
    """A BIT STRING of whole octets."""
    return tlv(BIT_STRING, b"\x00" + content)


def integer(number: int) -> bytes:
    """An INTEGER."""
    return tlv(
        _INTEGER, number.to_bytes((number if number >= 0 else ~number).bit_length() // 8 + 1, "big", signed=True)
    )


@lru_cache(maxsize=64)
def object_identifier(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER."""
    first, second, *rest = map(int, dotted.split("."))
    content = b""
    for arc in (first * 40 + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(arc & 0x7F | 0x80)
        content += bytes(reversed(groups))
    return tlv(_OBJECT_IDENTIFIER, content)


@lru_cache(maxsize=4096)  # many certificates are revoked in the same second
def time(seconds: int) -> bytes:
    """A Time of Unix seconds: UTCTime before 2050, GeneralizedTime from then on (RFC 5280 §4.1.2.5)."""
    if seconds >= _YEAR_2050:
        return generalized_time(seconds)
    return tlv(_UTC_TIME, datetime.fromtimestamp(seconds, UTC).strftime("%y%m%d%H%M%SZ").encode())


@lru_cache(maxsize=1024)  # what is signed in one second has the same times
def generalized_time(seconds: int) -> bytes:
    """A GeneralizedTime of Unix seconds."""
    return tlv(_GENERALIZED_TIME, datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%d%H%M%SZ").encode())
