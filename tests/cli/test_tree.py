"""Trees: whoever is below another stands below it, however the nodes come, and nobody is lost."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from blazon.cli.tree import nested, tree_lines


def _nodes(parents: dict[str, str]) -> list[dict[str, Any]]:
    return [{"id": name, "parent": parent} for name, parent in parents.items()]


def _drawn(parents: dict[str, str]) -> list[str]:
    roots = nested(_nodes(parents), lambda node: node["parent"], lambda node: node["id"])
    return [line for line, _ in tree_lines(roots, lambda node: node["id"])]


def test_a_tree_is_drawn() -> None:
    assert _drawn({"d": "b", "a": "", "c": "a", "b": "a", "e": "away"}) == ["a", "├── b", "│   └── d", "└── c", "e"]


def test_a_node_that_is_its_own_parent_is_at_the_top() -> None:
    assert _drawn({"root": "root", "below": "root"}) == ["root", "└── below"]


def test_nodes_that_stand_above_each_other_are_at_the_top() -> None:
    assert _drawn({"a": "b", "b": "a", "c": "b"}) == ["a", "b", "└── c"]


_names = st.sampled_from("abcdef")


@given(st.dictionaries(_names, _names | st.just("away")))
def test_every_node_is_drawn_once(parents: dict[str, str]) -> None:
    lines = _drawn(parents)
    assert sorted(line[-1] for line in lines) == sorted(parents)
    lone = {name for name, parent in parents.items() if parent not in parents}
    assert lone <= set(lines)
