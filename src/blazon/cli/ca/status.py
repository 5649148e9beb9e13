"""`blazon ca revoke`, `hold`, `release`, `delete`, `metadata`."""

import click

from blazon.cli.client import Api, ApiError, server
from blazon.cli.options import as_json
from blazon.cli.output import one_line, print_json
from blazon.cli.pki import changes
from blazon.cli.pki.arguments import ca_argument, reason_option, yes_option
from blazon.cli.pki.lookup import Issued, find_ca

__all__ = ["delete", "hold", "metadata", "release", "revoke"]


def _found(api: Api, ca: str) -> Issued:
    return Issued(find_ca(api, ca), is_ca=True)


@click.command("revoke")
@ca_argument
@reason_option
@yes_option
@server
@as_json
def revoke(ca: str, reason: str, yes: bool, url: str | None, json_output: bool) -> None:
    """Revoke a CA, and with it everything below it. This cannot be undone; `blazon ca hold` can.

    \b
    blazon ca revoke Devices --reason CACompromise
    """
    api = Api(url)
    changes.print_issued(changes.revoke(api, _found(api, ca), reason, yes=yes), as_json=json_output)


@click.command("hold")
@ca_argument
@server
@as_json
def hold(ca: str, url: str | None, json_output: bool) -> None:
    """Hold a CA: it issues nothing until `blazon ca release`. What it issued stays as it is.

    \b
    blazon ca hold Devices
    """
    api = Api(url)
    held = changes.set_status(api, _found(api, ca), "REVOKED", changes.HOLD)
    changes.print_issued(held, as_json=json_output)


@click.command("release")
@ca_argument
@server
@as_json
def release(ca: str, url: str | None, json_output: bool) -> None:
    """End the hold of a CA.

    \b
    blazon ca release Devices
    """
    api = Api(url)
    changes.print_issued(changes.set_status(api, _found(api, ca), "ACTIVE"), as_json=json_output)


@click.command("delete")
@ca_argument
@yes_option
@server
@as_json
def delete(ca: str, yes: bool, url: str | None, json_output: bool) -> None:
    """Delete a CA that is expired or revoked, and destroy its key. What it issued stays, and stays revoked.

    \b
    blazon ca revoke Devices
    blazon ca delete Devices
    """
    api = Api(url)
    issued = _found(api, ca)
    name, identifier = one_line(issued.entity["subject"]["common_name"]), issued.entity["id"]
    changes.asked_to_go_on(f"Delete the CA {name!r} ({identifier}) and destroy its key?", yes=yes)
    try:
        api.call("DELETE", issued.path)
    except ApiError as error:
        if error.status != 400:
            raise
        held = issued.entity.get("revocation_reason") == changes.HOLD
        why = "the CA is only held; revoke it for good before you delete it" if held else error.reason
        raise ApiError(f"{why}: blazon ca revoke {identifier}", 400) from None
    if json_output:
        print_json({"id": identifier})
    else:
        click.echo(f"{name} ({identifier}) is deleted.")


@click.command("metadata")
@ca_argument
@changes.metadata_options
@server
@as_json
def metadata(
    ca: str,
    given: tuple[str, ...],
    remove: tuple[str, ...],
    replace: str | None,
    url: str | None,
    json_output: bool,
) -> None:
    """Show the metadata of a CA, or change it.

    \b
    blazon ca metadata Devices
    blazon ca metadata Devices --set site=lab --set floor=3 --remove note
    """
    api = Api(url)
    changes.change_metadata(api, _found(api, ca), given, remove, replace, as_json=json_output)
