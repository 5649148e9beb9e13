"""What an ASN.1 structure is, told by its shape.

Nothing is decoded further than needed to name it. A name is made for a sentence, with its article: "a certificate
request", "an encrypted private key".
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from blazon.pkix.ber import (
    BIT_STRING,
    ENUMERATED,
    INTEGER,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    Element,
    context_tag,
    dotted,
)

__all__ = ["Kind", "kind_of"]


class Kind(StrEnum):
    """What is known here. The value is its name in a sentence."""

    CERTIFICATE = "a certificate"
    REQUEST = "a certificate request"
    PRIVATE_KEY = "a private key"
    ENCRYPTED_KEY = "an encrypted private key"
    PKCS7 = "a PKCS #7 bundle"
    PKCS12 = "a PKCS #12 file"
    PARAMETERS = "parameters of keys"
    CRL = "a certificate revocation list"
    PUBLIC_KEY = "a public key"
    DSA_KEY = "a DSA private key, which is not supported"
    ENVELOPED = "an encrypted CMS message"
    CMC = "a CMC request, not a plain PKCS #10 one"
    CMS = "a CMS message without certificates"
    CRMF = "a CRMF request, not a PKCS #10 one"
    SPKAC = "a signed public key and challenge (SPKAC), not a PKCS #10 request"
    OCSP_RESPONSE = "an OCSP response"
    OCSP_REQUEST = "an OCSP request"
    TIMESTAMP = "a time-stamp response"
    ATTRIBUTE_CERTIFICATE = "an attribute certificate"
    BCFKS = "a BCFKS keystore"
    UNKNOWN = "an ASN.1 structure of no kind that is known here"


def kind_of(element: Element) -> Kind:
    """What an element that stands alone is."""
    return next((kind for kind, is_one in _SHAPES if is_one(element)), Kind.UNKNOWN)


_TIMES: Final = (0x17, 0x18)
_DATA: Final = "1.2.840.113549.1.7.1"
_SIGNED_DATA: Final = "1.2.840.113549.1.7.2"
_PKI_DATA: Final = ("1.3.6.1.5.5.7.12.2", "1.3.6.1.5.5.7.12.3")
_CONTENT_TYPES: Final = ("1.2.840.113549.1.7.", "1.2.840.113549.1.9.16.1.")
_ENVELOPES: Final = (
    "1.2.840.113549.1.7.3",
    "1.2.840.113549.1.7.4",
    "1.2.840.113549.1.7.6",
    "1.2.840.113549.1.9.16.1.23",
)
_PASSWORD_SCHEMES: Final = ("1.2.840.113549.1.5.", "1.2.840.113549.1.12.1.")


def _has(element: Element, *tags: int) -> bool:
    """Whether it is a SEQUENCE that begins with parts of these tags."""
    return element.tag == SEQUENCE and element.is_like(*tags)


def _tags(element: Element) -> tuple[int, ...]:
    return tuple(part.tag for part in element.parts) if element.tag == SEQUENCE else ()


def _type(element: Element) -> str:
    """The object identifier a SEQUENCE begins with."""
    return dotted(element.parts[0]) if _has(element, OBJECT_IDENTIFIER) else ""


def _is_key_info(element: Element) -> bool:
    return _has(element, SEQUENCE, BIT_STRING) and _has(element.parts[0], OBJECT_IDENTIFIER)


def _is_signed(element: Element) -> bool:
    """Whether an algorithm and a signature follow what is signed, as with certificates, requests and CRLs."""
    return _tags(element) == (SEQUENCE, SEQUENCE, BIT_STRING) and bool(element.parts[0].parts)


def _is_request(element: Element) -> bool:
    parts = element.parts[0].parts if _is_signed(element) else ()
    # The version may be missing, and so may the attributes.
    return 2 <= len(parts) <= 4 and any(_is_key_info(part) for part in parts[1:3])


def _is_certificate(element: Element) -> bool:
    parts = element.parts[0].parts if _is_signed(element) else ()
    fields = parts[1:] if parts and parts[0].tag == context_tag(0) else parts
    return len(fields) >= 6 and fields[0].tag == INTEGER and _is_key_info(fields[5])


def _is_crl(element: Element) -> bool:
    parts = element.parts[0].parts if _is_signed(element) else ()
    fields = parts[1:] if parts and parts[0].tag == INTEGER else parts
    return len(fields) >= 3 and _has(fields[0], OBJECT_IDENTIFIER) and fields[2].tag in _TIMES


def _is_spkac(element: Element) -> bool:
    return _is_signed(element) and _is_key_info(element.parts[0].parts[0])


def _is_attribute_certificate(element: Element) -> bool:
    parts = element.parts[0].parts if _is_signed(element) else ()
    return len(parts) >= 6 and parts[0].tag == INTEGER and parts[2].tag == context_tag(0)


def _is_private_key(element: Element) -> bool:
    tags = _tags(element)
    pkcs8 = tags[:3] == (INTEGER, SEQUENCE, OCTET_STRING) and _has(element.parts[1], OBJECT_IDENTIFIER)
    sec1 = tags[:2] == (INTEGER, OCTET_STRING) and element.parts[0].content == b"\1"
    pkcs1 = tags == (INTEGER,) * 9
    return pkcs8 or sec1 or pkcs1


def _is_encrypted_key(element: Element) -> bool:
    return _tags(element) == (SEQUENCE, OCTET_STRING) and _type(element.parts[0]).startswith(_PASSWORD_SCHEMES)


def _is_pkcs12(element: Element) -> bool:
    return _has(element, INTEGER, SEQUENCE) and _type(element.parts[1]) in (_DATA, _SIGNED_DATA)


def _is_cmc(element: Element) -> bool:
    if _type(element) != _SIGNED_DATA or not _has(element, OBJECT_IDENTIFIER, context_tag(0)):
        return False
    content = element.parts[1].parts
    return bool(content) and any(_type(part) in _PKI_DATA for part in content[0].parts)


def _is_parameters(element: Element) -> bool:
    """Of a curve by name or in full, of DSA, of Diffie-Hellman."""
    tags = _tags(element)
    curve = (INTEGER, SEQUENCE, SEQUENCE, OCTET_STRING)
    return element.tag == OBJECT_IDENTIFIER or tags == (INTEGER,) * 3 or tags[:4] == curve


def _is_public_key(element: Element) -> bool:
    # Of RSA; the parameters of Diffie-Hellman look alike, and are of as much use here.
    return _is_key_info(element) or _tags(element) == (INTEGER, INTEGER)


def _is_bcfks(element: Element) -> bool:
    return _tags(element) == (SEQUENCE, SEQUENCE) and bool(_type(element.parts[0])) and len(element.parts[1].parts) == 4


def _is_crmf(element: Element) -> bool:
    messages = element.parts if _has(element, SEQUENCE) else ()
    return bool(messages) and all(_has(each, SEQUENCE) and _has(each.parts[0], INTEGER, SEQUENCE) for each in messages)


def _is_timestamp(element: Element) -> bool:
    return _has(element, SEQUENCE) and _has(element.parts[0], INTEGER) and _tags(element)[1:] in ((), (SEQUENCE,))


def _is_ocsp_request(element: Element) -> bool:
    return _has(element, SEQUENCE) and any(
        _has(part, SEQUENCE) and _has(part.parts[0], SEQUENCE) for part in element.parts[0].parts
    )


_SHAPES: Final[tuple[tuple[Kind, Callable[[Element], bool]], ...]] = (
    (Kind.REQUEST, _is_request),
    (Kind.CERTIFICATE, _is_certificate),
    (Kind.CRL, _is_crl),
    (Kind.SPKAC, _is_spkac),
    (Kind.ATTRIBUTE_CERTIFICATE, _is_attribute_certificate),
    (Kind.PRIVATE_KEY, _is_private_key),
    (Kind.ENCRYPTED_KEY, _is_encrypted_key),
    (Kind.PKCS12, _is_pkcs12),
    (Kind.CMC, _is_cmc),
    (Kind.PKCS7, lambda element: _type(element) == _SIGNED_DATA),
    (Kind.ENVELOPED, lambda element: _type(element) in _ENVELOPES),
    (Kind.CMS, lambda element: _type(element).startswith(_CONTENT_TYPES)),
    (Kind.PARAMETERS, _is_parameters),
    (Kind.PUBLIC_KEY, _is_public_key),
    (Kind.DSA_KEY, lambda element: _tags(element) == (INTEGER,) * 6),
    (Kind.OCSP_RESPONSE, lambda element: _has(element, ENUMERATED)),
    (Kind.BCFKS, _is_bcfks),
    (Kind.CRMF, _is_crmf),
    (Kind.TIMESTAMP, _is_timestamp),
    (Kind.OCSP_REQUEST, _is_ocsp_request),
)
"""In the order in which they are tried: the plain shapes come late."""
