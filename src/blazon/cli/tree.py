"""A hierarchy drawn as a tree."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

__all__ = ["nested", "tree_lines"]

Node = dict[str, Any]


def nested(nodes: Iterable[Node], parent: Callable[[Node], str], order: Callable[[Node], Any]) -> list[Node]:
    """The nodes with those below each in its `children`, sorted. At the top are those whose parent is not there.

    `parent` is the id of the node above. A node that stands above itself, as CAs do that certified each other, is at
    the top.
    """
    made = {node["id"]: {**node, "children": []} for node in nodes}
    above = {identifier: parent(node) for identifier, node in made.items()}
    top: list[Node] = []
    for identifier, node in made.items():
        is_top = above[identifier] not in made or identifier in _line_above(identifier, above)
        (top if is_top else made[above[identifier]]["children"]).append(node)
    for node in made.values():
        node["children"].sort(key=order)
    return sorted(top, key=order)


def _line_above(identifier: str, above: Mapping[str, str]) -> set[str]:
    found: set[str] = set()
    step = above[identifier]
    while step in above and step not in found:
        found.add(step)
        step = above[step]
    return found


def tree_lines(
    nodes: list[Node], label: Callable[[Node], str], before: str = "", *, top: bool = True
) -> Iterator[tuple[str, Node]]:
    """The lines of a drawing from top to bottom, each with its node."""
    for number, node in enumerate(nodes):
        last = number == len(nodes) - 1
        branch, below = ("", "") if top else ("└── ", "    ") if last else ("├── ", "│   ")
        yield f"{before}{branch}{label(node)}", node
        yield from tree_lines(node["children"], label, before + below, top=False)
