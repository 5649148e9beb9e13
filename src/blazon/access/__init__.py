"""Who asks, what a policy can allow, and whether the caller knows what it changes (If-Match).

It can say what a user is to the whole system and what an action means. It decides about no entity: the rules of who
may do what stand with the entities. Who asks travels as a `blazon.caller.Caller`, which the log records.
"""

from blazon.access.actions import ACTIONS, Action, expanded, mask_of
from blazon.access.asking import Asking
from blazon.access.if_match import expect
from blazon.access.principal import Principal, Role

__all__ = [
    "ACTIONS",
    "Action",
    "Asking",
    "Principal",
    "Role",
    "expanded",
    "expect",
    "mask_of",
]
