"""What the rooms above ask about users."""

from typing import Final

from blazon.access import Action, Principal
from blazon.caller import Caller
from blazon.clock import NANOSECONDS
from blazon.log import Basis, Log
from blazon.users import events
from blazon.users.events import Identified
from blazon.users.models import USER
from blazon.users.principals import Principals
from blazon.users.service.rights import Rights

__all__ = ["People"]

_IDENTIFIED_EVERY: Final = 60 * NANOSECONDS
_IDENTIFIED_REMEMBERED: Final = 100_000


class People:
    """Users, for the rooms above. What an answer rests on comes with it: subjects and their revisions."""

    def __init__(self, log: Log, principals: Principals, rights: Rights) -> None:
        self._log = log
        self._principals = principals
        self._rights = rights
        self._identified: dict[str, int] = {}

    async def caller(self, caller: Caller) -> tuple[Principal, Basis]:
        """Who asks another service. Raises Unauthenticated when nobody does, or the sign-in is over."""
        principal, basis = await self._rights.caller(caller)
        self.identify(caller)
        return principal, basis

    def identify(self, caller: Caller) -> None:
        """Notes that another service found out whose token it holds, once a minute for each sign-in (decision A18)."""
        now = self._log.clock.now()
        if 0 <= now - self._identified.get(caller.session, 0) < _IDENTIFIED_EVERY:
            return
        if len(self._identified) >= _IDENTIFIED_REMEMBERED:
            self._identified.clear()
        self._identified[caller.session] = now
        self._log.observe(caller, events.USER_IDENTIFY.event(USER.of(caller.id), Identified(caller.id)))

    async def get(self, identifier: str) -> Principal | None:
        """The user with an id, as it stands now."""
        return await self._principals.get(identifier)

    async def existing(self, identifier: str) -> Basis:
        """That there is a user with this id. Raises NotFound."""
        return await self._rights.existing(identifier)

    async def may_share(self, caller: Caller, identifier: str) -> Basis:
        """That the caller may connect a user to something: it is itself, its owner, an admin, or has `c_share` on it.

        Raises NotFound and Forbidden.
        """
        _, basis = await self._rights.user(caller, identifier, Action.C_SHARE)
        return basis
