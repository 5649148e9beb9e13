"""Who may do what to which user (fact sheet §9).

Each question answers with what it rests on: the revisions of the users and policies that were read, for the decision
to name. What a caller may not know of is NotFound; what it may see but not change is Forbidden.
"""

from typing import Final

from blazon.access import Action, Principal, Role
from blazon.caller import Caller
from blazon.errors import Forbidden, NotFound, Unauthenticated
from blazon.log import Basis
from blazon.users.models import POLICY, USER, User
from blazon.users.principals import Principals
from blazon.users.store import Store

__all__ = ["Rights"]

_NO_USER: Final = "there is no user with this id"


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

    async def existing(self, identifier: str) -> Basis:
        """That there is a user with this id. Raises NotFound."""
        user = await self._principals.get(identifier)
        if user is None:
            raise NotFound(_NO_USER)
        return {USER.of(user.id): user.revision}
