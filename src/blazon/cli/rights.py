"""The commands about what users may do in a group or on a channel: rights, allow, deny, may."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import click

from blazon.cli.client import Api, ApiError, server
from blazon.cli.hierarchy import named
from blazon.cli.options import ActionName, as_json, slice_options
from blazon.cli.output import print_json, print_page

__all__ = ["Place", "add_rights", "answer_may", "ask_why", "say_may"]


class Place(NamedTuple):
    """Where policies are given: what it is called, the path of its policies, and how the server is asked.

    `for_users` is what a policy says besides when its subject is a user; `why` answers an empty text for yes, else
    the reason why not.
    """

    noun: str
    preposition: str
    policies: str
    subject: str
    for_users: Mapping[str, bool]
    why: Callable[[Api, dict[str, str]], str]
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
        say_may(asked, place.why(api, asked), json_output=json_output)


def say_may(asked: dict[str, str], why_not: str, *, json_output: bool) -> None:
    """Yes, or no and why not. No is exit code 1."""
    answer_may(asked, f"no: {why_not}" if why_not else "yes", why_not, allowed=not why_not, json_output=json_output)


def answer_may(asked: dict[str, str], text: str, reason: str, *, allowed: bool, json_output: bool) -> None:
    """The answer to a question, and its exit code: 0 for yes, 1 for no."""
    if json_output:
        print_json({**asked, "allowed": allowed, "reason": reason})
    else:
        click.echo(text)
    if not allowed:
        click.get_current_context().exit(1)


def ask_why(api: Api, asked: dict[str, str]) -> str:
    """Asks the users service: an empty text for yes, else why not."""
    try:
        api.call("POST", "/authorize", asked)
    except ApiError as error:
        if error.status != 403:
            raise
        return error.reason
    return ""
