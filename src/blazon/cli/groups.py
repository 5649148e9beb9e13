"""`blazon groups …`."""

from typing import Any

import click
from click.shell_completion import CompletionItem

from blazon.cli.client import Api, ApiError, server
from blazon.cli.options import as_json
from blazon.cli.output import print_json
from blazon.cli.users import metadata_option, page_options, print_entity, print_page

__all__ = ["command"]

_ACTIONS = (
    "g_list",
    "g_add",
    "g_update",
    "g_delete",
    "c_list",
    "c_update",
    "c_delete",
    "c_share",
    "m_read",
    "m_write",
)


class ActionName(click.ParamType[str]):
    """What a policy allows. The server knows which there are; here they are completed."""

    name = "ACTION"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(action) for action in _ACTIONS if action.startswith(incomplete)]


@click.group("groups")
def command() -> None:
    """Make, list and change groups and who may do what in them. GROUP is an id, or a name only one group has."""


@command.command("create")
@click.argument("name")
@click.option("--description", default="", help="What the group is for.")
@click.option("--parent", help="The group above, by id or name.")
@metadata_option
@server
@as_json
def create(
    name: str,
    description: str,
    parent: str | None,
    metadata: dict[str, Any] | None,
    url: str | None,
    json_output: bool,
) -> None:
    """Make a group called NAME."""
    api = Api(url)
    body: dict[str, Any] = {"name": name, "description": description}
    if parent:
        body["parent_id"] = api.group_id(parent)
    if metadata is not None:
        body["metadata"] = metadata
    print_entity(api.call("POST", "/groups", body), as_json=json_output)


@command.command("list")
@page_options
@click.option("--below", help="Walk down from this group.")
@server
@as_json
def list_groups(below: str | None, url: str | None, json_output: bool, **query: Any) -> None:
    """List the groups you may see."""
    api = Api(url)
    page = api.call("GET", "/groups", query={**query, "parent_id": api.group_id(below) if below else None})
    rows = [
        (group["id"], "  " * group.get("level", 0) + group["name"], group.get("parent_id", ""), group["status"])
        for group in page["groups"]
    ]
    print_page(page, "groups", ("ID", "NAME", "PARENT", "STATUS"), rows, as_json=json_output)


@command.command("show")
@click.argument("group")
@server
@as_json
def show(group: str, url: str | None, json_output: bool) -> None:
    """Show one group."""
    api = Api(url)
    print_entity(api.call("GET", f"/groups/{api.group_id(group)}"), as_json=json_output)


@command.command("update")
@click.argument("group")
@click.option("--name", help="How to call the group.")
@click.option("--description", help="What the group is for.")
@metadata_option
@server
@as_json
def update(
    group: str,
    name: str | None,
    description: str | None,
    metadata: dict[str, Any] | None,
    url: str | None,
    json_output: bool,
) -> None:
    """Change a group. What is not given stays; the group above cannot be changed."""
    given = {"name": name, "description": description, "metadata": metadata}
    body = {key: value for key, value in given.items() if value is not None}
    if not body:
        raise click.UsageError("say what to change: --name, --description or --metadata")
    api = Api(url)
    print_entity(api.call("PUT", f"/groups/{api.group_id(group)}", body), as_json=json_output)


@command.command("members")
@click.argument("group")
@page_options
@server
@as_json
def members(group: str, url: str | None, json_output: bool, **query: Any) -> None:
    """List the users who may do something in a group."""
    api = Api(url)
    page = api.call("GET", f"/groups/{api.group_id(group)}/members", query=query)
    rows = [(user["id"], user["credentials"].get("identity", ""), user["status"]) for user in page["members"]]
    print_page(page, "users", ("ID", "IDENTITY", "STATUS"), rows, as_json=json_output)


@command.command("rights")
@click.argument("group")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="How many at most.")
@click.option("--offset", type=click.IntRange(0), default=0, help="How many to leave out at the beginning.")
@server
@as_json
def rights(group: str, limit: int, offset: int, url: str | None, json_output: bool) -> None:
    """List who may do what in a group: the policies you made, all of them for an admin."""
    api = Api(url)
    query = {"object": api.group_id(group), "limit": limit, "offset": offset}
    page = api.call("GET", "/users/policies", query=query)
    rows = [(policy["subject"], ", ".join(policy["actions"])) for policy in page["policies"]]
    print_page(page, "policies", ("USER", "ACTIONS"), rows, as_json=json_output)


@command.command("allow")
@click.argument("group")
@click.argument("user")
@click.argument("actions", nargs=-1, required=True, type=ActionName())
@server
@as_json
def allow(group: str, user: str, actions: tuple[str, ...], url: str | None, json_output: bool) -> None:
    """Let USER do ACTIONS in a group: g_list, g_add, g_update, g_delete, c_list, c_update, c_delete.

    What the user could do there before is replaced.
    """
    api = Api(url)
    policy = {"subject": api.user_id(user), "object": api.group_id(group), "actions": list(actions)}
    api.call("POST", "/users/policies", policy)
    if json_output:
        print_json(policy)
    else:
        click.echo(f"{user} may {', '.join(actions)} in {group}.")


@command.command("deny")
@click.argument("group")
@click.argument("user")
@server
@as_json
def deny(group: str, user: str, url: str | None, json_output: bool) -> None:
    """Take every right of USER in a group away."""
    api = Api(url)
    policy = {"subject": api.user_id(user), "object": api.group_id(group), "actions": []}
    api.call("DELETE", f"/users/policies/{policy['subject']}/{policy['object']}")
    if json_output:
        print_json(policy)
    else:
        click.echo(f"{user} may do nothing in {group} any more.")


@command.command("may")
@click.argument("group")
@click.argument("user")
@click.argument("action", type=ActionName())
@server
@as_json
def may(group: str, user: str, action: str, url: str | None, json_output: bool) -> None:
    """Ask whether USER may do ACTION in a group. Exit code 0 for yes, 1 for no."""
    api = Api(url)
    asked = {"subject": api.user_id(user), "object": api.group_id(group), "action": action, "entity_type": "group"}
    reason = ""
    try:
        api.call("POST", "/authorize", asked)
    except ApiError as error:
        if error.status != 403:
            raise
        reason = error.reason
    if json_output:
        print_json({**asked, "allowed": not reason, "reason": reason})
    else:
        click.echo(f"no: {reason}" if reason else "yes")
    if reason:
        click.get_current_context().exit(1)


@command.command("enable")
@click.argument("group")
@server
@as_json
def enable(group: str, url: str | None, json_output: bool) -> None:
    """Enable a group."""
    api = Api(url)
    print_entity(api.call("POST", f"/groups/{api.group_id(group)}/enable"), as_json=json_output)


@command.command("disable")
@click.argument("group")
@server
@as_json
def disable(group: str, url: str | None, json_output: bool) -> None:
    """Disable a group."""
    api = Api(url)
    print_entity(api.call("POST", f"/groups/{api.group_id(group)}/disable"), as_json=json_output)
