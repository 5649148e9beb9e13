"""`blazon users …`."""

import sys
from typing import Any

import click

from blazon.cli.client import Api, server
from blazon.cli.options import as_json, given_fields, metadata_option, page_options
from blazon.cli.output import print_entity, print_json, print_page

__all__ = ["command"]


def _asked(prompt: str, option: str, *, twice: bool) -> str:
    if not sys.stdin.isatty():
        raise click.UsageError(f"give the password with {option}: there is no terminal to ask on")
    answer: str = click.prompt(prompt, hide_input=True, confirmation_prompt=twice)
    return answer


def _page_of_users(page: dict[str, Any], users: list[dict[str, Any]], *, as_json: bool) -> None:
    rows = [
        (
            user["id"],
            user["credentials"].get("identity", ""),
            user.get("name", ""),
            user["status"],
            user.get("role", ""),
        )
        for user in users
    ]
    print_page(page, "users", ("ID", "IDENTITY", "NAME", "STATUS", "ROLE"), rows, as_json=as_json)


@click.group("users")
def command() -> None:
    """Make, list and change users. USER is an id or what the user signs in with; `me` is yourself."""


@command.command("create")
@click.argument("email")
@click.option("--name", default="", help="How to call the user.")
@click.option("--password", help="The password; asked for when it is left out.")
@click.option("--tag", "tags", multiple=True, help="A tag; may be given several times.")
@click.option("--admin", is_flag=True, help="Make an admin.")
@metadata_option
@server
@as_json
def create(
    email: str,
    name: str,
    password: str | None,
    tags: tuple[str, ...],
    admin: bool,
    metadata: dict[str, Any] | None,
    url: str | None,
    json_output: bool,
) -> None:
    """Make a user who signs in with EMAIL."""
    if password is None:
        password = _asked(f"Password for {email}", "--password", twice=True)
    body: dict[str, Any] = {"name": name, "credentials": {"identity": email, "secret": password}, "tags": list(tags)}
    if metadata is not None:
        body["metadata"] = metadata
    if admin:
        body["role"] = "admin"
    print_entity(Api(url).call("POST", "/users", body), as_json=json_output)


@command.command("list")
@page_options
@click.option("--identity", help="Only the one who signs in with this.")
@click.option("--tag", help="Only those with this tag.")
@server
@as_json
def list_users(url: str | None, json_output: bool, **query: Any) -> None:
    """List the users you may see."""
    page = Api(url).call("GET", "/users", query=query)
    _page_of_users(page, page["users"], as_json=json_output)


@command.command("show")
@click.argument("user")
@server
@as_json
def show(user: str, url: str | None, json_output: bool) -> None:
    """Show one user."""
    api = Api(url)
    path = "/users/profile" if user == "me" else f"/users/{api.user_id(user)}"
    print_entity(api.call("GET", path), as_json=json_output)


@command.command("update")
@click.argument("user")
@click.option("--name", help="How to call the user.")
@click.option("--identity", help="What the user signs in with.")
@click.option("--tag", "tags", multiple=True, help="The tags, instead of those there are; may be given several times.")
@metadata_option
@server
@as_json
def update(
    user: str,
    name: str | None,
    identity: str | None,
    tags: tuple[str, ...],
    metadata: dict[str, Any] | None,
    url: str | None,
    json_output: bool,
) -> None:
    """Change a user. What is not given stays."""
    fields = given_fields({"name": name, "metadata": metadata})
    changes = [
        ("", fields),
        ("/tags", {"tags": list(tags)} if tags else {}),
        ("/identity", {"identity": identity} if identity is not None else {}),
    ]
    if not any(body for _, body in changes):
        raise click.UsageError("say what to change: --name, --identity, --tag or --metadata")
    api = Api(url)
    path = f"/users/{api.user_id(user)}"
    changed = [api.call("PATCH", path + part, body) for part, body in changes if body]
    print_entity(changed[-1], as_json=json_output)


@command.command("groups")
@click.argument("user")
@page_options
@server
@as_json
def groups(user: str, url: str | None, json_output: bool, **query: Any) -> None:
    """List the groups a user may do something in."""
    api = Api(url)
    page = api.call("GET", f"/users/{api.user_id(user)}/memberships", query=query)
    rows = [(group["id"], group["name"], group["status"]) for group in page["memberships"]]
    print_page(page, "groups", ("ID", "NAME", "STATUS"), rows, as_json=json_output)


@command.command("enable")
@click.argument("user")
@server
@as_json
def enable(user: str, url: str | None, json_output: bool) -> None:
    """Enable a user."""
    api = Api(url)
    print_entity(api.call("POST", f"/users/{api.user_id(user)}/enable"), as_json=json_output)


@command.command("disable")
@click.argument("user")
@server
@as_json
def disable(user: str, url: str | None, json_output: bool) -> None:
    """Disable a user: its tokens are over at once."""
    api = Api(url)
    print_entity(api.call("POST", f"/users/{api.user_id(user)}/disable"), as_json=json_output)


@command.command("password")
@click.option("--old", help="Your password; asked for when it is left out.")
@click.option("--new", help="The one it shall be; asked for when it is left out.")
@server
@as_json
def password(old: str | None, new: str | None, url: str | None, json_output: bool) -> None:
    """Change your own password. Your other sign-ins are over."""
    old = old or _asked("Your password", "--old", twice=False)
    new = new or _asked("New password", "--new", twice=True)
    entity = Api(url).call("PATCH", "/users/secret", {"old_secret": old, "new_secret": new})
    if json_output:
        print_json(entity)
    else:
        click.echo("The password is changed.")
