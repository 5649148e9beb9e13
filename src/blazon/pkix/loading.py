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
            _decode(certificate, _OF_CERTIFICATE)
            # A signature of other than whole octets could be written in two ways.
            if certificate.serial_number > 0 and der.endswith(b"\0" + certificate.signature):
                return certificate
        except _UNDECODABLE:
            pass
        rewritten = rewrite_certificate(der)
        strict = _loaded(x509.load_der_x509_certificate, rewritten.der, "certificate", _OF_CERTIFICATE)
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
            _decode(request, _OF_REQUEST)
            # `cryptography` takes the first of several lists of extensions and is silent about the others.
            if der.endswith(b"\0" + request.signature) and sum(map(der.count, _EXTENSION_REQUESTS)) <= 1:
                return Request(request, request.tbs_certrequest_bytes)
        except _UNDECODABLE:
            pass
        rewritten = rewrite_request(der)
        strict = _loaded(x509.load_der_x509_csr, rewritten.der, "certificate request", _OF_REQUEST)
    return Request(strict, rewritten.signed)


def _decode(loaded: T, decoders: Mapping[str, Callable[[T], object]]) -> None:
    for decode in decoders.values():
        decode(loaded)


def _loaded(load: Callable[[bytes], T], der: bytes, what: str, decoders: Mapping[str, Callable[[T], object]]) -> T:
    try:
        loaded = load(der)
    except _UNDECODABLE:
        raise Malformed(f"the {what} is not put together as one is") from None
    for part, decode in decoders.items():
        try:
            decode(loaded)
        except UnsupportedAlgorithm:
            raise Malformed(f"the {part} of the {what} is of a kind that is not supported") from None
        except _UNDECODABLE:
            raise Malformed(f"the {part} of the {what} cannot be read") from None
    return loaded


@contextmanager
def _quietly() -> Iterator[None]:
    """Without warnings of odd lengths in names and the like: rules of ours judge them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
