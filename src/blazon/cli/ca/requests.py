"""CAs whose certificate an outside parent makes: `blazon ca request`, `requests`, `csr`, `complete`, `cancel`."""

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from blazon.cli.ca.make import common_fields, common_options, issue_option, path_length_option
from blazon.cli.client import Api, server
from blazon.cli.files import EXISTING_FILE, OUTPUT_FILE, deliver
from blazon.cli.options import as_json, given_fields
from blazon.cli.output import counted, one_line, print_json, print_table
from blazon.cli.pki.arguments import (
    API,
    chain_option,
    key_option,
    names_of,
    profile_option,
    request_argument,
    segment,
    subject_options,
    yes_option,
)
from blazon.cli.pki.changes import asked_to_go_on
from blazon.cli.pki.expiry import Ending, EndingType, say_issuing
from blazon.cli.pki.files import certificates_in, encoded, key_in_request, picked
from blazon.cli.pki.lookup import check_is_new, find_request
from blazon.cli.pki.show import print_ca, say_addresses, subject_shown

__all__ = ["cancel", "complete", "csr", "list_requests", "request"]


@click.command("request")
@click.argument("name")
@key_option
@issue_option
@path_length_option
@click.option("--out", type=OUTPUT_FILE, help="Write the request to this file.")
@common_options
@subject_options
@server
@as_json
def request(
    name: str,
    key: dict[str, Any],
    issue: Ending,
    path_length: int | None,
    out: Path | None,
    url: str | None,
    json_output: bool,
    **given: Any,
) -> None:
    """Make a key for a CA called NAME, and print the request (PKCS #10) that an outside parent is to certify.

    The CA waits for its certificate until `blazon ca complete` brings it.

    \b
    blazon ca request Plant --organization Ikerlan --out plant.csr
    blazon ca complete Plant plant.pem --chain corporate-root.pem
    """
    api = Api(url)
    if not given["same_name"]:
        check_is_new(api, name)
    say_issuing(issue, datetime.now(UTC))
    body = given_fields(
        {
            **common_fields(given),
            "subject": names_of(given, name),
            "key_metadata": key,
            "issuance_expiration": issue.expiration(),
            "path_length": path_length,
        }
    )
    pending = api.call("POST", f"{API}/requests", body)
    _deliver(pending, out, json_output=json_output)
    if not json_output:
        then = f"Once the parent has made it, type: blazon ca complete {pending['id']} CERTIFICATE"
        click.echo(f"{one_line(name)} ({pending['id']}) waits for its certificate. {then}", err=True)


def _deliver(pending: dict[str, Any], out: Path | None, *, json_output: bool) -> None:
    said = f"Wrote {out}: the request of {one_line(pending['subject']['common_name'])} in PEM."
    deliver(_request_in(pending), out, said, pending, json_output=json_output)


def _request_in(pending: dict[str, Any]) -> bytes:
    return base64.b64decode(pending["csr"])


@click.command("requests")
@server
@as_json
def list_requests(url: str | None, json_output: bool) -> None:
    """List the CAs that wait for the certificate of an outside parent.

    \b
    blazon ca requests
    """
    found = Api(url).call("GET", f"{API}/requests")["list"]
    if json_output:
        print_json(found)
        return
    rows = [(each["id"], subject_shown(each), each["engine_id"], each["creation_ts"]) for each in found]
    print_table(("ID", "SUBJECT", "ENGINE", "SINCE"), rows, f"{counted(len(rows), 'CA')} without a certificate")


@click.command("csr")
@request_argument
@click.option("--out", type=OUTPUT_FILE, help="Write it to this file.")
@server
@as_json
def csr(request: str, out: Path | None, url: str | None, json_output: bool) -> None:
    """Print the request (PKCS #10) of a CA that waits for its certificate, by id or common name.

    \b
    blazon ca csr Plant --out plant.csr
    """
    _deliver(find_request(Api(url), request), out, json_output=json_output)


@click.command("complete")
@request_argument
@click.argument("certificate", type=EXISTING_FILE)
@chain_option
@click.option("--issue", type=EndingType(), help="How long what it issues lives, when it is not as requested.")
@profile_option
@server
@as_json
def complete(
    request: str,
    certificate: Path,
    chain: tuple[Path, ...],
    issue: Ending | None,
    profile: str | None,
    url: str | None,
    json_output: bool,
) -> None:
    """Bring a CA that waits, by id or common name, the CERTIFICATE its outside parent made. From then on it issues.

    \b
    blazon ca complete Plant plant.pem --chain corporate-root.pem
    """
    api = Api(url)
    pending = find_request(api, request)
    if issue is not None:
        say_issuing(issue, datetime.now(UTC))
    own, others = picked(certificates_in(certificate), certificate, key_in_request(_request_in(pending)))
    above = [*others, *(each for path in chain for each in certificates_in(path))]
    body = given_fields(
        {
            "certificate": encoded(own),
            "ca_chain": list(map(encoded, above)),
            "issuance_expiration": issue.expiration() if issue else None,
            "profile_id": profile,
        }
    )
    made = api.call("POST", f"{API}/requests/{segment(pending['id'])}/certificate", body)
    print_ca(made, as_json=json_output)
    say_addresses(api, made)


@click.command("cancel")
@request_argument
@yes_option
@server
@as_json
def cancel(request: str, yes: bool, url: str | None, json_output: bool) -> None:
    """Give up a CA that waits for its certificate, by id or common name, and destroy its key.

    \b
    blazon ca cancel Plant
    """
    api = Api(url)
    pending = find_request(api, request)
    name = one_line(pending["subject"]["common_name"])
    asked_to_go_on(f"Give up the CA {name!r} ({pending['id']}) and destroy its key?", yes=yes)
    api.call("DELETE", f"{API}/requests/{segment(pending['id'])}")
    if json_output:
        print_json({"id": pending["id"]})
    else:
        click.echo(f"{name} ({pending['id']}) is given up, and its key destroyed.")
