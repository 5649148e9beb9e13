"""JSON of a group (fact sheet §3.4)."""

from typing import Any

import msgspec
from msgspec import Struct

from blazon.clock import rfc3339
from blazon.entity import Status, metadata_body
from blazon.grouping.models import Placed

__all__ = ["GroupBody", "group_body"]


class GroupBody(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A group. In a walk through a hierarchy it has a `level` and, downwards, a `path`; in a tree, `children`."""

    id: str
    owner_id: str
    parent_id: str = ""
    name: str
    description: str = ""
    metadata: dict[str, Any] | msgspec.Raw | None = None
    level: int = 0
    path: str = ""
    children: "tuple[GroupBody, ...]" = ()
    created_at: str
    updated_at: str
    updated_by: str = ""
    status: Status


def group_body(placed: Placed, children: tuple[GroupBody, ...] = ()) -> GroupBody:
    """A group as answers show it."""
    group = placed.group
    return GroupBody(
        id=group.id,
        owner_id=group.owner,
        parent_id=group.parent,
        name=group.name,
        description=group.description,
        metadata=metadata_body(group.metadata),
        level=placed.level,
        path=placed.path,
        children=children,
        created_at=rfc3339(group.created_at),
        updated_at=rfc3339(group.updated_at),
        updated_by=group.updated_by,
        status=group.status,
    )
