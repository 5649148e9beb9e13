"""What somebody gives who brings a CA or a certificate: files with the certificate, those above it and the key.

They come in the order people have them: the certificate and its chain in one file, in either order, the key in the same
file or in one of its own. Which of the certificates is meant its key says, and without one their places in the chain.
Everything here may take long, as passwords are hashed and keys are checked: call it on a thread.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec

from blazon.ca.x509.chains import check_key_pair
from blazon.ca.x509.reading import loaded_certificates, opened_key
from blazon.engines import PrivateKey, PublicKey
from blazon.errors import Malformed
from blazon.pkix import Certificate, Contents, EncodedKey, lowest, read_contents

__all__ = ["Bundle", "CertificateFiles", "certificate_for", "read_bundle", "read_found"]


class CertificateFiles(msgspec.Struct, frozen=True):
    """Files as they were given, each with the name of its field; `password` opens what is encrypted among them."""

    certificate: tuple[str, bytes]
    chain: tuple[tuple[str, bytes], ...] = ()
    private_key: tuple[str, bytes] | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"CertificateFiles({self.certificate[0]!r})"


class Bundle(msgspec.Struct, frozen=True):
    """A certificate, the others that came with it in no order, and its private key where there is one."""

    certificate: Certificate
    others: tuple[Certificate, ...]
    private_key: PrivateKey | None

    def __repr__(self) -> str:
        return f"Bundle({self.certificate!r})"


def read_bundle(files: CertificateFiles, *, with_key: bool) -> Bundle:
    """A CA as it was brought. `with_key` says whether a key beside its certificate counts.

    Raises Malformed, RuleBroken: a file cannot be read, holds something else, or a key belongs to no certificate.
    """
    contents = _contents(files.certificate, files.password)
    own, others = _certificates(files, contents)
    opened = _opened(files, contents.keys if with_key else ())
    if opened:
        public_keys = [each.public_key() for each in own]
        private_key = next((key for key in opened if key.public_key() in public_keys), opened[0])
        certificate = certificate_for(own, private_key.public_key())
    else:
        certificate, private_key = lowest(own), None
    return Bundle(certificate, tuple(each for each in (*own, *others) if each != certificate), private_key)


def read_found(files: CertificateFiles) -> tuple[list[Certificate], list[Certificate]]:
    """The certificates in the file for one, and those in the files for its chain. Keys are not looked at."""
    return _certificates(files, _contents(files.certificate, files.password))


def certificate_for(found: Sequence[Certificate], public_key: PublicKey) -> Certificate:
    """The first certificate for a key. Raises Malformed (the CA API answers 400)."""
    certificate = next((each for each in found if each.public_key() == public_key), found[0])
    check_key_pair(certificate, public_key)
    return certificate


def _opened(files: CertificateFiles, beside: Sequence[EncodedKey]) -> list[PrivateKey]:
    """The private keys: those in the file for one, or else those beside the certificate."""
    field, keys = files.certificate[0], beside
    if files.private_key is not None:
        field, contents = files.private_key[0], _contents(files.private_key, files.password)
        with _about(field):
            keys = contents.keys or (contents.one_key(),)
    with _about(field):
        return [opened_key(key, files.password) for key in keys]


def _contents(file: tuple[str, bytes], password: str | None) -> Contents:
    field, data = file
    with _about(field):
        return read_contents(data, password)


def _certificates(files: CertificateFiles, contents: Contents) -> tuple[list[Certificate], list[Certificate]]:
    with _about(files.certificate[0]):
        own = loaded_certificates(contents.some_certificates())
    others: list[bytes] = []
    for field, data in files.chain:
        found = _contents((field, data), files.password)
        with _about(field):
            others += found.some_certificates()
    with _about(files.chain[0][0] if files.chain else ""):
        return own, loaded_certificates(tuple(dict.fromkeys(others)))


@contextmanager
def _about(field: str) -> Iterator[None]:
    """Names the field in what is wrong with it."""
    try:
        yield
    except Malformed as error:
        raise Malformed(f"{field}: {error.reason}") from None
