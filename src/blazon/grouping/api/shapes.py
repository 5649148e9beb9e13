"""JSON shapes that several routes share (fact sheet §3.4)."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from blazon.clock import rfc3339
from blazon.entity import Status, metadata_body
from blazon.errors import Malformed
from blazon.grouping.lists import StatusFilter
from blazon.grouping.models import Placed
from blazon.log import canonical
from blazon.web import Page, read_json

__all__ = [
    "FilterQuery",
    "GroupBody",
    "group_body",
    "metadata_filter",
]


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


class FilterQuery(Page, kw_only=True, frozen=True):
    """The parameters of every list."""

    status: Annotated[StatusFilter, Meta(description="Which states to show.")] = StatusFilter.ENABLED
    name: Annotated[str, Meta(description="Only those with exactly this name.")] | None = None
    metadata: Annotated[str, Meta(description="A JSON object the metadata must contain.")] | None = None


_object = msgspec.json.Decoder(dict[str, Any])


def metadata_filter(text: str | None) -> str | None:
    """The metadata parameter as canonical JSON text. Raises Malformed when it is not a JSON object."""
    if text is None:
        return None
    try:
        return bytes(canonical(read_json(text.encode(), _object))).decode()
    except Malformed:
        raise Malformed('invalid query parameters: metadata must be a JSON object, such as {"key":"value"}') from None


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
