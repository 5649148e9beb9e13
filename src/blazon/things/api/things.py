"""Things over HTTP (fact sheet §4.1)."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from blazon.clock import rfc3339
from blazon.entity import GivenStatus, OwnerBody, Status, TagsBody, UpdateBody, etagged, metadata_body
from blazon.errors import Conflict, Forbidden, NotFound, RuleBroken
from blazon.listing import FilterQuery, Visibility, metadata_filter
from blazon.things.models import Thing
from blazon.things.service import ThingDraft, ThingFilter, Things
from blazon.web import AnyRoute, Call, NoBody, NoQuery, Reply, RouteTable

__all__ = ["ThingApi", "ThingBody", "ThingDraftBody"]


class ThingKeyDraft(Struct, frozen=True):
    """What the new thing connects with. What is not given is made up."""

    identity: str | None = None
    secret: str | None = None


class ThingDraftBody(Struct, frozen=True):
    """A thing to make. An `id` is a UUID in lower case."""

    id: str | None = None
    name: str | None = None
    tags: list[str] | None = None
    owner: str | None = None
    credentials: ThingKeyDraft | None = None
    metadata: dict[str, Any] | None = None
    status: GivenStatus | None = None

    def draft(self) -> ThingDraft:
        """What is asked for."""
        credentials = self.credentials or ThingKeyDraft()
        return ThingDraft(
            id=self.id or "",
            name=self.name or "",
            identity=credentials.identity or "",
            key=credentials.secret or "",
            tags=tuple(self.tags or ()),
            owner=self.owner or "",
            metadata=self.metadata,
            status=Status(self.status or Status.ENABLED),
        )


class ThingKeyBody(Struct, frozen=True):
    """The new key."""

    secret: str | None = None


class ThingCredentials(Struct, frozen=True, omit_defaults=True):
    """What a thing connects with. The secret is there for who may set a new one, and never in a list."""

    identity: str = ""
    secret: str = ""


class ThingBody(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A thing."""

    id: str
    name: str = ""
    tags: tuple[str, ...] = ()
    owner: str = ""
    credentials: ThingCredentials
    metadata: dict[str, Any] | msgspec.Raw | None = None
    created_at: str
    updated_at: str
    updated_by: str = ""
    status: Status


class ThingQuery(FilterQuery, kw_only=True, frozen=True):
    """Which things to list."""

    tag: Annotated[str, Meta(description="Only those with this tag.")] | None = None
    owner_id: Annotated[str, Meta(description="Only those of this owner; for admins.")] | None = None
    visibility: Annotated[Visibility, Meta(description="Own things, things of shared channels, or both.")] | None = None


class ThingPage(Struct, frozen=True):
    """A page of things."""

    limit: int
    offset: int
    total: int
    things: list[ThingBody]


class ManyThings(Struct, frozen=True):
    """Things that were made together."""

    total: int
    things: list[ThingBody]


class ThingApi:
    """Handlers of the thing routes."""

    def __init__(self, things: Things) -> None:
        self._things = things

    async def create_thing(self, call: Call[ThingDraftBody, NoQuery]) -> Reply:
        thing = await self._things.create(call.caller, call.body.draft())
        return etagged(self._with_key(thing), thing, 201, "/things")

    async def create_things(self, call: Call[Any, NoQuery]) -> Reply:
        made = await self._things.create_many(call.caller, [body.draft() for body in call.body])
        return Reply(200, ManyThings(len(made), [self._with_key(thing) for thing in made]))

    async def view_thing(self, call: Call[NoBody, NoQuery]) -> Reply:
        thing, key = await self._things.view(call.caller, call.path["id"])
        return etagged(thing_body(thing, key), thing)

    async def list_things(self, call: Call[NoBody, ThingQuery]) -> Reply:
        total, things = await self._things.browse(call.caller, _filter(call.query))
        return _page(call.query, total, things)

    async def list_things_of_channel(self, call: Call[NoBody, ThingQuery]) -> Reply:
        total, things = await self._things.on_channel(call.caller, call.path["id"], _filter(call.query))
        return _page(call.query, total, things)

    async def update_thing(self, call: Call[UpdateBody, NoQuery]) -> Reply:
        thing = await self._things.update(call.caller, call.path["id"], call.body.name, call.body.metadata)
        return etagged(self._with_key(thing), thing)

    async def update_thing_tags(self, call: Call[TagsBody, NoQuery]) -> Reply:
        thing = await self._things.update_tags(call.caller, call.path["id"], call.body.tags or ())
        return etagged(self._with_key(thing), thing)

    async def update_thing_secret(self, call: Call[ThingKeyBody, NoQuery]) -> Reply:
        thing = await self._things.update_key(call.caller, call.path["id"], call.body.secret or "")
        return etagged(thing_body(thing), thing)

    async def update_thing_owner(self, call: Call[OwnerBody, NoQuery]) -> Reply:
        thing = await self._things.update_owner(call.caller, call.path["id"], call.body.owner or "")
        return etagged(thing_body(thing), thing)

    async def enable_thing(self, call: Call[NoBody, NoQuery]) -> Reply:
        return await self._set_status(call, Status.ENABLED)

    async def disable_thing(self, call: Call[NoBody, NoQuery]) -> Reply:
        return await self._set_status(call, Status.DISABLED)

    async def _set_status(self, call: Call[NoBody, NoQuery], status: Status) -> Reply:
        thing = await self._things.set_status(call.caller, call.path["id"], status)
        return etagged(thing_body(thing), thing)

    def _with_key(self, thing: Thing) -> ThingBody:
        """For who made or changed it, and so may know the key."""
        return thing_body(thing, self._things.key_of(thing))

    def routes(self) -> Sequence[AnyRoute]:
        """The routes of things. Literal paths win over parameters."""
        change = (Forbidden, NotFound, Conflict, RuleBroken)
        return (
            RouteTable("things", answer=ThingBody, service="things")
            .post("/things", "Create a thing", self.create_thing, body=ThingDraftBody, status=201, errors=change[:3])
            .post(
                "/things/bulk",
                "Create many things, all or none",
                self.create_things,
                body=list[ThingDraftBody],
                answer=ManyThings,
                errors=change,
            )
            .get("/things/{id}", "View a thing", self.view_thing, errors=(NotFound,))
            .get("/things", "List things", self.list_things, query=ThingQuery, answer=ThingPage)
            .get(
                "/channels/{id}/things",
                "List the things of a channel",
                self.list_things_of_channel,
                query=ThingQuery,
                answer=ThingPage,
                errors=(NotFound,),
                tag="channels",
            )
            .patch(
                "/things/{id}",
                "Change name and metadata of a thing",
                self.update_thing,
                body=UpdateBody,
                errors=change,
            )
            .patch(
                "/things/{id}/tags",
                "Replace the tags of a thing",
                self.update_thing_tags,
                body=TagsBody,
                errors=change,
            )
            .patch(
                "/things/{id}/secret",
                "Set the key of a thing",
                self.update_thing_secret,
                body=ThingKeyBody,
                errors=change,
            )
            .patch(
                "/things/{id}/owner",
                "Give a thing to another owner",
                self.update_thing_owner,
                body=OwnerBody,
                errors=change,
            )
            .post("/things/{id}/enable", "Enable a thing", self.enable_thing, errors=change[:3])
            .post("/things/{id}/disable", "Disable a thing", self.disable_thing, errors=change[:3])
            .routes
        )


def thing_body(thing: Thing, key: str = "") -> ThingBody:
    """A thing as answers show it."""
    return ThingBody(
        id=thing.id,
        name=thing.name,
        tags=thing.tags,
        owner=thing.owner,
        credentials=ThingCredentials(thing.identity, key),
        metadata=metadata_body(thing.metadata),
        created_at=rfc3339(thing.created_at),
        updated_at=rfc3339(thing.updated_at),
        updated_by=thing.updated_by,
        status=thing.status,
    )


def _filter(query: ThingQuery) -> ThingFilter:
    return ThingFilter(
        offset=query.offset,
        limit=query.limit,
        status=query.status,
        name=query.name,
        metadata=metadata_filter(query.metadata),
        tag=query.tag,
        owner=query.owner_id,
        visibility=query.visibility,
    )


def _page(query: ThingQuery, total: int, things: list[Thing]) -> Reply:
    return Reply(200, ThingPage(query.limit, query.offset, total, [thing_body(thing) for thing in things]))
