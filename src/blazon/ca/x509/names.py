"""Distinguished names: the six parts of a subject, both ways, and what a name may hold.

The order of a name made here is country, state, locality, organization, unit, common name: the broadest first (X.520).
"""

import re
import unicodedata
from typing import Final

import msgspec
from cryptography import x509
from cryptography.x509.oid import NameOID

from blazon.errors import RuleBroken

__all__ = ["Subject", "checked_name", "name_of", "subject_of"]


class Subject(msgspec.Struct, frozen=True):
    """The parts of a name the wires know, in their order; an empty part is not there."""

    common_name: str = ""
    organization: str = ""
    organization_unit: str = ""
    country: str = ""
    state: str = ""
    locality: str = ""


_PARTS: Final = (
    ("country", NameOID.COUNTRY_NAME),
    ("state", NameOID.STATE_OR_PROVINCE_NAME),
    ("locality", NameOID.LOCALITY_NAME),
    ("organization", NameOID.ORGANIZATION_NAME),
    ("organization_unit", NameOID.ORGANIZATIONAL_UNIT_NAME),
    ("common_name", NameOID.COMMON_NAME),
)

# RFC 5280 appendix A.1, upper bounds. Counted in bytes of UTF-8 where other software does so too.
_LONGEST: Final = {
    NameOID.COMMON_NAME: 64,
    NameOID.ORGANIZATION_NAME: 64,
    NameOID.ORGANIZATIONAL_UNIT_NAME: 64,
    NameOID.LOCALITY_NAME: 128,
    NameOID.STATE_OR_PROVINCE_NAME: 128,
    NameOID.SERIAL_NUMBER: 64,
    NameOID.TITLE: 64,
    NameOID.PSEUDONYM: 128,
    NameOID.EMAIL_ADDRESS: 255,
}
_LONGEST_OTHER: Final = 256
_MOST_ATTRIBUTES: Final = 32
_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_PRINTABLE: Final = re.compile(r"[A-Za-z0-9 '()+,\-./:=?]*")
_PRINTABLE_ONLY: Final = (NameOID.SERIAL_NUMBER, NameOID.DN_QUALIFIER)
_ASCII_ONLY: Final = (NameOID.EMAIL_ADDRESS, NameOID.DOMAIN_COMPONENT)
_BYTES_COUNT: Final = (NameOID.COMMON_NAME,)
_FORBIDDEN: Final = frozenset(("Cc", "Cs", "Co", "Cn", "Zl", "Zp"))


def name_of(subject: Subject) -> x509.Name:
    """The name with these parts. Text that is not ASCII is kept as UTF8String. Raises RuleBroken."""
    attributes = []
    for part, oid in _PARTS:
        value: str = getattr(subject, part)
        if value:
            attributes.append(_attribute(oid, value, part))
    return x509.Name(attributes)


def subject_of(name: x509.Name) -> Subject:
    """The parts of a name the wires know: the first value of each kind."""
    parts = {}
    for part, oid in _PARTS:
        found = name.get_attributes_for_oid(oid)
        if found and isinstance(found[0].value, str):
            parts[part] = found[0].value
    return Subject(**parts)


def checked_name(name: x509.Name) -> x509.Name:
    """A name as somebody asks for it, in the encodings RFC 5280 §4.1.2.4 wants.

    Every attribute stays, in its order; T61String, BMPString and the like become UTF8String. Raises RuleBroken: an
    attribute is empty, too long, or holds what it may not.
    """
    rdns = list(name.rdns)
    if sum(map(len, rdns)) > _MOST_ATTRIBUTES:
        raise RuleBroken(f"the subject has more than {_MOST_ATTRIBUTES} attributes")
    return x509.Name([x509.RelativeDistinguishedName(_checked(attribute) for attribute in rdn) for rdn in rdns])


def _checked(attribute: x509.NameAttribute[str | bytes]) -> x509.NameAttribute[str]:
    if not isinstance(attribute.value, str):
        raise RuleBroken(f"the subject's {attribute.rfc4514_attribute_name} is not text")
    return _attribute(attribute.oid, attribute.value, attribute.rfc4514_attribute_name)


def _attribute(oid: x509.ObjectIdentifier, value: str, what: str) -> x509.NameAttribute[str]:
    if not value.strip():
        raise RuleBroken(f"the subject's {what} is blank")
    if any(unicodedata.category(sign) in _FORBIDDEN for sign in value):
        raise RuleBroken(f"the subject's {what} holds a control character or one that is none")
    if oid == NameOID.COUNTRY_NAME and not _COUNTRY.fullmatch(value):
        raise RuleBroken(f"the subject's {what} must be two capital letters (ISO 3166-1), such as ES")
    longest = _LONGEST.get(oid, _LONGEST_OTHER)
    if (len(value.encode()) if oid in _BYTES_COUNT else len(value)) > longest:
        raise RuleBroken(f"the subject's {what} is longer than {longest}")
    if oid in _PRINTABLE_ONLY and not _PRINTABLE.fullmatch(value):
        raise RuleBroken(f"the subject's {what} must be of letters, digits, blanks and ' ( ) + , - . / : = ?")
    if oid in _ASCII_ONLY and not value.isascii():
        raise RuleBroken(f"the subject's {what} must be ASCII")
    return x509.NameAttribute(oid, value)
