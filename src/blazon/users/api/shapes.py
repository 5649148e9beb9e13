"""JSON shapes that several routes of this room share (fact sheet §3.4)."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from blazon.clock import rfc3339
from blazon.errors import Malformed
from blazon.log import canonical
from blazon.users.models import Group, Placed, Role, Status, User
from blazon.users.service.lists import StatusFilter
from blazon.web import Page, Reply, read_json

__all__ = [
    "EntityPath",
    "FilterQuery",
    "GroupBody",
    "UserBody",
    "etagged",
    "group_body",
    "metadata_filter",
    "user_body",
]

Metadata = dict[str, Any]
Identifier = Annotated[str, Meta(max_length=36)]
EntityPath = str


class Credentials(Struct, frozen=True, omit_defaults=True):
    """What a user signs in with. The secret is never in an answer."""

    identity: str = ""


class UserBody(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A user."""

    id: str
    name: str = ""
    tags: tuple[str, ...] = ()
    owner: str = ""
    credentials: Credentials
    metadata: Metadata | msgspec.Raw | None = None
    created_at: str
    updated_at: str
    updated_by: str = ""
    status: Status
    role: Role = Role.USER


class GroupBody(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A group. In a walk through a hierarchy it has a `level` and, downwards, a `path`; in a tree, `children`."""

    id: str
    owner_id: str
    parent_id: str = ""
    name: str
    description: str = ""
    metadata: Metadata | msgspec.Raw | None = None
    level: int = 0
    path: str = ""
    children: "tuple[GroupBody, ...]" = ()
    created_at: str
    updated_at: str
    updated_by: str = ""
    status: Status


class FilterQuery(Page, kw_only=True, frozen=True):
    """The parameters of every list of this room."""

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


def _metadata(raw: msgspec.Raw) -> msgspec.Raw | None:
    return None if bytes(raw) == b"{}" else raw


def user_body(user: User) -> UserBody:
    """A user as answers show it."""
    return UserBody(
        id=user.id,
        name=user.name,
        tags=user.tags,
        owner=user.owner,
        credentials=Credentials(user.identity),
        metadata=_metadata(user.metadata),
        created_at=rfc3339(user.created_at),
        updated_at=rfc3339(user.updated_at),
        updated_by=user.updated_by,
        status=user.status,
        role=user.role,
    )


def group_body(placed: Placed, children: tuple[GroupBody, ...] = ()) -> GroupBody:
    """A group as answers show it."""
    group = placed.group
    return GroupBody(
        id=group.id,
        owner_id=group.owner,
        parent_id=group.parent,
        name=group.name,
        description=group.description,
        metadata=_metadata(group.metadata),
        level=placed.level,
        path=placed.path,
        children=children,
        created_at=rfc3339(group.created_at),
        updated_at=rfc3339(group.updated_at),
        updated_by=group.updated_by,
        status=group.status,
    )


def etagged(body: Struct, entity: User | Group, status: int = 200, location: str = "") -> Reply:
    """An answer with one entity and its ETag: the revision."""
    headers = [("etag", f'"{entity.revision}"')]
    if location:
        headers.append(("location", f"{location}/{entity.id}"))
    return Reply(status, body, tuple(headers))
