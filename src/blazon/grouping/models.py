"""The nouns: groups and policies.

Times are Unix nanoseconds, 0 for never. Ids are UUIDs as text. `revision` is the sequence number of the last fact.
"""

import msgspec

from blazon.access import Action
from blazon.entity import Status

__all__ = ["Group", "Placed", "Policy"]


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Members that belong together. `parent` is the id of the group above, empty at the top."""

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
    revision: int


class Placed(msgspec.Struct, frozen=True):
    """A group and where it stands in a hierarchy.

    `level` 0 is where the question began, deeper is greater, higher is less; `path` is the ids from there down, joined
    by dots, empty on the way up.
    """

    group: Group
    level: int = 0
    path: str = ""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What a member (`subject`) may do in a group (`object`). `owner` is who made it."""

    subject: str
    object: str
    actions: tuple[Action, ...]
    owner: str
    created_at: int
    updated_at: int
    updated_by: str
    revision: int
