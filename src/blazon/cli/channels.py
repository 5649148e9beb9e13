"""`blazon channels …`."""

from typing import Any

import click

from blazon.cli.client import Api, server
from blazon.cli.hierarchy import add_hierarchy, named
from blazon.cli.imports import add_import
from blazon.cli.options import as_json, page_options
from blazon.cli.rights import Place, Verdict, add_rights
from blazon.cli.things import print_things, why

__all__ = ["command"]


@click.group("channels")
def command() -> None:
    """Make, list and change channels and who may do what on them. CHANNEL is an id, or a name only one channel has.

    Things get on a channel with `blazon connect`; `allow` is for users.
    """


add_hierarchy(command, "channel", "What the channel is for.")


@command.command("things")
@named("channel")
@page_options
@click.option("--tag", help="Only those with this tag.")
@server
@as_json
def things(channel: str, url: str | None, json_output: bool, **query: Any) -> None:
    """List the things on a channel."""
    api = Api(url)
    print_things(
        api.call("GET", f"/channels/{api.id_of('channel', channel)}/things", query=query), json_output=json_output
    )


def _ask(api: Api, asked: dict[str, str]) -> Verdict:
    return why(api, asked["object"], asked)


add_rights(
    command,
    Place(
        noun="channel",
        preposition="on",
        policies="/policies",
        subject="THING OR USER",
        for_users={"external": True},
        ask=_ask,
        actions="g_list, g_add, g_update, g_delete, c_list, c_update, c_delete, c_share, m_read, m_write",
    ),
)
add_import(command, "channel")
