"""`blazon connect …`, `blazon disconnect …`."""

from collections.abc import Sequence
from typing import Any

import click

from blazon.cli.client import Api, server
from blazon.cli.options import ActionName, as_json
from blazon.cli.output import print_json

__all__ = ["connect", "disconnect"]

# \b keeps click from joining the lines that follow it.
_CONNECT = """Put each THING on each channel, all of it or nothing. What a thing could do there before is replaced.

\b
blazon connect sensor-1 sensor-2 --channel telemetry
blazon connect valve --channel commands --action m_read
"""


def _who(command: Any) -> Any:
    """What both commands are told."""
    for option in (
        as_json,
        server,
        click.option("--external", is_flag=True, help="The names are users, by id or e-mail address, not things."),
        click.option(
            "--channel",
            "-c",
            "channels",
            multiple=True,
            required=True,
            help="A channel, by id or name; may be given several times.",
        ),
        click.argument("things", metavar="THING...", nargs=-1, required=True),
    ):
        command = option(command)
    return command


def _pairs(api: Api, things: Sequence[str], channels: Sequence[str], *, external: bool) -> dict[str, Any]:
    subjects = [api.user_id(name) if external else api.id_of("thing", name) for name in things]
    return {"subjects": subjects, "objects": [api.id_of("channel", name) for name in channels]}


@click.command("connect", help=_CONNECT)
@click.option(
    "--action",
    "-a",
    "actions",
    multiple=True,
    type=ActionName(),
    help="What is allowed; may be given several times. Default: m_write and m_read.",
)
@_who
def connect(
    things: tuple[str, ...],
    channels: tuple[str, ...],
    actions: tuple[str, ...],
    external: bool,
    url: str | None,
    json_output: bool,
) -> None:
    """Connects."""
    api = Api(url)
    body = {**_pairs(api, things, channels, external=external), "external": external}
    if actions:
        body["actions"] = list(actions)
    made = api.call("POST", "/connect", body)
    if json_output:
        print_json(made)
        return
    allowed = ", ".join(made["policies"][0]["actions"])
    click.echo(f"{', '.join(things)} may {allowed} on {', '.join(channels)}.")


@click.command("disconnect")
@_who
def disconnect(
    things: tuple[str, ...], channels: tuple[str, ...], external: bool, url: str | None, json_output: bool
) -> None:
    """Take each THING off each channel, all of it or nothing."""
    api = Api(url)
    body = _pairs(api, things, channels, external=external)
    api.call("POST", "/disconnect", body)
    if json_output:
        print_json(body)
    else:
        click.echo(f"{', '.join(things)} may do nothing on {', '.join(channels)} any more.")
