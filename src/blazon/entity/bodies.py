"""JSON of entities in requests and answers, and the ETag of an answer."""

from typing import Any, Literal, Protocol

import msgspec
from msgspec import Struct

from blazon.web import Reply

__all__ = ["GivenStatus", "OwnerBody", "TagsBody", "UpdateBody", "etagged", "metadata_body"]

GivenStatus = Literal["", "enabled", "disabled"]
"""A status in a body. An empty one is not given: Go clients send the fields they leave out as empty texts."""


class UpdateBody(Struct, frozen=True):
    """What to change. What is not given stays."""

    name: str | None = None
    metadata: dict[str, Any] | None = None


class TagsBody(Struct, frozen=True):
    """The tags that replace the old ones."""

    tags: list[str] | None = None


class OwnerBody(Struct, frozen=True):
    """The id of the new owner."""

    owner: str | None = None


def metadata_body(raw: msgspec.Raw) -> msgspec.Raw | None:
    """Metadata as answers show it: left out when there is none."""
    return None if bytes(raw) == b"{}" else raw


class _Entity(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def revision(self) -> int: ...


def etagged(body: Struct, entity: _Entity, status: int = 200, location: str = "") -> Reply:
    """An answer with one entity and its ETag: the revision."""
    headers = [("etag", f'"{entity.revision}"')]
    if location:
        headers.append(("location", f"{location}/{entity.id}"))
    return Reply(status, body, tuple(headers))
