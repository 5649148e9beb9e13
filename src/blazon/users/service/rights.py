"""Who may do what to whom (fact sheet §9).

Each question answers with what it rests on: the revisions of the users, groups and policies that were read, for the
decision to name. What a caller may not know of is NotFound; what it may see but not change is Forbidden.
"""

from typing import Final

from blazon.caller import Caller
from blazon.errors import Forbidden, NotFound, PreconditionFailed, Unauthenticated
from blazon.users.models import GROUP, POLICY, USER, Action, Group, Policy, Principal, Role, User
from blazon.users.principals import Principals
from blazon.users.store import Store

__all__ = ["Basis", "Rights", "expect"]

Basis = dict[str, int]
"""Subjects and the revisions a decision rests on."""

_NO_USER: Final = "there is no user with this id"
_NO_GROUP: Final = "there is no group with this id"


def expect(caller: Caller, revision: int) -> None:
    """Honours If-Match. Raises PreconditionFailed."""
    if caller.expected and revision not in caller.expected:
        raise PreconditionFailed(f'it has changed: its ETag is "{revision}" now; read it again')


class Rights:
    """Answers who may do what."""

    def __init__(self, store: Store, principals: Principals) -> None:
        self._store = store
        self._principals = principals

    async def caller(self, caller: Caller) -> tuple[Principal, Basis]:
        """Who asks, as it stands now. Raises Unauthenticated when nobody does, or the sign-in is over."""
        if caller.anonymous:
            raise Unauthenticated("sign in, and send the access token as Authorization: Bearer <token>")
        principal = await self._principals.standing(caller.id, caller.session, caller.epoch)
        return principal, {USER.of(principal.id): principal.revision}

    async def user(self, caller: Caller, identifier: str, action: Action, *, shared: bool = True) -> tuple[User, Basis]:
        """A user the caller may do `action` to: itself, as admin, as owner, or, if `shared`, through a shared group.

        An admin is changed by admins only: else whoever owns one, or draws one into a group, could take its place.
        """
        principal, basis = await self.caller(caller)
        user = await self._store.user(identifier)
        if user is None:
            raise NotFound(_NO_USER)
        basis[USER.of(user.id)] = user.revision
        if principal.admin or principal.id == user.id:
            return user, basis
        if user.role is Role.ADMIN and action is not Action.C_LIST:
            await self.user(caller, identifier, Action.C_LIST)
            raise Forbidden("only an admin changes an admin")
        if principal.id == user.owner:
            return user, basis
        found = await self._store.shared_group(principal.id, user.id, action) if shared else None
        if found is None:
            visible = await self._store.shared_group(principal.id, user.id, Action.C_LIST)
            way = f", or {action} in a group it was put into by those" if shared else ""
            raise (
                Forbidden(f"this takes the user itself, its owner or an admin{way}") if visible else NotFound(_NO_USER)
            )
        group, mine, theirs = found
        basis[POLICY.of(principal.id, group)] = mine
        basis[POLICY.of(user.id, group)] = theirs
        return user, basis

    async def group(self, caller: Caller, identifier: str, action: Action) -> tuple[Group, Basis]:
        """A group the caller may do `action` to: as admin, as owner, or by a policy on it."""
        principal, basis = await self.caller(caller)
        group = await self._store.group(identifier)
        if group is None:
            raise NotFound(_NO_GROUP)
        basis[GROUP.of(group.id)] = group.revision
        if principal.admin or group.owner == principal.id:
            return group, basis
        policy = await self._store.policy(principal.id, group.id)
        if policy is None or (Action.G_LIST not in policy.actions and action not in policy.actions):
            raise NotFound(_NO_GROUP)
        if action not in policy.actions:
            raise Forbidden(f"this takes {action} on the group")
        basis[POLICY.of(principal.id, group.id)] = policy.revision
        return group, basis

    async def policy(self, caller: Caller, subject: str, object_: str) -> tuple[Policy | None, Basis]:
        """A policy the caller may change or delete: as admin, as its creator, or as owner of the group.

        None when there is none, which only an admin and the group's owner are told. That there is one is told to whom
        it is about, and to who may see the group.
        """
        principal, basis = await self.caller(caller)
        policy = await self._store.policy(subject, object_)
        basis[POLICY.of(subject, object_)] = 0 if policy is None else policy.revision
        if principal.admin or (policy is not None and policy.owner == principal.id):
            return policy, basis
        group = await self._store.group(object_)
        if group is not None and group.owner == principal.id:
            basis[GROUP.of(group.id)] = group.revision
            return policy, basis
        mine = await self._store.policy(principal.id, object_)
        if policy is None or mine is None or (mine != policy and Action.G_LIST not in mine.actions):
            raise NotFound("there is no such policy")
        raise Forbidden("only who made a policy, the owner of its group, or an admin may change it")
