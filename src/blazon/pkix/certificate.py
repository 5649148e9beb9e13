"""Certificates and certificate requests as they were read: most by `cryptography`, some kindly.

Whoever reads a field need not know which it is. Both keep the octets they came in: those are stored, handed out, and
what signatures are over.
"""

import ssl
from datetime import datetime
from enum import Enum
from typing import Any, Final, TypeAlias

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.hashes import MD5, SHA1
from cryptography.hazmat.primitives.serialization import Encoding

__all__ = [
    "Certificate",
    "LenientCertificate",
    "Request",
    "SignatureState",
    "is_signed_by",
    "issuer_der",
    "signature_state",
    "strict_of",
    "subject_der",
    "version_of",
    "weak_hash",
]


class LenientCertificate(msgspec.Struct, frozen=True):
    """A certificate that strict parsers refuse; it has what is used here of `x509.Certificate`.

    `strict` is its rewriting as DER, for its fields. `octets` are its own, `tbs_certificate_bytes` what was signed of
    them, `subject_der` and `issuer_der` its names as they stood. `serial_number` may be 0 or negative, which RFC 5280
    §4.1.2.2 asks to handle.
    """

    strict: x509.Certificate
    octets: bytes
    tbs_certificate_bytes: bytes
    serial_number: int
    version_number: int
    subject_der: bytes
    issuer_der: bytes

    @property
    def subject(self) -> x509.Name:
        """The subject, its text as it was meant."""
        return self.strict.subject

    @property
    def issuer(self) -> x509.Name:
        """The issuer, its text as it was meant."""
        return self.strict.issuer

    @property
    def extensions(self) -> x509.Extensions:
        """The extensions."""
        return self.strict.extensions

    @property
    def not_valid_before_utc(self) -> datetime:
        """The begin of its life."""
        return self.strict.not_valid_before_utc

    @property
    def not_valid_after_utc(self) -> datetime:
        """The end of its life."""
        return self.strict.not_valid_after_utc

    @property
    def signature(self) -> bytes:
        """The signature."""
        return self.strict.signature

    @property
    def signature_algorithm_oid(self) -> x509.ObjectIdentifier:
        """The algorithm it is signed with."""
        return self.strict.signature_algorithm_oid

    def public_key(self) -> CertificatePublicKeyTypes:
        """The public key."""
        return self.strict.public_key()

    def public_bytes(self, encoding: Encoding) -> bytes:
        """The octets as they came, or those in PEM."""
        if encoding is Encoding.DER:
            return self.octets
        return ssl.DER_cert_to_PEM_cert(self.octets).encode()


Certificate: TypeAlias = x509.Certificate | LenientCertificate
"""A certificate as it was read."""


class Request(msgspec.Struct, frozen=True):
    """A certificate request, decoded.

    `strict` is it as strict parsers read it, `signed` what the signature is over, as it stood.
    """

    subject: x509.Name
    public_key: CertificatePublicKeyTypes
    extensions: x509.Extensions
    strict: x509.CertificateSigningRequest
    signed: bytes

    @property
    def is_signature_valid(self) -> bool:
        """Whether it is signed by the key in it."""
        return _state(self.strict, self.signed, self.public_key) is SignatureState.GOOD


def subject_der(certificate: Certificate) -> bytes:
    """The subject as it stands in the certificate: issuers of what it signs must have the same octets."""
    return (
        certificate.subject_der if isinstance(certificate, LenientCertificate) else certificate.subject.public_bytes()
    )


def issuer_der(certificate: Certificate) -> bytes:
    """The issuer as it stands in the certificate."""
    return certificate.issuer_der if isinstance(certificate, LenientCertificate) else certificate.issuer.public_bytes()


def version_of(certificate: Certificate) -> int:
    """The version, counted from 1; there are 1, 2 and 3, and others may be written."""
    number = certificate.version_number if isinstance(certificate, LenientCertificate) else certificate.version.value
    return number + 1


def weak_hash(certificate: Certificate) -> str:
    """The name of the broken hash it is signed with; empty when it is signed with another."""
    try:
        found = strict_of(certificate).signature_hash_algorithm
    except UnsupportedAlgorithm:
        return ""
    return _WEAK.get(type(found), "")


class SignatureState(Enum):
    """What is known of a signature."""

    GOOD = "good"
    WRONG = "wrong"
    UNKNOWN = "unknown"
    """It is by an algorithm, or a kind of key, that is not known here."""


def signature_state(certificate: Certificate, public_key: object) -> SignatureState:
    """Whether a certificate is signed by this key. The strength of the algorithm is not judged."""
    return _state(strict_of(certificate), certificate.tbs_certificate_bytes, public_key)


def is_signed_by(certificate: Certificate, public_key: object) -> bool:
    """Whether a certificate is known to be signed by this key."""
    return signature_state(certificate, public_key) is SignatureState.GOOD


_WEAK: Final[dict[type[Any], str]] = {MD5: "MD5", SHA1: "SHA-1"}


def strict_of(certificate: Certificate) -> x509.Certificate:
    """A certificate as strict parsers read it; of a lenient one its rewriting."""
    return certificate.strict if isinstance(certificate, LenientCertificate) else certificate


def _state(
    signed: x509.Certificate | x509.CertificateSigningRequest, content: bytes, public_key: object
) -> SignatureState:
    signature = signed.signature
    try:
        hashed, parameters = signed.signature_hash_algorithm, signed.signature_algorithm_parameters
        match public_key:
            case rsa.RSAPublicKey() if hashed is not None:
                # For MD5 `cryptography` names no padding.
                public_key.verify(signature, content, parameters or padding.PKCS1v15(), hashed)  # type: ignore[arg-type]
            case ec.EllipticCurvePublicKey() if hashed is not None:
                public_key.verify(signature, content, ec.ECDSA(hashed))
            case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey():
                public_key.verify(signature, content)
            case mldsa.MLDSA44PublicKey() | mldsa.MLDSA65PublicKey() | mldsa.MLDSA87PublicKey():
                public_key.verify(signature, content)
            case dsa.DSAPublicKey() if hashed is not None:
                public_key.verify(signature, content, hashed)
            case rsa.RSAPublicKey() | ec.EllipticCurvePublicKey() | dsa.DSAPublicKey():
                return SignatureState.WRONG  # by a key of another kind, which signs without a hash
            case _:
                return SignatureState.UNKNOWN
    except UnsupportedAlgorithm:
        return SignatureState.UNKNOWN
    except (InvalidSignature, ValueError, TypeError):
        return SignatureState.WRONG
    return SignatureState.GOOD
