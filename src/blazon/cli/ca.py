"""`blazon ca …`."""

from pathlib import Path
from typing import Any

import click

from blazon.cli.client import Api, server
from blazon.cli.options import as_json, metadata_option
from blazon.cli.output import one_line, print_json, print_pairs, print_table
from blazon.cli.pki import (
    API,
    Key,
    bar,
    content_of,
    every_page,
    names_of,
    pem_of,
    print_issued,
    subject_options,
    target,
    write,
)

__all__ = ["command"]

_file = click.Path(path_type=Path, dir_okay=False, exists=True, allow_dash=True)
_out = click.Path(path_type=Path, dir_okay=False)


@click.group("ca")
def command() -> None:
    """Make, import and look at certificate authorities. CA is an id, or a common name only one CA has."""


@command.command("create")
@click.argument("name")
@click.option("--parent", help="The CA above, by id or common name; without one it is a root.")
@click.option("--key", type=Key(), default="ecdsa:256", show_default=True, help="ecdsa:256, rsa:3072, ed25519, …")
@click.option("--valid", default="10y", show_default=True, help="How long the CA lives.")
@click.option("--issue", default="1y", show_default=True, help="How long what it issues lives.")
@click.option("--engine", help="The crypto engine that holds its key.")
@click.option("--profile", help="The issuance profile, by id or name.")
@click.option("--id", "identifier", help="The id it shall have.")
@subject_options
@metadata_option
@server
@as_json
def create(
    name: str,
    parent: str | None,
    key: dict[str, Any],
    valid: str,
    issue: str,
    engine: str | None,
    profile: str | None,
    identifier: str | None,
    metadata: dict[str, Any] | None,
    url: str | None,
    json_output: bool,
    **subject: str,
) -> None:
    """Make a CA with the common name NAME and a key in a crypto engine."""
    body: dict[str, Any] = {
        "id": identifier,
        "subject": names_of(subject, name),
        "key_metadata": key,
        "ca_expiration": {"type": "Duration", "duration": valid},
        "issuance_expiration": {"type": "Duration", "duration": issue},
        "engine_id": engine,
        "parent_id": parent,
        "profile_id": profile,
        "metadata": metadata,
    }
    given = {field: value for field, value in body.items() if value is not None}
    print_issued(Api(url).call("POST", f"{API}/cas", given), as_json=json_output)


@command.command("import")
@click.argument("certificate", type=_file)
@click.option("--private-key", type=_file, help="Its key in PEM (PKCS #8); without one the CA is only known.")
@click.option("--chain", "chain", type=_file, multiple=True, help="A certificate above it, the nearest first.")
@click.option("--issue", help="How long what it issues lives; else as long as itself.")
@click.option("--engine", help="The crypto engine that shall hold its key.")
@metadata_option
@server
@as_json
def import_ca(
    certificate: Path,
    private_key: Path | None,
    chain: tuple[Path, ...],
    issue: str | None,
    engine: str | None,
    metadata: dict[str, Any] | None,
    url: str | None,
    json_output: bool,
) -> None:
    """Import a CA made elsewhere, from the file CERTIFICATE."""
    body: dict[str, Any] = {
        "ca": content_of(certificate),
        "private_key": content_of(private_key) if private_key else None,
        "ca_chain": [content_of(each) for each in chain],
        "issuance_expiration": {"type": "Duration", "duration": issue} if issue else None,
        "engine_id": engine,
        "metadata": metadata,
    }
    given = {field: value for field, value in body.items() if value is not None}
    print_issued(Api(url).call("POST", f"{API}/cas/import", given), as_json=json_output)


@command.command("list")
@server
@as_json
def list_cas(url: str | None, json_output: bool) -> None:
    """List the CAs, the oldest first."""
    found = every_page(Api(url), f"{API}/cas")
    if json_output:
        print_json(found)
        return
    rows = [
        (ca["id"], ca["subject"]["common_name"], ca["status"], ca["type"], ca["engine_id"], ca["valid_to"])
        for ca in found
    ]
    print_table(("ID", "NAME", "STATUS", "TYPE", "ENGINE", "UNTIL"), rows, f"{len(rows)} CAs")


@command.command("tree")
@server
@as_json
def tree(url: str | None, json_output: bool) -> None:
    """Draw the CAs below each other, and how much of each life is left."""
    found = every_page(Api(url), f"{API}/cas")
    if json_output:
        print_json(_nested(found, ""))
        return
    lines = _drawn(_nested(found, ""), "")
    width = max((len(line) for line, _ in lines), default=0)
    for line, ca in lines:
        click.echo(f"{line:<{width}}  {bar(ca)}  {ca['status']}")


def _nested(found: list[dict[str, Any]], above: str) -> list[dict[str, Any]]:
    """The CAs below one, each with those below it; at the top those whose parent is not here."""
    here = {ca["id"] for ca in found}

    def parent(ca: dict[str, Any]) -> str:
        issuer = str(ca["issuer_metadata"]["ca_id"])
        return issuer if issuer in here and issuer != ca["id"] else ""

    return [{**ca, "below": _nested(found, ca["id"])} for ca in found if parent(ca) == above]


def _drawn(level: list[dict[str, Any]], indent: str) -> list[tuple[str, dict[str, Any]]]:
    lines = []
    for number, ca in enumerate(level):
        last = number == len(level) - 1
        top = not indent and ca["level"] in (0, -1)
        branch = "" if top else ("└─ " if last else "├─ ")
        lines.append((indent + branch + one_line(ca["subject"]["common_name"]), ca))
        lines += _drawn(ca["below"], indent + (" " if top else "   " if last else "│  "))
    return lines


@command.command("show")
@click.argument("ca")
@click.option("--pem", is_flag=True, help="Print its certificate in PEM.")
@server
@as_json
def show(ca: str, pem: bool, url: str | None, json_output: bool) -> None:
    """Show one CA."""
    found = Api(url).call("GET", f"{API}/cas/{target(ca)}")
    if pem:
        write(pem_of(found), None)
        return
    print_issued(found, as_json=json_output)


@command.command("crl")
@click.argument("ca")
@click.option("--out", type=_out, help="Write the list to this file, in PEM.")
@server
@as_json
def crl(ca: str, out: Path | None, url: str | None, json_output: bool) -> None:
    """Show what a CA has revoked, or write its CRL to a file."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    api = Api(url)
    identifier = api.call("GET", f"{API}/cas/{target(ca)}")["id"]
    found = x509.load_der_x509_crl(api.fetch(f"/api/va/crl/{target(identifier)}"))
    if out is not None:
        write(found.public_bytes(Encoding.PEM), out)
        return
    number = found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    head = {
        "number": str(number),
        "this update": found.last_update_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "next update": found.next_update_utc.strftime("%Y-%m-%dT%H:%M:%SZ") if found.next_update_utc else "",
    }
    rows = [_entry(each) for each in found]
    if json_output:
        keys = ("serial_number", "revocation_timestamp", "revocation_reason")
        print_json({**head, "revoked": [dict(zip(keys, row, strict=True)) for row in rows]})
        return
    print_pairs(head.items())
    print_table(("SERIAL", "REVOKED", "REASON"), rows, f"{len(rows)} revoked")


def _entry(entry: Any) -> tuple[str, str, str]:
    from cryptography import x509

    try:
        reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
    except x509.ExtensionNotFound:
        reason = "unspecified"
    serial = entry.serial_number.to_bytes((entry.serial_number.bit_length() + 7) // 8, "big").hex("-")
    return serial, entry.revocation_date_utc.strftime("%Y-%m-%dT%H:%M:%SZ"), reason
