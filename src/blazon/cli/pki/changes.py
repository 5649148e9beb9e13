"""What CAs and certificates have alike: they are revoked, held and released, and have metadata."""

import json
import sys
from typing import Any, Final, NoReturn

import click

from blazon.cli.client import Api
from blazon.cli.output import counted, print_json, print_pairs
from blazon.cli.paging import by_bookmark
from blazon.cli.pki.arguments import API, segment
from blazon.cli.pki.lookup import Issued
from blazon.cli.pki.show import print_ca, print_certificate, say_notice

__all__ = ["HOLD", "asked_to_go_on", "change_metadata", "metadata_options", "print_issued", "revoke", "set_status"]

HOLD: Final = "CertificateHold"
_OVER: Final = ("EXPIRED", "REVOKED")


def print_issued(issued: Issued, *, as_json: bool) -> None:
    """A CA or a certificate."""
    (print_ca if issued.is_ca else print_certificate)(issued.entity, as_json=as_json)


def asked_to_go_on(question: str, *, yes: bool) -> None:
    """Asks the person at the terminal, and nobody when there is none. Raises Abort when the answer is no."""
    if not yes and sys.stdin.isatty():
        click.confirm(question, abort=True)


def revoke(api: Api, issued: Issued, reason: str, *, yes: bool) -> Issued:
    """Revokes a CA or a certificate. Before a CA is revoked for good, the person at the terminal is asked."""
    if issued.is_ca and reason != HOLD:
        name = issued.entity["subject"]["common_name"]
        below = _counted_below(api, issued.entity["id"])
        question = f"Revoke the CA {name!r} ({issued.entity['id']}) for good, and with it {below} that it issued?"
        asked_to_go_on(question, yes=yes)
    return set_status(api, issued, "REVOKED", reason)


def _counted_below(api: Api, identifier: str) -> str:
    """What lives below a CA, counted one level deep."""
    counts = api.call("GET", f"{API}/stats/{segment(identifier)}")
    certificates = sum(count for status, count in counts.items() if status not in _OVER)
    below = by_bookmark(api, f"{API}/cas", filter=f"issuer_metadata.ca_id[eq]{identifier}")
    cas = sum(ca["id"] != identifier and ca["status"] not in _OVER for ca in below)
    return f"{counted(certificates, 'certificate')} and {counted(cas, 'CA')}"


def set_status(api: Api, issued: Issued, status: str, reason: str = "") -> Issued:
    """Sets the status of a CA or a certificate, and says when nobody will see it. Raises ApiError."""
    body = {"status": status, **({"revocation_reason": reason} if reason else {})}
    entity = api.call("POST" if issued.is_ca else "PUT", f"{issued.path}/status", body)
    say_notice(entity)
    return Issued(entity, issued.is_ca)


def metadata_options(command: Any) -> Any:
    """The options of commands that show and change metadata."""
    for option in (
        click.option("--replace", metavar="JSON", help='Replace all of it by a JSON object, such as {"site":"lab"}.'),
        click.option("--remove", metavar="KEY", multiple=True, help="Remove a key; may be given several times."),
        click.option(
            "--set",
            "given",
            metavar="KEY=VALUE",
            multiple=True,
            help="Set a key; VALUE is JSON, or else text. May be given several times.",
        ),
    ):
        command = option(command)
    return command


def change_metadata(
    api: Api, issued: Issued, given: tuple[str, ...], remove: tuple[str, ...], replace: str | None, *, as_json: bool
) -> None:
    """Changes what the options say of the metadata of a CA or certificate; without options the metadata is shown."""
    if replace is not None and (given or remove):
        raise click.UsageError("give --replace, or --set and --remove, not both")
    if replace is None and not given and not remove:
        _show(issued.entity["metadata"], as_json=as_json)
        return
    wanted = None if replace is None else _object(replace)
    settings = [_setting(text) for text in given]

    def changed(entity: dict[str, Any]) -> dict[str, Any]:
        if wanted is not None:
            return {"metadata": wanted}
        left = {key: value for key, value in entity["metadata"].items() if key not in remove}
        return {"metadata": left | dict(settings)}

    _show(api.change(issued.path, "/metadata", changed)["metadata"], as_json=as_json)


def _show(metadata: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(metadata)
        return
    texts = {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in metadata.items()
    }
    print_pairs(texts.items())


def _setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise click.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="--set")
    try:
        return key, json.loads(value, parse_constant=_refused)
    except (ValueError, RecursionError):
        return key, value


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"this is not JSON: {error}", param_hint="--replace") from None
    if not isinstance(found, dict):
        raise click.BadParameter('this must be a JSON object, such as {"site":"lab"}', param_hint="--replace")
    return found


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
