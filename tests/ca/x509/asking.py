"""OCSP requests made by cryptography, for the tests."""

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from blazon.ca.x509 import CertId, read_ocsp_request


def request(
    leaf: x509.Certificate, issuer: x509.Certificate, hashed: HashAlgorithm | None = None, nonce: bytes | None = None
) -> bytes:
    """A request for one certificate, as DER."""
    builder = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, hashed or SHA1())
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def cert_id(leaf: x509.Certificate, issuer: x509.Certificate) -> CertId:
    """What a request for one certificate asks for."""
    return read_ocsp_request(request(leaf, issuer)).cert_ids[0]
