"""Who can be put into a group, and whether a user may do something (fact sheet §9.2, §9.4)."""

from typing import Final

from blazon.access import Action, Principal
from blazon.caller import Caller
from blazon.errors import Forbidden, Malformed, NotFound
from blazon.grouping import Authorized, GroupStore, check_policy
from blazon.log import Basis, Log
from blazon.users.events import GROUPING
from blazon.users.principals import Principals
from blazon.users.service.rights import Rights
from blazon.users.store import Store

__all__ = ["Authorizer", "UserMembers"]

_ENTITIES: Final = ("client", "group", "thing")
"""What an action can be done to. Of things this room knows only that an admin may do everything to them."""


class UserMembers:
    """The members of a group of users are users; whoever may add to the group may add any of them."""

    def __init__(self, rights: Rights) -> None:
        self._rights = rights

    async def may_join(self, caller: Caller, principal: Principal, subject: str, *, subject_is_user: bool) -> Basis:
        """That there is such a user. Raises NotFound."""
        try:
            return await self._rights.existing(subject)
        except NotFound:
            raise NotFound("the subject is not a user") from None


class Authorizer:
    """Answers whether a user may do something to a user or a group."""

    def __init__(self, log: Log, store: Store, groups: GroupStore, principals: Principals) -> None:
        self._log = log
        self._store = store
        self._groups = groups
        self._principals = principals

    async def authorize(self, caller: Caller, subject: str, object_: str, action: Action, entity_type: str) -> None:
        """Whether a user may do something to a user (`client`) or a group (`group`). Raises Forbidden when not."""
        check_policy(subject, object_, (action,))
        if entity_type not in _ENTITIES:
            raise Malformed('malformed policy: entity_type must be "client", "group" or "thing"')
        principal = await self._principals.get(subject)
        if principal is None or not principal.enabled:
            raise Forbidden("the subject is unknown or disabled")
        if not principal.admin and not await self._allowed(subject, object_, action, entity_type):
            raise Forbidden(f"the subject may not {action} this {entity_type}")
        authorized = Authorized(entity_type, subject, object_, action.value)
        self._log.observe(caller, GROUPING.policy_authorize.event(f"{entity_type}:{object_}", authorized))

    async def _allowed(self, subject: str, object_: str, action: Action, entity_type: str) -> bool:
        if entity_type == "client":
            user = await self._store.user(object_)
            if user is not None and user.owner == subject:
                return True
            return await self._store.shared_group(subject, object_, action) is not None
        if entity_type == "group":
            group = await self._groups.group(object_)
            if group is None:
                return False
            if group.owner == subject:
                return True
            policy = await self._groups.policy(subject, object_)
            return policy is not None and action in policy.actions
        return False
