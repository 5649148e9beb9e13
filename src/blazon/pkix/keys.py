"""Private keys as they stand in files: in clear, or encrypted under a password; and what a PKCS #12 file holds.

Nothing of a key is ever in an error or in the text of an object here. How often a password is hashed is bounded: a file
from a stranger could ask for hours of it.
"""

import base64
from collections.abc import Iterator
from typing import Final

import msgspec
from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12KeyAndCertificates, load_pkcs12

from blazon.errors import Malformed
from blazon.pkix.ber import INTEGER, OCTET_STRING, BerError, Element, read_element

__all__ = ["EncodedKey", "read_key", "read_pkcs12"]

_MOST_ITERATIONS: Final = 5_000_000
"""Some seconds. OpenSSL writes 2 048, Java 10 000; OWASP asked for 600 000 in 2023."""
_MOST_MEMORY: Final = 128 * 1024 * 1024
_DEEPEST: Final = 8
_ANEW: Final = "to write it anew: openssl pkcs8 -topk8 -in FILE -out NEW"


class EncodedKey(msgspec.Struct, frozen=True):
    """A private key as it stood: DER of PKCS #8, PKCS #1 or SEC 1, in clear, or encrypted.

    `headers` are those of a PEM block that is encrypted the old way (RFC 1421 §4.6.1), with its `label`.
    """

    octets: bytes
    encrypted: bool = False
    label: str = ""
    headers: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"EncodedKey(encrypted={self.encrypted})"


def read_key(key: EncodedKey, password: str | None) -> PrivateKeyTypes:
    """The private key. `password` is not looked at when the key is in clear.

    The numbers of an RSA key are not checked: that takes OpenSSL up to a second in which no other thread runs. Raises
    Malformed.
    """
    secret = None
    if key.encrypted:
        if not password:
            raise Malformed("the private key is encrypted; give its password")
        secret = password.encode()
    try:
        if key.headers:
            return load_pem_private_key(_pem_of(key), secret, unsafe_skip_rsa_key_validation=True)
        if key.encrypted:
            _check_effort(read_element(key.octets))
        return load_der_private_key(key.octets, secret, unsafe_skip_rsa_key_validation=True)
    except UnsupportedAlgorithm:
        reason = f"is of a kind, or encrypted in a way, that is not supported; {_ANEW}"
    except (ValueError, TypeError, InternalError):  # InternalError: parameters OpenSSL cannot work with
        reason = "does not open with this password, or is damaged" if key.encrypted else f"cannot be read; {_ANEW}"
    # Not chained: the text of such an error may quote the key.
    raise Malformed(f"the private key {reason}") from None


def _pem_of(key: EncodedKey) -> bytes:
    headers = "".join(f"{name}: {value}\n" for name, value in key.headers.items())
    body = base64.encodebytes(key.octets).decode()
    return f"-----BEGIN {key.label}-----\n{headers}\n{body}-----END {key.label}-----\n".encode()


def read_pkcs12(data: bytes, password: str | None) -> tuple[list[bytes], list[EncodedKey]]:
    """The certificates, that of the key first, and the private key of a PKCS #12 file (RFC 7292). Raises Malformed."""
    try:
        _check_effort(read_element(data))
        found = _opened(data, password)
        certificates = [each.certificate for each in (found.cert, *found.additional_certs) if each is not None]
        encoded = [certificate.public_bytes(Encoding.DER) for certificate in certificates]
        key = found.key
        if key is None:
            return encoded, []
        return encoded, [EncodedKey(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))]
    except UnsupportedAlgorithm:
        reason = "is encrypted in a way that is not supported"
    except (ValueError, TypeError, InternalError) as error:
        if "password" in str(error).lower():
            reason = "does not open with this password, or is damaged" if password else "needs a password; give it"
            raise Malformed(f"the PKCS #12 file {reason}") from None
        reason = "cannot be read"
    raise Malformed(
        f"the PKCS #12 file {reason}; take it apart with: openssl pkcs12 -in FILE -nodes, and give what that prints"
    )


def _opened(data: bytes, password: str | None) -> PKCS12KeyAndCertificates:
    if password:
        return load_pkcs12(data, password.encode())
    try:
        return load_pkcs12(data, b"")  # no password and an empty one are two things (RFC 7292 §B.1), and one to people
    except ValueError:
        return load_pkcs12(data, None)


def _check_effort(element: Element) -> None:
    """Whether the password is hashed no more often than is sensible. Raises Malformed."""
    for numbers in _efforts(element, 0):
        if len(numbers) >= 3 and numbers[0] * numbers[1] * numbers[2] * 128 > _MOST_MEMORY:
            raise Malformed("to open the key with scrypt would take too much memory")
        if len(numbers) < 3 and numbers[0] > _MOST_ITERATIONS:
            raise Malformed(f"to open this, the password would be hashed more than {_MOST_ITERATIONS} times")


def _efforts(element: Element, depth: int) -> Iterator[list[int]]:
    """The numbers that follow each salt: iterations, or the three of scrypt (RFC 8018 §A.2, RFC 7914 §7)."""
    for each in element.walk():
        parts = each.parts
        for at, part in enumerate(parts):
            if part.tag == OCTET_STRING:
                numbers = []
                for following in parts[at + 1 :]:
                    if following.tag != INTEGER:
                        break
                    numbers.append(int.from_bytes(following.content, "big"))
                if numbers:
                    yield numbers
        if each.tag in (OCTET_STRING, OCTET_STRING | 0x20) and depth < _DEEPEST:
            yield from _nested(each.octets(), depth)


def _nested(octets: bytes, depth: int) -> Iterator[list[int]]:
    try:
        inner = read_element(octets)
    except BerError:
        return
    yield from _efforts(inner, depth + 1)
