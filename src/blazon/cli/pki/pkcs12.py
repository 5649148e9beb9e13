"""PKCS #12 (RFC 7292): a private key, its certificate and those above it in one file, under a password."""

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

import click

from blazon.cli.pki.files import secret_of
from blazon.cli.pki.lookup import der_of

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

__all__ = ["NO_PLACE", "asked_password", "packable", "packed", "pkcs12_options"]

_FLAG: Final = "--password"
NO_PLACE: Final = "no PKCS #12 file is made here for"
"""How a refusal begins."""


def pkcs12_options(command: Any) -> Any:
    """The options --password and --legacy."""
    for option in (
        click.option(
            "--legacy",
            is_flag=True,
            help="Encrypt with 3DES and SHA-1, for programs that read nothing newer, such as Windows Server 2016.",
        ),
        click.option(
            _FLAG, help="The password of the PKCS #12 file; - reads it from standard input. Asked for if left out."
        ),
    ):
        command = option(command)
    return command


def asked_password(given: str | None) -> str:
    """The password that was given, that comes on standard input, or that somebody types twice. Raises UsageError."""
    given = secret_of(given, _FLAG).password
    if given is None:
        if not sys.stdin.isatty():
            raise click.UsageError(f"give the password with {_FLAG}: there is no terminal to ask on")
        given = click.prompt("Password of the PKCS #12 file", hide_input=True, confirmation_prompt=True)
    if not given:
        raise click.UsageError("the password is empty: it is what protects the private key in the file")
    return str(given)


def packable(*certificates: bytes) -> "list[x509.Certificate]":
    """Certificates in DER as they go into the file. Raises UsageError when one is not strict DER."""
    from blazon.pkix import LenientCertificate, load_certificate

    found: list[x509.Certificate] = []
    for der in certificates:
        certificate = load_certificate(der)
        if isinstance(certificate, LenientCertificate):
            subject = certificate.subject.rfc4514_string()
            raise click.UsageError(f"{NO_PLACE} a certificate that is not in DER, as is that of {subject}")
        found.append(certificate)
    return found


def packed(
    entity: Mapping[str, Any],
    key: "PrivateKeyTypes",
    above: "Sequence[x509.Certificate]",
    *,
    name: str,
    password: str,
    legacy: bool,
) -> bytes:
    """The file for the certificate in an answer, its key and the certificates above it.

    `name` is what programs show it by. With `legacy` it is encrypted as before 2020. Raises UsageError when the key is
    not that of the certificate, or of a kind the library cannot pack.
    """
    from cryptography.hazmat.primitives.hashes import SHA1
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, PrivateFormat
    from cryptography.hazmat.primitives.serialization.pkcs12 import PBES, serialize_key_and_certificates

    (certificate,) = packable(der_of(entity))
    if key.public_key() != certificate.public_key():
        raise click.UsageError("the private key is not that of the certificate")
    secret = password.encode()
    old = PrivateFormat.PKCS12.encryption_builder().key_cert_algorithm(PBES.PBESv1SHA1And3KeyTripleDESCBC)
    weak = old.hmac_hash(SHA1())  # noqa: S303 - what --legacy asks for
    encryption = weak.build(secret) if legacy else BestAvailableEncryption(secret)
    try:
        return serialize_key_and_certificates(name.encode(), cast("Any", key), certificate, above, encryption)
    except TypeError:
        raise click.UsageError(f"{NO_PLACE} {entity['key_metadata']['type']} keys") from None
