"""`blazon cert sign`, `create`, `import`."""

import base64
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from blazon.cli.client import Api, server
from blazon.cli.files import EXISTING_FILE, OUTPUT_FILE, deliver, new_private_file
from blazon.cli.options import Discreet, as_json, given_fields, metadata_option
from blazon.cli.output import print_json
from blazon.cli.pki.arguments import (
    API,
    ca_argument,
    key_option,
    names_of,
    profile_option,
    segment,
    subject_options,
)
from blazon.cli.pki.expiry import Ending, EndingType, say_ending, timestamp
from blazon.cli.pki.files import certificate_in, encoded, pem_of, private_key_of, request_in
from blazon.cli.pki.lookup import chain_of, der_of_pem, find_ca
from blazon.cli.pki.pkcs12 import NO_PLACE, asked_password, packable, packed, pkcs12_options
from blazon.cli.pki.show import print_certificate

__all__ = ["create", "import_certificate", "sign"]

_until_option = click.option(
    "--until", "--valid", "until", type=EndingType(), help="An earlier end than the CA gives: 30d, 2030-01-31, a time."
)
_chain_flag = click.option("--chain", is_flag=True, help="With the certificates of the CAs above it.")


def _end(name: str, until: Ending | None) -> str | None:
    """The end as the API takes it; it is said before anything is made."""
    if until is None:
        return None
    now = datetime.now(UTC)
    say_ending(name, until, now)
    return timestamp(until.at(now))


@click.command("sign")
@ca_argument
@click.argument("csr", type=EXISTING_FILE)
@click.option("--common-name", help="The subject's common name, instead of the subject in the CSR.")
@profile_option
@_until_option
@click.option("--out", type=OUTPUT_FILE, help="Write the certificate to this file.")
@_chain_flag
@subject_options
@metadata_option
@server
@as_json
def sign(
    ca: str,
    csr: Path,
    common_name: str | None,
    profile: str | None,
    until: Ending | None,
    out: Path | None,
    chain: bool,
    metadata: dict[str, Any] | None,
    url: str | None,
    json_output: bool,
    **subject: str,
) -> None:
    """Issue a certificate of CA for the request in the file CSR, and print it in PEM.

    \b
    blazon cert sign Devices lamp.csr --out lamp.pem --chain
    blazon cert sign Devices lamp.csr --common-name lamp-1 --until 30d > lamp.pem
    """
    if common_name is None and any(subject.values()):
        raise click.UsageError("give --common-name with the other parts of the subject")
    api = Api(url)
    authority = find_ca(api, ca)
    body = given_fields(
        {
            "csr": encoded(request_in(csr)),
            "sign_verbatim": common_name is None,
            "subject": None if common_name is None else names_of(subject, common_name),
            "profile_id": profile,
            "valid_to": _end(common_name or "The certificate", until),
            "metadata": metadata,
        }
    )
    above = chain_of(api, authority["id"]) if chain else []
    made = api.call("POST", f"{API}/cas/{segment(authority['id'])}/certificates/sign", body)
    said = _said(made, str(out))
    deliver("".join((pem_of(made), *above)).encode(), out, said, made, json_output=json_output)


def _name_options(command: Any) -> Any:
    kinds = (("uri", "A URI"), ("email", "An e-mail address"), ("ip", "An IP address"), ("dns", "A DNS name"))
    for flag, meaning in kinds:
        command = click.option(
            f"--{flag}", flag, multiple=True, help=f"{meaning} it is for; may be given several times."
        )(command)
    return command


@click.command("create", cls=Discreet)
@ca_argument
@click.argument("name")
@_name_options
@key_option
@profile_option
@_until_option
@click.option("--out", type=OUTPUT_FILE, help="Write the certificate to this file, and the key beside it.")
@click.option(
    "--key-out", type=OUTPUT_FILE, help="Write the private key to this new file. Default: as --out, with .key."
)
@click.option("--p12", type=OUTPUT_FILE, help="Write all of it to this new file instead, as PKCS #12.")
@pkcs12_options
@_chain_flag
@subject_options
@metadata_option
@server
@as_json
def create(
    ca: str,
    name: str,
    out: Path | None,
    key_out: Path | None,
    p12: Path | None,
    password: str | None,
    legacy: bool,
    url: str | None,
    json_output: bool,
    **given: Any,
) -> None:
    """Make a key and a certificate of CA with the common name NAME. Prints both in PEM.

    The server makes the key and hands it out once: it is kept nowhere. Where the device can make its own key, use
    `blazon cert sign`.

    \b
    blazon cert create Devices lamp-1 --dns lamp-1.example.com --out lamp-1.pem
    blazon cert create Devices laptop --email jo@example.com --p12 laptop.p12
    """
    key_file = _key_file(out, key_out, p12)
    if p12 is None and (password is not None or legacy):
        raise click.UsageError("--password and --legacy are about the file of --p12: name one")
    if p12 is not None and given["key"]["type"] == "ML-DSA":
        raise click.UsageError(f"{NO_PLACE} ML-DSA keys; write certificate and key with --out")
    api = Api(url)
    authority = find_ca(api, ca)
    secret = asked_password(password) if p12 is not None else ""
    above = chain_of(api, authority["id"]) if p12 is not None or given["chain"] else []
    inside = packable(*map(der_of_pem, above)) if p12 is not None else []
    body = _wanted(name, given)
    with ExitStack() as stack:
        # The file is made first: a key that cannot be written down is lost, and its certificate good for nothing.
        private = stack.enter_context(new_private_file(key_file)) if key_file is not None else None
        made = api.call("POST", f"{API}/cas/{segment(authority['id'])}/certificates", body)
        key, pem = base64.b64decode(made["private_key"]), "".join((pem_of(made), *above)).encode()
        if p12 is not None:
            key = packed(made, private_key_of(key), inside, name=name, password=secret, legacy=legacy)
        if private is not None:
            private.write(key)
    shown = made if key_file is None else {field: made[field] for field in made if field != "private_key"}
    if p12 is None:
        said = _said(made, f"{out}, its key in {key_file}")
        deliver(pem if key_file is not None else key + pem, out, said, shown, json_output=json_output)
    elif json_output:
        print_json(shown)
    else:
        click.echo(_said(made, str(p12)))


def _said(made: dict[str, Any], where: str) -> str:
    return f"{made['serial_number']} until {made['valid_to']}, in {where}"


def _key_file(out: Path | None, key_out: Path | None, p12: Path | None) -> Path | None:
    """The file the private key goes to; None for standard output. Raises UsageError."""
    if p12 is not None:
        if out is not None or key_out is not None:
            raise click.UsageError("--p12 writes key and certificate to one file: leave --out and --key-out out")
        return p12
    if out is not None and key_out is None:
        key_out = out.with_suffix(".key")
    if out is not None and out == key_out:
        raise click.UsageError(f"certificate and key cannot both be in {out}; name another file with --key-out")
    return key_out


def _wanted(name: str, given: dict[str, Any]) -> dict[str, Any]:
    return given_fields(
        {
            "subject": names_of(given, name),
            "key_metadata": given["key"],
            "dns_names": given["dns"],
            "ip_addresses": given["ip"],
            "emails": given["email"],
            "uris": given["uri"],
            "profile_id": given["profile"],
            "valid_to": _end(name, given["until"]),
            "metadata": given["metadata"],
        }
    )


@click.command("import")
@click.argument("file", type=EXISTING_FILE)
@metadata_option
@server
@as_json
def import_certificate(file: Path, metadata: dict[str, Any] | None, url: str | None, json_output: bool) -> None:
    """Import a certificate made elsewhere, from FILE, so that it can be found, watched and revoked.

    From a file with a whole chain the lowest is taken. That of a CA is imported with `blazon ca import`.

    \b
    blazon cert import old-lamp.pem --metadata '{"site":"lab"}'
    """
    body = given_fields({"certificate": encoded(certificate_in(file)), "metadata": metadata})
    print_certificate(Api(url).call("POST", f"{API}/certificates/import", body), as_json=json_output)
