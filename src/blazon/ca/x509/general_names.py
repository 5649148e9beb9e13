"""Alternative names: which kinds there are, and what each may hold (RFC 5280 §4.2.1.6)."""

import re
from collections.abc import Iterable
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509

from blazon.errors import RuleBroken

__all__ = ["NameType", "checked_names", "is_dns_name", "is_mailbox", "uri_host"]

_LABEL: Final = re.compile(r"[a-zA-Z0-9_](?:[a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?")
_LOCAL: Final = re.compile(r"[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_SCHEME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*")
_URI: Final = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")  # RFC 3986 §2
_LONGEST_URI: Final = 2048
_MOST_CHARACTERS: Final = 32 * 1024
"""Of all names together: the certificate goes into events."""
_FEW: Final = _MOST_CHARACTERS // _LONGEST_URI


class NameType(StrEnum):
    """The kinds of alternative names a certificate may carry."""

    DNS = "dns"
    IP = "ip"
    URI = "uri"
    EMAIL = "email"


def checked_names(
    names: Iterable[x509.GeneralName], *, kinds: Iterable[NameType], most: int, wildcards: bool
) -> tuple[x509.GeneralName, ...]:
    """The names, each once, in the order they were asked for.

    Raises RuleBroken: more than `most`, one of a kind that is not among `kinds`, one that is not well formed, or a
    wildcard where `wildcards` says no.
    """
    allowed = frozenset(kinds)
    found = tuple(dict.fromkeys(names))
    if len(found) > most:
        raise RuleBroken(f"there are {len(found)} alternative names, at most {most} are allowed")
    if len(found) > _FEW and sum(len(str(name.value)) for name in found) > _MOST_CHARACTERS:
        raise RuleBroken(f"the alternative names are longer than {_MOST_CHARACTERS} characters together")
    for name in found:
        kind = _kind(name)
        if kind not in allowed:
            raise RuleBroken(f"an alternative name of type {type(name).__name__} is not allowed by the profile")
        _check(name, wildcards=wildcards)
    return found


def _kind(name: x509.GeneralName) -> NameType | None:
    match name:
        case x509.DNSName():
            return NameType.DNS
        case x509.IPAddress():
            return NameType.IP
        case x509.UniformResourceIdentifier():
            return NameType.URI
        case x509.RFC822Name():
            return NameType.EMAIL
        case _:
            return None


def _check(name: x509.GeneralName, *, wildcards: bool) -> None:
    match name:
        case x509.DNSName(value=value):
            if value.startswith("*.") and not wildcards:
                raise RuleBroken(
                    f"the alternative name {_short(value)} is a wildcard, which the profile does not allow"
                )
            good = is_dns_name(value.removeprefix("*.")) and not (value.startswith("*.") and "." not in value[2:])
        case x509.IPAddress(value=address):
            # cryptography reads 8 and 32 octets as a network; in a certificate only an address has a place.
            value, good = str(address), isinstance(address, IPv4Address | IPv6Address)
        case x509.UniformResourceIdentifier(value=value):
            good = _is_uri(value)
        case x509.RFC822Name(value=value):
            good = is_mailbox(value)
        case _:
            value, good = type(name).__name__, False
    if not good:
        raise RuleBroken(f"the alternative name {_short(value)} is not well formed")


def is_dns_name(text: str) -> bool:
    """Whether it is a name in the preferred syntax (RFC 1034 §3.5, RFC 1123 §2.1), underscores taken too.

    Names beyond ASCII are in their A-label form (RFC 5891). An address in digits is no name.
    """
    labels = text.split(".")
    return (
        0 < len(text) <= 253
        and all(_LABEL.fullmatch(label) for label in labels)
        and not (labels[-1].isdigit() and len(labels) > 1)
    )


def is_mailbox(text: str) -> bool:
    """Whether it is a mailbox without quotes (RFC 5321 §4.1.2), its host a DNS name."""
    local, _, host = text.rpartition("@")
    return len(local) <= 64 and bool(_LOCAL.fullmatch(local)) and is_dns_name(host)


def uri_host(uri: str) -> str:
    """The host of a URI, without port and brackets, or nothing. Raises ValueError."""
    return urlsplit(uri).hostname or ""


def _is_uri(text: str) -> bool:
    """RFC 5280 §4.2.1.6: absolute, with a scheme and a part after it; a host is a name or an address."""
    if len(text) > _LONGEST_URI or not _URI.fullmatch(text):
        return False
    scheme, colon, rest = text.partition(":")
    if not (colon and rest and _SCHEME.fullmatch(scheme)):
        return False
    if not rest.startswith("//"):
        return True
    try:
        host = uri_host(text)
        _ = urlsplit(text).port
    except ValueError:
        return False
    return _is_host(host)


def _is_host(host: str) -> bool:
    if is_dns_name(host):
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _short(value: str) -> str:
    return repr(value if len(value) <= 100 else value[:97] + "…")
