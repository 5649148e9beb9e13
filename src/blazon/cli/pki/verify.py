"""Whether a certificate is to be trusted: signatures up to a root, dates, and what OCSP says.

Each answer begins with `good`, `bad` or `unknown`, and says why.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import SubjectKeyIdentifier, ocsp

from blazon.cli.client import Api
from blazon.cli.pki.expiry import timestamp
from blazon.pkix import Certificate, is_signed_by, issuer_der

__all__ = ["dates", "revocation", "signatures"]


def signatures(path: Sequence[Certificate]) -> str:
    """Whether each certificate is signed by the next, up to one that is its own issuer.

    The signature of a root is not judged: who trusts a root trusts its key (RFC 5280 §6.1.1 (d)).
    """
    for below, above in pairwise(path):
        if below.issuer != above.subject or not is_signed_by(below, above.public_key()):
            return f"bad: {_name(below)} is not signed by {_name(above)}"
    last = path[-1]
    if last.issuer != last.subject:
        issuer = last.issuer.rfc4514_string()
        return f"unknown: good up to {_name(last)}, but the certificate of its issuer, {issuer}, is not here"
    return f"good: up to {_name(last)}"


def _name(certificate: Certificate) -> str:
    return certificate.subject.rfc4514_string()


def dates(path: Sequence[Certificate]) -> str:
    """Whether all of them are valid now."""
    now = datetime.now(UTC)
    for each in path:
        if now < each.not_valid_before_utc:
            return f"bad: {_name(each)} is valid from {timestamp(each.not_valid_before_utc)} on"
        if now > each.not_valid_after_utc:
            return f"bad: {_name(each)} was valid until {timestamp(each.not_valid_after_utc)}"
    return f"good: until {timestamp(min(each.not_valid_after_utc for each in path))}"


def revocation(api: Api, path: Sequence[Certificate], entity: Mapping[str, Any]) -> str:
    """What the OCSP responder of Blazon says of the first certificate, which is `entity`, and of those above it.

    No responder answers for a root, so for a root that stands alone the status in `entity` counts. A CA further above
    for which Blazon cannot answer is passed over.
    """
    if len(path) == 1:
        return _of_the_last(path[0], entity)
    first, *others = (_asked(api, each, issuer) for each, issuer in pairwise(path))
    revoked = (
        f"bad: {_name(each)}: {said.removeprefix('bad: ')}"
        for each, said in zip(path[1:], others, strict=False)
        if said.startswith("bad")
    )
    return next(revoked, first) if first.startswith("good") else first


def _of_the_last(certificate: Certificate, entity: Mapping[str, Any]) -> str:
    if certificate.issuer != certificate.subject:
        return "unknown: its issuer is not here"
    if entity["status"] == "REVOKED":
        return f"bad: revoked on {entity['revocation_timestamp']}, {entity['revocation_reason']}"
    return "good: a root, which OCSP does not revoke"


def _asked(api: Api, certificate: Certificate, issuer: Certificate) -> str:
    name = hashlib.sha1(issuer_der(certificate), usedforsecurity=False).digest()
    key = SubjectKeyIdentifier.from_public_key(issuer.public_key()).digest  # the hash of the bits of the key
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(name, key, certificate.serial_number, SHA1())  # noqa: S303
    response = ocsp.load_der_ocsp_response(api.fetch("/api/va/ocsp", builder.build().public_bytes(Encoding.DER)))
    if response.response_status is ocsp.OCSPResponseStatus.UNAUTHORIZED:
        return f"unknown: Blazon does not answer for {_name(issuer)}; ask where the certificate says"
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        return f"unknown: OCSP answers {response.response_status.name.lower().replace('_', ' ')}; try again"
    if response.certificate_status is ocsp.OCSPCertStatus.REVOKED:
        reason = response.revocation_reason.value if response.revocation_reason else "unspecified"
        when = response.revocation_time_utc
        return f"bad: revoked on {timestamp(when) if when else 'an unknown day'}, {reason}"
    good = response.certificate_status is ocsp.OCSPCertStatus.GOOD
    return "good: not revoked" if good else "unknown: OCSP does not know the certificate"
