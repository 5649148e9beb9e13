"""Whether a certificate from outside may serve as a CA's: its own claims, its key, and the chain above it."""

from collections.abc import Sequence
from typing import Final

from cryptography import x509

from blazon.ca.x509.durations import format_time
from blazon.ca.x509.extensions import extension_of
from blazon.ca.x509.issuer import Issuer
from blazon.ca.x509.keys import check_algorithm, check_public_key
from blazon.engines import PublicKey
from blazon.errors import Malformed, RuleBroken
from blazon.pkix import Certificate, SignatureState, signature_state, strict_of

__all__ = ["chain_above", "check_ca_certificate", "check_key_pair", "is_ca", "is_self_issued"]

_LONGEST: Final = 16
"""Certificates in a chain at most."""


def check_ca_certificate(certificate: Certificate, *, now: int, chain: Sequence[Certificate] = ()) -> Issuer:
    """Whether a certificate is that of a CA, is valid now, and was issued by the first of `chain`, that by the next.

    `chain` may be incomplete or empty: what is there must fit. The signature by which a root vouches for itself is not
    judged, as nobody relies on it (RFC 5280 §6.1: a trust anchor is a name and a key); a wrong one says that the file
    is damaged. Gives the CA, without URLs. Raises RuleBroken.
    """
    check_public_key(certificate.public_key())
    check_algorithm(certificate.public_key(), strict_of(certificate).public_key_algorithm_oid)
    issuer = Issuer.of(certificate, chain)
    if not issuer.name.rdns:
        raise RuleBroken("the CA's certificate has no subject")
    if not issuer.valid_from <= now <= issuer.valid_to:
        raise RuleBroken(
            f"the CA's certificate is valid from {format_time(issuer.valid_from)} to {format_time(issuer.valid_to)}"
        )
    if is_self_issued(certificate):
        if signature_state(certificate, certificate.public_key()) is SignatureState.WRONG:
            raise RuleBroken(_not_signed(certificate, certificate))
    elif issuer.path_length is not None and issuer.path_length < 0:
        raise RuleBroken("a certificate above the CA's does not allow so long a chain (path length)")
    for below, above in zip((certificate, *chain), chain, strict=False):
        Issuer.of(above)
        _check_signed(below, above)
    return issuer


def chain_above(certificate: Certificate, others: Sequence[Certificate]) -> list[Certificate]:
    """Those above a certificate, nearest first, in whatever order they come; the certificate itself may be among them.

    Raises RuleBroken when one of them is not above it, one in between is missing, or there are more than 16.
    """
    left = [each for each in dict.fromkeys(others) if each != certificate]
    if len(left) > _LONGEST:
        raise RuleBroken(f"the chain has more than {_LONGEST} certificates")
    found: list[Certificate] = []
    lowest = certificate
    while left:
        above = _issuer_among(left, lowest)
        if above is None:
            raise RuleBroken(_not_signed(lowest, left[0]))
        left.remove(above)
        found.append(above)
        lowest = above
    return found


def check_key_pair(certificate: Certificate, public_key: PublicKey) -> None:
    """Whether a certificate is for this key. Raises Malformed (the CA API answers 400)."""
    if certificate.public_key() != public_key:
        raise Malformed("CA and the provided key don't match")


def is_ca(certificate: Certificate) -> bool:
    """Whether a certificate says that it is that of a CA (RFC 5280 §4.2.1.9)."""
    constraints = extension_of(certificate.extensions, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def is_self_issued(certificate: Certificate) -> bool:
    """Whether subject and issuer are the same and its key identifiers do not say otherwise."""
    if certificate.subject != certificate.issuer:
        return False
    authority = extension_of(certificate.extensions, x509.AuthorityKeyIdentifier)
    subject = extension_of(certificate.extensions, x509.SubjectKeyIdentifier)
    if authority is None or authority.key_identifier is None or subject is None:
        return True
    return authority.key_identifier == subject.digest


def _issuer_among(others: Sequence[Certificate], below: Certificate) -> Certificate | None:
    """The issuer of a certificate; by its name alone when its signature cannot be checked here."""
    named = [(each, signature_state(below, each.public_key())) for each in others if each.subject == below.issuer]
    return next(
        (each for wanted in (SignatureState.GOOD, SignatureState.UNKNOWN) for each, state in named if state is wanted),
        None,
    )


def _check_signed(below: Certificate, above: Certificate) -> None:
    state = signature_state(below, above.public_key())
    if below.issuer != above.subject or state is SignatureState.WRONG:
        raise RuleBroken(_not_signed(below, above))
    if state is SignatureState.UNKNOWN:
        raise RuleBroken(
            f"the certificate of {_shown(below)} is signed with an algorithm that is not supported"
            f" ({below.signature_algorithm_oid.dotted_string})"
        )


def _not_signed(below: Certificate, above: Certificate) -> str:
    return f"the certificate of {_shown(below)} is not signed by {_shown(above)}"


def _shown(certificate: Certificate) -> str:
    return certificate.subject.rfc4514_string()[:100]
