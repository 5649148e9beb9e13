"""The rules: what may happen, decided from what is there. No HTTP, no SQL text."""

from blazon.users.service.groups import Memberships
from blazon.users.service.policies import Authorizer, UserMembers
from blazon.users.service.reset_mail import ResetMail
from blazon.users.service.rights import Rights
from blazon.users.service.sessions import Sessions
from blazon.users.service.users import UserDraft, UserFilter, Users

__all__ = [
    "Authorizer",
    "Memberships",
    "ResetMail",
    "Rights",
    "Sessions",
    "UserDraft",
    "UserFilter",
    "UserMembers",
    "Users",
]
