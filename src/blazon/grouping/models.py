"""The nouns: who asks, groups, policies, and what may be said of them.

Times are Unix nanoseconds, 0 for never. Ids are UUIDs as text. `revision` is the sequence number of the last fact.
"""

from enum import StrEnum
from typing import Final

import msgspec

from blazon.entity import Status

__all__ = [
    "ACTIONS",
    "Action",
    "Group",
    "Placed",
    "Policy",
    "Principal",
    "Role",
    "expanded",
    "mask_of",
]


class Role(StrEnum):
    """What a user is to the whole system."""

    USER = "user"
    PKI = "pki"
    """Manages certificate authorities, certificates and devices."""
    ADMIN = "admin"


class Action(StrEnum):
    """What a policy allows. `g_` is on the group itself, `c_` on its members, `m_` on messages of a channel."""

    G_ADD = "g_add"
    G_DELETE = "g_delete"
    G_UPDATE = "g_update"
    G_LIST = "g_list"
    C_DELETE = "c_delete"
    C_UPDATE = "c_update"
    C_LIST = "c_list"
    C_SHARE = "c_share"
    M_WRITE = "m_write"
    M_READ = "m_read"


ACTIONS: Final = tuple(Action)
_BITS: Final[dict[str, int]] = {action: 1 << bit for bit, action in enumerate(ACTIONS)}


def mask_of(*actions: str) -> int:
    """The actions as a number with a bit for each, which SQL can test."""
    mask = 0
    for action in actions:
        mask |= _BITS[action]
    return mask


def expanded(actions: tuple[Action, ...]) -> tuple[Action, ...]:
    """The actions with those they imply: any `c_` may list members and the group, any `g_` may list the group.

    Order is kept, doubles are left out (fact sheet §9.2).
    """
    implied: list[Action] = []
    if any(action.startswith("c_") for action in actions):
        implied += [Action.C_LIST, Action.G_LIST]
    if any(action.startswith("g_") for action in actions):
        implied.append(Action.G_LIST)
    return tuple(dict.fromkeys((*actions, *implied)))


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """A user as far as access needs to know it."""

    id: str
    identity: str
    status: Status
    role: Role
    epoch: int
    kept: str
    revision: int

    @property
    def admin(self) -> bool:
        """Whether it may do everything."""
        return self.role is Role.ADMIN

    @property
    def pki(self) -> bool:
        """Whether it manages certificate authorities, certificates and devices (decision C13)."""
        return self.role in (Role.PKI, Role.ADMIN)

    @property
    def enabled(self) -> bool:
        """Whether it may do anything."""
        return self.status is Status.ENABLED


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
