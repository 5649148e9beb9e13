"""What can happen in this room: stream `mainflux.users`, CloudEvents of source `/blazon/users`.

The names and fields are those of the users chapter of the event document, as settled by decisions A1 to A10. Data is
the complete change; a state struct is the whole row after it. `created_at` 0 in a state means: with this very event.
"""

from typing import Any, Final

import msgspec

from blazon.clock import rfc3339
from blazon.log import EventType, Fields, Kind, Record
from blazon.users.models import Action, Role, Status

__all__ = [
    "GROUP_CREATE",
    "GROUP_LIST",
    "GROUP_LIST_BY_USER",
    "GROUP_REMOVE",
    "GROUP_UPDATE",
    "GROUP_VIEW",
    "POLICY_ADD",
    "POLICY_AUTHORIZE",
    "POLICY_DELETE",
    "POLICY_LIST",
    "POLICY_UPDATE",
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
    "Authorized",
    "GroupSeen",
    "GroupState",
    "Listed",
    "PolicyState",
    "ResetAsked",
    "ResetSent",
    "SignedIn",
    "UserSeen",
    "UserState",
    "state_of_group",
    "state_of_user",
]

SERVICE: Final = "users"


class UserState(msgspec.Struct, frozen=True, kw_only=True):
    """A user after a change. `secret` is sealed."""

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


class GroupState(msgspec.Struct, frozen=True, kw_only=True):
    """A group after a change."""

    id: str
    owner: str
    name: str
    description: str
    parent: str
    metadata: msgspec.Raw
    status: Status
    created_at: int = 0


class GroupSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A group as a reader saw it."""

    id: str
    owner: str
    name: str
    description: str
    parent: str
    metadata: msgspec.Raw
    status: Status
    created_at: int
    updated_at: int
    updated_by: str


class PolicyState(msgspec.Struct, frozen=True, kw_only=True):
    """A policy after a change, or as it was when it was deleted."""

    subject: str
    object: str
    actions: tuple[Action, ...]
    owner: str
    created_at: int = 0


class SignedIn(msgspec.Struct, frozen=True):
    """Tokens were issued to a user. They are made of the record: of its id, its time and this."""

    user: str
    identity: str
    epoch: int


class ResetAsked(msgspec.Struct, frozen=True):
    """Somebody asked to set a new password. `host` is the origin of the page the mail will link to."""

    user: str
    name: str
    email: str
    host: str
    epoch: int


class ResetSent(msgspec.Struct, frozen=True):
    """The mail with the link was handed to the mail server."""

    user: str
    name: str
    email: str
    host: str


class Identified(msgspec.Struct, frozen=True):
    """Another service asked whose token it holds."""

    user: str


class Authorized(msgspec.Struct, frozen=True):
    """Somebody asked whether an access is allowed, and it is."""

    entity_type: str
    subject: str
    object: str
    action: str


class Listed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A list was read: its size, the page, and the filters that were used, by their wire names."""

    total: int
    offset: int
    limit: int
    filters: dict[str, str] = {}


def state_of_user(user: Any, **changes: Any) -> UserState:
    """The state of a user with some changes."""
    fields = {name: getattr(user, name) for name in UserState.__struct_fields__}
    return UserState(**{**fields, **changes})


def state_of_group(group: Any, **changes: Any) -> GroupState:
    """The state of a group with some changes."""
    fields = {name: getattr(group, name) for name in GroupState.__struct_fields__}
    return GroupState(**{**fields, **changes})


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


def _group(data: GroupState | GroupSeen) -> Fields:
    return {
        "id": data.id,
        "owner": data.owner,
        "parent": data.parent,
        "name": data.name,
        "description": data.description,
        "metadata": data.metadata,
        "status": data.status.value,
    }


def _policy(data: PolicyState) -> Fields:
    return {
        "owner_id": data.owner,
        "subject": data.subject,
        "object": data.object,
        "actions": tuple(action.value for action in data.actions),
    }


def _stamps(record: Record, created_at: int) -> Fields:
    """When it was made, and, if that was before this event, when and by whom it was changed: now."""
    if created_at == 0:
        return {"created_at": rfc3339(record.time)}
    return {
        "created_at": rfc3339(created_at),
        "updated_at": rfc3339(record.time),
        "updated_by": record.actor,
    }


def _user_changed(record: Record, data: UserState) -> Fields:
    return {**_user(data), **_stamps(record, data.created_at)}


def _group_changed(record: Record, data: GroupState) -> Fields:
    return {**_group(data), **_stamps(record, data.created_at)}


def _policy_changed(record: Record, data: PolicyState) -> Fields:
    return {**_policy(data), **_stamps(record, data.created_at)}


def _seen_stamps(data: UserSeen | GroupSeen) -> Fields:
    fields: Fields = {"created_at": rfc3339(data.created_at)}
    if data.updated_at:
        fields["updated_at"] = rfc3339(data.updated_at)
        fields["updated_by"] = data.updated_by
    return fields


def _user_seen(_: Record, data: UserSeen) -> Fields:
    return {**_user(data), **_seen_stamps(data)}


def _group_seen(_: Record, data: GroupSeen) -> Fields:
    return {**_group(data), **_seen_stamps(data)}


def _status(record: Record, data: UserState | GroupState) -> Fields:
    return {
        "id": data.id,
        "status": data.status.value,
        "updated_at": rfc3339(record.time),
        "updated_by": record.actor,
    }


def _listed(_: Record, data: Listed) -> Fields:
    return {"total": data.total, "offset": data.offset, "limit": data.limit, **data.filters}


def _fact(name: str, data: type[Any], fields: Any) -> EventType[Any]:
    return EventType(SERVICE, name, Kind.FACT, data, fields)


def _observation(name: str, data: type[Any], fields: Any) -> EventType[Any]:
    return EventType(SERVICE, name, Kind.OBSERVATION, data, fields)


USER_CREATE: Final = _fact("user.create", UserState, _user_changed)
USER_UPDATE: Final = _fact("user.update", UserState, _user_changed)
USER_UPDATE_TAGS: Final = _fact("user.update_tags", UserState, _user_changed)
USER_UPDATE_IDENTITY: Final = _fact("user.update_identity", UserState, _user_changed)
USER_UPDATE_OWNER: Final = _fact("user.update_owner", UserState, _user_changed)
USER_UPDATE_SECRET: Final = _fact("user.update_secret", UserState, _user_changed)
USER_RESET_SECRET: Final = _fact("user.reset_secret", UserState, _user_changed)
USER_REMOVE: Final = _fact("user.remove", UserState, _status)
USER_VIEW: Final = _observation("user.view", UserSeen, _user_seen)
USER_VIEW_PROFILE: Final = _observation("user.view_profile", UserSeen, _user_seen)
USER_LIST: Final = _observation("user.list", Listed, _listed)
USER_LIST_BY_GROUP: Final = _observation("user.list_by_group", Listed, _listed)
USER_IDENTIFY: Final = _observation("user.identify", Identified, lambda _, data: {"user_id": data.user})
USER_ISSUE_TOKEN: Final = _fact("user.issue_token", SignedIn, lambda _, data: {"identity": data.identity})
USER_REFRESH_TOKEN: Final = _fact("user.refresh_token", SignedIn, lambda _, data: {"identity": data.identity})
USER_GENERATE_RESET_TOKEN: Final = _fact(
    "user.generate_reset_token", ResetAsked, lambda _, data: {"email": data.email, "host": data.host}
)
USER_SEND_PASSWORD_RESET: Final = _fact(
    "user.send_password_reset",
    ResetSent,
    lambda _, data: {"host": data.host, "email": data.email, "user": data.name or data.user},
)
GROUP_CREATE: Final = _fact("group.create", GroupState, _group_changed)
GROUP_UPDATE: Final = _fact("group.update", GroupState, _group_changed)
GROUP_REMOVE: Final = _fact("group.remove", GroupState, _status)
GROUP_VIEW: Final = _observation("group.view", GroupSeen, _group_seen)
GROUP_LIST: Final = _observation("group.list", Listed, _listed)
GROUP_LIST_BY_USER: Final = _observation("group.list_by_user", Listed, _listed)
POLICY_ADD: Final = _fact("policies.add", PolicyState, _policy_changed)
POLICY_UPDATE: Final = _fact("policies.update", PolicyState, _policy_changed)
POLICY_DELETE: Final = _fact("policies.delete", PolicyState, lambda _, data: _policy(data))
POLICY_AUTHORIZE: Final = _observation(
    "policies.authorize",
    Authorized,
    lambda _, data: {
        "entity_type": data.entity_type,
        "subject": data.subject,
        "object": data.object,
        "actions": data.action,
    },
)
POLICY_LIST: Final = _observation("policies.list", Listed, _listed)

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
    GROUP_CREATE,
    GROUP_UPDATE,
    GROUP_REMOVE,
    GROUP_VIEW,
    GROUP_LIST,
    GROUP_LIST_BY_USER,
    POLICY_ADD,
    POLICY_UPDATE,
    POLICY_DELETE,
    POLICY_AUTHORIZE,
    POLICY_LIST,
)
