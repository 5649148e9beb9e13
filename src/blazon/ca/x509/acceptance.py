"""Why clients would refuse whatever a CA issues, told by its certificate and those above it.

Such a CA is not imported with its key: it would issue, and nobody could use what it issued.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtensionOID

from blazon.ca.x509.chains import is_self_issued
from blazon.ca.x509.der import object_identifier
from blazon.ca.x509.extensions import extension_of
from blazon.ca.x509.issuer import allowed_purposes
from blazon.ca.x509.profiles import Profile, purposes_of
from blazon.pkix import (
    Certificate,
    LenientCertificate,
    is_signed_by,
    is_strict_name,
    subject_der,
    version_of,
    weak_hash,
)
from blazon.serials import format_serial

__all__ = ["refusal_by_clients"]

_KNOWN_CRITICAL: Final = frozenset(
    (
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.NAME_CONSTRAINTS,
        ExtensionOID.POLICY_CONSTRAINTS,
        ExtensionOID.CERTIFICATE_POLICIES,
        ExtensionOID.POLICY_MAPPINGS,
        ExtensionOID.INHIBIT_ANY_POLICY,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.CRL_DISTRIBUTION_POINTS,
    )
)
"""What a client must know (RFC 5280 §4.2), and CRL distribution points besides, which OpenSSL knows too."""


def refusal_by_clients(certificate: Certificate, chain: Sequence[Certificate], profile: Profile) -> str:
    """Why clients would refuse what a CA issues by a profile; empty when they would not.

    `chain` is what is known to stand above it, nearest first. What stands above a root, for those who do not trust it,
    is not judged.
    """
    path: list[Certificate] = []
    for each in (certificate, *chain):
        path.append(each)
        if each.subject == each.issuer and is_signed_by(each, each.public_key()):
            break
    return next(_reasons(certificate, path[1:], profile), "")


def _reasons(certificate: Certificate, chain: Sequence[Certificate], profile: Profile) -> Iterator[str]:
    for each in (certificate, *chain):
        yield from _of_one(each)
    for below, above in zip((certificate, *chain), chain, strict=False):
        yield from _contradictions(below, above)
    last = (certificate, *chain)[-1]
    if last.subject == last.issuer and is_signed_by(last, last.public_key()):
        yield from _contradictions(last, last)
    allowed, wanted = allowed_purposes(certificate, chain), purposes_of(profile)
    if allowed is not None and wanted and not allowed.intersection(wanted):
        yield "the extended key usage of the CA allows none of those that its profile puts into certificates"
    if not is_strict_name(subject_der(certificate)):
        yield "its subject is not written as RFC 5280 has it, and whatever it issued would have to repeat that"
    yield from _of_key(certificate)


def _of_key(certificate: Certificate) -> Iterator[str]:
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        named = object_identifier(_CURVES[key.curve.name]) if key.curve.name in _CURVES else b""
        if named not in certificate.tbs_certificate_bytes:
            yield "its key does not name its curve, but describes it (RFC 5480 §2.1.1)"
    if isinstance(certificate, LenientCertificate):
        written = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if written not in certificate.tbs_certificate_bytes:
            yield "its key is not written in DER"


_CURVES: Final = {"secp256r1": "1.2.840.10045.3.1.7", "secp384r1": "1.3.132.0.34", "secp521r1": "1.3.132.0.35"}


def _of_one(certificate: Certificate) -> Iterator[str]:
    name, version = certificate.subject.rfc4514_string()[:100], version_of(certificate)
    for extension in certificate.extensions:
        if extension.critical and extension.oid not in _KNOWN_CRITICAL:
            identifier = extension.oid.dotted_string
            yield f"the certificate of {name} has the critical extension {identifier}, which they do not know"
    if version != 3 and len(certificate.extensions):
        yield f"the certificate of {name} has extensions and says it is of version {version}, which has none"
    weak = weak_hash(certificate)
    if weak and not is_self_issued(certificate):
        yield f"the certificate of {name} is signed with {weak}, which is broken"


def _contradictions(below: Certificate, above: Certificate) -> Iterator[str]:
    """Where the authority key identifier names another certificate than the one above (RFC 5280 §4.2.1.1)."""
    authority = extension_of(below.extensions, x509.AuthorityKeyIdentifier)
    if authority is None:
        return
    name, subject = below.subject.rfc4514_string()[:100], extension_of(above.extensions, x509.SubjectKeyIdentifier)
    if subject is not None and authority.key_identifier not in (None, subject.digest):
        yield f"the authority key identifier of {name} is not the subject key identifier of its issuer"
    serial = authority.authority_cert_serial_number
    if serial is not None and serial != above.serial_number:
        yield f"the authority key identifier of {name} names {format_serial(serial)}, not the certificate of its issuer"
    names = [each.value for each in authority.authority_cert_issuer or () if isinstance(each, x509.DirectoryName)]
    if names and above.issuer not in names:
        yield f"the authority key identifier of {name} names another issuer of its issuer"
