"""Channels of a file in an order in which each can be made: what stands above comes first."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from blazon.cli.imports.rows import Find, Row
from blazon.errors import Malformed

__all__ = ["in_order"]

_DEEPEST: Final = 64
"""How many channels may stand above one; who stands below itself has more."""


def in_order(rows: Sequence[Row], find: Find, refused: Callable[[int, str], None]) -> list[Row]:
    """The rows with the id of their parent in their body, parents first, else as they were.

    A parent is a row of the same file, by id or name, or a channel that is there already.
    """
    by_id = {row.id: row for row in rows}
    by_name: dict[str, Row] = {}
    for row in rows:
        by_name.setdefault(row.name, row)
    parents: dict[str, Row] = {}
    broken: set[str] = set()
    for row in rows:
        parent = by_id.get(row.parent) or by_name.get(row.parent) if row.parent else None
        try:
            if parent is not None:
                parents[row.id] = parent
                row.body["parent_id"] = parent.id
            elif row.parent:
                row.body["parent_id"] = find("channel", row.parent)
        except Malformed as error:
            broken.add(row.id)
            refused(row.line, error.reason)
    depths: dict[str, int] = {}
    for row in rows:
        try:
            if row.id not in broken:
                depths[row.id] = _depth(row, parents, broken)
        except Malformed as error:
            refused(row.line, error.reason)
    return sorted((row for row in rows if row.id in depths), key=lambda row: depths[row.id])


def _depth(row: Row, parents: Mapping[str, Row], broken: set[str]) -> int:
    depth = 0
    while row.id in parents:
        row = parents[row.id]
        depth += 1
        if row.id in broken:
            raise Malformed(f"it stands below line {row.line}, which is refused")
        if depth > _DEEPEST:
            raise Malformed(f"it stands below itself, or more than {_DEEPEST} deep")
    return depth
