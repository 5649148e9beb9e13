"""HTTP of this room: what stands in requests and answers, and the routes."""

from blazon.users.api.groups import GroupApi
from blazon.users.api.policies import PolicyApi
from blazon.users.api.sessions import SessionApi
from blazon.users.api.users import UserApi

__all__ = ["GroupApi", "PolicyApi", "SessionApi", "UserApi"]
