"""Keys and algorithm identifiers kindly: parameters missing or too many, defaults written out, padded numbers."""

from typing import Final

from blazon.pkix.ber import (
    BIT_STRING,
    INTEGER,
    NULL,
    OBJECT_IDENTIFIER,
    SEQUENCE,
    BerError,
    Element,
    primitive,
    read_element,
    sequence,
)
from blazon.pkix.lenient.doubt import expect, refuse
from blazon.pkix.lenient.values import NOTHING, integer, oid, strictly, whole_bits

__all__ = ["algorithm", "public_key"]

_RSA: Final = "1.2.840.113549.1.1.1"
_PSS: Final = "1.2.840.113549.1.1.10"
_WITH_NULL: Final = frozenset((_RSA, *(f"1.2.840.113549.1.1.{number}" for number in (2, 3, 4, 5, 11, 12, 13, 14))))
"""RSA and its PKCS #1 signatures: the parameters are NULL (RFC 4055 §1.2, §5)."""
_WITHOUT: Final = (
    "1.2.840.10045.4.",  # ECDSA (RFC 5758 §3.2)
    "2.16.840.1.101.3.4.3.",  # ECDSA with SHA-3, ML-DSA (RFC 9881 §2)
    "1.3.101.11",  # Ed25519, Ed448 and their kin (RFC 8410 §3)
)
_PSS_DEFAULTS: Final = (
    bytes.fromhex("300706052b0e03021a"),
    bytes.fromhex("301406092a864886f70d010108300706052b0e03021a"),
    bytes.fromhex("020114"),
    bytes.fromhex("020101"),
)
"""hashAlgorithm, maskGenAlgorithm, saltLength, trailerField (RFC 4055 §3.1)."""


def algorithm(element: Element, place: str) -> Element:
    """An AlgorithmIdentifier."""
    parts = expect(element, SEQUENCE, place, "an algorithm").parts
    if not parts or len(parts) > 2:
        refuse(place, "an algorithm is an identifier and parameters", element)
    kind, identifier = oid(parts[0], place), primitive(OBJECT_IDENTIFIER, parts[0].content)
    parameters = parts[1:]
    if kind in _WITH_NULL and all(part.tag == NULL for part in parameters):
        return sequence(identifier, NOTHING)
    if kind.startswith(_WITHOUT) and all(part.tag == NULL for part in parameters):
        return sequence(identifier)
    if kind == _PSS and parameters and parameters[0].tag == SEQUENCE:
        return sequence(identifier, sequence(*_pss(parameters[0])))
    return sequence(identifier, *map(strictly, parameters))


def _pss(parameters: Element) -> list[Element]:
    """The parameters of PSS without what is the default anyway (X.690 §11.5)."""
    found = [strictly(part) for part in parameters.parts]
    return [
        part
        for part in found
        if not (
            part.tag & 0x1F < len(_PSS_DEFAULTS)
            and len(part.parts) == 1
            and _without_null(part.parts[0]).encoded() == _PSS_DEFAULTS[part.tag & 0x1F]
        )
    ]


def _without_null(element: Element) -> Element:
    """An element without the NULL of hashes in it, which may be there or not (RFC 4055 §2.1)."""
    if not element.constructed:
        return element
    parts = tuple(_without_null(part) for part in element.parts if part.tag != NULL)
    return Element(element.tag, parts=parts)


def public_key(element: Element, place: str) -> Element:
    """A SubjectPublicKeyInfo."""
    parts = expect(element, SEQUENCE, place, "a public key").parts
    if len(parts) != 2:
        refuse(place, "a public key is an algorithm and a bit string", element)
    kind, bits = algorithm(parts[0], place), whole_bits(parts[1], place)
    if oid(kind.parts[0], place) == _RSA:
        bits = primitive(BIT_STRING, b"\0" + _rsa_numbers(bits.content[1:], place).encoded())
    return sequence(kind, bits)


def _rsa_numbers(content: bytes, place: str) -> Element:
    try:
        numbers = expect(read_element(content), SEQUENCE, place, "two numbers").parts
    except BerError as error:
        refuse(place, f"its numbers cannot be read ({error})")
    if len(numbers) != 2:
        refuse(place, "an RSA key is two numbers")
    # No modulus is negative: who wrote it forgot the octet that says so.
    return sequence(
        *(
            integer(primitive(INTEGER, b"\0" + expect(number, INTEGER, place, "a number").content), place)
            for number in numbers
        )
    )
