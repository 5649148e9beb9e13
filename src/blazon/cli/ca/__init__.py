"""`blazon ca …`: certificate authorities."""

import click

from blazon.cli.ca.make import create, import_ca
from blazon.cli.ca.read import chain, crl, list_cas, show, tree
from blazon.cli.ca.requests import cancel, complete, csr, list_requests, request
from blazon.cli.ca.status import delete, hold, metadata, release, revoke
from blazon.cli.words import WordsGroup

__all__ = ["command"]

_INSTEAD = {
    "renew": "the certificate of a CA cannot be renewed. Make its successor with `blazon ca create NAME --same-name`,"
    " and let the old one run out",
    "sign": "to issue a certificate, type `blazon cert sign CA CSR`",
    "export": "type `blazon ca show CA --pem`, or `blazon ca chain CA` for those above it too",
    "update": "to change its metadata, type `blazon ca metadata CA --set KEY=VALUE`",
}


@click.group("ca", cls=WordsGroup, instead=_INSTEAD)
def command() -> None:
    """Make, import, look at and revoke certificate authorities.

    CA is an id, a common name or a serial number that only one CA has, or a file with its certificate.

    \b
    blazon ca create Root --valid 20y
    blazon ca create Devices --parent Root --valid 5y --issue 90d
    blazon ca tree
    blazon ca revoke Devices --reason Superseded
    """


for each in (create, import_ca, list_cas, tree, show, chain, crl, revoke, hold, release, delete, metadata):
    command.add_command(each)
for each in (request, list_requests, csr, complete, cancel):
    command.add_command(each)
