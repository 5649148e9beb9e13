"""Reading certificates, requests and keys strictly: one object, whole, and nothing after it.

PEM is as RFC 7468 has it, without words around it; DER has no trailing bytes. What cannot be read is Malformed; what
can be read and is not acceptable (a weak key, a wrong signature of a request) is RuleBroken. No private key is quoted.
"""

import base64
import binascii
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key

from blazon.ca.x509.keys import check_plain, check_private_key, check_public_key
from blazon.engines import KeySpec, PrivateKey, PublicKey
from blazon.errors import Malformed, RuleBroken

__all__ = [
    "CertificationRequest",
    "from_base64",
    "pem_of",
    "read_certificate",
    "read_certificates",
    "read_csr",
    "read_private_key",
]

_LARGEST: Final = 256 * 1024
_MOST_CERTIFICATES: Final = 16
_BLOCK: Final = re.compile(
    rb"-----BEGIN ([A-Z0-9 ]{1,40})-----[ \t]*\r?\n([A-Za-z0-9+/=\r\n \t]*\n)-----END \1-----[ \t]*(?:\r?\n|$)"
)
_CERTIFICATE: Final = (b"CERTIFICATE", b"X509 CERTIFICATE")
_REQUEST: Final = (b"CERTIFICATE REQUEST", b"NEW CERTIFICATE REQUEST")
_KEY: Final = (b"PRIVATE KEY", b"RSA PRIVATE KEY", b"EC PRIVATE KEY")
_WEAK_HASHES: Final = (hashes.MD5, hashes.SHA1)


class CertificationRequest(msgspec.Struct, frozen=True):
    """A PKCS #10 request (RFC 2986) whose signature was checked: whoever made it holds the private key."""

    subject: x509.Name
    public_key: PublicKey
    spec: KeySpec
    extensions: x509.Extensions
    der: bytes


def read_certificate(data: bytes) -> x509.Certificate:
    """A certificate in PEM or DER. Every extension is decoded. Raises Malformed."""
    return _certificate(_der(data, "certificate", _CERTIFICATE))


def read_certificates(data: bytes) -> list[x509.Certificate]:
    """A chain of one to 16 certificates in PEM, one after the other, or one in DER. Raises Malformed."""
    if not _looks_like_pem(data):
        return [read_certificate(data)]
    blocks = list(_blocks(data, "certificate", _CERTIFICATE))
    if len(blocks) > _MOST_CERTIFICATES:
        raise Malformed(f"the chain has more than {_MOST_CERTIFICATES} certificates")
    return [_certificate(block) for block in blocks]


def read_csr(data: bytes) -> CertificationRequest:
    """A request in PEM or DER.

    Raises Malformed; RuleBroken when its key is weak or its signature is not by that key (proof of possession,
    RFC 2986 §3) or by a hash that is broken.
    """
    der = _der(data, "certificate request", _REQUEST)
    with _reading("certificate request"):
        request = x509.load_der_x509_csr(der)
        public_key = request.public_key()
        subject = request.subject
        extensions = request.extensions
        _check_whole_octets(der, request.signature)
    # The key comes first: to check a signature by a monstrous key takes long.
    spec = check_public_key(public_key)
    check_plain(public_key, request.tbs_certrequest_bytes)
    with _reading("certificate request"):
        if isinstance(request.signature_hash_algorithm, _WEAK_HASHES):
            raise RuleBroken("the certificate request is signed with a hash that is broken; use SHA-256")
        if not request.is_signature_valid:
            raise RuleBroken("the certificate request is not signed by the key in it")
    assert isinstance(public_key, PublicKey)
    return CertificationRequest(subject, public_key, spec, extensions, der)


def read_private_key(data: bytes) -> PrivateKey:
    """A private key in PEM or DER (PKCS #8, RFC 5958; PKCS #1; SEC 1), not encrypted.

    Raises Malformed; RuleBroken when it is weak, of no supported kind, or larger than the keys of CAs are. Call it on
    a thread: RSA takes a moment.
    """
    der = _der(data, "private key", _KEY)
    try:
        # Without OpenSSL's look at an RSA key's numbers, which holds everything else up; ours follows.
        key = load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
        check_private_key(key)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Not chained: the text of such an error may quote the key.
        raise Malformed("the private key cannot be read; give PKCS #8 in PEM, not encrypted") from None
    assert isinstance(key, PrivateKey)
    return key


def pem_of(certificate: x509.Certificate) -> str:
    """A certificate in PEM, with a line feed at its end."""
    return certificate.public_bytes(Encoding.PEM).decode("ascii")


def from_base64(text: str) -> bytes:
    """The bytes of a field in base64 (RFC 4648 §4). Raises Malformed."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("the field is not base64") from None


def _certificate(der: bytes) -> x509.Certificate:
    with _reading("certificate"):
        certificate = x509.load_der_x509_certificate(der)
        # cryptography decodes late; what is broken must show here, not in a caller.
        for decode in _DECODED:
            decode(certificate)
        _check_whole_octets(der, certificate.signature)
        if certificate.serial_number <= 0:
            raise Malformed("the certificate's serial number is not positive (RFC 5280 §4.1.2.2)")
    return certificate


def _check_whole_octets(der: bytes, signature: bytes) -> None:
    """The BIT STRING of a signature has no unused bits; with some, one signature could be written in two ways."""
    if not der.endswith(b"\0" + signature):
        raise ValueError("the signature is not of whole octets")


_DECODED: Final[tuple[Callable[[x509.Certificate], object], ...]] = (
    lambda certificate: certificate.subject,
    lambda certificate: certificate.issuer,
    lambda certificate: certificate.extensions,
    lambda certificate: certificate.public_key(),
    lambda certificate: certificate.not_valid_before_utc,
    lambda certificate: certificate.not_valid_after_utc,
    lambda certificate: certificate.signature_hash_algorithm,
)


@contextmanager
def _reading(what: str) -> Iterator[None]:
    """Whatever `cryptography` raises or warns of while it decodes is the sender's mistake."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd lengths in names and the like; rules of ours judge them
        try:
            yield
        except (
            ValueError,
            TypeError,
            UnsupportedAlgorithm,
            x509.DuplicateExtension,
            x509.UnsupportedGeneralNameType,
            x509.InvalidVersion,
        ) as error:
            raise Malformed(f"the {what} cannot be read: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return text[:200]


def _looks_like_pem(data: bytes) -> bool:
    return data.lstrip()[:5] == b"-----"


def _der(data: bytes, what: str, labels: tuple[bytes, ...]) -> bytes:
    """The one object of this kind, as DER."""
    if not data:
        raise Malformed(f"the {what} is empty")
    if not _looks_like_pem(data):
        if len(data) > _LARGEST:
            raise Malformed(f"the {what} is larger than {_LARGEST} bytes")
        return data
    blocks = list(_blocks(data, what, labels))
    if len(blocks) != 1:
        raise Malformed(f"there are {len(blocks)} PEM blocks; give one {what}")
    return blocks[0]


def _blocks(data: bytes, what: str, labels: tuple[bytes, ...]) -> Iterator[bytes]:
    """The PEM blocks of one kind, with nothing but white space around them."""
    if len(data) > _LARGEST:
        raise Malformed(f"the {what} is larger than {_LARGEST} bytes")
    data = data.strip()
    position = 0
    while position < len(data):
        block = _BLOCK.match(data, position)
        if block is None:
            raise Malformed(f"the {what} is not PEM: a line -----BEGIN …-----, base64, a line -----END …-----")
        if block[1] not in labels:
            raise Malformed(f"the PEM block is a {block[1].decode()}, not a {labels[0].decode()}")
        try:
            yield base64.b64decode(block[2].translate(None, b" \t\r\n"), validate=True)
        except binascii.Error:
            raise Malformed(f"the base64 of the {what} is broken") from None
        position = block.end()
        while data[position : position + 1].isspace():
            position += 1
