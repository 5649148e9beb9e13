"""A hierarchy, read page by page and drawn as a tree."""

from collections.abc import Iterator
from typing import Any, Final

from blazon.cli.client import Api
from blazon.cli.output import one_line

__all__ = ["nested", "tree_lines", "whole"]

_PAGE: Final = 100


def whole(api: Api, path: str, key: str) -> list[dict[str, Any]]:
    """Everything a list holds, whatever its state."""
    found: list[dict[str, Any]] = []
    while True:
        page = api.call("GET", path, query={"limit": _PAGE, "offset": len(found), "status": "all"})
        found += page[key]
        if not page[key] or len(found) >= page["total"]:
            return found


def nested(places: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The places with those below each in its `children`, by name; at the top those whose parent is not there."""
    made = {place["id"]: {**place, "children": []} for place in places}
    top: list[dict[str, Any]] = []
    for place in made.values():
        parent = made.get(place.get("parent_id", ""))
        (top if parent is None else parent["children"]).append(place)
    for place in made.values():
        place["children"].sort(key=_order)
    return sorted(top, key=_order)


def _order(place: dict[str, Any]) -> tuple[str, str]:
    return place["name"], place["id"]


def tree_lines(places: list[dict[str, Any]], before: str = "", *, top: bool = True) -> Iterator[str]:
    """The lines of a drawing: name, id, and the state of what is not enabled."""
    for number, place in enumerate(places):
        last = number == len(places) - 1
        branch, below = ("", "") if top else ("└── ", "    ") if last else ("├── ", "│   ")
        state = "" if place["status"] == "enabled" else f"  ({place['status']})"
        yield f"{before}{branch}{one_line(place['name'])}  {place['id']}{state}"
        yield from tree_lines(place["children"], before + below, top=False)
