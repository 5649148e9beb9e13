"""What a certificate says, as names and texts for people."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from blazon.cli.pki.expiry import timestamp
from blazon.pkix import Certificate
from blazon.serials import format_serial

__all__ = ["described", "name_shown"]

_USAGES: Final = {
    "digital_signature": "digital signature",
    "content_commitment": "content commitment",
    "key_encipherment": "key encipherment",
    "data_encipherment": "data encipherment",
    "key_agreement": "key agreement",
    "key_cert_sign": "key cert sign",
    "crl_sign": "crl sign",
}
_NAMES: Final = {
    "1.3.6.1.5.5.7.1.1": "authorityInfoAccess",
    "1.3.6.1.5.5.7.1.3": "qcStatements",
    "1.3.6.1.5.5.7.1.24": "TLSFeature",
    "1.3.6.1.5.5.7.48.1.5": "OCSPNoCheck",
    "1.3.6.1.4.1.11129.2.4.2": "signedCertificateTimestampList",
    "2.5.29.14": "subjectKeyIdentifier",
    "2.5.29.15": "keyUsage",
    "2.5.29.17": "subjectAltName",
    "2.5.29.18": "issuerAltName",
    "2.5.29.19": "basicConstraints",
    "2.5.29.30": "nameConstraints",
    "2.5.29.31": "cRLDistributionPoints",
    "2.5.29.32": "certificatePolicies",
    "2.5.29.33": "policyMappings",
    "2.5.29.35": "authorityKeyIdentifier",
    "2.5.29.36": "policyConstraints",
    "2.5.29.37": "extendedKeyUsage",
    "2.5.29.46": "freshestCRL",
    "2.5.29.54": "inhibitAnyPolicy",
    "1.3.6.1.5.5.7.48.1": "OCSP",
    "1.3.6.1.5.5.7.48.2": "caIssuers",
    "2.5.29.37.0": "anyExtendedKeyUsage",
    "1.3.6.1.5.5.7.3.1": "serverAuth",
    "1.3.6.1.5.5.7.3.2": "clientAuth",
    "1.3.6.1.5.5.7.3.3": "codeSigning",
    "1.3.6.1.5.5.7.3.4": "emailProtection",
    "1.3.6.1.5.5.7.3.8": "timeStamping",
    "1.3.6.1.5.5.7.3.9": "OCSPSigning",
}
"""Extensions, access methods and purposes, as RFC 5280 calls them. Others are shown as object identifiers."""

_KINDS: Final[Mapping[type[x509.GeneralName], str]] = {
    x509.DNSName: "DNS",
    x509.IPAddress: "IP",
    x509.RFC822Name: "email",
    x509.UniformResourceIdentifier: "URI",
    x509.DirectoryName: "directory",
    x509.RegisteredID: "OID",
    x509.OtherName: "other",
}


def described(certificate: Certificate) -> dict[str, str]:
    """The fields and the extensions of a certificate, in their order."""
    return {
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "serial": format_serial(certificate.serial_number),
        "valid from": timestamp(certificate.not_valid_before_utc),
        "valid to": timestamp(certificate.not_valid_after_utc),
        "sha256": hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest(),
        **{_name(extension.oid): _shown(extension) for extension in certificate.extensions},
    }


def _name(oid: x509.ObjectIdentifier) -> str:
    return _NAMES.get(oid.dotted_string, oid.dotted_string)


def _shown(extension: x509.Extension[Any]) -> str:
    show = _SHOWN.get(type(extension.value))
    text = "present" if show is None else show(extension.value)
    return f"{text}, critical" if extension.critical else text


def _constraints(value: x509.BasicConstraints) -> str:
    if not value.ca:
        return "not a CA"
    return "CA" if value.path_length is None else f"CA, path length {value.path_length}"


def _usage(value: x509.KeyUsage) -> str:
    found = [text for name, text in _USAGES.items() if getattr(value, name)]
    if value.key_agreement:  # without it the other two say nothing (RFC 5280 §4.2.1.3)
        found += [f"{name} only" for name in ("encipher", "decipher") if getattr(value, f"{name}_only")]
    return ", ".join(found)


def _subtrees(value: x509.NameConstraints) -> str:
    sides = (("permitted", value.permitted_subtrees), ("excluded", value.excluded_subtrees))
    return "; ".join(f"{side} {_with_kinds(trees)}" for side, trees in sides if trees)


def _with_kinds(names: Iterable[x509.GeneralName]) -> str:
    return ", ".join(f"{_KINDS.get(type(name), 'name')} {name_shown(name)}" for name in names)


def name_shown(name: x509.GeneralName) -> str:
    """A name without its kind."""
    match name:
        case x509.DirectoryName(value=value):
            return value.rfc4514_string()
        case x509.RegisteredID(value=value):
            return value.dotted_string
        case x509.OtherName(type_id=kind):
            return kind.dotted_string
        case _:
            return str(name.value)


def _access(value: x509.AuthorityInformationAccess) -> str:
    return ", ".join(f"{_name(each.access_method)} {name_shown(each.access_location)}" for each in value)


def _points(value: x509.CRLDistributionPoints) -> str:
    return ", ".join(name_shown(name) for point in value for name in point.full_name or ())


_SHOWN: Final[Mapping[type[Any], Callable[[Any], str]]] = {
    x509.SubjectAlternativeName: lambda value: ", ".join(map(name_shown, value)),
    x509.BasicConstraints: _constraints,
    x509.KeyUsage: _usage,
    x509.ExtendedKeyUsage: lambda value: ", ".join(map(_name, value)),
    x509.NameConstraints: _subtrees,
    x509.SubjectKeyIdentifier: lambda value: value.digest.hex(),
    x509.AuthorityKeyIdentifier: lambda value: (value.key_identifier or b"").hex(),
    x509.AuthorityInformationAccess: _access,
    x509.CRLDistributionPoints: _points,
    x509.CertificatePolicies: lambda value: ", ".join(_name(policy.policy_identifier) for policy in value),
}
