"""What a policy can allow."""

from enum import StrEnum
from typing import Final

__all__ = ["ACTIONS", "Action", "expanded", "mask_of"]


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
