"""Name constraints: which names a CA may certify (RFC 5280 §4.2.1.10).

A name passes when no excluded subtree holds it, and when there are permitted subtrees of its kind, one of them does.
Every CA of a chain is asked, each by its own subtrees.
"""

import re
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final

import msgspec
from cryptography import x509
from cryptography.x509.oid import NameOID

from blazon.ca.x509.general_names import is_dns_name, is_mailbox, uri_host
from blazon.ca.x509.names import Subject, name_of
from blazon.errors import RuleBroken

__all__ = ["NameConstraints", "check_names", "constraints_of"]


_MOST_SUBTREES: Final = 256
"""In all: the certificate goes into events, and clients compare each name with each of them."""
_MOST_OCTETS: Final = 32 * 1024


class NameConstraints(msgspec.Struct, frozen=True):
    """Subtrees of names, each as text. Nothing at all constrains nothing.

    DNS: `example.com` holds itself and everything below. Mail: `a@example.com`, `example.com` (every box of the host)
    or `.example.com` (of every host below). URI: a host, or `.example.com`. IP: a network, `10.0.0.0/8`.
    """

    permitted_dns: tuple[str, ...] = ()
    excluded_dns: tuple[str, ...] = ()
    permitted_email: tuple[str, ...] = ()
    excluded_email: tuple[str, ...] = ()
    permitted_uri: tuple[str, ...] = ()
    excluded_uri: tuple[str, ...] = ()
    permitted_ip: tuple[str, ...] = ()
    excluded_ip: tuple[str, ...] = ()
    permitted_directory: tuple[Subject, ...] = ()
    excluded_directory: tuple[Subject, ...] = ()


def constraints_of(constraints: NameConstraints) -> x509.NameConstraints | None:
    """The extension's value, or None when nothing is constrained.

    Raises RuleBroken: a subtree is none, there are more than 256, or they take more than 32 KiB.
    """
    count = sum(map(len, msgspec.structs.astuple(constraints)))
    if count > _MOST_SUBTREES:
        raise RuleBroken(f"there are {count} name constraints, at most {_MOST_SUBTREES} are allowed")
    permitted, excluded = (
        [
            *(x509.DNSName(_host(dns)) for dns in getattr(constraints, f"{side}_dns")),
            *(x509.RFC822Name(_mailbox(mail)) for mail in getattr(constraints, f"{side}_email")),
            *(x509.UniformResourceIdentifier(_host(host)) for host in getattr(constraints, f"{side}_uri")),
            *(x509.IPAddress(_network(network)) for network in getattr(constraints, f"{side}_ip")),
            *(x509.DirectoryName(name_of(subject)) for subject in getattr(constraints, f"{side}_directory")),
        ]
        for side in ("permitted", "excluded")
    )
    if not permitted and not excluded:
        return None
    value = x509.NameConstraints(permitted or None, excluded or None)
    if len(value.public_bytes()) > _MOST_OCTETS:
        raise RuleBroken(f"the name constraints take more than {_MOST_OCTETS} octets")
    return value


def _host(text: str) -> str:
    if not is_dns_name(text.removeprefix(".")):
        raise RuleBroken(f"the name constraint {text[:100]!r} is not a domain")
    return text


def _mailbox(text: str) -> str:
    if "@" not in text:
        return _host(text)
    if not is_mailbox(text):
        raise RuleBroken(f"the name constraint {text[:100]!r} is not a mailbox")
    return text


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError:
        raise RuleBroken(f"the name constraint {text[:100]!r} is not a network such as 10.0.0.0/8") from None


def check_names(
    constraints: Iterable[x509.NameConstraints], subject: x509.Name, names: Iterable[x509.GeneralName]
) -> None:
    """Whether a subject and its alternative names may be certified under all of the constraints. Raises RuleBroken.

    A mail address in the subject counts as a name where no alternative name gives one (RFC 5280 §4.2.1.10), and so does
    a common name that looks like a DNS name: OpenSSL and others still take it for one.
    """
    wanted = list(names)
    if subject.rdns:
        wanted.append(x509.DirectoryName(subject))
    if not any(isinstance(name, x509.RFC822Name) for name in wanted):
        addresses = subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS)
        wanted.extend(x509.RFC822Name(found.value) for found in addresses if isinstance(found.value, str))
    if not any(isinstance(name, x509.DNSName) for name in wanted):
        common = (found.value for found in subject.get_attributes_for_oid(NameOID.COMMON_NAME))
        wanted.extend(x509.DNSName(name) for name in common if isinstance(name, str) and _LIKE_DNS.fullmatch(name))
    for each in constraints:
        for name in wanted:
            _check(each, name)


_DNS_LABEL: Final = "[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?"
_LIKE_DNS: Final = re.compile(rf"{_DNS_LABEL}(?:\.{_DNS_LABEL})+")
"""What OpenSSL takes for a DNS name in a common name: labels with a dot between them (v3_ncons.c, cn2dnsid)."""


def _check(constraints: x509.NameConstraints, name: x509.GeneralName) -> None:
    holds = _HOLDS.get(type(name))
    excluded = [tree for tree in constraints.excluded_subtrees or () if type(tree) is type(name)]
    permitted = [tree for tree in constraints.permitted_subtrees or () if type(tree) is type(name)]
    if not excluded and not permitted:
        return
    # A kind we cannot compare must be refused when it is constrained (RFC 5280 §4.2.1.10).
    if holds is None or any(holds(tree.value, name.value) for tree in excluded):
        raise RuleBroken(f"the name {_shown(name)} is excluded by the name constraints of the CA")
    if permitted and not any(holds(tree.value, name.value) for tree in permitted):
        raise RuleBroken(f"the name {_shown(name)} is not within the name constraints of the CA")


def _shown(name: x509.GeneralName) -> str:
    return (name.value.rfc4514_string() if isinstance(name, x509.DirectoryName) else str(name.value))[:100]


def _dns_holds(tree: str, name: str) -> bool:
    tree, name = tree.lower(), name.lower()
    return not tree or name == tree or name.endswith(tree if tree.startswith(".") else f".{tree}")


def _mail_holds(tree: str, name: str) -> bool:
    local, at, tree_host = tree.rpartition("@")
    name_local, _, host = name.rpartition("@")
    if at:
        return name_local == local and host.lower() == tree_host.lower()
    return _host_holds(tree, host)


def _uri_holds(tree: str, uri: str) -> bool:
    try:
        host = uri_host(uri)
    except ValueError:
        host = ""
    # Without a host that is a name, whether it is within cannot be said: refused (RFC 5280 §4.2.1.10).
    if not is_dns_name(host):
        raise RuleBroken(f"the name {uri[:100]} has no host, and the CA's name constraints ask for one")
    return _host_holds(tree, host)


def _host_holds(tree: str, host: str) -> bool:
    tree, host = tree.lower(), host.lower()
    return host.endswith(tree) if tree.startswith(".") else host == tree


def _ip_holds(tree: IPv4Network | IPv6Network, address: IPv4Address | IPv6Address) -> bool:
    return address in tree


def _directory_holds(tree: x509.Name, name: x509.Name) -> bool:
    """Whether the name begins with the tree's RDNs, compared without regard to case and runs of blanks."""
    wanted, found = _folded(tree), _folded(name)
    return found[: len(wanted)] == wanted


def _folded(name: x509.Name) -> list[frozenset[tuple[str, str]]]:
    return [
        frozenset((part.oid.dotted_string, " ".join(str(part.value).split()).casefold()) for part in rdn)
        for rdn in name.rdns
    ]


_HOLDS: dict[type[x509.GeneralName], Callable[..., bool]] = {
    x509.DNSName: _dns_holds,
    x509.RFC822Name: _mail_holds,
    x509.UniformResourceIdentifier: _uri_holds,
    x509.IPAddress: _ip_holds,
    x509.DirectoryName: _directory_holds,
}
