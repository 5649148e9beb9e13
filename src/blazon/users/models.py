"""The nouns of this room: users, and where groups and policies are kept.

Times are Unix nanoseconds, 0 for never. Ids are UUIDs as text. `revision` is the sequence number of the last fact.
"""

from typing import Final

import msgspec

from blazon.access import Role
from blazon.entity import Status
from blazon.log import SubjectKind

__all__ = ["GROUP", "POLICY", "USER", "User"]

USER: Final = SubjectKind("user", "users")
GROUP: Final = SubjectKind("group", "groups")
POLICY: Final = SubjectKind("user-policy", "user_policies", ("subject", "object"))


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A person or a program that signs in.

    `compared` is the identity in the form in which two are compared; it is empty when an older Blazon, which did not
    compare, recorded the user last. `secret` is the sealed password hash. `epoch` counts what ended the user's
    sign-ins, a change of the secret or being disabled: tokens of an earlier epoch are over, but for those of the
    sign-in `kept`, which changed the secret.
    """

    id: str
    name: str
    identity: str
    compared: str
    secret: str
    tags: tuple[str, ...]
    owner: str
    metadata: msgspec.Raw
    status: Status
    role: Role
    created_at: int
    updated_at: int
    updated_by: str
    epoch: int
    kept: str
    revision: int
