"""Events → tables. The only code that writes the tables of this room."""

from collections.abc import Iterable
from typing import Final

import msgspec

from blazon.entity import by_name, text_of
from blazon.grouping import appliers_of
from blazon.log import Record
from blazon.storage import Statement
from blazon.things import events
from blazon.things.events import ThingState

__all__ = ["APPLIERS"]

_CREATE = (
    "INSERT INTO things (id, name, identity, key, key_hash, tags, owner, metadata, status, created_at, updated_at,"
    " updated_by, revision) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, '', ?)"
)
_CHANGE = (
    "UPDATE things SET name = ?, identity = ?, key = ?, key_hash = ?, tags = ?, owner = ?, metadata = ?, status = ?,"
    " updated_at = ?, updated_by = ?, revision = ? WHERE id = ?"
)

_json = msgspec.json.Encoder().encode


def _create(record: Record, state: ThingState) -> Iterable[Statement]:
    yield Statement(
        _CREATE,
        (
            state.id,
            state.name,
            state.identity,
            state.key,
            state.key_hash,
            _json(state.tags).decode(),
            state.owner,
            text_of(state.metadata),
            state.status.value,
            record.time,
            record.sequence,
        ),
    )


def _change(record: Record, state: ThingState) -> Iterable[Statement]:
    yield Statement(
        _CHANGE,
        (
            state.name,
            state.identity,
            state.key,
            state.key_hash,
            _json(state.tags).decode(),
            state.owner,
            text_of(state.metadata),
            state.status.value,
            record.time,
            record.actor,
            record.sequence,
            state.id,
        ),
    )


APPLIERS: Final = by_name(
    {
        events.THING_CREATE: _create,
        events.THING_UPDATE: _change,
        events.THING_UPDATE_TAGS: _change,
        events.THING_UPDATE_SECRET: _change,
        events.THING_UPDATE_OWNER: _change,
        events.THING_REMOVE: _change,
        **appliers_of(events.GROUPING),
    }
)
"""By service and type."""
