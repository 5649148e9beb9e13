"""Who may do what to a group and to its policies (fact sheet §9).

Each question answers with what it rests on: the revisions of the users, groups and policies that were read, for the
decision to name. What a caller may not know of is NotFound; what it may see but not change is Forbidden.
"""

from collections.abc import Collection

from blazon.access import Action, Asking, Principal
from blazon.caller import Caller
from blazon.errors import Forbidden, NotFound
from blazon.grouping.events import Grouping
from blazon.grouping.models import Group, Policy
from blazon.grouping.store import GroupStore
from blazon.log import Basis

__all__ = ["GroupRights"]


class GroupRights:
    """Answers who may do what to groups and policies."""

    def __init__(self, grouping: Grouping, store: GroupStore, asking: Asking) -> None:
        self.asking = asking
        self._grouping = grouping
        self._store = store
        self._not_yours = f"only who made a policy, the owner of its {grouping.noun}, or an admin may change it"

    async def group(self, caller: Caller, identifier: str, action: Action) -> tuple[Group, Basis]:
        """A group the caller may do `action` to: as admin, as owner, or by a policy on it."""
        principal, basis = await self.asking.caller(caller)
        noun = self._grouping.noun
        group = await self._store.group(identifier)
        if group is None:
            raise NotFound(f"there is no {noun} with this id")
        basis[self._grouping.group.of(group.id)] = group.revision
        if principal.admin or group.owner == principal.id:
            return group, basis
        policy = await self._store.policy(principal.id, group.id)
        if policy is None or (Action.G_LIST not in policy.actions and action not in policy.actions):
            raise NotFound(f"there is no {noun} with this id")
        if action not in policy.actions:
            raise Forbidden(f"this takes {action} on the {noun}")
        basis[self._grouping.policy.of(principal.id, group.id)] = policy.revision
        return group, basis

    async def policy(self, caller: Caller, subject: str, object_: str) -> tuple[Policy | None, Basis]:
        """A policy the caller may change or delete: as admin, as its creator, or as owner of the group.

        None when there is none, which only an admin and the group's owner are told. That there is one is told to whom
        it is about, and to who may see the group.
        """
        principal, basis = await self.asking.caller(caller)
        policy = await self._store.policy(subject, object_)
        basis[self._grouping.policy.of(subject, object_)] = 0 if policy is None else policy.revision
        if principal.admin or (policy is not None and policy.owner == principal.id):
            return policy, basis
        group = await self._store.group(object_)
        if group is not None and group.owner == principal.id:
            basis[self._grouping.group.of(group.id)] = group.revision
            return policy, basis
        mine = await self._store.policy(principal.id, object_)
        if policy is None or mine is None or (mine != policy and Action.G_LIST not in mine.actions):
            raise NotFound("there is no such policy")
        raise Forbidden(self._not_yours)

    async def may_replace(self, principal: Principal, object_: str, policies: Collection[Policy]) -> Basis:
        """That it may change these policies of one group, as `policy` would answer for each of them. Raises Forbidden.

        For whoever may give in the group, and so learns anyway whether there is a policy.
        """
        if principal.admin or all(policy.owner == principal.id for policy in policies):
            return {}
        group = await self._store.group(object_)
        if group is None or group.owner != principal.id:
            raise Forbidden(self._not_yours)
        return {self._grouping.group.of(group.id): group.revision}

    async def may_give(self, caller: Caller, object_: str, wanted: tuple[Action, ...]) -> tuple[Principal, Basis]:
        """An admin and the group's owner may give any action; who holds `g_add` may give what it has itself."""
        principal, basis = await self.asking.caller(caller)
        unknown = f"the object is not a {self._grouping.noun}"
        group = await self._store.group(object_)
        if group is None:
            raise NotFound(unknown)
        basis[self._grouping.group.of(group.id)] = group.revision
        if principal.admin or group.owner == principal.id:
            return principal, basis
        mine = await self._store.policy(principal.id, group.id)
        if mine is None:
            raise NotFound(unknown)
        basis[self._grouping.policy.of(principal.id, group.id)] = mine.revision
        if Action.G_ADD not in mine.actions:
            raise Forbidden(f"this takes g_add on the {self._grouping.noun}")
        beyond = [action for action in wanted if action not in mine.actions]
        if beyond:
            raise Forbidden(f"you cannot give what you do not have: {', '.join(beyond)}")
        return principal, basis
