"""`blazon cert show`, `inspect`, `verify`, `export`, `p12`."""

from pathlib import Path
from typing import Final

import click

from blazon.cli.client import Api, server
from blazon.cli.files import EXISTING_FILE, OUTPUT_FILE, deliver, new_private_file
from blazon.cli.options import Discreet, as_json
from blazon.cli.output import counted, print_json, print_pairs
from blazon.cli.pki.arguments import NamedCertificate, certificate_argument, key_password_option
from blazon.cli.pki.changes import print_issued
from blazon.cli.pki.files import certificates_in, pem_of, private_key_in, secret_of
from blazon.cli.pki.lookup import chain_above, der_of, der_of_pem, find_issued
from blazon.cli.pki.pkcs12 import asked_password, packable, packed, pkcs12_options
from blazon.cli.pki.show import certificate_of
from blazon.errors import BlazonError

__all__ = ["export", "inspect", "p12", "show", "verify"]

_FORMS: Final = ("pem", "der")


@click.command("show")
@certificate_argument
@server
@as_json
def show(certificate: NamedCertificate, url: str | None, json_output: bool) -> None:
    """Show what Blazon knows of a certificate: its names, its dates, its status.

    \b
    blazon cert show 5c-1f-00-e2
    blazon cert show lamp.pem --json
    """
    print_issued(find_issued(Api(url), certificate), as_json=json_output)


@click.command("inspect", cls=Discreet)
@click.argument("file", type=EXISTING_FILE)
@click.option("--password", help="What opens a PKCS #12 file; - reads it from standard input.")
@as_json
def inspect(file: Path, password: str | None, json_output: bool) -> None:
    """Show what the certificates in a file say: PEM, DER, PKCS #7 or PKCS #12. Asks nobody.

    \b
    blazon cert inspect lamp.pem
    blazon cert inspect devices.der --json
    """
    from blazon.cli.pki.description import described

    shown = [described(each) for each in certificates_in(file, secret_of(password, "--password"))]
    if json_output:
        print_json(shown)
        return
    for number, each in enumerate(shown):
        if number:
            click.echo()
        print_pairs(each.items())


@click.command("verify")
@certificate_argument
@server
@as_json
def verify(certificate: NamedCertificate, url: str | None, json_output: bool) -> None:
    """Check a certificate: its signatures up to a root, its dates, and what OCSP says. Exit code 0 when all are good.

    \b
    blazon cert verify lamp.pem
    """
    from blazon.cli.pki.verify import dates, revocation, signatures
    from blazon.pkix import load_certificate

    api = Api(url)
    issued = find_issued(api, certificate)
    path = [load_certificate(der) for der in (der_of(issued.entity), *map(der_of_pem, chain_above(api, issued)))]
    answers = {"signatures": signatures(path), "dates": dates(path), "ocsp": revocation(api, path, issued.entity)}
    if json_output:
        print_json(answers)
    else:
        print_pairs(answers.items())
    if any(answer.startswith("bad") for answer in answers.values()):
        raise BlazonError("the certificate is not to be trusted")
    if any(answer.startswith("unknown") for answer in answers.values()):
        raise BlazonError(
            "the certificate could not be checked in full; `blazon ca import` brings the certificate of a CA here that"
            " is missing"
        )


@click.command("export")
@certificate_argument
@click.option("--chain", is_flag=True, help="With the certificates of the CAs above it.")
@click.option("--form", type=click.Choice(_FORMS), default="pem", show_default=True, help="PEM, or DER of one only.")
@click.option("--out", type=OUTPUT_FILE, help="Write to this file.")
@server
@as_json
def export(
    certificate: NamedCertificate, chain: bool, form: str, out: Path | None, url: str | None, json_output: bool
) -> None:
    """Print a certificate, in PEM unless --form says otherwise.

    \b
    blazon cert export 5c-1f-00-e2 --chain > lamp-with-chain.pem
    blazon cert export 5c-1f-00-e2 --form der --out lamp.cer
    """
    if chain and form == "der":
        raise click.UsageError("DER holds one certificate: leave --chain or --form der out")
    api = Api(url)
    issued = find_issued(api, certificate)
    if form == "der":
        data = der_of(issued.entity)
    else:
        data = "".join((pem_of(issued.entity), *(chain_above(api, issued) if chain else []))).encode()
    serial = issued.entity["serial_number"]
    shown = {"serial_number": serial, **({"pem": data.decode()} if form == "pem" else {})}
    deliver(data, out, f"Wrote {out}: {serial} in {form.upper()}.", shown, json_output=json_output)


@click.command("p12", cls=Discreet)
@certificate_argument
@click.option("--private-key", required=True, type=EXISTING_FILE, help="The file with its private key.")
@key_password_option
@click.option("--out", required=True, type=OUTPUT_FILE, help="Write to this new file.")
@click.option("--name", help="What programs show it by. Default: the common name.")
@pkcs12_options
@server
@as_json
def p12(
    certificate: NamedCertificate,
    private_key: Path,
    key_password: str | None,
    out: Path,
    name: str | None,
    password: str | None,
    legacy: bool,
    url: str | None,
    json_output: bool,
) -> None:
    """Put a certificate, its private key and the CAs above it into one file, as PKCS #12.

    The private key never leaves this machine.

    \b
    blazon cert p12 lamp.pem --private-key lamp.key --out lamp.p12
    """
    api = Api(url)
    issued = find_issued(api, certificate)
    above = packable(*map(der_of_pem, chain_above(api, issued)))
    public_key = certificate_of(issued.entity).public_key()
    key = private_key_in(private_key, secret_of(key_password, "--key-password"), public_key)
    shown = name or issued.entity["subject"]["common_name"] or issued.entity["serial_number"]
    with new_private_file(out) as file:
        secret = asked_password(password)
        file.write(packed(issued.entity, key, above, name=shown, password=secret, legacy=legacy))
    if json_output:
        print_json({"serial_number": issued.entity["serial_number"], "file": str(out), "above": len(above)})
    else:
        click.echo(f"Wrote {out}: {shown}, its private key and {counted(len(above), 'certificate')} above it.")
