"""What a certificate says, as names and texts for people."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

__all__ = ["described"]

_USAGES: Final = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
)


def described(certificate: x509.Certificate) -> dict[str, str]:
    """The fields and the extensions of a certificate, in their order."""
    serial = certificate.serial_number
    return {
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "serial": serial.to_bytes(max(1, (serial.bit_length() + 7) // 8), "big").hex("-"),
        "valid from": certificate.not_valid_before_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "valid to": certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "sha256": certificate.fingerprint(SHA256()).hex(),
        **{_name(extension.oid): _shown(extension) for extension in certificate.extensions},
    }


def _name(oid: x509.ObjectIdentifier) -> str:
    known = oid._name  # noqa: SLF001 - cryptography keeps the names nowhere else
    return oid.dotted_string if known == "Unknown OID" else known


def _shown(extension: x509.Extension[Any]) -> str:
    show = _SHOWN.get(type(extension.value))
    text = "present" if show is None else show(extension.value)
    return f"{text}, critical" if extension.critical else text


def _constraints(value: x509.BasicConstraints) -> str:
    if not value.ca:
        return "not a CA"
    return "CA" if value.path_length is None else f"CA, path length {value.path_length}"


def _usage(value: x509.KeyUsage) -> str:
    return ", ".join(name.replace("_", " ") for name in _USAGES if getattr(value, name))


def _extended(value: x509.ExtendedKeyUsage) -> str:
    return ", ".join(map(_name, value))


def _access(value: x509.AuthorityInformationAccess) -> str:
    return ", ".join(f"{_name(each.access_method)} {each.access_location.value}" for each in value)


def _points(value: x509.CRLDistributionPoints) -> str:
    return ", ".join(str(name.value) for point in value for name in point.full_name or ())


_SHOWN: Final[Mapping[type[Any], Callable[[Any], str]]] = {
    x509.SubjectAlternativeName: lambda value: ", ".join(str(name.value) for name in value),
    x509.BasicConstraints: _constraints,
    x509.KeyUsage: _usage,
    x509.ExtendedKeyUsage: _extended,
    x509.SubjectKeyIdentifier: lambda value: value.digest.hex(),
    x509.AuthorityKeyIdentifier: lambda value: (value.key_identifier or b"").hex(),
    x509.AuthorityInformationAccess: _access,
    x509.CRLDistributionPoints: _points,
}
