"""The rules: what may happen, decided from what is there. No HTTP, no SQL text."""

from blazon.users.service.groups import GroupDraft, GroupFilter, Groups
from blazon.users.service.policies import Policies, PolicyFilter
from blazon.users.service.rights import Rights
from blazon.users.service.sessions import ResetMail, Sessions
from blazon.users.service.users import UserDraft, UserFilter, Users, Visibility

__all__ = [
    "GroupDraft",
    "GroupFilter",
    "Groups",
    "Policies",
    "PolicyFilter",
    "ResetMail",
    "Rights",
    "Sessions",
    "UserDraft",
    "UserFilter",
    "Users",
    "Visibility",
]
