"""A CA as issuing needs it: what its certificate says, taken apart once and kept."""

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from blazon.ca.x509.algorithms import key_bits, key_id_of
from blazon.ca.x509.extensions import Urls, access_extension, crl_extension, extension, extension_of
from blazon.engines import KeySpec, PublicKey, spec_of
from blazon.errors import RuleBroken
from blazon.pkix import Certificate, subject_der

__all__ = ["Issuer", "allowed_purposes"]

OCSP_HASHES: Final = ("sha1", "sha256", "sha384", "sha512")
"""Hashes a client may name a CA by (RFC 6960 §4.1.1)."""


class Issuer(msgspec.Struct, frozen=True, eq=False):
    """A CA that issues, revokes and answers. Make it once for each CA with `Issuer.of` and keep it.

    Times are Unix seconds. `path_length` is how many CAs may stand between one it certifies and a leaf, None for any
    number; it heeds the parents too. `constraints` are those of the CA and of every parent that was given.
    `extensions` are what every certificate of this CA carries: authority key identifier, information access, CRL
    distribution point. `name_der` is the encoded subject. `signs_crls` is whether its key usage lets it (RFC 5280
    §6.3.3 (f)): a CA from outside may not, and its certificates then name no CRL. `signs_ocsp` is whether it lets it
    sign anything but certificates and CRLs (§4.2.1.3). `purposes` are the extended key usages it may give, as object
    identifiers, None for any.
    """

    certificate: Certificate
    name: x509.Name
    name_der: bytes
    key_id: bytes
    public_key: PublicKey
    spec: KeySpec
    valid_from: int
    valid_to: int
    path_length: int | None
    constraints: tuple[x509.NameConstraints, ...]
    authority_key: x509.Extension[x509.AuthorityKeyIdentifier]
    extensions: tuple[x509.Extension[x509.ExtensionType], ...]
    signs_crls: bool
    signs_ocsp: bool
    purposes: frozenset[str] | None

    @classmethod
    def of(cls, certificate: Certificate, chain: Sequence[Certificate] = (), urls: Urls | None = None) -> "Issuer":
        """The CA of a certificate. `chain` is its parents, nearest first. Raises RuleBroken: it is not a CA's."""
        urls = urls or Urls()
        constraints = extension_of(certificate.extensions, x509.BasicConstraints)
        usage = extension_of(certificate.extensions, x509.KeyUsage)
        if constraints is None or not constraints.ca or (usage is not None and not usage.key_cert_sign):
            raise RuleBroken("the certificate is not that of a CA: it may not sign certificates")
        public_key = certificate.public_key()
        spec = spec_of(public_key)
        assert isinstance(public_key, PublicKey)
        key_id = key_id_of(certificate)
        signs_crls = usage is None or usage.crl_sign
        authority_key = extension(x509.AuthorityKeyIdentifier(key_id, None, None), critical=False)
        return cls(
            certificate=certificate,
            name=certificate.subject,
            name_der=subject_der(certificate),
            key_id=key_id,
            public_key=public_key,
            spec=spec,
            valid_from=int(certificate.not_valid_before_utc.timestamp()),
            valid_to=int(certificate.not_valid_after_utc.timestamp()),
            path_length=_path_length(certificate, chain),
            constraints=tuple(
                found
                for each in (certificate, *chain)
                if (found := extension_of(each.extensions, x509.NameConstraints)) is not None
            ),
            authority_key=authority_key,
            extensions=(authority_key, *access_extension(urls), *(crl_extension(urls) if signs_crls else ())),
            signs_crls=signs_crls,
            signs_ocsp=usage is None or usage.digital_signature,
            purposes=allowed_purposes(certificate, chain),
        )

    @property
    def identity(self) -> bytes:
        """A hash of its name and its key: certificates say by these two who issued them, and by nothing else.

        It is of the text of the name, which may be written in several ways.
        """
        parts = self.name.rfc4514_string().encode(), key_bits(self.public_key)
        return b"".join(hashlib.sha256(part).digest() for part in parts)

    def cert_id_keys(self) -> tuple[tuple[str, bytes, bytes], ...]:
        """By what OCSP requests name this CA: hash, hash of its name, hash of its key (RFC 6960 §4.1.1)."""
        key = key_bits(self.public_key)
        return tuple(
            (name, hashlib.new(name, self.name_der).digest(), hashlib.new(name, key).digest()) for name in OCSP_HASHES
        )


def _path_length(certificate: Certificate, chain: Sequence[Certificate]) -> int | None:
    """The least of what the CA and its parents leave (RFC 5280 §4.2.1.9)."""
    left = []
    below = 0
    for each in (certificate, *chain):
        found = extension_of(each.extensions, x509.BasicConstraints)
        if found is not None and found.path_length is not None:
            left.append(found.path_length - below)
        # A CA that issued itself a certificate does not count (RFC 5280 §6.1.4 (l)).
        below += each.subject != each.issuer
    return min(left, default=None)


def allowed_purposes(certificate: Certificate, chain: Sequence[Certificate] = ()) -> frozenset[str] | None:
    """The extended key usages a CA may give, as object identifiers; None for any.

    RFC 5280 does not say that those of a CA bind what it issues; OpenSSL, Go, GnuTLS and Windows heed it all the same.
    """
    allowed = None
    for each in (certificate, *chain):
        found = extension_of(each.extensions, x509.ExtendedKeyUsage)
        if found is not None and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE not in found:
            own = frozenset(usage.dotted_string for usage in found)
            allowed = own if allowed is None else allowed & own
    return allowed
