"""`blazon cert revoke`, `hold`, `release`, `metadata`."""

import click

from blazon.cli.client import Api, server
from blazon.cli.options import as_json
from blazon.cli.pki import changes
from blazon.cli.pki.arguments import NamedCertificate, certificate_argument, reason_option, yes_option
from blazon.cli.pki.lookup import find_issued

__all__ = ["hold", "metadata", "release", "revoke"]


@click.command("revoke")
@certificate_argument
@reason_option
@yes_option
@server
@as_json
def revoke(certificate: NamedCertificate, reason: str, yes: bool, url: str | None, json_output: bool) -> None:
    """Revoke a certificate: OCSP says so at once, the CRL within seconds. This cannot be undone.

    With the certificate of a CA the CA is revoked, and everything below it.

    \b
    blazon cert revoke 5c-1f-00-e2 --reason KeyCompromise
    blazon cert revoke lamp.pem --reason Superseded
    """
    api = Api(url)
    revoked = changes.revoke(api, find_issued(api, certificate), reason, yes=yes)
    changes.print_issued(revoked, as_json=json_output)


@click.command("hold")
@certificate_argument
@server
@as_json
def hold(certificate: NamedCertificate, url: str | None, json_output: bool) -> None:
    """Hold a certificate that is in doubt: it counts as revoked until `blazon cert release`.

    \b
    blazon cert hold lamp.pem
    """
    api = Api(url)
    held = changes.set_status(api, find_issued(api, certificate), "REVOKED", changes.HOLD)
    changes.print_issued(held, as_json=json_output)


@click.command("release")
@certificate_argument
@server
@as_json
def release(certificate: NamedCertificate, url: str | None, json_output: bool) -> None:
    """End the hold of a certificate: it is good again.

    \b
    blazon cert release lamp.pem
    """
    api = Api(url)
    changes.print_issued(changes.set_status(api, find_issued(api, certificate), "ACTIVE"), as_json=json_output)


@click.command("metadata")
@certificate_argument
@changes.metadata_options
@server
@as_json
def metadata(
    certificate: NamedCertificate,
    given: tuple[str, ...],
    remove: tuple[str, ...],
    replace: str | None,
    url: str | None,
    json_output: bool,
) -> None:
    """Show the metadata of a certificate, or change it.

    \b
    blazon cert metadata lamp.pem --set owner=jo --remove note
    """
    api = Api(url)
    changes.change_metadata(api, find_issued(api, certificate), given, remove, replace, as_json=json_output)
