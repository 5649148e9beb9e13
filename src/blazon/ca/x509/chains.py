"""Whether a certificate from outside may serve as a CA's: its own claims, its key, and the chain above it."""

from collections.abc import Sequence
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from blazon.ca.x509.durations import format_time
from blazon.ca.x509.extensions import extension_of
from blazon.ca.x509.issuer import Issuer
from blazon.ca.x509.keys import check_plain, check_public_key
from blazon.engines import PublicKey
from blazon.errors import Malformed, RuleBroken

__all__ = ["chain_above", "check_ca_certificate", "check_key_pair", "is_ca", "is_self_issued"]

_LONGEST: Final = 16
"""Certificates in a chain at most."""


def check_ca_certificate(certificate: x509.Certificate, *, now: int, chain: Sequence[x509.Certificate] = ()) -> Issuer:
    """Whether a certificate is that of a CA, is valid now, and was issued by the first of `chain`, that by the next.

    `chain` may be incomplete or empty: what is there must fit. A certificate that names itself as its issuer must be
    signed by its own key. Gives the CA, without URLs. Raises RuleBroken.
    """
    check_public_key(certificate.public_key())
    check_plain(certificate.public_key(), certificate.tbs_certificate_bytes)
    issuer = Issuer.of(certificate, chain)
    if not issuer.name.rdns:
        raise RuleBroken("the CA's certificate has no subject")
    if not issuer.valid_from <= now <= issuer.valid_to:
        raise RuleBroken(
            f"the CA's certificate is valid from {format_time(issuer.valid_from)} to {format_time(issuer.valid_to)}"
        )
    if is_self_issued(certificate):
        _check_signed(certificate, certificate)
    elif issuer.path_length is not None and issuer.path_length < 0:
        raise RuleBroken("a certificate above the CA's does not allow so long a chain (path length)")
    for below, above in zip((certificate, *chain), chain, strict=False):
        Issuer.of(above)
        _check_signed(below, above)
    return issuer


def chain_above(certificate: x509.Certificate, others: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """Those above a certificate, nearest first, in whatever order they come; the certificate itself may be among them.

    Raises RuleBroken when one of them is not above it, one in between is missing, or there are more than 16.
    """
    left = [each for each in dict.fromkeys(others) if each != certificate]
    if len(left) > _LONGEST:
        raise RuleBroken(f"the chain has more than {_LONGEST} certificates")
    found: list[x509.Certificate] = []
    lowest = certificate
    while left:
        above = next((each for each in left if _is_signed(lowest, each)), None)
        if above is None:
            raise _not_signed(lowest, left[0])
        left.remove(above)
        found.append(above)
        lowest = above
    return found


def check_key_pair(certificate: x509.Certificate, public_key: PublicKey) -> None:
    """Whether a certificate is for this key. Raises Malformed (the CA API answers 400)."""
    if certificate.public_key() != public_key:
        raise Malformed("CA and the provided key don't match")


def is_ca(certificate: x509.Certificate) -> bool:
    """Whether a certificate says that it is that of a CA (RFC 5280 §4.2.1.9)."""
    constraints = extension_of(certificate.extensions, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def is_self_issued(certificate: x509.Certificate) -> bool:
    """Whether subject and issuer are the same and its key identifiers do not say otherwise."""
    if certificate.subject != certificate.issuer:
        return False
    authority = extension_of(certificate.extensions, x509.AuthorityKeyIdentifier)
    subject = extension_of(certificate.extensions, x509.SubjectKeyIdentifier)
    if authority is None or authority.key_identifier is None or subject is None:
        return True
    return authority.key_identifier == subject.digest


def _check_signed(below: x509.Certificate, above: x509.Certificate) -> None:
    if not _is_signed(below, above):
        raise _not_signed(below, above)


def _is_signed(below: x509.Certificate, above: x509.Certificate) -> bool:
    try:
        below.verify_directly_issued_by(above)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _not_signed(below: x509.Certificate, above: x509.Certificate) -> RuleBroken:
    return RuleBroken(
        f"the certificate of {below.subject.rfc4514_string()[:100]} is not signed by"
        f" {above.subject.rfc4514_string()[:100]}"
    )
