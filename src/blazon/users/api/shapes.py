"""JSON of a user (fact sheet §3.4)."""

from typing import Any

import msgspec
from msgspec import Struct

from blazon.access import Role
from blazon.clock import rfc3339
from blazon.entity import Status, metadata_body
from blazon.users.models import User

__all__ = ["UserBody", "user_body"]


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
    metadata: dict[str, Any] | msgspec.Raw | None = None
    created_at: str
    updated_at: str
    updated_by: str = ""
    status: Status
    role: Role = Role.USER


def user_body(user: User) -> UserBody:
    """A user as answers show it."""
    return UserBody(
        id=user.id,
        name=user.name,
        tags=user.tags,
        owner=user.owner,
        credentials=Credentials(user.identity),
        metadata=metadata_body(user.metadata),
        created_at=rfc3339(user.created_at),
        updated_at=rfc3339(user.updated_at),
        updated_by=user.updated_by,
        status=user.status,
        role=user.role,
    )
