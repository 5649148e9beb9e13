"""Events → tables. The only code that writes the tables of this room."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from blazon.log import Apply, EventType, Record
from blazon.storage import Statement
from blazon.users import events
from blazon.users.events import GroupState, PolicyState, UserState
from blazon.users.models import mask_of

__all__ = ["APPLIERS"]

_USER_CREATE = (
    "INSERT INTO users (id, name, identity, secret, tags, owner, metadata, status, role, created_at, updated_at,"
    " updated_by, epoch, kept, revision) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, '', ?, ?, ?)"
)
_USER_CHANGE = (
    "UPDATE users SET name = ?, identity = ?, secret = ?, tags = ?, owner = ?, metadata = ?, status = ?, role = ?,"
    " updated_at = ?, updated_by = ?, epoch = ?, kept = ?, revision = ? WHERE id = ?"
)
_GROUP_CREATE = (
    "INSERT INTO groups (id, owner, name, description, parent, metadata, status, created_at, updated_at, updated_by,"
    " revision) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, '', ?)"
)
_GROUP_CHANGE = (
    "UPDATE groups SET owner = ?, name = ?, description = ?, parent = ?, metadata = ?, status = ?, updated_at = ?,"
    " updated_by = ?, revision = ? WHERE id = ?"
)
_POLICY_ADD = (
    "INSERT INTO user_policies (subject, object, actions, mask, owner, created_at, updated_at, updated_by, revision)"
    " VALUES (?, ?, ?, ?, ?, ?, 0, '', ?)"
)
_POLICY_CHANGE = (
    "UPDATE user_policies SET actions = ?, mask = ?, updated_at = ?, updated_by = ?, revision = ?"
    " WHERE subject = ? AND object = ?"
)
_POLICY_DELETE = "DELETE FROM user_policies WHERE subject = ? AND object = ?"

_json = msgspec.json.Encoder().encode


def _text(raw: msgspec.Raw) -> str:
    return bytes(raw).decode()


def _create_user(record: Record, state: UserState) -> Iterable[Statement]:
    yield Statement(
        _USER_CREATE,
        (
            state.id,
            state.name,
            state.identity,
            state.secret,
            _json(state.tags).decode(),
            state.owner,
            _text(state.metadata),
            state.status.value,
            state.role.value,
            record.time,
            state.epoch,
            state.kept,
            record.sequence,
        ),
    )


def _change_user(record: Record, state: UserState) -> Iterable[Statement]:
    yield Statement(
        _USER_CHANGE,
        (
            state.name,
            state.identity,
            state.secret,
            _json(state.tags).decode(),
            state.owner,
            _text(state.metadata),
            state.status.value,
            state.role.value,
            record.time,
            record.actor,
            state.epoch,
            state.kept,
            record.sequence,
            state.id,
        ),
    )


def _create_group(record: Record, state: GroupState) -> Iterable[Statement]:
    yield Statement(
        _GROUP_CREATE,
        (
            state.id,
            state.owner,
            state.name,
            state.description,
            state.parent,
            _text(state.metadata),
            state.status.value,
            record.time,
            record.sequence,
        ),
    )


def _change_group(record: Record, state: GroupState) -> Iterable[Statement]:
    yield Statement(
        _GROUP_CHANGE,
        (
            state.owner,
            state.name,
            state.description,
            state.parent,
            _text(state.metadata),
            state.status.value,
            record.time,
            record.actor,
            record.sequence,
            state.id,
        ),
    )


def _add_policy(record: Record, state: PolicyState) -> Iterable[Statement]:
    if state.created_at:  # added again: the actions are replaced, owner and creation stay (fact sheet §9.2)
        yield from _change_policy(record, state)
        return
    yield Statement(
        _POLICY_ADD,
        (
            state.subject,
            state.object,
            ",".join(state.actions),
            mask_of(*state.actions),
            state.owner,
            record.time,
            record.sequence,
        ),
    )


def _change_policy(record: Record, state: PolicyState) -> Iterable[Statement]:
    yield Statement(
        _POLICY_CHANGE,
        (
            ",".join(state.actions),
            mask_of(*state.actions),
            record.time,
            record.actor,
            record.sequence,
            state.subject,
            state.object,
        ),
    )


def _delete_policy(_: Record, state: PolicyState) -> Iterable[Statement]:
    yield Statement(_POLICY_DELETE, (state.subject, state.object))


_BY_TYPE: Final[dict[EventType[Any], Apply]] = {
    events.USER_CREATE: _create_user,
    events.USER_UPDATE: _change_user,
    events.USER_UPDATE_TAGS: _change_user,
    events.USER_UPDATE_IDENTITY: _change_user,
    events.USER_UPDATE_OWNER: _change_user,
    events.USER_UPDATE_SECRET: _change_user,
    events.USER_RESET_SECRET: _change_user,
    events.USER_REMOVE: _change_user,
    events.GROUP_CREATE: _create_group,
    events.GROUP_UPDATE: _change_group,
    events.GROUP_REMOVE: _change_group,
    events.POLICY_ADD: _add_policy,
    events.POLICY_UPDATE: _change_policy,
    events.POLICY_DELETE: _delete_policy,
}

APPLIERS: Final[dict[tuple[str, str], Apply]] = {
    (declared.service, declared.name): apply for declared, apply in _BY_TYPE.items()
}
"""By service and type. A fact without an applier, such as `user.issue_token`, changes no table."""
