"""The commands about what users may do in a group or on a channel: rights, allow, deny, may."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import click

from blazon.cli.client import Api, server
from blazon.cli.hierarchy import named
from blazon.cli.options import ActionName, as_json, slice_options
from blazon.cli.output import print_json, print_page

__all__ = ["Place", "Verdict", "add_rights", "say_may"]


class Verdict(NamedTuple):
    """Whether it is allowed, and why; an empty text when there is no more to say."""

    allowed: bool
    reason: str


class Place(NamedTuple):
    """Where policies are given: what it is called, the path of its policies, and how the server is asked.

    `subject` is the heading over who has a policy; `for_users` is what a policy says besides when that is a user;
    `actions` names what can be allowed.
    """

    noun: str
    preposition: str
    policies: str
    subject: str
    for_users: Mapping[str, bool]
    ask: Callable[[Api, dict[str, str]], Verdict]
    actions: str


def add_rights(command: click.Group, place: Place) -> None:
    """Adds rights, allow, deny and may."""
    _add_rights(command, place)
    _add_allow(command, place)
    _add_deny(command, place)
    _add_may(command, place)


def _add_rights(command: click.Group, place: Place) -> None:
    where = f"{place.preposition} a {place.noun}"

    @command.command("rights", help=f"List who may do what {where}: the policies you made, all of them for an admin.")
    @named(place.noun)
    @slice_options
    @server
    @as_json
    def rights(limit: int, offset: int, url: str | None, json_output: bool, **given: str) -> None:
        api = Api(url)
        query = {"object": api.id_of(place.noun, given[place.noun]), "limit": limit, "offset": offset}
        page = api.call("GET", place.policies, query=query)
        rows = [(policy["subject"], ", ".join(policy["actions"])) for policy in page["policies"]]
        print_page(page, "policies", (place.subject, "ACTIONS"), rows, as_json=json_output)


def _add_allow(command: click.Group, place: Place) -> None:
    sentence = (
        f"Let USER do ACTIONS {place.preposition} a {place.noun}: {place.actions}.\n\n"
        "What the user could do there before is replaced."
    )

    @command.command("allow", help=sentence)
    @named(place.noun)
    @click.argument("user")
    @click.argument("actions", nargs=-1, required=True, type=ActionName())
    @server
    @as_json
    def allow(user: str, actions: tuple[str, ...], url: str | None, json_output: bool, **given: str) -> None:
        api = Api(url)
        policy: dict[str, Any] = {
            "subject": api.user_id(user),
            "object": api.id_of(place.noun, given[place.noun]),
            "actions": list(actions),
        }
        api.call("POST", place.policies, {**policy, **place.for_users})
        if json_output:
            print_json(policy)
        else:
            click.echo(f"{user} may {', '.join(actions)} {place.preposition} {given[place.noun]}.")


def _add_deny(command: click.Group, place: Place) -> None:
    @command.command("deny", help=f"Take every right of USER {place.preposition} a {place.noun} away.")
    @named(place.noun)
    @click.argument("user")
    @server
    @as_json
    def deny(user: str, url: str | None, json_output: bool, **given: str) -> None:
        api = Api(url)
        policy = {
            "subject": api.user_id(user),
            "object": api.id_of(place.noun, given[place.noun]),
            "actions": [],
        }
        api.call("DELETE", f"{place.policies}/{policy['subject']}/{policy['object']}")
        if json_output:
            print_json(policy)
        else:
            click.echo(f"{user} may do nothing {place.preposition} {given[place.noun]} any more.")


def _add_may(command: click.Group, place: Place) -> None:
    where = f"{place.preposition} a {place.noun}"

    @command.command("may", help=f"Ask whether USER may do ACTION {where}. Exit code 0 for yes, 1 for no.")
    @named(place.noun)
    @click.argument("user")
    @click.argument("action", type=ActionName())
    @server
    @as_json
    def may(user: str, action: str, url: str | None, json_output: bool, **given: str) -> None:
        api = Api(url)
        asked = {
            "subject": api.user_id(user),
            "object": api.id_of(place.noun, given[place.noun]),
            "action": action,
            "entity_type": "group",
        }
        say_may(asked, place.ask(api, asked), json_output=json_output)


def say_may(asked: dict[str, str], verdict: Verdict, *, json_output: bool) -> None:
    """Yes or no, and why. No is exit code 1."""
    if json_output:
        print_json({**asked, **verdict._asdict()})
    else:
        click.echo(("yes" if verdict.allowed else "no") + (f": {verdict.reason}" if verdict.reason else ""))
    if not verdict.allowed:
        click.get_current_context().exit(1)
