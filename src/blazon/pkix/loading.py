"""Loading one certificate or one request from DER: strictly first, and kindly when strict reading fails.

Everything in it is decoded at once: what is broken shows here, as Malformed, and not in a caller.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from blazon.errors import Malformed
from blazon.pkix.certificate import Certificate, LenientCertificate, Request
from blazon.pkix.lenient import rewrite_certificate, rewrite_request

__all__ = ["load_certificate", "load_request"]

T = TypeVar("T")

_UNDECODABLE: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    x509.InvalidVersion,
)
_EXTENSION_REQUESTS: Final = (bytes.fromhex("2a864886f70d01090e"), bytes.fromhex("2b06010401823702010e"))
"""The attributes with requested extensions: of PKCS #9, and Microsoft's own."""

_OF_CERTIFICATE: Final[Mapping[str, Callable[[x509.Certificate], object]]] = {
    "subject": lambda certificate: certificate.subject,
    "issuer": lambda certificate: certificate.issuer,
    "extensions": lambda certificate: certificate.extensions,
    "public key": lambda certificate: certificate.public_key(),
    "validity": lambda certificate: (certificate.not_valid_before_utc, certificate.not_valid_after_utc),
}

_OF_REQUEST: Final[Mapping[str, Callable[[x509.CertificateSigningRequest], object]]] = {
    "subject": lambda request: request.subject,
    "extensions": lambda request: request.extensions,
    "public key": lambda request: request.public_key(),
}


def load_certificate(der: bytes) -> Certificate:
    """The certificate that these octets are. Raises Malformed."""
    with _quietly():
        try:
            certificate = x509.load_der_x509_certificate(der)
            for decode in _OF_CERTIFICATE.values():
                decode(certificate)
            # A signature of other than whole octets could be written in two ways.
            if certificate.serial_number > 0 and der.endswith(b"\0" + certificate.signature):
                return certificate
        except _UNDECODABLE:
            pass
        rewritten = rewrite_certificate(der)
        try:
            strict = x509.load_der_x509_certificate(rewritten.der)
        except _UNDECODABLE:
            raise Malformed("the public key or the signature algorithm of the certificate cannot be read") from None
        _check_parts(strict, "certificate", _OF_CERTIFICATE)
    return LenientCertificate(
        strict=strict,
        octets=der,
        tbs_certificate_bytes=rewritten.signed,
        serial_number=rewritten.serial,
        version_number=rewritten.version,
        subject_der=rewritten.subject,
        issuer_der=rewritten.issuer,
    )


def load_request(der: bytes) -> Request:
    """The certificate request that these octets are. Raises Malformed."""
    with _quietly():
        try:
            request = x509.load_der_x509_csr(der)
            # `cryptography` takes the first of several lists of extensions and is silent about the others.
            if der.endswith(b"\0" + request.signature) and sum(map(der.count, _EXTENSION_REQUESTS)) <= 1:
                return _decoded(request, request.tbs_certrequest_bytes)
        except _UNDECODABLE:
            pass
        rewritten = rewrite_request(der)
        try:
            request = x509.load_der_x509_csr(rewritten.der)
        except _UNDECODABLE:
            raise Malformed("the public key or the signature algorithm of the request cannot be read") from None
        _check_parts(request, "certificate request", _OF_REQUEST)
        return _decoded(request, rewritten.signed)


def _decoded(request: x509.CertificateSigningRequest, signed: bytes) -> Request:
    return Request(request.subject, request.public_key(), request.extensions, request, signed)


def _check_parts(loaded: T, what: str, parts: Mapping[str, Callable[[T], object]]) -> None:
    """Whether each part can be decoded. Raises Malformed, which names the first that cannot."""
    for part, decode in parts.items():
        try:
            decode(loaded)
        except UnsupportedAlgorithm:
            raise Malformed(f"the {part} of the {what} is of a kind that is not supported") from None
        except _UNDECODABLE:
            raise Malformed(f"the {part} of the {what} cannot be read") from None


@contextmanager
def _quietly() -> Iterator[None]:
    """Without warnings of odd lengths in names and the like: rules of ours judge them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
