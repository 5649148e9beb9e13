"""The extensions of certificates: which there are, what a key may be used for, and how they are put together."""

from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache
from typing import Final, TypeVar

import msgspec
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from blazon.engines import KeyType

__all__ = [
    "KeyUsage",
    "Urls",
    "access_extension",
    "crl_extension",
    "extension",
    "extension_of",
    "usable",
    "usage_extension",
    "usages_of",
]

E = TypeVar("E", bound=x509.ExtensionType)


class KeyUsage(StrEnum):
    """What a key may be used for, by the names of RFC 5280 §4.2.1.3."""

    DIGITAL_SIGNATURE = "digitalSignature"
    CONTENT_COMMITMENT = "contentCommitment"
    KEY_ENCIPHERMENT = "keyEncipherment"
    DATA_ENCIPHERMENT = "dataEncipherment"
    KEY_AGREEMENT = "keyAgreement"
    KEY_CERT_SIGN = "keyCertSign"
    CRL_SIGN = "cRLSign"
    ENCIPHER_ONLY = "encipherOnly"
    DECIPHER_ONLY = "decipherOnly"


_SIGNS: Final = frozenset(
    (KeyUsage.DIGITAL_SIGNATURE, KeyUsage.CONTENT_COMMITMENT, KeyUsage.KEY_CERT_SIGN, KeyUsage.CRL_SIGN)
)
# RFC 3279 §2.3.1 for RSA, RFC 5480 §3 for ECDSA, RFC 8410 §5 for Ed25519, RFC 9881 §5 for ML-DSA.
_CAN: Final = {
    KeyType.RSA: _SIGNS | {KeyUsage.KEY_ENCIPHERMENT, KeyUsage.DATA_ENCIPHERMENT},
    KeyType.ECDSA: _SIGNS | {KeyUsage.KEY_AGREEMENT, KeyUsage.ENCIPHER_ONLY, KeyUsage.DECIPHER_ONLY},
    KeyType.ED25519: _SIGNS,
    KeyType.ML_DSA: _SIGNS,
}
_ARGUMENTS: Final = {
    KeyUsage.DIGITAL_SIGNATURE: "digital_signature",
    KeyUsage.CONTENT_COMMITMENT: "content_commitment",
    KeyUsage.KEY_ENCIPHERMENT: "key_encipherment",
    KeyUsage.DATA_ENCIPHERMENT: "data_encipherment",
    KeyUsage.KEY_AGREEMENT: "key_agreement",
    KeyUsage.KEY_CERT_SIGN: "key_cert_sign",
    KeyUsage.CRL_SIGN: "crl_sign",
    KeyUsage.ENCIPHER_ONLY: "encipher_only",
    KeyUsage.DECIPHER_ONLY: "decipher_only",
}
_WITH_AGREEMENT: Final = (KeyUsage.ENCIPHER_ONLY, KeyUsage.DECIPHER_ONLY)


class Urls(msgspec.Struct, frozen=True):
    """Where whoever checks a certificate finds what its issuer publishes: CRL, OCSP responder, issuer's certificate."""

    crl: tuple[str, ...] = ()
    ocsp: tuple[str, ...] = ()
    ca_issuers: tuple[str, ...] = ()


def usable(usages: Iterable[KeyUsage], key_type: KeyType) -> tuple[KeyUsage, ...]:
    """Of these usages, those a key of this type can have, in the order of RFC 5280."""
    wanted = frozenset(usages) & _CAN[key_type]
    if KeyUsage.KEY_AGREEMENT not in wanted:
        wanted = wanted.difference(_WITH_AGREEMENT)
    return tuple(usage for usage in KeyUsage if usage in wanted)


@lru_cache(maxsize=256)
def usage_extension(usages: tuple[KeyUsage, ...]) -> x509.Extension[x509.KeyUsage]:
    """Key usage, critical (RFC 5280 §4.2.1.3: SHOULD)."""
    wanted = frozenset(usages)
    return extension(
        x509.KeyUsage(**{argument: usage in wanted for usage, argument in _ARGUMENTS.items()}), critical=True
    )


def usages_of(value: x509.KeyUsage) -> tuple[KeyUsage, ...]:
    """What a key usage extension allows."""
    without = () if value.key_agreement else _WITH_AGREEMENT
    return tuple(usage for usage, argument in _ARGUMENTS.items() if usage not in without and getattr(value, argument))


def access_extension(urls: Urls) -> tuple[x509.Extension[x509.AuthorityInformationAccess], ...]:
    """Authority information access (RFC 5280 §4.2.2.1): OCSP responders, then where the issuer's certificate is."""
    methods = [(AuthorityInformationAccessOID.OCSP, url) for url in urls.ocsp]
    methods += [(AuthorityInformationAccessOID.CA_ISSUERS, url) for url in urls.ca_issuers]
    if not methods:
        return ()
    value = x509.AuthorityInformationAccess(
        [x509.AccessDescription(method, x509.UniformResourceIdentifier(url)) for method, url in methods]
    )
    return (extension(value, critical=False),)


def crl_extension(urls: Urls) -> tuple[x509.Extension[x509.CRLDistributionPoints], ...]:
    """CRL distribution points (RFC 5280 §4.2.1.13): one, with each URL of the same CRL as a name of it."""
    if not urls.crl:
        return ()
    names = [x509.UniformResourceIdentifier(url) for url in urls.crl]
    value = x509.CRLDistributionPoints([x509.DistributionPoint(names, None, None, None)])
    return (extension(value, critical=False),)


def extension(value: E, *, critical: bool) -> x509.Extension[E]:
    """An extension with its object identifier."""
    return x509.Extension(value.oid, critical, value)


def extension_of(extensions: x509.Extensions, kind: type[E]) -> E | None:
    """The value of an extension, when it is there."""
    for each in extensions:  # a third of the time cryptography's own search takes, and most are asked for in vain
        if each.oid == kind.oid and isinstance(each.value, kind):
            return each.value
    return None
