"""The nouns of this room: things, and where channels and policies are kept.

Times are Unix nanoseconds, 0 for never. Ids are UUIDs as text. `revision` is the sequence number of the last fact.
"""

from typing import Final

import msgspec

from blazon.entity import Status
from blazon.log import SubjectKind

__all__ = ["CHANNEL", "POLICY", "THING", "Thing", "key_context"]

THING: Final = SubjectKind("thing", "things")
CHANNEL: Final = SubjectKind("channel", "channels")
POLICY: Final = SubjectKind("thing-policy", "thing_policies", ("subject", "object"))


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    """A device or an application that connects with a key.

    `key` is sealed; `key_hash` is the keyed hash it is found by.
    """

    id: str
    name: str
    identity: str
    key: str
    key_hash: str
    tags: tuple[str, ...]
    owner: str
    metadata: msgspec.Raw
    status: Status
    created_at: int
    updated_at: int
    updated_by: str
    revision: int


def key_context(thing: str) -> str:
    """What the key of a thing is sealed for."""
    return f"thing/{thing}/key"
