"""BER values as DER wants them written: numbers, truth values, bit strings, object identifiers, strings in pieces."""

from typing import Final

from blazon.errors import Malformed
from blazon.pkix.ber import (
    BIT_STRING,
    BOOLEAN,
    INTEGER,
    NULL,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    SET,
    BerError,
    Element,
    dotted,
    primitive,
    read_element,
)
from blazon.pkix.lenient.doubt import expect, refuse

__all__ = [
    "FALSE",
    "NOTHING",
    "TRUE",
    "boolean",
    "integer",
    "is_der",
    "named_bits",
    "octets",
    "oid",
    "strictly",
    "whole_bits",
]

TRUE: Final = primitive(BOOLEAN, b"\xff")
FALSE: Final = primitive(BOOLEAN, b"\x00")
NOTHING: Final = primitive(NULL, b"")

_CONSTRUCTED: Final = 0x20
_UNUSED: Final = tuple(bytes((count,)) for count in range(8))
_STRINGS: Final = frozenset((OCTET_STRING, 0x0C, 0x12, 0x13, 0x14, 0x16, 0x19, 0x1A, 0x1B, 0x1C, 0x1E))


def integer(element: Element, place: str) -> Element:
    """An INTEGER without octets that only repeat the sign (X.690 §8.3.2)."""
    content = expect(element, INTEGER, place, "a number").content
    if not content:
        refuse(place, "the number has no octets", element)
    while len(content) > 1 and content[0] in (0x00, 0xFF) and content[0] >> 7 == content[1] >> 7:
        content = content[1:]
    return primitive(INTEGER, content)


def boolean(element: Element, place: str) -> bool:
    """A BOOLEAN; anything but zero is true (X.690 §8.2.2)."""
    content = expect(element, BOOLEAN, place, "true or false").content
    if len(content) != 1:
        refuse(place, "true or false takes one octet", element)
    return content != b"\0"


def oid(element: Element, place: str) -> str:
    """An OBJECT IDENTIFIER in digits and dots."""
    text = dotted(expect(element, OBJECT_IDENTIFIER, place, "an object identifier"))
    if not text:
        refuse(place, "this is not an object identifier", element)
    return text


def octets(element: Element, place: str) -> bytes:
    """The content of an OCTET STRING, also of one in pieces."""
    return expect(_joined(element), OCTET_STRING, place, "an octet string").content


def whole_bits(element: Element, place: str) -> Element:
    """A BIT STRING of whole octets, as keys and signatures are: otherwise one could be written in two ways."""
    joined = expect(_joined(element), BIT_STRING, place, "a bit string")
    if joined.content[:1] != b"\0":
        refuse(place, "it is not of whole octets", element)
    return joined


def named_bits(element: Element, place: str) -> int:
    """The bits of a BIT STRING in which each has a meaning, the first as the highest of 16 (X.690 §11.2.2)."""
    joined = expect(_joined(element), BIT_STRING, place, "a bit string")
    unused, bits = joined.content[:1], joined.content[1:]
    if unused not in _UNUSED or (unused != b"\0" and not bits):
        refuse(place, "this is not a bit string", element)
    if bits:
        bits = bits[:-1] + bytes((bits[-1] >> unused[0] << unused[0],))
    return int.from_bytes(bits[:2].ljust(2, b"\0"), "big")


def strictly(element: Element) -> Element:
    """Everything in an element as DER wants it, as far as tags alone tell what it is."""
    joined = _joined(element)
    if not joined.constructed:
        if joined.tag == BOOLEAN and len(joined.content) == 1:
            return FALSE if joined.content == b"\0" else TRUE
        if joined.tag == INTEGER and joined.content:
            return integer(joined, "")
        return primitive(joined.tag, joined.content)
    parts = [strictly(part) for part in joined.parts]
    if joined.tag == SET:
        parts.sort(key=Element.encoded)  # X.690 §11.6
    return Element(joined.tag, parts=tuple(parts))


def is_der(octets: bytes) -> bool:
    """Whether octets are one element in DER, as far as tags alone tell."""
    try:
        return strictly(read_element(octets)).encoded() == octets
    except (BerError, Malformed):
        return False


def _joined(element: Element) -> Element:
    """A string in pieces as one (X.690 §8.6.4, §8.7.3)."""
    tag = element.tag & ~_CONSTRUCTED
    if not element.constructed or element.tag in (SEQUENCE, SET):
        return element
    if tag in _STRINGS:
        return Element(tag, element.octets(), start=element.start, end=element.end)
    if tag == BIT_STRING:
        pieces = [_joined(part) for part in element.parts]
        # Only the last piece may have unused bits.
        if all(piece.tag == BIT_STRING and piece.content[:1] == b"\0" for piece in pieces[:-1]) and pieces:
            content = pieces[-1].content[:1] + b"".join(piece.content[1:] for piece in pieces)
            return Element(BIT_STRING, content, start=element.start, end=element.end)
    return element
