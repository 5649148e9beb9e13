"""HTTP of this room: what stands in requests and answers, and the routes."""

from blazon.users.api.groups import GroupPage, MembershipApi
from blazon.users.api.policies import UserPolicyApi
from blazon.users.api.sessions import SessionApi
from blazon.users.api.users import UserApi

__all__ = ["GroupPage", "MembershipApi", "SessionApi", "UserApi", "UserPolicyApi"]
