"""Certificates, requests and keys in files, in whichever form people have them.

A file is read here before it is sent, so that the wrong one, such as a private key, stays on this machine. Whatever
cannot be read raises BlazonError with the name of the file.
"""

import base64
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from blazon.cli.files import read_octets
from blazon.errors import BlazonError, Malformed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

    from blazon.pkix import Certificate, Contents

__all__ = [
    "CaFiles",
    "Secret",
    "ca_in",
    "certificate_in",
    "certificates_in",
    "common_name_of",
    "encoded",
    "encoded_key",
    "key_in_request",
    "pem_of",
    "picked",
    "private_key_in",
    "private_key_of",
    "request_in",
    "secret_of",
]


class Secret(NamedTuple):
    """A password somebody may give, and the option to give it with."""

    password: str | None = None
    option: str = ""


_NONE: Final = Secret()


@contextmanager
def _about(path: Path, secret: Secret = _NONE) -> Iterator[None]:
    """Names the file, and the option to give a password with where one is missing."""
    try:
        yield
    except Malformed as error:
        missing = secret.option and not secret.password and "password" in error.reason
        raise BlazonError(f"{path}: {error.reason}{f' with {secret.option}' if missing else ''}") from None


def _read(path: Path, secret: Secret = _NONE) -> "Contents":
    from blazon.pkix import read_contents

    with _about(path, secret):
        return read_contents(read_octets(path), secret.password)


def _certificates(contents: "Contents", path: Path) -> "list[Certificate]":
    from blazon.pkix import load_certificate

    with _about(path):
        return [load_certificate(der) for der in contents.some_certificates()]


def _keys(contents: "Contents", path: Path, secret: Secret) -> "list[PrivateKeyTypes]":
    """The private keys, one at least. A password that is missing is asked for at a terminal."""
    from blazon.pkix import read_key

    password = secret.password
    with _about(path, secret):
        keys = contents.keys or (contents.one_key(),)
        if not password and any(key.encrypted for key in keys) and sys.stdin.isatty():
            password = click.prompt(f"Password of the private key in {path}", hide_input=True)
        return [read_key(key, password) for key in keys]


def certificates_in(path: Path, secret: Secret = _NONE) -> "list[Certificate]":
    """The certificates in a file, one at least."""
    return _certificates(_read(path, secret), path)


def request_in(path: Path) -> bytes:
    """The only certificate request in a file, as DER."""
    contents = _read(path)
    with _about(path):
        return contents.one_request()


def private_key_in(path: Path, secret: Secret, public_key: Any) -> "PrivateKeyTypes":
    """The private key in a file that belongs to a public key; the first when none does."""
    keys = _keys(_read(path, secret), path, secret)
    return next((key for key in keys if key.public_key() == public_key), keys[0])


def picked(
    found: "Sequence[Certificate]", path: Path, public_key: Any = None
) -> "tuple[Certificate, list[Certificate]]":
    """Of the certificates in a file, in any order, the one that is meant, and the others.

    It is the first for a public key; without one, it is the lowest of their chain.
    """
    from blazon.pkix import lowest

    with _about(path):
        own = (
            next((each for each in found if each.public_key() == public_key), found[0]) if public_key else lowest(found)
        )
    return own, [each for each in found if each is not own]


def certificate_in(path: Path) -> "Certificate":
    """The certificate in a file; of a chain in any order the lowest."""
    return picked(certificates_in(path), path)[0]


class CaFiles(NamedTuple):
    """A CA made elsewhere: its certificate, those that came with it, and its private key where it is there."""

    certificate: "Certificate"
    chain: "list[Certificate]"
    key: "PrivateKeyTypes | None"


def ca_in(path: Path, key_path: Path | None, secret: Secret) -> CaFiles:
    """The CA in a file. Its key may stand in a file of its own, or beside the certificate."""
    contents = _read(path, secret)
    found = _certificates(contents, path)
    key = None
    if key_path is not None or contents.keys:
        keys = _keys(contents if key_path is None else _read(key_path, secret), key_path or path, secret)
        public_keys = [each.public_key() for each in found]
        key = next((each for each in keys if each.public_key() in public_keys), keys[0])
    own, others = picked(found, path, None if key is None else key.public_key())
    return CaFiles(own, others, key)


def encoded(found: "Certificate | bytes") -> str:
    """A certificate, or DER, as the API takes it."""
    from cryptography.hazmat.primitives.serialization import Encoding

    der = found if isinstance(found, bytes) else found.public_bytes(Encoding.DER)
    return base64.b64encode(der).decode()


def encoded_key(key: "PrivateKeyTypes") -> str:
    """A private key as the API takes it: PKCS #8, not encrypted."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return base64.b64encode(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).decode()


def private_key_of(pem: bytes) -> "PrivateKeyTypes":
    """A private key the server made."""
    from blazon.pkix import read_contents, read_key

    return read_key(read_contents(pem).one_key(), None)


def key_in_request(pem: bytes) -> Any:
    """The public key a request of the server asks to certify."""
    from cryptography import x509

    return x509.load_pem_x509_csr(pem).public_key()


def pem_of(entity: dict[str, Any]) -> str:
    """The certificate of an answer."""
    return base64.b64decode(entity["certificate"]).decode()


def common_name_of(certificate: "Certificate") -> str:
    """The first common name of a certificate's subject; empty when it has none."""
    from cryptography.x509.oid import NameOID

    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def secret_of(given: str | None, option: str) -> Secret:
    """The password that was given with an option; `-` stands for a line of standard input."""
    return Secret(sys.stdin.readline().rstrip("\r\n") if given == "-" else given, option)
