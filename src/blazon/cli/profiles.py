"""`blazon profiles …`: issuance profiles."""

import json
from pathlib import Path
from typing import Any, Final

import click

from blazon.cli.client import Api, ApiError, server
from blazon.cli.files import EXISTING_FILE, read_octets
from blazon.cli.options import as_json, given_fields
from blazon.cli.output import counted, one_line, print_json, print_pairs, print_table
from blazon.cli.pki.arguments import API, profile_argument, segment, yes_option
from blazon.cli.pki.changes import asked_to_go_on
from blazon.cli.pki.expiry import Ending, EndingType
from blazon.cli.words import WordsGroup
from blazon.errors import BlazonError

__all__ = ["command"]

Profile = dict[str, Any]

_USAGES: Final = (
    "digitalSignature",
    "contentCommitment",
    "keyEncipherment",
    "dataEncipherment",
    "keyAgreement",
    "encipherOnly",
    "decipherOnly",
)
_HONOURED: Final = ("subjectAltName", "keyUsage", "extendedKeyUsage")
_NAMES: Final = ("dns", "ip", "uri", "email")
_NOTHING: Final = "none"


def _path(api: Api, named: str) -> str:
    """Where the API has a profile, which is named by id or name. Raises ApiError."""
    stored = api.call("GET", f"{API}/profiles")["list"]
    found = [each["id"] for each in stored if each["id"] == named]
    found = found or [each["id"] for each in stored if each["name"] == named]
    if len(found) > 1:
        raise ApiError(f"{len(found)} profiles are called {named!r}; name one by its id: {', '.join(found)}", 409)
    if not found:
        raise ApiError(f"there is no profile {named!r}; `blazon profiles list` shows them", 404)
    return f"{API}/profiles/{segment(found[0])}"


def _many(flag: str, name: str, choices: tuple[str, ...] | None, meaning: str) -> Any:
    kind = click.Choice((*choices, _NOTHING)) if choices else None
    return click.option(flag, name, type=kind, multiple=True, help=f"{meaning}; may be given several times, or `none`.")


def _profile_options(command: Any) -> Any:
    for option in (
        click.option(
            "--from",
            "source",
            type=EXISTING_FILE,
            help="A JSON file with a profile, as `profiles show --json` prints it.",
        ),
        _many("--policy", "policies", None, "The identifier of a certificate policy"),
        click.option(
            "--most-names", "most_names", type=click.IntRange(0, 1000), help="How many names are taken at most."
        ),
        click.option("--wildcards/--no-wildcards", default=None, help="Whether names may begin with *."),
        _many("--name-type", "name_types", _NAMES, "A kind of alternative names that is taken from the CSR"),
        _many("--honour", "honour_extensions", _HONOURED, "An extension that is taken over from the CSR"),
        click.option(
            "--honour-subject/--no-honour-subject", default=None, help="Whether the subject in the CSR is taken over."
        ),
        _many(
            "--purpose", "extended_key_usage", None, "An extended key usage: serverAuth, clientAuth, an identifier, …"
        ),
        _many("--usage", "key_usage", _USAGES, "A key usage"),
        click.option(
            "--backdate", type=click.IntRange(0, 86400), help="By how many seconds certificates begin earlier."
        ),
        click.option(
            "--beyond-ca",
            type=click.Choice(("refuse", "clip")),
            help="What happens to a certificate that would outlive its CA: it is refused, or ends with its CA.",
        ),
        click.option("--valid", "validity", type=EndingType(), help="How long certificates live, or until when."),
    ):
        command = option(command)
    return command


def _given(options: dict[str, Any]) -> Profile:
    """The fields the options say."""
    fields = given_fields(
        {name: options[name] for name in ("beyond_ca", "backdate", "honour_subject", "wildcards", "most_names")}
    )
    validity: Ending | None = options["validity"]
    if validity is not None:
        fields["validity"] = validity.expiration()
    for name in ("key_usage", "extended_key_usage", "honour_extensions", "name_types", "policies"):
        if options[name]:
            fields[name] = [each for each in options[name] if each != _NOTHING]
    return fields


def _in_file(source: Path | None) -> Profile:
    """The profile in a file; it may be as `profiles show --json` prints it, with its id and name around it."""
    if source is None:
        return {}
    try:
        found = json.loads(read_octets(source))
    except (ValueError, RecursionError) as error:
        raise BlazonError(f"{source} is not JSON: {error}") from None
    profile = found.get("profile", found) if isinstance(found, dict) else found
    if not isinstance(profile, dict):
        raise BlazonError(f"{source} is not a profile; `blazon profiles show NAME --json` prints one")
    return profile


_INSTEAD = {"edit": "type `blazon profiles update PROFILE` with what shall be otherwise"}


@click.group("profiles", cls=WordsGroup, instead=_INSTEAD)
def command() -> None:
    """Make, list and change issuance profiles: how the certificates of a CA look.

    PROFILE is an id or a name. What is not given is as in the default profile: for TLS of devices, client and server,
    with the names of the CSR, as long as the CA says.

    \b
    blazon profiles create short --valid 7d --purpose clientAuth
    blazon ca create Devices --parent Root --profile short
    blazon cert sign Devices lamp.csr --profile short
    """


@command.command("list")
@server
@as_json
def list_profiles(url: str | None, json_output: bool) -> None:
    """List the issuance profiles.

    \b
    blazon profiles list
    """
    found = Api(url).call("GET", f"{API}/profiles")["list"]
    if json_output:
        print_json(found)
        return
    rows = [
        (
            each["id"],
            each["name"],
            _validity(each["profile"]),
            ", ".join(each["profile"]["key_usage"]),
            ", ".join(each["profile"]["extended_key_usage"]),
        )
        for each in found
    ]
    print_table(("ID", "NAME", "VALID", "USAGE", "PURPOSE"), rows, counted(len(rows), "profile"))


@command.command("show")
@profile_argument
@server
@as_json
def show(profile: str, url: str | None, json_output: bool) -> None:
    """Show one profile.

    \b
    blazon profiles show short
    """
    api = Api(url)
    _print(api.call("GET", _path(api, profile)), json_output=json_output)


@command.command("create")
@click.argument("name")
@_profile_options
@server
@as_json
def create(name: str, source: Path | None, url: str | None, json_output: bool, **options: Any) -> None:
    """Make a profile called NAME.

    \b
    blazon profiles create short --valid 7d --beyond-ca clip
    blazon profiles create mail --purpose emailProtection --name-type email
    blazon profiles show short --json > short.json
    blazon profiles create shorter --from short.json --valid 1d
    """
    body = {"name": name, "profile": {**_in_file(source), **_given(options)}}
    _print(Api(url).call("POST", f"{API}/profiles", body), json_output=json_output)


@command.command("update")
@profile_argument
@click.option("--name", help="How to call the profile.")
@_profile_options
@server
@as_json
def update(
    profile: str, name: str | None, source: Path | None, url: str | None, json_output: bool, **options: Any
) -> None:
    """Change a profile. What is not given stays; certificates that are issued already stay as they are.

    \b
    blazon profiles update short --valid 3d
    """
    fields = {**_in_file(source), **_given(options)}
    if not fields and name is None:
        raise click.UsageError("say what to change; `blazon profiles update --help` lists what can be")
    api = Api(url)

    def changed(stored: dict[str, Any]) -> dict[str, Any]:
        return {"name": name or stored["name"], "profile": {**stored["profile"], **fields}}

    _print(api.change(_path(api, profile), "", changed), json_output=json_output)


@command.command("delete")
@profile_argument
@yes_option
@server
@as_json
def delete(profile: str, yes: bool, url: str | None, json_output: bool) -> None:
    """Delete a profile no CA uses.

    \b
    blazon profiles delete short
    """
    api = Api(url)
    path = _path(api, profile)
    asked_to_go_on(f"Delete the profile {one_line(profile)!r}?", yes=yes)
    api.call("DELETE", path)
    if json_output:
        print_json({"id": path.rpartition("/")[2]})
    else:
        click.echo(f"The profile {one_line(profile)} is deleted.")


def _validity(profile: Profile) -> str:
    validity = profile["validity"]
    if validity is None:
        return "as the CA says"
    return str(validity["duration"] if validity["type"] == "Duration" else f"until {validity['time']}")


def _print(stored: dict[str, Any], *, json_output: bool) -> None:
    if json_output:
        print_json(stored)
        return
    profile = stored["profile"]
    shown = {
        **profile,
        "validity": _validity(profile),
        "subject": [f"{name} {value}" for name, value in profile["subject"].items() if value],
        "allowed_keys": [f"{rule['type']} {rule['least']} to {rule['most']}" for rule in profile["allowed_keys"]],
    }
    print_pairs([("id", stored["id"]), ("name", stored["name"]), *((name, _text(shown[name])) for name in shown)])


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value) or _NOTHING
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
