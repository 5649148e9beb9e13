"""What the tests of X.509 share: a hierarchy of CAs, requests, pkilint and openssl."""

import re
import subprocess
from functools import cache
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from pkilint import loader, pkix
from pkilint.document import Document
from pkilint.pkix import certificate, crl, extension, name, ocsp
from pkilint.validation import ValidationFindingSeverity, ValidatorContainer

from blazon.ca.x509 import (
    DEFAULT_PROFILE,
    CaOptions,
    CertificationRequest,
    Draft,
    Expiration,
    ExpirationType,
    Issuer,
    Profile,
    Subject,
    Urls,
    draft_leaf,
    draft_root,
    draft_subordinate,
    new_serial,
    read_csr,
    sign_draft,
)
from blazon.engines import Engine, KeySpec, KeyType, PrivateKey, SoftwareEngine, StoredKey
from blazon.storage import Sealer

NOW = 1_790_000_000
DAY = 86400
YEAR = 364 * DAY
A_YEAR = Expiration(ExpirationType.DURATION, duration=YEAR * 1_000_000_000)
URLS = Urls(
    crl=("http://va.example.com/crl/1",),
    ocsp=("http://va.example.com/ocsp",),
    ca_issuers=("http://va.example.com/ca/1",),
)
P256 = KeySpec(KeyType.ECDSA, 256)
SPECS = tuple(
    KeySpec(kind.type, size)
    for kind in SoftwareEngine("software", Sealer(bytes(32))).info().supported_key_types
    for size in kind.sizes
)
ROOT = Subject("Root of trust", "Ikerlan", "ZPD", "ES", "Gipuzkoa", "Arrasate")

_engine = SoftwareEngine("software", Sealer(bytes(32)))


@cache
def key(spec: KeySpec = P256, who: str = "leaf") -> PrivateKey:
    """A private key, the same for the same holder."""
    return _engine.open(_engine.create(who, spec))


class Hierarchy(msgspec.Struct, frozen=True):
    """A root, a CA below it, and their keys."""

    root: Issuer
    root_key: PrivateKey
    sub: Issuer
    sub_key: PrivateKey

    def leaf(self, request: CertificationRequest | None = None, profile: Profile = DEFAULT_PROFILE) -> x509.Certificate:
        """A certificate of the lower CA."""
        return sign_draft(self.draft(request, profile), self.sub_key)

    def draft(self, request: CertificationRequest | None = None, profile: Profile = DEFAULT_PROFILE) -> Draft:
        return draft_leaf(self.sub, request or ask(), profile, serial=new_serial(), now=NOW, default_validity=A_YEAR)


def hierarchy(root_key: PrivateKey, sub_key: PrivateKey, options: CaOptions | None = None) -> Hierarchy:
    """Certificates for two keys."""
    drafted = draft_root(root_key.public_key(), ROOT, serial=new_serial(), now=NOW, valid_to=NOW + 20 * YEAR)
    root = Issuer.of(sign_draft(drafted, root_key), (), URLS)
    drafted = draft_subordinate(
        root,
        sub_key.public_key(),
        Subject("Devices", "Ikerlan", country="ES"),
        serial=new_serial(),
        now=NOW,
        valid_to=NOW + 10 * YEAR,
        options=options,
    )
    return Hierarchy(root, root_key, Issuer.of(sign_draft(drafted, root_key), (root.certificate,), URLS), sub_key)


@cache
def software(spec: KeySpec = P256) -> Hierarchy:
    """A hierarchy of keys of one kind in software."""
    return hierarchy(key(spec, "root"), key(spec, "sub"))


def in_engine(engine: Engine, made: list[StoredKey], spec: KeySpec = P256) -> Hierarchy:
    """A hierarchy of keys in an engine; the keys made are put into the list."""
    stored = [engine.create(f"x509-{new_serial():x}", spec) for _ in range(2)]
    made.extend(stored)
    return hierarchy(*(engine.open(each) for each in stored))


def csr(
    *extensions: x509.ExtensionType,
    subject: x509.Name | str = "device-1",
    private_key: PrivateKey | None = None,
) -> bytes:
    """A request in PEM, made by cryptography alone."""
    private_key = private_key or key()
    if isinstance(subject, str):
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    for each in extensions:
        builder = builder.add_extension(each, critical=False)
    hashed = SHA256() if hasattr(private_key, "key_size") else None
    return builder.sign(private_key, hashed).public_bytes(Encoding.PEM)


def ask(*extensions: x509.ExtensionType, subject: x509.Name | str = "device-1") -> CertificationRequest:
    """A request, read."""
    return read_csr(csr(*extensions, subject=subject))


def names(*dns: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.DNSName(each) for each in dns])


def is_curve(private_key: PrivateKey) -> bool:
    return isinstance(private_key, ec.EllipticCurvePrivateKey)


_DECODERS = [
    pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
    pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
]
_CERTIFICATE = certificate.create_pkix_certificate_validator_container(
    certificate.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS),
    [
        certificate.create_issuer_validator_container([]),
        certificate.create_validity_validator_container(),
        certificate.create_subject_validator_container([]),
        certificate.create_extensions_validator_container([]),
        certificate.create_spki_validator_container([]),
    ],
)
_CRL = crl.create_pkix_crl_validator_container(
    _DECODERS,
    [
        crl.create_issuer_validator_container([]),
        crl.create_validity_validator_container([]),
        crl.create_extensions_validator_container([]),
    ],
)
_OCSP = ocsp.create_pkix_ocsp_response_validator_container([ocsp.create_response_decoder(), *_DECODERS], [])


def _findings(validator: ValidatorContainer, document: Document) -> list[str]:
    return [
        f"{found.finding.severity.name} {found.finding.code} {found.message or ''}"
        for result in validator.validate(document.root)
        for found in result.finding_descriptions
        if found.finding.severity < ValidationFindingSeverity.NOTICE  # 0 is fatal
    ]


def lint_certificate(found: x509.Certificate) -> list[str]:
    """What pkilint says of a certificate, above notices, and RFC 5280 with it."""
    der = found.public_bytes(Encoding.DER)
    document = loader.RFC5280CertificateDocumentLoader().load_der_document(der, "certificate")
    return [finding for finding in _findings(_CERTIFICATE, document) if not _is_good_by_rfc(finding)]


# pkilint asks the package `validators`, which knows what stands in the public web: names with a dot and a top level of
# two letters, URLs of a few schemes. RFC 5280 §4.2.1.6 takes any name in the syntax of RFC 1034 §3.5, which a device in
# a local network has, and any URI of RFC 3986 with a scheme and a part after it, such as those of RFC 4122 (urn:uuid:).
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = rf"{_LABEL}(?:\.{_LABEL})*"
_GOOD = re.compile(
    rf'ERROR pkix\.(?:invalid_domain_name_syntax .*"{_DOMAIN}"|invalid_email_address_syntax .*"[a-z.+-]+@{_DOMAIN}"'
    rf'|name_domain_components_invalid_domain_name .*"{_DOMAIN}"'
    rf'|invalid_uri_syntax .*"(?:urn:[a-z0-9-]+:[A-Za-z0-9:.-]+|[a-z+]+://{_DOMAIN}(?:/[\w/.-]*)?)")',
    re.ASCII,
)


def _is_good_by_rfc(finding: str) -> bool:
    return _GOOD.fullmatch(finding) is not None


def lint_crl(der: bytes) -> list[str]:
    """What pkilint says of a CRL, above notices."""
    return _findings(_CRL, loader.RFC5280CertificateListDocumentLoader().load_der_document(der, "crl"))


def lint_ocsp(der: bytes) -> list[str]:
    """What pkilint says of an OCSP answer, above notices."""
    return _findings(_OCSP, loader.RFC6960OCSPResponseDocumentLoader().load_der_document(der, "ocsp"))


def pem(folder: Path, label: str, found: x509.Certificate) -> Path:
    """A certificate in a file."""
    path = folder / f"{label}.pem"
    path.write_bytes(found.public_bytes(Encoding.PEM))
    return path


def openssl(*command: str | Path, code: int = 0) -> str:
    """What openssl prints."""
    ended = subprocess.run(["openssl", *command], capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == code, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr
