"""Extensions kindly: truth values written out that DER leaves out, padded bits, one twice, ones that say nothing.

Only what is judged here is looked into: constraints, usages, key identifiers and names. The other extensions stay as
they are; one that cannot be decoded is left out, as long as it is not critical (RFC 5280 §4.2 lets those be ignored).
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from cryptography import x509

from blazon.errors import Malformed
from blazon.pkix.ber import (
    BIT_STRING,
    BOOLEAN,
    INTEGER,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    SET,
    BerError,
    Element,
    context,
    primitive,
    read_element,
    sequence,
)
from blazon.pkix.lenient.doubt import expect, refuse
from blazon.pkix.lenient.names import general_name, general_names
from blazon.pkix.lenient.values import TRUE, boolean, integer, named_bits, octets, oid, strictly

__all__ = ["certificate_extensions", "requested_extensions"]

_KEY_AGREEMENT: Final = 0x0800
_ONLY: Final = 0x0180
"""encipherOnly and decipherOnly, which mean nothing without keyAgreement (RFC 5280 §4.2.1.3)."""

_NAMES: Final = {
    "2.5.29.14": "subjectKeyIdentifier",
    "2.5.29.15": "keyUsage",
    "2.5.29.17": "subjectAltName",
    "2.5.29.19": "basicConstraints",
    "2.5.29.30": "nameConstraints",
    "2.5.29.35": "authorityKeyIdentifier",
    "2.5.29.37": "extKeyUsage",
}
_REQUESTED: Final = ("2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.37")
"""What is looked at in a request."""
_JUDGED: Final = ("2.5.29.14", "2.5.29.15", "2.5.29.19", "2.5.29.30", "2.5.29.35", "2.5.29.37")
"""What a certificate is judged by; its alternative names are only shown."""


def requested_extensions(lists: Iterable[Element]) -> Element:
    """The extensions that are looked at in a request, of one or several lists of them."""
    found: dict[str, Element] = {}
    for each in lists:
        for part in expect(each, SEQUENCE, "the requested extensions", "a list").parts:
            kind, _, content = _taken_apart(part, "the requested extensions")
            value = _value(kind, content) if kind in _REQUESTED else None
            if value is not None:
                _keep(found, kind, _extension(part, value.encoded(), critical=False))
    return sequence(*found.values())


def certificate_extensions(element: Element) -> Element:
    """The extensions of a certificate."""
    found: dict[str, Element] = {}
    for part in expect(element, SEQUENCE, "the extensions", "a list").parts:
        kind, critical, content = _taken_apart(part, "the extensions")
        if kind in _JUDGED:
            value = _value(kind, content)
            if value is None:
                refuse(_place(kind), "it is empty", part)
            _keep(found, kind, _extension(part, value.encoded(), critical=critical))
            continue
        written = (_extension(part, each, critical=critical) for each in _ways(kind, content))
        kept = next((each for each in written if _decodes(each)), None)
        if kept is not None:
            _keep(found, kind, kept)
        elif critical:
            refuse(_place(kind), "it is critical and cannot be decoded", part)
    return sequence(*found.values())


def _place(kind: str) -> str:
    return f"the extension {_NAMES.get(kind, kind)}"


def _keep(found: dict[str, Element], kind: str, extension: Element) -> None:
    if found.setdefault(kind, extension).encoded() != extension.encoded():
        refuse(_place(kind), "it is there twice, and the two are different")


def _taken_apart(element: Element, place: str) -> tuple[str, bool, bytes]:
    """The identifier, whether it is critical, and the content."""
    parts = list(expect(element, SEQUENCE, place, "an extension").parts)
    if not parts:
        refuse(place, "an extension is empty", element)
    kind = oid(parts.pop(0), place)
    critical = boolean(parts.pop(0), _place(kind)) if parts and parts[0].tag == BOOLEAN else False
    if len(parts) != 1:
        refuse(_place(kind), "it is not an identifier, whether it is critical, and a value", element)
    return kind, critical, octets(parts[0], _place(kind))


def _extension(original: Element, value: bytes, *, critical: bool) -> Element:
    identifier = primitive(OBJECT_IDENTIFIER, original.parts[0].content)
    return sequence(identifier, *((TRUE,) if critical else ()), primitive(OCTET_STRING, value))


def _value(kind: str, content: bytes) -> Element | None:
    """The value as DER, or None when it says nothing."""
    place = _place(kind)
    try:
        element = read_element(content)
    except BerError as error:
        refuse(place, f"its value cannot be read ({error})")
    return _REWRITTEN[kind](element, place)


def _ways(kind: str, content: bytes) -> Iterator[bytes]:
    """A value as it stood, and as DER as far as that can be told."""
    yield content
    with contextlib.suppress(BerError, Malformed):
        rewritten = _REWRITTEN[kind](read_element(content), "") if kind in _REWRITTEN else None
        yield (rewritten or strictly(read_element(content))).encoded()


def _decodes(extension: Element) -> bool:
    """Whether `cryptography` can decode an extension: asked for one alone, as one that it cannot spoils all others."""
    try:
        return len(x509.load_der_x509_csr(_request_for(extension)).extensions) == 1
    except (ValueError, TypeError, x509.UnsupportedGeneralNameType):
        return False


def _request_for(extension: Element) -> bytes:
    algorithm = sequence(primitive(OBJECT_IDENTIFIER, b"\x2b\x65\x70"))  # Ed25519
    key = sequence(algorithm, primitive(BIT_STRING, bytes(33)))
    wanted = sequence(
        primitive(OBJECT_IDENTIFIER, bytes.fromhex("2a864886f70d01090e")),
        Element(SET, parts=(sequence(extension),)),
    )
    info = sequence(primitive(INTEGER, b"\0"), sequence(), key, context(0, wanted))
    return sequence(info, algorithm, primitive(BIT_STRING, bytes(65))).encoded()


def _basic_constraints(element: Element, place: str) -> Element:
    parts = list(expect(element, SEQUENCE, place, "a sequence").parts)
    is_ca = boolean(parts.pop(0), place) if parts and parts[0].tag == BOOLEAN else False
    length = (integer(parts.pop(0), place),) if parts and parts[0].tag == INTEGER else ()
    if parts:
        refuse(place, "something unknown stands in it", parts[0])
    # A path length means nothing where there is no CA (RFC 5280 §4.2.1.9).
    return sequence(TRUE, *length) if is_ca else sequence()


def _key_usage(element: Element, place: str) -> Element | None:
    bits = named_bits(element, place) & 0xFF80
    if not bits & _KEY_AGREEMENT:
        bits &= ~_ONLY
    if not bits:
        return None
    unused = (bits & -bits).bit_length() - 1
    content = bits.to_bytes(2, "big")
    if unused >= 8:
        content, unused = content[:1], unused - 8
    return primitive(BIT_STRING, bytes((unused,)) + content)


def _extended_key_usage(element: Element, place: str) -> Element | None:
    kinds = {oid(part, place): part.content for part in expect(element, SEQUENCE, place, "a list").parts}
    return sequence(*(primitive(OBJECT_IDENTIFIER, content) for content in kinds.values())) if kinds else None


def _subject_alternative_name(element: Element, place: str) -> Element | None:
    names = general_names(element, place)
    return names if names.parts else None


def _subject_key_identifier(element: Element, place: str) -> Element:
    return primitive(OCTET_STRING, octets(element, place))


def _authority_key_identifier(element: Element, place: str) -> Element:
    parts = {part.tag & 0x1F: part for part in expect(element, SEQUENCE, place, "a sequence").parts}
    found = [primitive(0x80, parts[0].octets())] if 0 in parts else []
    # Issuer and serial number say something only together (RFC 5280 §4.2.1.1).
    if 1 in parts and 2 in parts:
        found.append(context(1, *(general_name(each, place) for each in parts[1].parts)))
        found.append(Element(0x82, integer(primitive(INTEGER, parts[2].content), place).content))
    return sequence(*found)


def _name_constraints(element: Element, place: str) -> Element:
    sides = expect(element, SEQUENCE, place, "a sequence").parts
    found = []
    for side in sides:
        if side.tag & 0x1F not in (0, 1) or side.tag & 0xC0 != 0x80:
            refuse(place, "something unknown stands in it", side)
        found.append(Element(side.tag, parts=tuple(_subtree(each, place) for each in side.parts)))
    return sequence(*(side for side in found if side.parts))


def _subtree(element: Element, place: str) -> Element:
    parts = expect(element, SEQUENCE, place, "a subtree").parts
    minimum = [part for part in parts[1:] if part.tag == 0x80 and not part.content.strip(b"\0")]
    if not parts or len(parts) - 1 != len(minimum):
        refuse(place, "a subtree has a minimum or a maximum, which RFC 5280 §4.2.1.10 does not allow", element)
    return sequence(general_name(parts[0], place))


_REWRITTEN: Final[Mapping[str, Callable[[Element, str], Element | None]]] = {
    "2.5.29.14": _subject_key_identifier,
    "2.5.29.15": _key_usage,
    "2.5.29.17": _subject_alternative_name,
    "2.5.29.19": _basic_constraints,
    "2.5.29.30": _name_constraints,
    "2.5.29.35": _authority_key_identifier,
    "2.5.29.37": _extended_key_usage,
}
