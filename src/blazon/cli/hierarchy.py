"""The commands that groups and channels share: `blazon groups …`, `blazon channels …`.

A channel is a group with another noun. What only one of them has is in its own module.
"""

from collections.abc import Callable
from typing import Any

import click

from blazon.cli.client import Api, server
from blazon.cli.options import as_json, given_fields, metadata_option, page_options
from blazon.cli.output import one_line, print_entity, print_json, print_page
from blazon.cli.paging import by_offset
from blazon.cli.tree import nested, tree_lines

__all__ = ["add_hierarchy", "named"]


def named(noun: str) -> Callable[[Any], Any]:
    """The argument that names a group, thing or channel, by id or name."""
    return click.argument(noun, metavar=noun.upper())


def add_hierarchy(command: click.Group, noun: str, purpose: str) -> None:
    """Adds create, list, show, update, children, parents, tree, enable and disable. `purpose` ends in what for."""
    _add_create(command, noun, purpose)
    _add_list(command, noun)
    _add_show(command, noun)
    _add_update(command, noun, purpose)
    _add_walk(command, noun, "children", f"List a {noun} and those below it.")
    _add_walk(command, noun, "parents", f"List a {noun} and those above it.")
    _add_tree(command, noun)
    for verb in ("enable", "disable"):
        _add_status(command, noun, verb)


def _add_create(command: click.Group, noun: str, purpose: str) -> None:
    @command.command("create", help=f"Make a {noun} called NAME.")
    @click.argument("name")
    @click.option("--description", default="", help=purpose)
    @click.option("--parent", help=f"The {noun} above, by id or name.")
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
        api = Api(url)
        body: dict[str, Any] = {"name": name, "description": description}
        if parent:
            body["parent_id"] = api.id_of(noun, parent)
        if metadata is not None:
            body["metadata"] = metadata
        print_entity(api.call("POST", f"/{noun}s", body), as_json=json_output)


def _add_list(command: click.Group, noun: str) -> None:
    @command.command("list", help=f"List the {noun}s you may see.")
    @page_options
    @click.option("--below", help=f"Walk down from this {noun}.")
    @server
    @as_json
    def list_them(below: str | None, url: str | None, json_output: bool, **query: Any) -> None:
        api = Api(url)
        page = api.call("GET", f"/{noun}s", query={**query, "parent_id": api.id_of(noun, below) if below else None})
        _print_places(page, noun, json_output=json_output)


def _print_places(page: dict[str, Any], noun: str, *, json_output: bool) -> None:
    rows = [
        (one["id"], "  " * one.get("level", 0) + one["name"], one.get("parent_id", ""), one["status"])
        for one in page[f"{noun}s"]
    ]
    print_page(page, f"{noun}s", ("ID", "NAME", "PARENT", "STATUS"), rows, as_json=json_output)


def _add_show(command: click.Group, noun: str) -> None:
    @command.command("show", help=f"Show one {noun}.")
    @named(noun)
    @server
    @as_json
    def show(url: str | None, json_output: bool, **given: str) -> None:
        api = Api(url)
        print_entity(api.call("GET", f"/{noun}s/{api.id_of(noun, given[noun])}"), as_json=json_output)


def _add_update(command: click.Group, noun: str, purpose: str) -> None:
    sentence = f"Change a {noun}. What is not given stays; the {noun} above cannot be changed."

    @command.command("update", help=sentence)
    @named(noun)
    @click.option("--name", help=f"How to call the {noun}.")
    @click.option("--description", help=purpose)
    @metadata_option
    @server
    @as_json
    def update(
        name: str | None,
        description: str | None,
        metadata: dict[str, Any] | None,
        url: str | None,
        json_output: bool,
        **given: str,
    ) -> None:
        changes = {"name": name, "description": description, "metadata": metadata}
        body = given_fields(changes)
        if not body:
            raise click.UsageError("say what to change: --name, --description or --metadata")
        api = Api(url)
        print_entity(api.call("PUT", f"/{noun}s/{api.id_of(noun, given[noun])}", body), as_json=json_output)


def _add_walk(command: click.Group, noun: str, way: str, sentence: str) -> None:
    @command.command(way, help=sentence)
    @named(noun)
    @page_options
    @server
    @as_json
    def walk(url: str | None, json_output: bool, **given: Any) -> None:
        api = Api(url)
        identifier = api.id_of(noun, given.pop(noun))
        page = api.call("GET", f"/{noun}s/{identifier}/{way}", query=given)
        page[f"{noun}s"].sort(key=lambda one: one.get("level", 0))
        _print_places(page, noun, json_output=json_output)


def _add_tree(command: click.Group, noun: str) -> None:
    @command.command("tree", help=f"Draw the {noun}s you may see as a tree: all of them, or one and those below it.")
    @click.argument(noun, metavar=noun.upper(), required=False)
    @server
    @as_json
    def tree(url: str | None, json_output: bool, **given: str | None) -> None:
        api = Api(url)
        root = given[noun]
        path = f"/{noun}s" if root is None else f"/{noun}s/{api.id_of(noun, root)}/children"
        places = by_offset(api, path, f"{noun}s")
        roots = nested(places, lambda place: place.get("parent_id", ""), lambda place: (place["name"], place["id"]))
        if json_output:
            print_json(roots)
            return
        for line, _ in tree_lines(roots, _label):
            click.echo(line)


def _label(place: dict[str, Any]) -> str:
    state = "" if place["status"] == "enabled" else f"  ({place['status']})"
    return f"{one_line(place['name'])}  {place['id']}{state}"


def _add_status(command: click.Group, noun: str, verb: str) -> None:
    @command.command(verb, help=f"{verb.capitalize()} a {noun}.")
    @named(noun)
    @server
    @as_json
    def set_status(url: str | None, json_output: bool, **given: str) -> None:
        api = Api(url)
        print_entity(api.call("POST", f"/{noun}s/{api.id_of(noun, given[noun])}/{verb}"), as_json=json_output)
