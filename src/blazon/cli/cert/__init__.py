"""`blazon cert …`: certificates."""

import click

from blazon.cli.cert.issue import create, import_certificate, sign
from blazon.cli.cert.lists import expiring, list_certificates
from blazon.cli.cert.read import export, inspect, p12, show, verify
from blazon.cli.cert.status import hold, metadata, release, revoke
from blazon.cli.words import WordsGroup

__all__ = ["command"]

_INSTEAD = {
    "renew": "whoever has the key makes a new request (CSR); issue for it with `blazon cert sign CA CSR`, then revoke"
    " the old certificate with `blazon cert revoke CERTIFICATE --reason Superseded`",
    "issue": "type `blazon cert sign CA CSR`, or `blazon cert create CA NAME` to have the key made as well",
    "delete": "a certificate is kept for as long as somebody may ask whether it is revoked; to end it, type"
    " `blazon cert revoke CERTIFICATE`",
}


@click.group("cert", cls=WordsGroup, instead=_INSTEAD)
def command() -> None:
    """Issue, find, check and revoke certificates.

    CERTIFICATE is a serial number, or a file with the certificate. It may be that of a CA, too.

    \b
    blazon cert sign Devices lamp.csr --out lamp.pem
    blazon cert list --ca Devices --status ACTIVE
    blazon cert expiring --within 30d
    blazon cert revoke lamp.pem --reason KeyCompromise
    """


for each in (sign, create, import_certificate, list_certificates, expiring, show, inspect, verify, export, p12):
    command.add_command(each)
for each in (revoke, hold, release, metadata):
    command.add_command(each)
