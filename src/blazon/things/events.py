"""What can happen in this room: stream `mainflux.things`, CloudEvents of source `/blazon/things`.

The names and fields are those of the things chapter of the event document, as settled by decisions A1 to A10. Data is
the complete change; a state struct is the whole row after it. `created_at` 0 in a state means: with this very event.
"""

from typing import Final

import msgspec

from blazon.entity import Status, seen_stamps, stamps, status_fields
from blazon.grouping import Grouping
from blazon.listing import Listed, listed_fields
from blazon.log import Fields, Record, Service
from blazon.things.models import CHANNEL, POLICY

__all__ = [
    "GROUPING",
    "THING_CREATE",
    "THING_IDENTIFY",
    "THING_LIST",
    "THING_LIST_BY_CHANNEL",
    "THING_REMOVE",
    "THING_UPDATE",
    "THING_UPDATE_OWNER",
    "THING_UPDATE_SECRET",
    "THING_UPDATE_TAGS",
    "THING_VIEW",
    "TYPES",
    "ThingIdentified",
    "ThingSeen",
    "ThingState",
]

_SERVICE: Final = Service("things")

GROUPING: Final = Grouping(
    _SERVICE, noun="channel", member="thing", by_member="channel.list_by_thing", group=CHANNEL, policy=POLICY
)
"""Channels, and what things and users may do in them."""


class ThingState(msgspec.Struct, frozen=True, kw_only=True):
    """A thing after a change. `key` is sealed, `key_hash` keyed."""

    id: str
    name: str
    identity: str
    key: str
    key_hash: str
    tags: tuple[str, ...]
    owner: str
    metadata: msgspec.Raw
    status: Status
    created_at: int = 0


class ThingSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A thing as a reader saw it."""

    id: str
    name: str
    identity: str
    tags: tuple[str, ...]
    owner: str
    metadata: msgspec.Raw
    status: Status
    created_at: int
    updated_at: int
    updated_by: str


class ThingIdentified(msgspec.Struct, frozen=True):
    """Somebody asked whose key it holds."""

    thing: str


def _thing(data: ThingState | ThingSeen) -> Fields:
    return {
        "id": data.id,
        "name": data.name,
        "tags": data.tags,
        "owner": data.owner,
        "identity": data.identity,
        "metadata": data.metadata,
        "status": data.status.value,
    }


def _changed(record: Record, data: ThingState) -> Fields:
    return {**_thing(data), **stamps(record, data.created_at)}


THING_CREATE: Final = _SERVICE.fact("thing.create", ThingState, _changed)
THING_UPDATE: Final = _SERVICE.fact("thing.update", ThingState, _changed)
THING_UPDATE_TAGS: Final = _SERVICE.fact("thing.update_tags", ThingState, _changed)
THING_UPDATE_SECRET: Final = _SERVICE.fact("thing.update_secret", ThingState, _changed)
THING_UPDATE_OWNER: Final = _SERVICE.fact("thing.update_owner", ThingState, _changed)
THING_REMOVE: Final = _SERVICE.fact("thing.remove", ThingState, status_fields)
THING_VIEW: Final = _SERVICE.observation("thing.view", ThingSeen, lambda _, data: {**_thing(data), **seen_stamps(data)})
THING_LIST: Final = _SERVICE.observation("thing.list", Listed, listed_fields)
THING_LIST_BY_CHANNEL: Final = _SERVICE.observation("thing.list_by_channel", Listed, listed_fields)
THING_IDENTIFY: Final = _SERVICE.observation(
    "thing.identify", ThingIdentified, lambda _, data: {"thing_id": data.thing}
)

TYPES: Final = (
    THING_CREATE,
    THING_UPDATE,
    THING_UPDATE_TAGS,
    THING_UPDATE_SECRET,
    THING_UPDATE_OWNER,
    THING_REMOVE,
    THING_VIEW,
    THING_LIST,
    THING_LIST_BY_CHANNEL,
    THING_IDENTIFY,
    *GROUPING.types,
)
