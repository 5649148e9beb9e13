"""`blazon ca list`, `tree`, `show`, `chain`, `crl`."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from blazon.cli.client import Api, server
from blazon.cli.files import OUTPUT_FILE, deliver
from blazon.cli.options import as_json
from blazon.cli.output import counted, one_line, print_json, print_pairs, print_table
from blazon.cli.paging import by_bookmark
from blazon.cli.pki.arguments import API, ca_argument, segment, status_option
from blazon.cli.pki.expiry import timestamp
from blazon.cli.pki.files import pem_of
from blazon.cli.pki.lookup import chain_of, find_ca
from blazon.cli.pki.show import bar, print_ca
from blazon.cli.tree import nested, tree_lines
from blazon.serials import format_serial

if TYPE_CHECKING:
    from cryptography import x509

__all__ = ["chain", "crl", "list_cas", "show", "tree"]

_FORMS: Final = ("pem", "der")


@click.command("list")
@status_option
@server
@as_json
def list_cas(status: str | None, url: str | None, json_output: bool) -> None:
    """List the CAs, the oldest first.

    \b
    blazon ca list --status ACTIVE
    """
    found = list(by_bookmark(Api(url), f"{API}/cas", filter=f"status[eq]{status}" if status else None))
    if json_output:
        print_json(found)
        return
    rows = [
        (ca["id"], ca["subject"]["common_name"], ca["status"], ca["type"], ca["engine_id"], ca["valid_to"])
        for ca in found
    ]
    print_table(("ID", "NAME", "STATUS", "TYPE", "ENGINE", "UNTIL"), rows, counted(len(rows), "CA"))


@click.command("tree")
@server
@as_json
def tree(url: str | None, json_output: bool) -> None:
    """Draw the CAs below each other, and how much of each life is left.

    \b
    blazon ca tree
    """
    found = list(by_bookmark(Api(url), f"{API}/cas"))
    names = Counter(ca["subject"]["common_name"] for ca in found)
    roots = nested(
        found,
        lambda ca: str(ca["issuer_metadata"]["ca_id"]),
        lambda ca: (ca["subject"]["common_name"], ca["id"]),
    )
    if json_output:
        print_json(roots)
        return

    def label(ca: dict[str, Any]) -> str:
        name = ca["subject"]["common_name"]
        return one_line(name if names[name] == 1 else f"{name} {ca['id']}")

    lines = list(tree_lines(roots, label))
    width = max((len(line) for line, _ in lines), default=0)
    for line, ca in lines:
        click.echo(f"{line:<{width}}  {bar(ca)}  {ca['status']}")


@click.command("show")
@ca_argument
@click.option("--pem", is_flag=True, help="Print its certificate in PEM.")
@server
@as_json
def show(ca: str, pem: bool, url: str | None, json_output: bool) -> None:
    """Show one CA: where it stands, what it issues, and what its certificates name.

    \b
    blazon ca show Devices
    blazon ca show Devices --pem > devices.pem
    """
    api = Api(url)
    found = find_ca(api, ca)
    if pem:
        click.echo(pem_of(found), nl=False)
        return
    if json_output:
        print_json(found)
        return
    profile = found["profile_id"]
    name = api.call("GET", f"{API}/profiles/{segment(profile)}")["name"] if profile else ""
    counts = api.call("GET", f"{API}/stats/{segment(found['id'])}")
    print_ca(found, as_json=False, profile=f"{name}  {profile}" if profile else "", counts=counts)


@click.command("chain")
@ca_argument
@click.option("--out", type=OUTPUT_FILE, help="Write them to this file.")
@server
@as_json
def chain(ca: str, out: Path | None, url: str | None, json_output: bool) -> None:
    """Print the certificates of a CA and of those above it in PEM, nearest first.

    \b
    blazon ca chain Devices > ca-bundle.pem
    """
    api = Api(url)
    found = chain_of(api, find_ca(api, ca)["id"])
    said = f"Wrote {out}: {counted(len(found), 'certificate')} in PEM, nearest first."
    deliver("".join(found).encode(), out, said, {"chain": found}, json_output=json_output)


@click.command("crl")
@ca_argument
@click.option("--out", type=OUTPUT_FILE, help="Write the list to this file.")
@click.option("--form", type=click.Choice(_FORMS), help="Write it in PEM or DER; PEM when only --out is given.")
@server
@as_json
def crl(ca: str, out: Path | None, form: str | None, url: str | None, json_output: bool) -> None:
    """Show what a CA has revoked, or write its CRL to a file.

    The server gives the list out in DER; nginx, HAProxy and most programs that check by a file take PEM.

    \b
    blazon ca crl Devices
    blazon ca crl Devices --out devices.crl
    blazon ca crl Devices --form der > devices.crl
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    api = Api(url)
    authority = find_ca(api, ca)
    found = x509.load_der_x509_crl(api.fetch(f"/api/va/crl/{segment(authority['id'])}"))
    head = _head(found)
    if out is not None or form is not None:
        form = form or "pem"
        said = (
            f"Wrote {out}: CRL {head['number']} of {one_line(authority['subject']['common_name'])} in {form.upper()},"
            f" {len(found)} revoked, next update {head['next update']}."
        )
        data = found.public_bytes(Encoding.PEM if form == "pem" else Encoding.DER)
        deliver(data, out, said, {**head, "file": str(out or ""), "form": form}, json_output=json_output)
        return
    rows = list(_entries(found))
    if json_output:
        keys = ("serial_number", "revocation_timestamp", "revocation_reason")
        print_json({**head, "revoked": [dict(zip(keys, row, strict=True)) for row in rows]})
        return
    print_pairs(head.items())
    print_table(("SERIAL", "REVOKED", "REASON"), rows, f"{len(rows)} revoked")


def _head(found: "x509.CertificateRevocationList") -> dict[str, str]:
    from cryptography import x509

    number = found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    return {
        "number": str(number),
        "this update": timestamp(found.last_update_utc),
        "next update": timestamp(found.next_update_utc) if found.next_update_utc else "",
    }


def _entries(found: "x509.CertificateRevocationList") -> Iterator[tuple[str, str, str]]:
    from cryptography import x509

    for entry in found:
        try:
            reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
        except x509.ExtensionNotFound:
            reason = "unspecified"
        yield format_serial(entry.serial_number), timestamp(entry.revocation_date_utc), reason
