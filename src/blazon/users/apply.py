"""Events → tables. The only code that writes the tables of this room."""

from collections.abc import Iterable
from typing import Final

import msgspec

from blazon.entity import by_name, text_of
from blazon.grouping import appliers_of
from blazon.log import Record
from blazon.storage import Statement
from blazon.users import events
from blazon.users.events import UserState
from blazon.users.identities import compared

__all__ = ["APPLIERS"]

_USER_CREATE = (
    "INSERT INTO users (id, name, identity, compared, twin, secret, tags, owner, metadata, status, role, created_at,"
    " updated_at, updated_by, epoch, kept, revision) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, '', ?, ?, ?)"
)
_USER_CHANGE = (
    "UPDATE users SET name = ?, identity = ?, compared = ?, twin = ?, secret = ?, tags = ?, owner = ?, metadata = ?,"
    " status = ?, role = ?, updated_at = ?, updated_by = ?, epoch = ?, kept = ?, revision = ? WHERE id = ?"
)
_json = msgspec.json.Encoder().encode


def _compared(state: UserState) -> tuple[str, str]:
    """The columns `compared` and `twin`, of which no two users have both the same.

    Users of one compared form whom an older Blazon let in are told apart by `twin`, which is their id.
    """
    return (state.compared, "") if state.compared else (compared(state.identity), state.id)


def _create_user(record: Record, state: UserState) -> Iterable[Statement]:
    yield Statement(
        _USER_CREATE,
        (
            state.id,
            state.name,
            state.identity,
            *_compared(state),
            state.secret,
            _json(state.tags).decode(),
            state.owner,
            text_of(state.metadata),
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
            *_compared(state),
            state.secret,
            _json(state.tags).decode(),
            state.owner,
            text_of(state.metadata),
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


APPLIERS: Final = by_name(
    {
        events.USER_CREATE: _create_user,
        events.USER_UPDATE: _change_user,
        events.USER_UPDATE_TAGS: _change_user,
        events.USER_UPDATE_IDENTITY: _change_user,
        events.USER_UPDATE_OWNER: _change_user,
        events.USER_UPDATE_SECRET: _change_user,
        events.USER_RESET_SECRET: _change_user,
        events.USER_REMOVE: _change_user,
        **appliers_of(events.GROUPING),
    }
)
"""By service and type. A fact without an applier, such as `user.issue_token`, changes no table."""
