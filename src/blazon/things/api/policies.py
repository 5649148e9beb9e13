"""Policies of things over HTTP (fact sheet §4.3), on the gateway's paths."""

from collections.abc import Sequence
from typing import Annotated, Final

from msgspec import Meta, Struct

from blazon.access import Action
from blazon.errors import Forbidden, Malformed, NotFound, RuleBroken
from blazon.grouping import Choose, Place, Policies, PolicyBody, PolicyFilter, PolicyQuery, policy_body
from blazon.web import AnyRoute, Call, NoQuery, Reply, RouteTable

__all__ = ["ThingPolicyApi", "ThingPolicyQuery"]

_MESSAGES: Final = (Action.M_WRITE, Action.M_READ)
"""What a policy allows when it does not say."""


class ThingPolicyBody(Struct, frozen=True):
    """What a thing, or with `external` a user, may do on a channel (`object`); publish and subscribe by default."""

    subject: str | None = None
    object: str | None = None
    actions: list[Action] | None = None
    external: bool | None = None


class ConnectBody(Struct, frozen=True):
    """What each of the things, or with `external` users, may do on each of the channels (`objects`)."""

    subjects: list[str] | None = None
    objects: list[str] | None = None
    actions: list[Action] | None = None
    external: bool | None = None


class DisconnectBody(Struct, frozen=True):
    """Which of the things or users are taken off which of the channels: each off each."""

    subjects: list[str] | None = None
    objects: list[str] | None = None


class Connected(Struct, frozen=True):
    """The policies that were made."""

    limit: int
    offset: int
    total: int
    policies: list[PolicyBody]


class ThingPolicyQuery(PolicyQuery, kw_only=True, frozen=True):
    """Which policies to list."""

    client: Annotated[str, Meta(description="Only those of this thing or user; the same as subject.")] | None = None
    group: Annotated[str, Meta(description="Only those on this channel; the same as object.")] | None = None

    def filter(self) -> PolicyFilter:
        """Which policies are asked for. Raises Malformed when one thing is said in two ways."""
        if None not in (self.client, self.subject) or None not in (self.group, self.object):
            raise Malformed("invalid query parameters: give subject or client, and object or group, not both")
        return PolicyFilter(
            offset=self.offset,
            limit=self.limit,
            owner=self.owner_id,
            subject=self.subject if self.client is None else self.client,
            object=self.object if self.group is None else self.group,
            action=self.action,
        )


class ThingPolicyApi:
    """Handlers of the routes that only things' policies have."""

    def __init__(self, policies: Policies, choose: Choose, places: Sequence[Place]) -> None:
        self._policies = policies
        self._choose = choose
        self._places = places

    async def add(self, call: Call[ThingPolicyBody, NoQuery]) -> Reply:
        body = call.body
        policies = await self._choose(body.object or "")
        on_channel = policies is self._policies
        usual = _MESSAGES if on_channel else ()
        actions = usual if body.actions is None else body.actions
        is_user = bool(body.external) or not on_channel
        await policies.add(call.caller, body.subject or "", body.object or "", actions, subject_is_user=is_user)
        return Reply(201)

    async def connect(self, call: Call[ConnectBody, NoQuery]) -> Reply:
        body = call.body
        made = await self._policies.connect(
            call.caller,
            body.subjects or (),
            body.objects or (),
            _MESSAGES if body.actions is None else body.actions,
            subject_is_user=bool(body.external),
        )
        return Reply(200, Connected(len(made), 0, len(made), [policy_body(policy) for policy in made]))

    async def disconnect(self, call: Call[DisconnectBody, NoQuery]) -> Reply:
        await self._policies.disconnect(call.caller, call.body.subjects or (), call.body.objects or ())
        return Reply(204)

    def routes(self) -> Sequence[AnyRoute]:
        """The routes."""
        table = RouteTable("policies", errors=(Forbidden, NotFound), service="things")
        for path, word, listeners in self._places:
            table.post(
                path,
                "Let a thing or a user do something on a channel",
                self.add,
                body=ThingPolicyBody,
                status=201,
                operation=f"add_{word}_policy",
                listeners=listeners,
            )
        return (
            table.post(
                "/connect",
                "Connect things, or users, to channels, all or none",
                self.connect,
                body=ConnectBody,
                answer=Connected,
                errors=(RuleBroken,),
            )
            .post(
                "/disconnect",
                "Disconnect things, or users, from channels, all or none",
                self.disconnect,
                body=DisconnectBody,
                status=204,
                errors=(RuleBroken,),
            )
            .routes
        )
