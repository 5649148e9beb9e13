"""`blazon cert list`, `blazon cert expiring`."""

from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

import click

from blazon.cli.client import Api, server
from blazon.cli.options import as_json
from blazon.cli.output import counted, print_json, print_table
from blazon.cli.paging import LARGEST_PAGE, by_bookmark
from blazon.cli.pki.arguments import API, ca_option, segment, status_option
from blazon.cli.pki.expiry import Ending, EndingType, said_back, timestamp
from blazon.cli.pki.lookup import find_ca
from blazon.cli.pki.show import certificate_of, left_of, subject_shown

__all__ = ["expiring", "list_certificates"]

Entity = dict[str, Any]

_OVER: Final = ("EXPIRED", "REVOKED")
_SORTS: Final = {
    "created": {"sort_by": "creation_ts", "sort_mode": "desc"},
    "expiry": {"sort_by": "valid_to", "sort_mode": "asc"},
    "name": {"sort_by": "subject.common_name", "sort_mode": "asc"},
}


@click.command("list")
@ca_option("Only those this CA issued.")
@status_option
@click.option("--name", help="Only those with this in their common name.")
@click.option("--subject", help="Only those with this anywhere in their subject, such as O=Ikerlan.")
@click.option("--san", help="Only those with this in an alternative name, such as lamp-1.example.com.")
@click.option(
    "--expires-before", type=EndingType(), help="Only those that expire before then: 30d, 2030-01-31, a time."
)
@click.option("--expires-after", type=EndingType(), help="Only those that expire after then.")
@click.option(
    "--sort",
    type=click.Choice(tuple(_SORTS)),
    default="created",
    show_default=True,
    help="The newest first, the first to expire first, or by common name.",
)
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="How many at most.")
@click.option("--all", "every", is_flag=True, help="All of them, however many.")
@server
@as_json
def list_certificates(
    ca: str | None,
    subject: str | None,
    san: str | None,
    sort: str,
    limit: int,
    every: bool,
    url: str | None,
    json_output: bool,
    **filters: Any,
) -> None:
    """List certificates, those of CAs excepted.

    The server filters by all options but --subject and --san. These two look into each certificate that is left, which
    takes a while when there are many, and ignore case.

    \b
    blazon cert list --ca Devices --status ACTIVE
    blazon cert list --san lamp-1.example.com
    blazon cert list --expires-before 30d --sort expiry --all
    """
    api = Api(url)
    path = f"{API}/cas/{segment(find_ca(api, ca)['id'])}/certificates" if ca else f"{API}/certificates"
    size = LARGEST_PAGE if every or subject or san else min(limit + 1, LARGEST_PAGE)
    found = by_bookmark(api, path, size, filter=_filters(**filters), **_SORTS[sort])
    kept = (each for each in found if _holds(each, subject, san))
    shown = list(kept if every else islice(kept, limit + 1))
    more = not every and len(shown) > limit
    shown = shown if every else shown[:limit]
    if json_output:
        print_json(shown)
        return
    name_of = _names_of_cas(api) if shown else {}
    rows = [
        (each["serial_number"], _name(each), each["status"], _issuer(each, name_of), each["valid_to"]) for each in shown
    ]
    note = counted(len(rows), "certificate") + ("; there are more: add --all, or narrow it down" if more else "")
    print_table(("SERIAL", "NAME", "STATUS", "CA", "UNTIL"), rows, note)


def _filters(
    status: str | None, name: str | None, expires_before: Ending | None, expires_after: Ending | None
) -> list[str]:
    now = datetime.now(UTC)
    given = {
        "status[eq]": status,
        "subject.common_name[ct]": name,
        "valid_to[before]": timestamp(expires_before.at(now)) if expires_before else None,
        "valid_to[after]": timestamp(expires_after.at(now)) if expires_after else None,
    }
    return [filtered + value for filtered, value in given.items() if value]


def _holds(entity: Entity, subject: str | None, san: str | None) -> bool:
    if subject is not None and subject.casefold() not in subject_shown(entity).casefold():
        return False
    return san is None or any(san.casefold() in name.casefold() for name in _alternative_names(entity))


def _alternative_names(entity: Entity) -> list[str]:
    from cryptography import x509

    from blazon.cli.pki.description import name_shown

    try:
        found = certificate_of(entity).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return list(map(name_shown, found.value))


def _names_of_cas(api: Api) -> dict[str, str]:
    return {ca["id"]: ca["subject"]["common_name"] for ca in by_bookmark(api, f"{API}/cas")}


def _name(entity: Entity) -> str:
    return str(entity["subject"]["common_name"])


def _issuer(entity: Entity, name_of: dict[str, str]) -> str:
    """The name of the CA that issued it; its id when that CA is deleted."""
    identifier = str(entity["issuer_metadata"]["ca_id"])
    return name_of.get(identifier, identifier)


@click.command("expiring")
@click.option("--within", type=EndingType(), default="30d", show_default=True, help="By when: 30d, 2030-01-31, a time.")
@ca_option("Only those this CA issued.")
@server
@as_json
def expiring(within: Ending, ca: str | None, url: str | None, json_output: bool) -> None:
    """Report which certificates and CAs expire soon, the soonest first. Revoked ones are left out.

    \b
    blazon cert expiring
    blazon cert expiring --within 90d --ca Devices
    """
    api = Api(url)
    now = datetime.now(UTC)
    until = timestamp(within.at(now))
    identifier = find_ca(api, ca)["id"] if ca else None
    issued_by = f"issuer_metadata.ca_id[eq]{identifier}" if identifier else None
    certificates = list(by_bookmark(api, f"{API}/certificates/expiration", expires_before=until, filter=issued_by))
    listed = by_bookmark(api, f"{API}/cas", filter=[f"valid_to[before]{until}", *([issued_by] if issued_by else [])])
    cas = [each for each in listed if each["status"] not in _OVER]
    if json_output:
        print_json({"until": until, "cas": cas, "certificates": certificates})
        return
    ending = sorted((*cas, *certificates), key=lambda each: datetime.fromisoformat(each["valid_to"]))
    name_of = _names_of_cas(api) if ending else {}
    rows = [
        (
            each["valid_to"],
            left_of(each),
            _name(each),
            "CA" if "id" in each else "certificate",
            each["serial_number"],
            _issuer(each, name_of),
        )
        for each in ending
    ]
    note = (
        f"{counted(len(certificates), 'certificate')} and {counted(len(cas), 'CA')} expire by {said_back(within, now)}"
    )
    print_table(("UNTIL", "LEFT", "NAME", "KIND", "SERIAL", "ISSUED BY"), rows, note)
