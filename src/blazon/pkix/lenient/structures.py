"""Certificate requests and certificates kindly: as strict DER with the same meaning, beside what was signed.

What strict parsers refuse and OpenSSL takes, and devices and older CAs write: BER, values written out that are the
default, attributes and versions that are missing, and what the modules beside this one mend. The signature is over the
octets as they stood (`signed`); what comes out here is for reading only, and its own signature fits no more.
"""

from typing import Final

import msgspec

from blazon.errors import Malformed
from blazon.pkix.ber import (
    BIT_STRING,
    INTEGER,
    SEQUENCE,
    SET,
    BerError,
    Element,
    context,
    primitive,
    read_element,
    sequence,
    whole_integer,
)
from blazon.pkix.lenient.algorithms import algorithm, public_key
from blazon.pkix.lenient.doubt import expect, refuse
from blazon.pkix.lenient.extensions import certificate_extensions, requested_extensions
from blazon.pkix.lenient.names import name
from blazon.pkix.lenient.times import validity
from blazon.pkix.lenient.values import integer, oid, whole_bits

__all__ = ["Rewritten", "rewrite_certificate", "rewrite_request"]

_EXTENSION_REQUESTS: Final = ("1.2.840.113549.1.9.14", "1.3.6.1.4.1.311.2.1.14")
"""Of PKCS #9 (RFC 2985 §5.4.2), and Microsoft's own before that."""
_EXTENSION_REQUEST: Final = bytes.fromhex("2a864886f70d01090e")
_NEWEST_REQUEST: Final = 2


class Rewritten(msgspec.Struct, frozen=True):
    """`der` is strict DER with the same meaning; `signed` what the signature is over, as it stood.

    `version` is the number in it: 0 for version 1. A certificate of version 2, or later than 3, is rewritten as one of
    version 3, whose syntax it must have (RFC 5280 §4.1.2.1 asks to read any version). `subject` and `issuer` are the
    names as they stood; a request has no issuer. `serial` may be 0 or negative; `der` then has another one, as strict
    parsers take neither.
    """

    der: bytes
    signed: bytes
    version: int
    subject: bytes
    issuer: bytes = b""
    serial: int = 0


def rewrite_request(data: bytes) -> Rewritten:
    """A PKCS #10 request (RFC 2986). Of its attributes only the extensions are kept. Raises Malformed."""
    info, kind, signature = _signed(data, "the certificate request")
    parts = list(info.parts)
    version = parts.pop(0) if parts and parts[0].tag == INTEGER else None
    # There is but version 1; who writes 1, 2 or nothing means that.
    number = int.from_bytes(version.content, "big") if version is not None else 0
    if number > _NEWEST_REQUEST:
        refuse("the certificate request's version", f"{number} is none", version)
    if not 2 <= len(parts) <= 3:
        refuse("the certificate request", "a subject, a public key and attributes should stand in it", info)
    subject, key = name(parts[0], "the subject"), public_key(parts[1], "the public key")
    lists = _requested(parts[2]) if len(parts) == 3 else []
    extensions = requested_extensions(lists)
    attribute = sequence(primitive(0x06, _EXTENSION_REQUEST), Element(SET, parts=(extensions,)))
    attributes = context(0, *((attribute,) if extensions.parts else ()))
    rewritten = sequence(primitive(INTEGER, b"\0"), subject, key, attributes)
    return Rewritten(
        der=sequence(rewritten, kind, signature).encoded(),
        signed=_as_it_stood(data, info),
        version=number,
        subject=_as_it_stood(data, parts[0]),
    )


def _as_it_stood(data: bytes, element: Element) -> bytes:
    return data[element.start : element.end]


def _requested(attributes: Element) -> list[Element]:
    """Every list of extensions in the attributes."""
    if attributes.tag == 0x80 and not attributes.content:
        return []  # an empty set that says it is primitive
    place = "the attributes"
    found: list[Element] = []
    for each in expect(attributes, 0xA0, place, "a set of attributes").parts:
        if each.tag != SEQUENCE or len(each.parts) != 2 or each.parts[1].tag != SET:
            refuse(place, "an attribute is a type and a set of values", each)
        if oid(each.parts[0], place) in _EXTENSION_REQUESTS:
            found += each.parts[1].parts
    return found


def rewrite_certificate(data: bytes) -> Rewritten:
    """A certificate (RFC 5280 §4.1). Raises Malformed."""
    content, kind, signature = _signed(data, "the certificate")
    parts = list(content.parts)
    version = 0
    if parts and parts[0].tag == 0xA0:
        inner = parts.pop(0).parts
        version = int.from_bytes(expect(inner[0], INTEGER, "the version", "a number").content, "big") if inner else 0
    if len(parts) < 6:
        refuse("the certificate", "fields are missing in it", content)
    serial = integer(parts[0], "the serial number")
    if algorithm(parts[1], "the signature algorithm").parts[0] != kind.parts[0]:
        refuse("the signature algorithm", "it is another one inside than outside of what is signed", parts[1])
    number = whole_integer(serial)
    fields = [
        serial if number > 0 else primitive(INTEGER, b"\1"),
        kind,
        name(parts[2], "the issuer"),
        validity(parts[3], "the validity"),
        name(parts[4], "the subject"),
        public_key(parts[5], "the public key"),
    ]
    extensions = _extensions(parts[6:])
    if extensions is not None:
        fields.append(context(3, extensions))
    if version or extensions is not None:
        fields.insert(0, context(0, primitive(INTEGER, b"\2")))
    return Rewritten(
        der=sequence(sequence(*fields), kind, signature).encoded(),
        signed=_as_it_stood(data, content),
        version=version,
        subject=_as_it_stood(data, parts[4]),
        issuer=_as_it_stood(data, parts[2]),
        serial=number,
    )


def _extensions(parts: list[Element]) -> Element | None:
    """The extensions; the unique identifiers before them, which nobody uses, are left out."""
    found = None
    for part in parts:
        if part.tag == 0xA3 and found is None and len(part.parts) == 1:
            found = certificate_extensions(part.parts[0])
        elif part.tag & 0x1F not in (1, 2) or part.tag & 0xC0 != 0x80 or found is not None:
            refuse("the certificate", "something unknown follows the public key", part)
    return found if found is not None and found.parts else None


def _signed(data: bytes, what: str) -> tuple[Element, Element, Element]:
    """What is signed, the algorithm and the signature."""
    try:
        element = read_element(data)
    except BerError as error:
        raise Malformed(f"{what} cannot be read: {error}") from None
    if element.tag != SEQUENCE or len(element.parts) != 3:
        refuse(what, "it should be what is signed, an algorithm and a signature", element)
    content, kind, signature = element.parts
    expect(content, SEQUENCE, what, "what is signed")
    rewritten = algorithm(kind, "the signature algorithm")
    bits = whole_bits(signature, "the signature")
    return content, rewritten, primitive(BIT_STRING, bits.content)
