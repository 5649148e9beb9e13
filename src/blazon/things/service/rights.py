"""Who may do what to which thing (fact sheet §9).

Each question answers with what it rests on: the revisions of the users, things and policies that were read, for the
decision to name. What a caller may not know of is NotFound; what it may see but not change is Forbidden.
"""

from typing import Final

from blazon.access import Action, Principal
from blazon.caller import Caller
from blazon.errors import Forbidden, NotFound
from blazon.log import Basis
from blazon.things.access import Verdict
from blazon.things.models import POLICY, THING, Thing
from blazon.things.store import Link, Store
from blazon.users import People

__all__ = ["Rights", "ThingMembers"]

_NO_THING: Final = "there is no thing with this id"


class Rights:
    """Answers who may do what to things."""

    def __init__(self, store: Store, people: People) -> None:
        self._store = store
        self._people = people

    async def thing(
        self, caller: Caller, identifier: str, action: Action, *, shared: bool = True
    ) -> tuple[Thing, Basis]:
        """A thing the caller may do `action` to: as admin, as owner, or, if `shared`, through a channel they share."""
        principal, basis = await self._people.caller(caller)
        thing = await self._store.thing(identifier)
        if thing is None:
            raise NotFound(_NO_THING)
        basis[THING.of(thing.id)] = thing.revision
        if principal.admin or principal.id == thing.owner:
            return thing, basis
        link = await self._link(principal.id, thing, action) if shared else None
        if link is None:
            if not await self._store.links(principal.id, thing.id, Action.C_LIST):
                raise NotFound(_NO_THING)
            way = f", or {action} on a channel it was put on by those" if shared else ""
            raise Forbidden(f"this takes the owner of the thing or an admin{way}")
        basis[POLICY.of(principal.id, link.channel)] = link.mine
        basis[POLICY.of(thing.id, link.channel)] = link.theirs
        return thing, basis

    async def verdict(self, subject: str, identifier: str, action: Action) -> Verdict:
        """Whether a user, or a thing, who is no admin may do something to a thing, by the rules of `thing`."""
        thing = await self._store.thing(identifier)
        if thing is None:
            return Verdict(allowed=False, reason=_NO_THING)
        if thing.owner == subject:
            return Verdict(allowed=True, reason="the subject owns the thing")
        link = await self._link(subject, thing, action)
        if link is not None:
            reason = f"the subject has {action} on channel {link.channel}, where the thing is"
            return Verdict(allowed=True, reason=reason)
        if await self._store.links(subject, thing.id, action):
            reason = f"the subject has {action} only on channels where neither the thing's owner nor an admin put it"
            return Verdict(allowed=False, reason=reason)
        if await self._store.links(subject, thing.id, *Action):
            return Verdict(
                allowed=False, reason=f"on no channel it shares with the thing does the subject have {action}"
            )
        return Verdict(allowed=False, reason="the subject shares no channel with the thing")

    async def _link(self, subject: str, thing: Thing, action: Action) -> Link | None:
        """A channel through which the subject may do it.

        To see each other, sharing a channel is enough. To do more it is not: who may only share a thing could put it
        on a channel of its own. Then it counts only if the thing's owner or an admin put it there.
        """
        for link in await self._store.links(subject, thing.id, action):
            if action is Action.C_LIST or link.put_by == thing.owner:
                return link
            putter = await self._people.get(link.put_by)
            if putter is not None and putter.admin:
                return link
        return None

    async def knows_key(self, caller: Caller, thing: Thing) -> bool:
        """Whether the caller may read the key of a thing it may see: it could set a new one."""
        principal, _ = await self._people.caller(caller)
        if principal.admin or principal.id == thing.owner:
            return True
        try:
            await self.thing(caller, thing.id, Action.C_UPDATE)
        except Forbidden:
            return False
        return True


class ThingMembers:
    """The members of a channel are things, and users it is shared with."""

    def __init__(self, rights: Rights, people: People) -> None:
        self._rights = rights
        self._people = people

    async def may_join(self, caller: Caller, principal: Principal, subject: str, *, subject_is_user: bool) -> Basis:
        """That there is such a thing or user and the caller owns it or may share it. Raises NotFound and Forbidden."""
        try:
            if not subject_is_user:
                return (await self._rights.thing(caller, subject, Action.C_SHARE))[1]
            if principal.admin:
                return await self._people.existing(subject)
            return await self._people.may_share(caller, subject)
        except NotFound:
            kind = "user" if subject_is_user else "thing"
            raise NotFound(f"the subject is not a {kind}") from None
