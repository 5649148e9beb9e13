"""Names kindly: the types of strings mixed up, characters a type does not have, RDNs out of order, values left empty.

Text becomes a UTF8String where its own type cannot hold it. Octets beyond ASCII are UTF-8 if they are valid UTF-8, and
Latin-1 otherwise, as OpenSSL and Windows read a T61String. In a UTF8String they are Latin-1 only when nothing in it
looks like UTF-8.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from blazon.errors import Malformed
from blazon.pkix.ber import (
    OBJECT_IDENTIFIER,
    SEQUENCE,
    SET,
    BerError,
    Element,
    context_tag,
    primitive,
    read_element,
    sequence,
)
from blazon.pkix.lenient.doubt import expect, refuse
from blazon.pkix.lenient.values import is_der, oid, strictly

__all__ = ["general_name", "general_names", "is_strict_name", "name"]

_UTF8: Final = 0x0C
_NUMERIC: Final = 0x12
_PRINTABLE: Final = 0x13
_T61: Final = 0x14
_IA5: Final = 0x16
_UNIVERSAL: Final = 0x1C
_BMP: Final = 0x1E
_BIT_STRING: Final = 0x03
_EIGHT_BIT: Final = (_NUMERIC, _PRINTABLE, _T61, 0x15, _IA5, 0x19, 0x1A, 0x1B)
"""Types of one octet a character: 0x15 VideotexString, 0x19 GraphicString, 0x1A VisibleString, 0x1B GeneralString."""

_PRINTABLE_ONLY: Final = re.compile(rb"[A-Za-z0-9 '()+,\-./:=?]*")
_HOLDS: Final[Mapping[int, Callable[[bytes], bool]]] = {
    _NUMERIC: lambda content: not content.translate(None, b"0123456789 "),
    _PRINTABLE: lambda content: _PRINTABLE_ONLY.fullmatch(content) is not None,
    **dict.fromkeys((_T61, _IA5, 0x1A), bytes.isascii),
}
"""The types that stay as they are when they hold what they may; the others become UTF8String."""

_KINDS: Final = {
    "2.5.4.3": "common name",
    "2.5.4.5": "serial number",
    "2.5.4.6": "country",
    "2.5.4.7": "locality",
    "2.5.4.8": "state",
    "2.5.4.10": "organization",
    "2.5.4.11": "organization unit",
    "1.2.840.113549.1.9.1": "e-mail address",
}


def name(element: Element, place: str) -> Element:
    """A Name. Attributes without a value are left out: whoever writes one has none."""
    found = []
    for rdn in expect(element, SEQUENCE, place, "a name").parts:
        attributes = [
            _attribute(each, place)
            for each in expect(rdn, SET, place, "a set of attributes").parts
            if not _is_empty(each)
        ]
        if attributes:
            found.append(Element(SET, parts=tuple(sorted(attributes, key=Element.encoded))))
    return sequence(*found)


def _is_empty(attribute: Element) -> bool:
    return len(attribute.parts) == 2 and not attribute.parts[1].content and not attribute.parts[1].parts


def _attribute(element: Element, place: str) -> Element:
    if element.tag != SEQUENCE or len(element.parts) != 2:
        refuse(place, "an attribute is a type and a value", element)
    kind = oid(element.parts[0], place)
    where = f"{place}'s {_KINDS.get(kind, kind)}"
    return sequence(primitive(OBJECT_IDENTIFIER, element.parts[0].content), _text(strictly(element.parts[1]), where))


def is_strict_name(octets: bytes) -> bool:
    """Whether a Name is DER, and its text is of the types it says; a T61String may hold anything."""
    try:
        values = [attribute.parts[1] for rdn in read_element(octets).parts for attribute in rdn.parts]
        return is_der(octets) and all(map(_holds_text, values))
    except (BerError, IndexError, Malformed):
        return False


def _holds_text(value: Element) -> bool:
    read = _text(value, "")
    return value.tag in (_T61, _BMP, _UNIVERSAL) or (read.tag, read.content) == (value.tag, value.content)


def _text(value: Element, place: str) -> Element:
    """A value as a type of string that can hold it."""
    if value.tag == _BIT_STRING:
        return value  # x500UniqueIdentifier
    if value.tag in (_BMP, _UNIVERSAL):
        width, codec = (2, "utf-16-be") if value.tag == _BMP else (4, "utf-32-be")
        try:
            return primitive(_UTF8, value.content.decode(codec).encode())
        except UnicodeError:
            refuse(place, f"its characters are not of {width} octets each, as its type says", value)
    if value.tag == _UTF8:
        return primitive(_UTF8, _utf8(value, place))
    if value.tag not in _EIGHT_BIT:
        refuse(place, "it is not text", value)
    holds = _HOLDS.get(value.tag)
    if holds is not None and holds(value.content):
        return value
    return primitive(_UTF8, _decoded(value.content).encode())


def _decoded(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _utf8(value: Element, place: str) -> bytes:
    try:
        value.content.decode()
    except UnicodeDecodeError as error:
        whole = all(
            sign < "\x80" or "\udc80" <= sign <= "\udcff" for sign in value.content.decode(errors="surrogateescape")
        )
        # What ends in the middle of a character was cut off: Latin-1 would make another character of it.
        if error.reason == "unexpected end of data" or not whole:
            refuse(place, "it is neither UTF-8, as its type says, nor Latin-1 throughout", value)
        return value.content.decode("latin-1").encode()
    return value.content


def general_names(element: Element, place: str) -> Element:
    """GeneralNames."""
    parts = expect(element, SEQUENCE, place, "names").parts
    return sequence(*(general_name(part, place) for part in parts))


def general_name(element: Element, place: str) -> Element:
    """A GeneralName (RFC 5280 §4.2.1.6): text in pieces is put together, a directory name is read as names are."""
    number = element.tag & 0x1F
    if element.tag & 0xC0 != 0x80:
        refuse(place, "it has a name without a tag that says of which kind it is", element)
    if number in (1, 2, 6, 7, 8):
        content = element.octets()
        if number in (1, 2, 6) and not content.isascii():
            refuse(
                place, "a DNS name, mail address or URI holds what is not ASCII; write it in its A-label form", element
            )
        if number == 7 and len(content) not in (4, 16, 8, 32):
            refuse(place, f"an IP address has 4 or 16 octets, not {len(content)}", element)
        return primitive(0x80 | number, content)
    if number == 4 and len(element.parts) == 1:
        return Element(element.tag, parts=(name(element.parts[0], place),))
    if number != 0 or not element.is_like(OBJECT_IDENTIFIER, context_tag(0)):
        refuse(place, "it has a name of a kind that is not supported", element)
    return strictly(element)
