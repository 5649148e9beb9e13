"""What can happen in this room: stream `mainflux.users`, CloudEvents of source `/blazon/users`.

The names and fields are those of the users chapter of the event document, as settled by decisions A1 to A10. Data is
the complete change; a state struct is the whole row after it. `created_at` 0 in a state means: with this very event.
"""

from typing import Final

import msgspec

from blazon.access import Role
from blazon.entity import Status, seen_stamps, stamps, status_fields
from blazon.grouping import Grouping
from blazon.listing import Listed, listed_fields
from blazon.log import Fields, Record, Service
from blazon.users.models import GROUP, POLICY

__all__ = [
    "GROUPING",
    "TYPES",
    "USER_CREATE",
    "USER_GENERATE_RESET_TOKEN",
    "USER_IDENTIFY",
    "USER_ISSUE_TOKEN",
    "USER_LIST",
    "USER_LIST_BY_GROUP",
    "USER_REFRESH_TOKEN",
    "USER_REMOVE",
    "USER_RESET_SECRET",
    "USER_SEND_PASSWORD_RESET",
    "USER_UPDATE",
    "USER_UPDATE_IDENTITY",
    "USER_UPDATE_OWNER",
    "USER_UPDATE_SECRET",
    "USER_UPDATE_TAGS",
    "USER_VIEW",
    "USER_VIEW_PROFILE",
    "ResetAsked",
    "ResetSent",
    "SignedIn",
    "UserSeen",
    "UserState",
]

_SERVICE: Final = Service("users")

GROUPING: Final = Grouping(
    _SERVICE, noun="group", member="user", by_member="group.list_by_user", group=GROUP, policy=POLICY
)
"""Groups of users, and what users may do in them."""


class UserState(msgspec.Struct, frozen=True, kw_only=True):
    """A user after a change.

    `secret` is sealed. `compared` is the identity in the form in which no two users have the same; records of an older
    Blazon, which let two such users in, lack it.
    """

    id: str
    name: str
    identity: str
    secret: str
    tags: tuple[str, ...]
    owner: str
    metadata: msgspec.Raw
    status: Status
    role: Role
    created_at: int = 0
    epoch: int = 0
    kept: str = ""
    compared: str = ""


class UserSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A user as a reader saw it."""

    id: str
    name: str
    identity: str
    tags: tuple[str, ...]
    owner: str
    metadata: msgspec.Raw
    status: Status
    role: Role
    created_at: int
    updated_at: int
    updated_by: str


class SignedIn(msgspec.Struct, frozen=True):
    """Tokens were issued to a user. They are made of the record: of its id and this.

    `issued_at` is the time when it was decided. The record's own time never goes back, also when the clock was ahead
    once and is right again; a token that began then would live for as long again. Records of an older Blazon lack it.
    """

    user: str
    identity: str
    epoch: int
    issued_at: int = 0


class ResetAsked(msgspec.Struct, frozen=True):
    """Somebody asked to set a new password. `host` is the origin of the page the mail will link to."""

    user: str
    name: str
    email: str
    host: str
    epoch: int
    issued_at: int = 0


class ResetSent(msgspec.Struct, frozen=True):
    """The mail with the link was handed to the mail server."""

    user: str
    name: str
    email: str
    host: str


class Identified(msgspec.Struct, frozen=True):
    """Another service asked whose token it holds."""

    user: str


def _user(data: UserState | UserSeen) -> Fields:
    return {
        "id": data.id,
        "name": data.name,
        "tags": data.tags,
        "owner": data.owner,
        "identity": data.identity,
        "metadata": data.metadata,
        "status": data.status.value,
        "role": "" if data.role is Role.USER else data.role.value,
    }


def _user_changed(record: Record, data: UserState) -> Fields:
    return {**_user(data), **stamps(record, data.created_at)}


def _user_seen(_: Record, data: UserSeen) -> Fields:
    return {**_user(data), **seen_stamps(data)}


USER_CREATE: Final = _SERVICE.fact("user.create", UserState, _user_changed)
USER_UPDATE: Final = _SERVICE.fact("user.update", UserState, _user_changed)
USER_UPDATE_TAGS: Final = _SERVICE.fact("user.update_tags", UserState, _user_changed)
USER_UPDATE_IDENTITY: Final = _SERVICE.fact("user.update_identity", UserState, _user_changed)
USER_UPDATE_OWNER: Final = _SERVICE.fact("user.update_owner", UserState, _user_changed)
USER_UPDATE_SECRET: Final = _SERVICE.fact("user.update_secret", UserState, _user_changed)
USER_RESET_SECRET: Final = _SERVICE.fact("user.reset_secret", UserState, _user_changed)
USER_REMOVE: Final = _SERVICE.fact("user.remove", UserState, status_fields)
USER_VIEW: Final = _SERVICE.observation("user.view", UserSeen, _user_seen)
USER_VIEW_PROFILE: Final = _SERVICE.observation("user.view_profile", UserSeen, _user_seen)
USER_LIST: Final = _SERVICE.observation("user.list", Listed, listed_fields)
USER_LIST_BY_GROUP: Final = _SERVICE.observation("user.list_by_group", Listed, listed_fields)
USER_IDENTIFY: Final = _SERVICE.observation("user.identify", Identified, lambda _, data: {"user_id": data.user})
USER_ISSUE_TOKEN: Final = _SERVICE.fact("user.issue_token", SignedIn, lambda _, data: {"identity": data.identity})
USER_REFRESH_TOKEN: Final = _SERVICE.fact("user.refresh_token", SignedIn, lambda _, data: {"identity": data.identity})
USER_GENERATE_RESET_TOKEN: Final = _SERVICE.fact(
    "user.generate_reset_token", ResetAsked, lambda _, data: {"email": data.email, "host": data.host}
)
USER_SEND_PASSWORD_RESET: Final = _SERVICE.fact(
    "user.send_password_reset",
    ResetSent,
    lambda _, data: {"host": data.host, "email": data.email, "user": data.name or data.user},
)

TYPES: Final = (
    USER_CREATE,
    USER_UPDATE,
    USER_UPDATE_TAGS,
    USER_UPDATE_IDENTITY,
    USER_UPDATE_OWNER,
    USER_UPDATE_SECRET,
    USER_RESET_SECRET,
    USER_REMOVE,
    USER_VIEW,
    USER_VIEW_PROFILE,
    USER_LIST,
    USER_LIST_BY_GROUP,
    USER_IDENTIFY,
    USER_ISSUE_TOKEN,
    USER_REFRESH_TOKEN,
    USER_GENERATE_RESET_TOKEN,
    USER_SEND_PASSWORD_RESET,
    *GROUPING.types,
)
