"""`blazon cert …`."""

import base64
from pathlib import Path
from typing import Any

import click

from blazon.cli.client import Api, server
from blazon.cli.options import as_json
from blazon.cli.output import print_json, print_pairs
from blazon.cli.pki import (
    API,
    Serial,
    content_of,
    names_of,
    pem_of,
    print_issued,
    subject_options,
    target,
    write,
)
from blazon.errors import BlazonError

__all__ = ["command"]

_file = click.Path(path_type=Path, dir_okay=False, exists=True, allow_dash=True)
_out = click.Path(path_type=Path, dir_okay=False)
_REASONS = (
    "Unspecified",
    "KeyCompromise",
    "CACompromise",
    "AffiliationChanged",
    "Superseded",
    "CessationOfOperation",
    "CertificateHold",
    "PrivilegeWithdrawn",
    "AACompromise",
)


@click.group("cert")
def command() -> None:
    """Issue, revoke and check certificates. SERIAL is a serial number, or a PEM file with the certificate."""


@command.command("sign")
@click.argument("ca")
@click.argument("csr", type=_file)
@click.option("--common-name", help="The subject's common name, instead of the subject in the CSR.")
@click.option("--profile", help="The issuance profile, by id or name; else that of the CA.")
@click.option("--until", help="An earlier end, such as 2030-01-31T12:00:00Z.")
@click.option("--out", type=_out, help="Write the certificate to this file.")
@click.option("--chain", is_flag=True, help="With the certificates of the CAs above it.")
@subject_options
@server
@as_json
def sign(
    ca: str,
    csr: Path,
    common_name: str | None,
    profile: str | None,
    until: str | None,
    out: Path | None,
    chain: bool,
    url: str | None,
    json_output: bool,
    **subject: str,
) -> None:
    """Issue a certificate of CA for the request in the file CSR, and print it in PEM."""
    if common_name is None and any(subject.values()):
        raise click.UsageError("give --common-name with the other parts of the subject")
    body: dict[str, Any] = {
        "csr": content_of(csr),
        "sign_verbatim": common_name is None,
        "subject": None if common_name is None else names_of(subject, common_name),
        "profile_id": profile,
        "valid_to": until,
    }
    given = {field: value for field, value in body.items() if value is not None}
    api = Api(url)
    made = api.call("POST", f"{API}/cas/{target(ca)}/certificates/sign", given)
    if json_output:
        print_json(made)
        return
    write(pem_of(made) + (_chain(api, made) if chain else ""), out)
    if out is not None:
        click.echo(f"{made['serial_number']} until {made['valid_to']}, in {out}")


def _chain(api: Api, certificate: dict[str, Any]) -> str:
    issuer = certificate["issuer_metadata"]["ca_id"]
    if issuer == "-":
        return ""
    found = api.call("GET", f"{API}/cas/{target(issuer)}/chain")["chain"]
    return "".join(base64.b64decode(each).decode() for each in found)


@command.command("show")
@click.argument("serial", type=Serial())
@server
@as_json
def show(serial: str, url: str | None, json_output: bool) -> None:
    """Show what Blazon knows of a certificate."""
    print_issued(Api(url).call("GET", f"{API}/certificates/{serial}"), as_json=json_output)


@command.command("inspect")
@click.argument("file", type=_file)
@as_json
def inspect(file: Path, json_output: bool) -> None:
    """Show what a certificate in a file says. Asks nobody."""
    from cryptography import x509

    from blazon.cli.description import described

    try:
        found = x509.load_pem_x509_certificates(base64.b64decode(content_of(file)))
    except ValueError:
        raise BlazonError(f"{file} holds no certificate in PEM") from None
    shown = [described(each) for each in found]
    if json_output:
        print_json(shown)
        return
    for number, each in enumerate(shown):
        if number:
            click.echo()
        print_pairs(each.items())


@command.command("revoke")
@click.argument("serial", type=Serial())
@click.option(
    "--reason", type=click.Choice(_REASONS, case_sensitive=False), default="Unspecified", show_default=True, help="Why."
)
@click.option("--release", is_flag=True, help="End a hold instead (the reason was CertificateHold).")
@server
@as_json
def revoke(serial: str, reason: str, release: bool, url: str | None, json_output: bool) -> None:
    """Revoke a certificate: OCSP says so at once, the CRL within seconds."""
    body = {"status": "ACTIVE"} if release else {"status": "REVOKED", "revocation_reason": reason}
    print_issued(Api(url).call("PUT", f"{API}/certificates/{serial}/status", body), as_json=json_output)


@command.command("verify")
@click.argument("file", type=_file)
@server
@as_json
def verify(file: Path, url: str | None, json_output: bool) -> None:
    """Check a certificate in a file: its signatures up to a root, its dates, and what OCSP says. Exits 1 when bad."""
    from cryptography import x509

    try:
        certificate = x509.load_pem_x509_certificates(base64.b64decode(content_of(file)))[0]
    except ValueError:
        raise BlazonError(f"{file} holds no certificate in PEM") from None
    api = Api(url)
    serial = certificate.serial_number.to_bytes((certificate.serial_number.bit_length() + 7) // 8, "big").hex("-")
    known = api.call("GET", f"{API}/certificates/{serial}")
    issuer = known["issuer_metadata"]["ca_id"]
    if issuer == "-":
        raise BlazonError("the CA that issued it is not known here; import it with: blazon ca import")
    encoded = api.call("GET", f"{API}/cas/{target(issuer)}/chain")["chain"]
    chain = [x509.load_pem_x509_certificate(base64.b64decode(each)) for each in encoded]
    answers = {
        "signatures": _signatures(certificate, chain),
        "dates": _dates([certificate, *chain]),
        "ocsp": _ocsp(api, certificate, chain[0]),
    }
    if json_output:
        print_json(answers)
    else:
        print_pairs(answers.items())
    if not all(answer.startswith("good") for answer in answers.values()):
        raise BlazonError("the certificate is not to be trusted")


def _signatures(certificate: Any, chain: list[Any]) -> str:
    from cryptography.exceptions import InvalidSignature

    for below, above in zip((certificate, *chain), (*chain, chain[-1]), strict=True):
        try:
            below.verify_directly_issued_by(above)
        except (ValueError, TypeError, InvalidSignature):
            return f"bad: {below.subject.rfc4514_string()} is not signed by {above.subject.rfc4514_string()}"
    return f"good: up to {chain[-1].subject.rfc4514_string()}"


def _dates(certificates: list[Any]) -> str:
    from datetime import UTC, datetime

    now = datetime.now(UTC)
    for each in certificates:
        if not each.not_valid_before_utc <= now <= each.not_valid_after_utc:
            return f"bad: {each.subject.rfc4514_string()} is valid until {each.not_valid_after_utc:%Y-%m-%d}"
    end = min(each.not_valid_after_utc for each in certificates)
    return f"good: until {end:%Y-%m-%dT%H:%M:%SZ}"


def _ocsp(api: Api, certificate: Any, issuer: Any) -> str:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509 import ocsp

    request = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, SHA256()).build()
    response = ocsp.load_der_ocsp_response(api.fetch("/api/va/ocsp", request.public_bytes(Encoding.DER)))
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        return f"bad: {response.response_status.name.lower()}"
    if response.certificate_status is ocsp.OCSPCertStatus.REVOKED:
        reason = response.revocation_reason.value if response.revocation_reason else "unspecified"
        return f"bad: revoked on {response.revocation_time_utc:%Y-%m-%dT%H:%M:%SZ}, {reason}"
    good = response.certificate_status is ocsp.OCSPCertStatus.GOOD
    return "good: not revoked" if good else "bad: unknown"


@command.command("export")
@click.argument("serial", type=Serial())
@click.option("--chain", is_flag=True, help="With the certificates of the CAs above it.")
@click.option("--out", type=_out, help="Write to this file.")
@server
@as_json
def export(serial: str, chain: bool, out: Path | None, url: str | None, json_output: bool) -> None:
    """Print a certificate in PEM."""
    api = Api(url)
    found = api.call("GET", f"{API}/certificates/{serial}")
    if json_output:
        print_json({"serial_number": serial, "pem": pem_of(found) + (_chain(api, found) if chain else "")})
        return
    write(pem_of(found) + (_chain(api, found) if chain else ""), out)
