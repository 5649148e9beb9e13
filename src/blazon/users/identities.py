"""What users sign in with, and when two of these are one (decision C15).

An identity is kept as it is written. Two are compared in a form in which spellings that mean the same are equal:

* the domain of a mail address has no case (RFC 5321 §2.4), may be written in Unicode or in ASCII (RFC 5891 §4.4), and
  may end in the dot of the root;
* everything is compared in Unicode Normalization Form C, in which equivalent sequences of characters are equal.

What stands before the @ has case, and so has an identity that is no mail address: only its owner knows what it means.
"""

import contextlib
import unicodedata

import idna

from blazon.entity import rules
from blazon.errors import Malformed

__all__ = ["ascii_domain", "check_new_identity", "compared"]


def compared(identity: str) -> str:
    """The form in which an identity is compared. It is defined for every text."""
    local, at, domain = unicodedata.normalize("NFC", identity).rpartition("@")
    if at:
        with contextlib.suppress(ValueError):  # what is no domain stays as it is
            domain = ascii_domain(domain).lower().removesuffix(".")
    return f"{local}{at}{domain}"


def ascii_domain(domain: str) -> str:
    """A domain as the DNS knows it (IDNA 2008, with the mappings of UTS #46). Raises ValueError when it is none.

    One that is ASCII already stays as it is. IDNA 2003, which Python's own codec speaks, would take some names for
    others that belong to somebody else: straße.de for strasse.de.
    """
    return domain if domain.isascii() else idna.encode(domain, uts46=True).decode()


def check_new_identity(identity: str, what: str = "identity") -> str:
    """An identity a user may be given: it can be seen whole, so that it cannot pass for another. Raises Malformed."""
    rules.check_identity(identity, what)
    if not identity.isprintable():
        raise Malformed(f"{what} holds a character that cannot be seen")
    return identity
