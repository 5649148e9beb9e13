"""Several certificates in one file: who issued which, and which of them is meant."""

from collections.abc import Sequence

from blazon.errors import Malformed
from blazon.pkix.certificate import Certificate, is_signed_by

__all__ = ["is_issued_by", "lowest"]


def is_issued_by(certificate: Certificate, above: Certificate) -> bool:
    """Whether a certificate names another one's subject as its issuer and is signed by its key.

    This says whose word counts for its revocation, not whether it is to be trusted: a signature with SHA-1 counts too.
    """
    return certificate.issuer == above.subject and is_signed_by(certificate, above.public_key())


def lowest(found: Sequence[Certificate]) -> Certificate:
    """The certificate that issued none of the others. Raises Malformed when there are several, or none."""
    ends = [each for each in found if not any(other != each and is_issued_by(other, each) for other in found)]
    if len(ends) != 1:
        raise Malformed(f"there are {len(found)} certificates that are not one chain; give one, and those above it")
    return ends[0]
