"""`blazon ca create`, `blazon ca import`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from blazon.cli.client import Api, server
from blazon.cli.files import EXISTING_FILE
from blazon.cli.options import Discreet, as_json, given_fields, metadata_option
from blazon.cli.pki.arguments import (
    API,
    ca_option,
    chain_option,
    engine_option,
    key_option,
    names_of,
    profile_option,
    subject_options,
)
from blazon.cli.pki.expiry import Ending, EndingType, said_back, say_ending, say_issuing, timestamp
from blazon.cli.pki.files import ca_in, certificates_in, common_name_of, encoded, encoded_key, secret_of
from blazon.cli.pki.lookup import check_is_new, find_ca
from blazon.cli.pki.show import print_ca, say_addresses

__all__ = ["common_fields", "common_options", "create", "import_ca", "issue_option", "path_length_option"]

_SIDES: Final = {"permit": "permitted", "exclude": "excluded"}
_KINDS: Final = ("dns", "ip", "email", "uri")


def common_options(command: Any) -> Any:
    """The options of everything that becomes a CA; `common_fields` is what they say."""
    for option in (
        click.option("--same-name", is_flag=True, help="Make it even if another CA has this name."),
        click.option("--critical", help="How long before their end its certificates become critical, such as 7d."),
        click.option("--near", help="How long before their end its certificates count as near it, such as 30d."),
        click.option("--id", "identifier", help="The id it shall have; made up when it is left out."),
        profile_option,
        engine_option,
    ):
        command = option(command)
    return metadata_option(command)


def common_fields(given: dict[str, Any]) -> dict[str, Any]:
    """What the common options say, as the API takes it."""
    return {
        "id": given["identifier"],
        "engine_id": given["engine"],
        "profile_id": given["profile"],
        "near_expiration": given["near"],
        "critical_expiration": given["critical"],
        "metadata": given["metadata"],
    }


issue_option = click.option(
    "--issue", type=EndingType(), default="1y", show_default=True, help="How long what it issues lives, or until when."
)
"""The option --issue of a CA that is new."""

path_length_option = click.option(
    "--path-length",
    type=click.IntRange(0, 255),
    help="How many levels of CAs may stand below it; any number if left out.",
)
"""The option --path-length."""


def _constraint_options(command: Any) -> Any:
    for side in reversed(_SIDES):
        meaning = f"{side.capitalize()} names below it: dns:example.com, ip:10.0.0.0/8, email:…, uri:…"
        command = click.option(
            f"--{side}", side, multiple=True, metavar="KIND:NAME", help=f"{meaning}; several times."
        )(command)
    return command


def _constraints(given: dict[str, tuple[str, ...]]) -> dict[str, list[str]] | None:
    found: dict[str, list[str]] = {}
    for side in _SIDES:
        for text in given[side]:
            kind, colon, name = text.partition(":")
            if not colon or not name or kind.lower() not in _KINDS:
                raise click.BadParameter(
                    f"{text!r} is not KIND:NAME with a kind of {', '.join(_KINDS)}, such as dns:example.com",
                    param_hint=f"--{side}",
                )
            found.setdefault(f"{_SIDES[side]}_{kind.lower()}", []).append(name)
    return found or None


@click.command("create")
@click.argument("name")
@ca_option("The CA above it: an id, a name, a serial number or a file. Without one, the new CA is a root.", "--parent")
@key_option
@click.option(
    "--valid",
    "--until",
    "valid",
    type=EndingType(),
    default="10y",
    show_default=True,
    help="How long the CA lives, or until when: 10y, 2036-01-31.",
)
@issue_option
@path_length_option
@_constraint_options
@common_options
@subject_options
@server
@as_json
def create(
    name: str,
    parent: str | None,
    key: dict[str, Any],
    valid: Ending,
    issue: Ending,
    path_length: int | None,
    url: str | None,
    json_output: bool,
    **given: Any,
) -> None:
    """Make a CA with the common name NAME and a key in a crypto engine.

    Durations are repeated as dates before anything is made. In a duration, m stands for minutes and y for 364 days.

    \b
    blazon ca create Root --key ecdsa:384 --valid 20y --organization Ikerlan --country ES
    blazon ca create Devices --parent Root --until 2031-12-31 --issue 90d --path-length 0
    blazon ca create Lab --parent Root --valid 2y --permit dns:lab.example.com --exclude ip:10.0.0.0/8
    """
    constraints, begin = _constraints(given), datetime.now(UTC)
    _check_order(valid, issue, begin)
    api = Api(url)
    parent_id = find_ca(api, parent)["id"] if parent else None
    if not given["same_name"]:
        check_is_new(api, name)
    say_ending(name, valid, begin)
    say_issuing(issue, begin)
    body = given_fields(
        {
            **common_fields(given),
            "subject": names_of(given, name),
            "key_metadata": key,
            "ca_expiration": valid.expiration(),
            "issuance_expiration": issue.expiration(),
            "parent_id": parent_id,
            "path_length": path_length,
            "name_constraints": constraints,
        }
    )
    made = api.call("POST", f"{API}/cas", body)
    print_ca(made, as_json=json_output)
    say_addresses(api, made)


def _check_order(valid: Ending, issue: Ending, begin: datetime) -> None:
    """The server refuses it as well; here it can be said in the words that were typed."""
    if issue.at(begin) > valid.at(begin):
        raise click.UsageError(
            f"what the CA issues would outlive it: with --valid {valid.text} the CA is valid until"
            f" {said_back(valid, begin)}, and with --issue {issue.text} what it issues until {said_back(issue, begin)};"
            " give a longer --valid or a shorter --issue"
        )


@click.command("import", cls=Discreet)
@click.argument("file", type=EXISTING_FILE)
@click.option("--private-key", type=EXISTING_FILE, help="The file with its private key, if it is not in FILE.")
@click.option("--password", help="What opens an encrypted key or a PKCS #12 file; - reads it from standard input.")
@chain_option
@click.option(
    "--issue", type=EndingType(), help="How long what it issues lives, or until when; else as long as itself."
)
@common_options
@server
@as_json
def import_ca(
    file: Path,
    private_key: Path | None,
    password: str | None,
    chain: tuple[Path, ...],
    issue: Ending | None,
    url: str | None,
    json_output: bool,
    **given: Any,
) -> None:
    """Import a CA made elsewhere, from FILE: PEM, DER, PKCS #7 or PKCS #12, alone or with the certificates above it.

    With its private key the CA issues here. Without, it is only known: it stands in trees and chains.

    \b
    blazon ca import plant.pem --private-key plant.key --issue 90d
    blazon ca import plant.p12 --password - --issue 90d < password.txt
    blazon ca import vendor.pem --chain vendor-root.pem
    """
    found = ca_in(file, private_key, secret_of(password, "--password"))
    above = [*found.chain, *(each for path in chain for each in certificates_in(path))]
    api, begin = Api(url), datetime.now(UTC)
    if not given["same_name"]:
        check_is_new(api, common_name_of(found.certificate))
    if issue is not None:
        say_issuing(issue, begin)
    elif found.key is not None:
        end = timestamp(found.certificate.not_valid_after_utc)
        click.echo(
            f"What it issues will be valid until the CA itself ends, {end}; give --issue for a shorter time.", err=True
        )
    body = given_fields(
        {
            **common_fields(given),
            "ca": encoded(found.certificate),
            "private_key": None if found.key is None else encoded_key(found.key),
            "ca_chain": list(map(encoded, above)),
            "issuance_expiration": issue.expiration() if issue else None,
        }
    )
    made = api.call("POST", f"{API}/cas/import", body)
    print_ca(made, as_json=json_output)
    say_addresses(api, made)
