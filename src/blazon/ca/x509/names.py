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

__all__ = ["Subject", "check_shown", "checked_name", "name_of", "subject_of"]


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
_FORBIDDEN: Final = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
_JOINERS: Final = "\u200c\u200d"
"""Format characters that words of Persian, Hindi and others need."""
_DIRECTIONS: Final = frozenset(("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"))
_UNSEEN: Final = frozenset(("Cc", "Cf", "Mn", "Me", "Zs", "Zl", "Zp"))
_FILLERS: Final = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters and signs that look like blanks."""
_LONGEST_KEPT: Final = 1024
"""Octets of a part of a name from elsewhere: PostgreSQL indexes no more than some 2 700."""


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

    Every attribute stays, in its order, but for those without a value: whoever writes one has none. T61String,
    BMPString and the like become UTF8String. Raises RuleBroken: an attribute is blank, too long, or holds what it may
    not.
    """
    rdns = [[attribute for attribute in rdn if attribute.value] for rdn in name.rdns]
    if sum(map(len, rdns)) > _MOST_ATTRIBUTES:
        raise RuleBroken(f"the subject has more than {_MOST_ATTRIBUTES} attributes")
    return x509.Name([x509.RelativeDistinguishedName(map(_checked, rdn)) for rdn in rdns if rdn])


def check_shown(subject: Subject) -> None:
    """Whether the parts of a name from elsewhere can be kept by every database and shown to people. Raises RuleBroken.

    It asks for less than names made here must keep to: what was certified elsewhere cannot be written anew.
    """
    for part, _ in _PARTS:
        value: str = getattr(subject, part)
        found = next((sign for sign in value if _disturbs(sign)), None)
        if found is not None:
            raise RuleBroken(f"the subject's {part} holds {_named(found)}, which cannot be kept or shown")
        if len(value.encode()) > _LONGEST_KEPT:
            raise RuleBroken(f"the subject's {part} is longer than {_LONGEST_KEPT} octets")
    if subject.common_name and not _shows_something(subject.common_name):
        raise RuleBroken("the subject's common_name holds nothing that can be seen")


def _disturbs(sign: str) -> bool:
    return unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") or unicodedata.bidirectional(sign) in _DIRECTIONS


def _shows_something(text: str) -> bool:
    return any(unicodedata.category(sign) not in _UNSEEN and sign not in _FILLERS for sign in text)


def _named(sign: str) -> str:
    return f"the character U+{ord(sign):04X}"


def _checked(attribute: x509.NameAttribute[str | bytes]) -> x509.NameAttribute[str]:
    if not isinstance(attribute.value, str):
        raise RuleBroken(f"the subject's {attribute.rfc4514_attribute_name} is not text")
    return _attribute(attribute.oid, attribute.value, attribute.rfc4514_attribute_name)


def _attribute(oid: x509.ObjectIdentifier, value: str, what: str) -> x509.NameAttribute[str]:
    if not _shows_something(value):
        raise RuleBroken(f"the subject's {what} is blank: it holds nothing that can be seen")
    found = next((sign for sign in value if unicodedata.category(sign) in _FORBIDDEN and sign not in _JOINERS), None)
    if found is not None:
        raise RuleBroken(
            f"the subject's {what} holds {_named(found)}: a control character, or one that is not to be seen"
        )
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
