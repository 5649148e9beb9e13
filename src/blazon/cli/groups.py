"""`blazon groups …`."""

from typing import Any

import click

from blazon.cli.client import Api, ApiError, server
from blazon.cli.hierarchy import add_hierarchy, named
from blazon.cli.options import as_json, page_options
from blazon.cli.output import print_page
from blazon.cli.rights import Place, Verdict, add_rights

__all__ = ["command"]


@click.group("groups")
def command() -> None:
    """Make, list and change groups and who may do what in them. GROUP is an id, or a name only one group has."""


add_hierarchy(command, "group", "What the group is for.")


@command.command("members")
@named("group")
@page_options
@server
@as_json
def members(group: str, url: str | None, json_output: bool, **query: Any) -> None:
    """List the users who may do something in a group."""
    api = Api(url)
    page = api.call("GET", f"/groups/{api.id_of('group', group)}/members", query=query)
    rows = [(user["id"], user["credentials"].get("identity", ""), user["status"]) for user in page["members"]]
    print_page(page, "users", ("ID", "IDENTITY", "STATUS"), rows, as_json=json_output)


def _ask(api: Api, asked: dict[str, str]) -> Verdict:
    try:
        api.call("POST", "/authorize", asked)
    except ApiError as error:
        if error.status != 403:
            raise
        return Verdict(allowed=False, reason=error.reason)
    return Verdict(allowed=True, reason="")


add_rights(
    command,
    Place(
        noun="group",
        preposition="in",
        policies="/users/policies",
        subject="USER",
        for_users={},
        ask=_ask,
        actions="g_list, g_add, g_update, g_delete, c_list, c_update, c_delete",
    ),
)
