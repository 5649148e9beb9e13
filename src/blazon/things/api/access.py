"""Whose key is this, and may it do that: over HTTP (fact sheet §4.3)."""

from collections.abc import Awaitable, Sequence

from msgspec import Struct

from blazon.access import Action
from blazon.errors import Forbidden, Malformed, NotFound, Unauthenticated
from blazon.things.service import Decisions
from blazon.web import AnyRoute, Auth, Call, NoBody, NoQuery, Reply, RouteTable, device_key

__all__ = ["AccessApi"]


class AccessBody(Struct, frozen=True):
    """Whether `subject` may do `action`. `object` is the channel of the path when it is not given.

    `entity_type` says what is asked: `thing`, whether the thing with the key `subject` may do it on a channel;
    `client`, whether the user `subject` may do it to the thing `object`; `group`, whether a user or a thing may do it
    to a channel.
    """

    subject: str | None = None
    object: str | None = None
    action: Action | None = None
    entity_type: str | None = None


class Identified(Struct, frozen=True):
    """The thing a key belongs to."""

    id: str


class Allowed(Struct, frozen=True, omit_defaults=True):
    """The access is allowed. `thing_id` is whose key it is."""

    thing_id: str = ""
    authorized: bool = False


class Explained(Struct, frozen=True, omit_defaults=True):
    """Whether an access is allowed, and why, or the nearest reason why not."""

    authorized: bool | None
    reason: str
    thing_id: str = ""


class AccessApi:
    """Handlers of the access routes."""

    def __init__(self, decisions: Decisions) -> None:
        self._decisions = decisions

    def identify_thing(self, call: Call[NoBody, NoQuery]) -> Reply | Awaitable[Reply]:
        return self._identified(call) if self._decisions.is_current() else self._identify_when_current(call)

    def _identified(self, call: Call[NoBody, NoQuery]) -> Reply:
        return Reply(200, Identified(self._decisions.identify(call.caller, device_key(call.headers))))

    async def _identify_when_current(self, call: Call[NoBody, NoQuery]) -> Reply:
        await self._decisions.current()
        return self._identified(call)

    def access_channel(self, call: Call[AccessBody, NoQuery]) -> Reply | Awaitable[Reply]:
        subject, object_, action, entity_type = _question(call)
        if entity_type != "thing" or not self._decisions.is_current():
            return self._authorize(call)  # the rights of users are in the tables
        thing = self._decisions.authorize_thing(call.caller, subject, object_, action)
        return Reply(200, Allowed(thing, authorized=True))

    async def _authorize(self, call: Call[AccessBody, NoQuery]) -> Reply:
        thing = await self._decisions.authorize(call.caller, *_question(call))
        return Reply(200, Allowed(thing, authorized=True))

    async def explain_access(self, call: Call[AccessBody, NoQuery]) -> Reply:
        verdict = await self._decisions.explain(call.caller, *_question(call))
        return Reply(200, Explained(verdict.allowed, verdict.reason, verdict.thing))

    def routes(self) -> Sequence[AnyRoute]:
        """The routes."""
        return (
            RouteTable("access", service="things")
            .post(
                "/identify",
                "Find out whose key it is",
                self.identify_thing,
                answer=Identified,
                auth=Auth.NONE,
                errors=(Unauthenticated,),
            )
            .post(
                "/channels/{id}/access",
                "Ask whether an access is allowed",
                self.access_channel,
                body=AccessBody,
                answer=Allowed,
                auth=Auth.NONE,
                errors=(Forbidden,),
            )
            .post(
                "/channels/{id}/access/explain",
                "Ask why an access is allowed, or why not",
                self.explain_access,
                body=AccessBody,
                answer=Explained,
                errors=(NotFound,),
            )
            .routes
        )


def _question(call: Call[AccessBody, NoQuery]) -> tuple[str, str, Action, str]:
    body = call.body
    if body.action is None:
        raise Malformed("malformed policy actions: action is missing")
    return body.subject or "", body.object or call.path["id"], body.action, body.entity_type or ""
