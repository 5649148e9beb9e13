"""The questions devices and gateways ask: whose key is this, and may it do that (fact sheet §9.5)."""

from typing import Final

from blazon.access import Action
from blazon.caller import Caller
from blazon.entity import rules
from blazon.errors import Forbidden, Malformed, Unauthenticated
from blazon.grouping import Authorized, GroupRights
from blazon.log import Log
from blazon.things.access import Access, Verdict
from blazon.things.events import GROUPING, THING_IDENTIFY, ThingIdentified
from blazon.things.models import THING
from blazon.things.service.rights import Rights
from blazon.users import People

__all__ = ["Decisions"]

_ENTITIES: Final = ("thing", "client", "group")
"""`thing`: who has a key may do it on a channel. `client`: a user to a thing. `group`: either to a channel."""


class Decisions:
    """Answers from memory."""

    def __init__(self, log: Log, access: Access, people: People, rights: Rights, channel_rights: GroupRights) -> None:
        self._log = log
        self._access = access
        self._people = people
        self._rights = rights
        self._channel_rights = channel_rights

    def is_current(self) -> bool:
        """Whether `identify` and `authorize_thing` may answer; else call `current` before them."""
        return self._log.is_current()

    async def current(self) -> None:
        """Brings memory up to date with what others recorded. Raises Unavailable."""
        await self._log.current()

    def identify(self, caller: Caller, key: str) -> str:
        """The id of the thing a key belongs to. Raises Unauthenticated. Needs `is_current`."""
        if not key:
            raise Unauthenticated("missing or invalid thing key: send Authorization: Thing <key>")
        thing = self._access.identify(key)
        if thing is None:
            raise Unauthenticated("no enabled thing has this key")
        self._log.observe(caller, THING_IDENTIFY.event(THING.of(thing), ThingIdentified(thing)))
        return thing

    async def authorize(self, caller: Caller, subject: str, object_: str, action: Action, entity_type: str) -> str:
        """Allows an access, and answers the id of the thing when the subject is a key. Raises Forbidden when not."""
        verdict = await self._verdict(subject, object_, action, entity_type)
        self._allow(caller, verdict, Authorized(entity_type, verdict.thing or subject, object_, action.value))
        return verdict.thing

    def authorize_thing(self, caller: Caller, key: str, channel: str, action: Action) -> str:
        """As `authorize`, for the thing with a key. Needs `is_current`."""
        verdict = self._verdict_of_key(key, channel, action)
        self._allow(caller, verdict, Authorized("thing", verdict.thing, channel, action.value))
        return verdict.thing

    def _allow(self, caller: Caller, verdict: Verdict, access: Authorized) -> None:
        if not verdict.allowed:
            # Anybody may ask, so the reason is kept for those who may see the channel or the thing: `explain`.
            raise Forbidden(f"the subject may not {access.action} this; who may see it can ask why: .../access/explain")
        self._log.observe(caller, GROUPING.policy_authorize.event(f"{access.entity_type}:{access.object}", access))

    async def explain(self, caller: Caller, subject: str, object_: str, action: Action, entity_type: str) -> Verdict:
        """Why an access is allowed, or the nearest reason why not, for who may see the channel (`client`: the thing).

        A thing is named by its key or by its id. Nothing is recorded: nobody got access.
        """
        if entity_type == "client":
            await self._rights.thing(caller, object_, Action.C_LIST)
        else:
            await self._channel_rights.group(caller, object_, Action.G_LIST)
        verdict = await self._verdict(subject, object_, action, entity_type)
        if entity_type == "thing" and not verdict.thing:
            by_id = self._access.by_id(subject, object_, action)
            return by_id if by_id.thing else Verdict(allowed=False, reason="no thing has this key or id")
        return verdict

    async def _verdict(self, subject: str, object_: str, action: Action, entity_type: str) -> Verdict:
        await self._log.current()
        if entity_type == "thing":
            return self._verdict_of_key(subject, object_, action)
        _check(subject, object_)
        if entity_type not in _ENTITIES:
            raise Malformed('malformed policy: entity_type must be "thing", "client" or "group"')
        principal = await self._people.get(subject)
        if principal is not None and not principal.enabled:
            return Verdict(allowed=False, reason="the subject is disabled")
        if principal is not None and principal.admin:
            return Verdict(allowed=True, reason="the subject is an admin")
        if entity_type == "client":
            return await self._rights.verdict(subject, object_, action)
        return self._access.of_user(subject, object_, action)

    def _verdict_of_key(self, key: str, channel: str, action: Action) -> Verdict:
        _check(key, channel)
        return self._access.by_key(key, channel, action)


def _check(subject: str, object_: str) -> None:
    if not subject:
        raise Malformed("malformed policy subject: it is missing")
    rules.check_id("malformed policy: object", object_)
