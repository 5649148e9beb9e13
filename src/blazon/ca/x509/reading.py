"""Reading certificates, requests and keys, and the rules each must keep by itself.

Files of every usual form are taken, and encodings that strict parsers refuse (`blazon.pkix`). What cannot be read is
Malformed; what can be read and is not acceptable (a weak key, a wrong signature of a request) is RuleBroken. No private
key is quoted.
"""

import base64
import binascii
import contextlib
from collections.abc import Sequence
from typing import Final

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from blazon.ca.x509.keys import check_algorithm, check_private_key, check_public_key
from blazon.engines import KeySpec, PrivateKey, PublicKey
from blazon.errors import Malformed, RuleBroken
from blazon.pkix import (
    LARGEST,
    Certificate,
    EncodedKey,
    Request,
    load_certificate,
    load_request,
    only_block,
    read_contents,
    read_key,
)

__all__ = [
    "CertificationRequest",
    "from_base64",
    "loaded_certificates",
    "opened_key",
    "pem_of",
    "read_certificate",
    "read_certificates",
    "read_csr",
    "read_private_key",
]

_LARGEST_CERTIFICATE: Final = 64 * 1024
"""Octets. It goes into events: a certificate with a key and a signature of the largest kind takes half of this."""
_MOST_CERTIFICATES: Final = 16
_MOST_SERIAL_OCTETS: Final = 64
"""RFC 5280 §4.1.2.2 asks for 20 at most. What is longer than 64 octets could not be asked for by its serial number."""
_REQUESTS: Final = ("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")
_WEAK_HASHES: Final = (hashes.MD5, hashes.SHA1)


class CertificationRequest(msgspec.Struct, frozen=True):
    """A PKCS #10 request (RFC 2986) whose signature was checked: whoever made it holds the private key."""

    subject: x509.Name
    public_key: PublicKey
    spec: KeySpec
    extensions: x509.Extensions


def read_certificate(data: bytes, password: str | None = None) -> Certificate:
    """The only certificate in a file. Raises Malformed."""
    found = read_certificates(data, password)
    if len(found) > 1:
        raise Malformed(f"there are {len(found)} certificates; give one")
    return found[0]


def read_certificates(data: bytes, password: str | None = None) -> list[Certificate]:
    """The certificates in a file, one to 16, in its order and each once. Raises Malformed."""
    return loaded_certificates(read_contents(data, password).some_certificates())


def loaded_certificates(encoded: Sequence[bytes]) -> list[Certificate]:
    """Certificates from DER, or BER. Raises Malformed."""
    if len(encoded) > _MOST_CERTIFICATES:
        raise Malformed(f"there are {len(encoded)} certificates, more than {_MOST_CERTIFICATES}")
    if sum(map(len, encoded)) > LARGEST:
        raise Malformed(f"the certificates are larger than {LARGEST} bytes together")
    return [_loaded(each) for each in encoded]


def _loaded(der: bytes) -> Certificate:
    if len(der) > _LARGEST_CERTIFICATE:
        raise Malformed(f"the certificate is larger than {_LARGEST_CERTIFICATE} bytes")
    certificate = load_certificate(der)
    number = certificate.serial_number
    octets = (number if number >= 0 else ~number).bit_length() // 8 + 1
    if octets > _MOST_SERIAL_OCTETS:
        raise Malformed(
            f"the certificate's serial number has {octets} octets; RFC 5280 allows 20, and here at most"
            f" {_MOST_SERIAL_OCTETS} are taken"
        )
    return certificate


def read_csr(data: bytes) -> CertificationRequest:
    """The only certificate request in a file.

    Raises Malformed; RuleBroken when its key is weak or its signature is not by that key (proof of possession,
    RFC 2986 §3) or by a hash that is broken.
    """
    request = _read_request(data)
    public_key = request.public_key
    # The key comes first: to check a signature by a monstrous key takes long.
    spec = check_public_key(public_key)
    algorithm = request.strict.public_key_algorithm_oid  # type: ignore[attr-defined]  # the stubs lack it
    check_algorithm(public_key, algorithm)
    try:
        hashed = request.strict.signature_hash_algorithm
    except UnsupportedAlgorithm:
        raise RuleBroken("the certificate request is signed with an algorithm that is not supported") from None
    if isinstance(hashed, _WEAK_HASHES):
        raise RuleBroken("the certificate request is signed with a hash that is broken; use SHA-256")
    if not request.is_signature_valid:
        raise RuleBroken("the certificate request is not signed by the key in it")
    assert isinstance(public_key, PublicKey)
    return CertificationRequest(request.subject, public_key, spec, request.extensions)


def _read_request(data: bytes) -> Request:
    # The short way, for devices by the thousand: one PEM block that says what it is, or DER.
    block = only_block(data)
    if block is None or block.label in _REQUESTS:
        with contextlib.suppress(Malformed):
            return load_request(data if block is None else block.octets)
    return load_request(read_contents(data).one_request())


def read_private_key(data: bytes, password: str | None = None) -> PrivateKey:
    """The only private key in a file: PKCS #8 (RFC 5958), PKCS #1, SEC 1 or PKCS #12, in clear or encrypted.

    Raises Malformed; RuleBroken when it is weak, of no supported kind, or larger than the keys of CAs are. Call it on
    a thread: RSA takes a moment, and so does a password.
    """
    return opened_key(read_contents(data, password).one_key(), password)


def opened_key(encoded: EncodedKey, password: str | None) -> PrivateKey:
    """A private key that was found in a file, as `read_private_key` has it."""
    key = read_key(encoded, password)
    try:
        # `read_key` leaves the numbers of an RSA key alone.
        check_private_key(key)
    except (ValueError, TypeError):
        raise Malformed("the private key is damaged: its numbers do not fit each other") from None
    assert isinstance(key, PrivateKey)
    return key


def pem_of(certificate: Certificate) -> str:
    """A certificate in PEM, with a line feed at its end."""
    return certificate.public_bytes(Encoding.PEM).decode("ascii")


def from_base64(text: str) -> bytes:
    """The bytes of a field in base64 (RFC 4648 §4). Raises Malformed."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("the field is not base64") from None
