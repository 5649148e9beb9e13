"""`blazon things …`."""

import sys
import uuid
from typing import Any

import click

from blazon.cli.client import Api, server
from blazon.cli.hierarchy import named
from blazon.cli.imports import add_import
from blazon.cli.options import ActionName, as_json, given_fields, metadata_option, page_options, slice_options
from blazon.cli.output import print_entity, print_json, print_page
from blazon.cli.rights import Verdict, say_may

__all__ = ["command", "print_things", "why"]


def print_things(page: dict[str, Any], *, json_output: bool) -> None:
    """A page of things."""
    rows = [
        (thing["id"], thing.get("name", ""), ", ".join(thing.get("tags", ())), thing["status"])
        for thing in page["things"]
    ]
    print_page(page, "things", ("ID", "NAME", "TAGS", "STATUS"), rows, as_json=json_output)


def why(api: Api, channel: str, asked: dict[str, str]) -> Verdict:
    """Asks the things service whether it is allowed, and why or why not."""
    found = api.call("POST", f"/channels/{channel}/access/explain", asked)
    return Verdict(bool(found["authorized"]), str(found["reason"]))


def _path(api: Api, thing: str) -> str:
    return f"/things/{api.id_of('thing', thing)}"


@click.group("things")
def command() -> None:
    """Make, list and change things: devices and applications that connect with a key.

    THING is an id, or a name only one thing has.
    """


@command.command("create")
@click.argument("name")
@click.option("--id", "identifier", help="Its id, a UUID; made up when it is left out.")
@click.option("--key", help="What it connects with; made up when it is left out.")
@click.option("--identity", help="Another name it is known by, such as a serial number.")
@click.option("--tag", "tags", multiple=True, help="A tag; may be given several times.")
@click.option("--owner", help="Who owns it, by id or e-mail address; for admins. Default: you.")
@metadata_option
@server
@as_json
def create(
    name: str,
    identifier: str | None,
    key: str | None,
    identity: str | None,
    tags: tuple[str, ...],
    owner: str | None,
    metadata: dict[str, Any] | None,
    url: str | None,
    json_output: bool,
) -> None:
    """Make a thing called NAME. The answer shows the key it connects with."""
    api = Api(url)
    body = {
        "name": name,
        "id": identifier,
        "credentials": {"identity": identity, "secret": key},
        "tags": list(tags),
        "owner": api.user_id(owner) if owner else None,
        "metadata": metadata,
    }
    print_entity(api.call("POST", "/things", body), as_json=json_output)


@command.command("list")
@page_options
@click.option("--tag", help="Only those with this tag.")
@click.option("--owner", "owner_id", help="Only those of this owner, by id or e-mail address; for admins.")
@click.option(
    "--visibility",
    type=click.Choice(["mine", "shared", "all"]),
    help="Your own things, those of channels shared with you, or both.",
)
@server
@as_json
def list_things(owner_id: str | None, url: str | None, json_output: bool, **query: Any) -> None:
    """List the things you may see."""
    api = Api(url)
    owner = api.user_id(owner_id) if owner_id else None
    print_things(api.call("GET", "/things", query={**query, "owner_id": owner}), json_output=json_output)


@command.command("show")
@named("thing")
@server
@as_json
def show(thing: str, url: str | None, json_output: bool) -> None:
    """Show one thing, with its key if you may set a new one."""
    api = Api(url)
    print_entity(api.call("GET", _path(api, thing)), as_json=json_output)


@command.command("update")
@named("thing")
@click.option("--name", help="How to call the thing.")
@click.option("--tag", "tags", multiple=True, help="The tags, instead of those there are; may be given several times.")
@click.option("--no-tags", is_flag=True, help="Take every tag away.")
@metadata_option
@server
@as_json
def update(
    thing: str,
    name: str | None,
    tags: tuple[str, ...],
    no_tags: bool,
    metadata: dict[str, Any] | None,
    url: str | None,
    json_output: bool,
) -> None:
    """Change a thing. What is not given stays."""
    if tags and no_tags:
        raise click.UsageError("give --tag or --no-tags, not both")
    fields = given_fields({"name": name, "metadata": metadata})
    changes = [("", fields), ("/tags", {"tags": list(tags)} if tags or no_tags else {})]
    if not any(body for _, body in changes):
        raise click.UsageError("say what to change: --name, --tag, --no-tags or --metadata")
    api = Api(url)
    path = _path(api, thing)
    changed = [api.call("PATCH", path + part, body) for part, body in changes if body]
    print_entity(changed[-1], as_json=json_output)


@command.command("key")
@named("thing")
@click.option("--set", "new", help="Set this key; - reads it from standard input.")
@click.option("--renew", is_flag=True, help="Set a key that is made up.")
@server
@as_json
def key(thing: str, new: str | None, renew: bool, url: str | None, json_output: bool) -> None:
    """Print the key a thing connects with, or set a new one: the old one is good for nothing at once."""
    if new is not None and renew:
        raise click.UsageError("give --set or --renew, not both")
    if new == "-":
        new = sys.stdin.readline().rstrip("\r\n")
    api = Api(url)
    path = _path(api, thing)
    if renew or new is not None:
        secret = str(uuid.uuid4()) if new is None else new
        identifier = api.call("PATCH", f"{path}/secret", {"secret": secret})["id"]
    else:
        found = api.call("GET", path)
        identifier, secret = found["id"], found["credentials"].get("secret", "")
        if not secret:
            raise click.ClickException("you may see this thing, but not its key: that is for who may change the thing")
    if json_output:
        print_json({"id": identifier, "key": secret})
    else:
        click.echo(secret)


@command.command("owner")
@named("thing")
@click.argument("user")
@server
@as_json
def owner(thing: str, user: str, url: str | None, json_output: bool) -> None:
    """Give a thing to USER, by id or e-mail address."""
    api = Api(url)
    body = {"owner": api.user_id(user)}
    print_entity(api.call("PATCH", f"{_path(api, thing)}/owner", body), as_json=json_output)


@command.command("channels")
@named("thing")
@page_options
@server
@as_json
def channels(thing: str, url: str | None, json_output: bool, **query: Any) -> None:
    """List the channels a thing is on."""
    api = Api(url)
    page = api.call("GET", f"{_path(api, thing)}/channels", query=query)
    rows = [(channel["id"], channel["name"], channel["status"]) for channel in page["channels"]]
    print_page(page, "channels", ("ID", "NAME", "STATUS"), rows, as_json=json_output)


@command.command("rights")
@named("thing")
@slice_options
@server
@as_json
def rights(thing: str, limit: int, offset: int, url: str | None, json_output: bool) -> None:
    """List what a thing may do on which channels: the policies you made, all of them for an admin."""
    api = Api(url)
    query = {"subject": api.id_of("thing", thing), "limit": limit, "offset": offset}
    page = api.call("GET", "/policies", query=query)
    rows = [(policy["object"], ", ".join(policy["actions"])) for policy in page["policies"]]
    print_page(page, "policies", ("CHANNEL", "ACTIONS"), rows, as_json=json_output)


@command.command("identify")
@click.argument("key")
@server
@as_json
def identify(key: str, url: str | None, json_output: bool) -> None:
    """Print the id of the enabled thing that connects with KEY; - reads the key from standard input."""
    if key == "-":
        key = sys.stdin.readline().rstrip("\r\n")
    found = Api(url).identify(key)
    if json_output:
        print_json(found)
    else:
        click.echo(found["id"])


@command.command("explain")
@named("thing")
@click.argument("channel")
@click.argument("action", type=ActionName())
@server
@as_json
def explain(thing: str, channel: str, action: str, url: str | None, json_output: bool) -> None:
    """Tell whether a thing may do ACTION (m_read, m_write) on CHANNEL, and why. Exit code 0 for yes, 1 for no."""
    api = Api(url)
    asked = {
        "subject": api.id_of("thing", thing),
        "object": api.id_of("channel", channel),
        "action": action,
        "entity_type": "thing",
    }
    say_may(asked, why(api, asked["object"], asked), json_output=json_output)


@command.command("may")
@named("thing")
@click.argument("user")
@click.argument("action", type=ActionName())
@server
@as_json
def may(thing: str, user: str, action: str, url: str | None, json_output: bool) -> None:
    """Ask whether USER may do ACTION (c_list, c_update, c_delete, c_share) to a thing. 0 for yes, 1 for no."""
    api = Api(url)
    asked = {
        "subject": api.user_id(user),
        "object": api.id_of("thing", thing),
        "action": action,
        "entity_type": "client",
    }
    say_may(asked, why(api, asked["object"], asked), json_output=json_output)


def _add_status(verb: str, sentence: str) -> None:
    @command.command(verb, help=sentence)
    @named("thing")
    @server
    @as_json
    def set_status(thing: str, url: str | None, json_output: bool) -> None:
        api = Api(url)
        print_entity(api.call("POST", f"{_path(api, thing)}/{verb}"), as_json=json_output)


_add_status("enable", "Enable a thing.")
_add_status("disable", "Disable a thing: it can do nothing from then on.")
add_import(command, "thing")
