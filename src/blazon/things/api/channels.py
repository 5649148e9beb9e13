"""What channels have over HTTP besides what all groups have (fact sheet §4.2)."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from blazon.errors import Conflict, Forbidden, NotFound, RuleBroken
from blazon.grouping import (
    GroupBody,
    GroupDraft,
    GroupDraftBody,
    GroupQuery,
    Groups,
    Placed,
    group_body,
    group_filter,
)
from blazon.things.service import ThingChannels
from blazon.web import AnyRoute, Call, NoBody, NoQuery, Reply, RouteTable

__all__ = ["ChannelApi", "ChannelDraftBody", "ChannelPage"]


class ChannelDraftBody(GroupDraftBody, frozen=True):
    """A channel to make. An `id` is a UUID in lower case."""

    id: str | None = None

    def draft(self) -> GroupDraft:
        """What is asked for."""
        return self.drafted(self.id)


class ChannelPage(Struct, frozen=True, omit_defaults=True):
    """A page of channels."""

    limit: int
    offset: int
    total: int
    channels: list[GroupBody]
    level: int = 0


class ManyChannels(Struct, frozen=True):
    """Channels that were made together."""

    total: int
    channels: list[GroupBody]


class ChannelApi:
    """Handlers of the routes that only channels have."""

    def __init__(self, channels: Groups, of_things: ThingChannels) -> None:
        self._channels = channels
        self._of_things = of_things

    async def create_channels(self, call: Call[Any, NoQuery]) -> Reply:
        made = await self._channels.create_many(call.caller, [body.draft() for body in call.body])
        return Reply(200, ManyChannels(len(made), [group_body(Placed(channel)) for channel in made]))

    async def list_channels_of_thing(self, call: Call[NoBody, GroupQuery]) -> Reply:
        query = call.query
        total, channels = await self._of_things.browse(call.caller, call.path["id"], group_filter(query))
        return Reply(200, ChannelPage(query.limit, query.offset, total, [group_body(each) for each in channels]))

    def routes(self) -> Sequence[AnyRoute]:
        """The routes."""
        return (
            RouteTable("channels", service="things")
            .post(
                "/channels/bulk",
                "Create many channels, all or none",
                self.create_channels,
                body=list[ChannelDraftBody],
                answer=ManyChannels,
                errors=(Forbidden, NotFound, Conflict, RuleBroken),
            )
            .get(
                "/things/{id}/channels",
                "List the channels of a thing",
                self.list_channels_of_thing,
                query=GroupQuery,
                answer=ChannelPage,
                errors=(NotFound,),
                tag="things",
            )
            .routes
        )
