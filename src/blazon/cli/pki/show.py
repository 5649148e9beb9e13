"""How CAs and certificates are shown to people."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from blazon.addresses import is_loopback
from blazon.cli.client import Api
from blazon.cli.output import counted, one_line, print_json, print_pairs
from blazon.cli.pki.arguments import API
from blazon.cli.pki.expiry import spelled
from blazon.cli.pki.lookup import der_of
from blazon.durations import parse_duration

if TYPE_CHECKING:
    from blazon.pkix import Certificate

__all__ = [
    "bar",
    "certificate_of",
    "left_of",
    "print_ca",
    "print_certificate",
    "say_addresses",
    "say_notice",
    "subject_shown",
]

Entity = Mapping[str, Any]

_NEVER: Final = "0001-01-01T00:00:00Z"
_CRITICAL: Final = ", critical"
_CELLS: Final = 10
_SHORT: Final = {
    "common_name": "CN",
    "organization": "O",
    "organization_unit": "OU",
    "country": "C",
    "state": "ST",
    "locality": "L",
}


def subject_shown(entity: Entity) -> str:
    """The subject in one line."""
    return ", ".join(f"{_SHORT[name]}={value}" for name, value in entity["subject"].items() if value)


def left_of(entity: Entity) -> str:
    """What is left of a life: `2 557 d`, `3 h`, `6 min`."""
    hours = max(0.0, _left(entity)[0]) * 24
    if hours >= 48:
        return f"{hours / 24:,.0f} d".replace(",", " ")
    return f"{hours:.0f} h" if hours >= 2 else f"{hours * 60:.0f} min"


def bar(entity: Entity) -> str:
    """What is left of a life, drawn: `███████░░░ 2 557 d`."""
    full = round(_left(entity)[1] * _CELLS)
    return f"{'█' * full}{'░' * (_CELLS - full)} {left_of(entity)}"


def _left(entity: Entity) -> tuple[float, float]:
    """How many days are left, and which part of its life that is."""
    begin, end = (datetime.fromisoformat(entity[name]) for name in ("valid_from", "valid_to"))
    left = (end - datetime.now(UTC)).total_seconds()
    return left / 86400, max(0.0, min(1.0, left / max(1.0, (end - begin).total_seconds())))


def print_certificate(entity: Entity, *, as_json: bool) -> None:
    """One certificate."""
    if as_json:
        print_json(entity)
    else:
        print_pairs((name, value) for name, value in _pairs_of_certificate(entity) if value)


def print_ca(entity: Entity, *, as_json: bool, profile: str = "", counts: Mapping[str, int] | None = None) -> None:
    """One CA. `profile` is the name of its profile, `counts` what it issued, by status."""
    if as_json:
        print_json(entity)
    else:
        print_pairs((name, value) for name, value in _pairs_of_ca(entity, profile, counts) if value)


def _pairs_of_certificate(entity: Entity) -> Iterator[tuple[str, str]]:
    from blazon.cli.pki.description import described

    says = described(certificate_of(entity))
    yield "serial", entity["serial_number"]
    yield "subject", subject_shown(entity)
    yield "names", says.get("subjectAltName", "").removesuffix(_CRITICAL)
    yield from _status(entity)
    yield "issuer", _issuer(entity, says)
    yield from _key_and_dates(entity)
    yield "type", entity["type"]
    yield "engine", entity["engine_id"]
    yield "usage", says.get("keyUsage", "").removesuffix(_CRITICAL)
    yield "purpose", says.get("extendedKeyUsage", "").removesuffix(_CRITICAL)
    yield "sha256", says["sha256"]
    yield "metadata", _metadata(entity)


def _pairs_of_ca(entity: Entity, profile: str, counts: Mapping[str, int] | None) -> Iterator[tuple[str, str]]:
    from blazon.cli.pki.description import described

    certificate = certificate_of(entity)
    says = described(certificate)
    addresses = entity.get("addresses", {})
    yield "id", entity["id"]
    yield "serial", entity["serial_number"]
    yield "subject", subject_shown(entity)
    yield from _status(entity)
    yield "level", _level(entity)
    yield "issuer", _issuer(entity, says)
    yield from _key_and_dates(entity)
    yield "issues for", _issues_for(entity)
    yield "full until", entity.get("full_issuance_until", "")
    yield "profile", profile or entity["profile_id"] or "the default"
    yield "CAs below", _path(certificate)
    yield "names", says.get("nameConstraints", "").removesuffix(_CRITICAL)
    yield "type", entity["type"]
    yield "engine", entity["engine_id"]
    for name, key in (("CRL", "crl"), ("OCSP", "ocsp"), ("CA file", "ca_issuers")):
        yield name, ", ".join(addresses.get(key, ()))
    yield "sha256", says["sha256"]
    if counts is not None:
        yield "issued", _counted(counts)
    yield "metadata", _metadata(entity)


def certificate_of(entity: Entity) -> "Certificate":
    """The certificate in an answer, read."""
    from blazon.pkix import load_certificate

    return load_certificate(der_of(entity))


def _path(certificate: "Certificate") -> str:
    from cryptography import x509

    try:
        length = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
    except x509.ExtensionNotFound:  # a root of X.509 version 1
        length = None
    match length:
        case None:
            return "any number of levels"
        case 0:
            return "none"
        case _:
            return f"{counted(length, 'level')} at most"


def _status(entity: Entity) -> Iterator[tuple[str, str]]:
    yield "status", entity["status"]
    yield "reason", entity.get("revocation_reason", "")
    revoked = entity["revocation_timestamp"]
    yield "revoked", "" if revoked == _NEVER else revoked


def _issuer(entity: Entity, says: Mapping[str, str]) -> str:
    identifier = entity["issuer_metadata"]["ca_id"]
    if identifier == entity.get("id"):
        return "itself"
    return f"{says['issuer']}, which is not here" if identifier == "-" else f"{says['issuer']}  {identifier}"


def _level(entity: Entity) -> str:
    match entity["level"]:
        case 0:
            return "0, a root"
        case -1:
            return "not known: a CA above it is not here"
        case level:
            return str(level)


def _key_and_dates(entity: Entity) -> Iterator[tuple[str, str]]:
    key = entity["key_metadata"]
    yield "key", f"{key['type']} {key['bits']}, {key['strength'].lower()}"
    yield "valid from", entity["valid_from"]
    yield "valid to", entity["valid_to"]
    yield "left", bar(entity)


def _issues_for(entity: Entity) -> str:
    if entity["type"] == "EXTERNAL":
        return "its key is elsewhere: it issues nothing here"
    expiration = entity["issuance_expiration"]
    if expiration["type"] == "Time":
        return f"until {expiration['time']}"
    duration = expiration["duration"]
    return f"{duration}, {spelled(parse_duration(duration))}"


def _counted(counts: Mapping[str, int]) -> str:
    parts = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()) if count)
    return counted(sum(counts.values()), "certificate") + (f": {parts}" if parts else "")


def _metadata(entity: Entity) -> str:
    return json.dumps(entity["metadata"], ensure_ascii=False) if entity["metadata"] else ""


def say_notice(entity: Entity) -> None:
    """Tells who revoked something when nobody will see it: who issued it does not publish here."""
    notice = entity.get("revocation_notice")
    if notice:
        click.echo(f"Note: {one_line(notice)}", err=True)


def say_addresses(api: Api, made: Entity) -> None:
    """Tells who made the first CA that issues here what its certificates name, when that is no use to others."""
    found = made["addresses"]["ocsp"]
    if made["type"] == "EXTERNAL" or not all(map(is_loopback, found)):
        return
    here = api.call("GET", f"{API}/cas", query={"page_size": 2, "filter": "type[ne]EXTERNAL"})["list"]
    if len(here) > 1:
        return
    why = f"name {found[0]}, which only this machine reaches" if found else "name no address for CRLs and OCSP"
    click.echo(
        f"Note: certificates of this CA {why}. Set pki.url before you issue any: it stands in each certificate, and"
        " cannot be changed there.",
        err=True,
    )
