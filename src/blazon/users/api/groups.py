"""Groups over HTTP (fact sheet §3.2)."""

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct

from blazon.errors import Conflict, Forbidden, NotFound, RuleBroken
from blazon.users.api.shapes import FilterQuery, GroupBody, etagged, group_body, metadata_filter
from blazon.users.models import Group, Placed, Status
from blazon.users.service import GroupDraft, GroupFilter, Groups
from blazon.web import AnyRoute, Call, NoBody, NoQuery, Reply, Route

__all__ = ["GroupApi", "GroupPage"]

_LEVELS = 5


class CreateGroupBody(Struct, frozen=True):
    """A group to make."""

    name: str | None = None
    description: str | None = None
    parent_id: str | None = None
    owner_id: str | None = None
    metadata: dict[str, Any] | None = None
    status: Status | None = None


class UpdateGroupBody(Struct, frozen=True):
    """What to change. What is not given, or empty, stays; the parent cannot be changed."""

    name: str | None = None
    description: str | None = None
    metadata: dict[str, Any] | None = None


class GroupQuery(FilterQuery, kw_only=True, frozen=True):
    """Which groups to list."""

    owner_id: Annotated[str, Meta(description="Only those of this owner.")] | None = None
    parent_id: Annotated[str, Meta(description="Walk from this group on.")] | None = None
    level: Annotated[int, Meta(ge=0, le=_LEVELS, description="How many levels to walk; 0 is all of them.")] = 0
    dir: Annotated[int, Meta(ge=-1, le=1, description="With parent_id: below 0 walks down, else up.")] = -1
    tree: Annotated[bool, Meta(description="Nest groups under `children`.")] = False


class GroupPage(Struct, frozen=True, omit_defaults=True):
    """A page of groups."""

    limit: int
    offset: int
    total: int
    groups: list[GroupBody]
    level: int = 0


class MembershipPage(Struct, frozen=True):
    """A page of the groups of a user."""

    limit: int
    offset: int
    total: int
    memberships: list[GroupBody]


class GroupApi:
    """Handlers of the group routes."""

    def __init__(self, groups: Groups) -> None:
        self._groups = groups

    async def create_group(self, call: Call[CreateGroupBody, NoQuery]) -> Reply:
        body = call.body
        draft = GroupDraft(
            name=body.name or "",
            description=body.description or "",
            parent=body.parent_id or "",
            owner=body.owner_id or "",
            metadata=body.metadata,
            status=body.status or Status.ENABLED,
        )
        group = await self._groups.create(call.caller, draft)
        return etagged(group_body(Placed(group)), group, 201, "/groups")

    async def view_group(self, call: Call[NoBody, NoQuery]) -> Reply:
        return _reply(await self._groups.view(call.caller, call.path["id"]))

    async def update_group(self, call: Call[UpdateGroupBody, NoQuery]) -> Reply:
        body = call.body
        return _reply(
            await self._groups.update(call.caller, call.path["id"], body.name, body.description, body.metadata)
        )

    async def list_groups(self, call: Call[NoBody, GroupQuery]) -> Reply:
        if call.query.parent_id is not None:
            return await self._walk(call, call.query.parent_id, up=call.query.dir >= 0)
        total, groups = await self._groups.browse(call.caller, _filter(call.query))
        return _page(call.query, total, groups)

    async def list_children(self, call: Call[NoBody, GroupQuery]) -> Reply:
        return await self._walk(call, call.path["id"], up=False)

    async def list_parents(self, call: Call[NoBody, GroupQuery]) -> Reply:
        return await self._walk(call, call.path["id"], up=True)

    async def _walk(self, call: Call[NoBody, GroupQuery], root: str, *, up: bool) -> Reply:
        total, groups = await self._groups.walk(call.caller, root, _filter(call.query), up=up)
        return _page(call.query, total, groups)

    async def list_memberships(self, call: Call[NoBody, GroupQuery]) -> Reply:
        query = call.query
        total, groups = await self._groups.memberships(call.caller, call.path["id"], _filter(query))
        return Reply(200, MembershipPage(query.limit, query.offset, total, [group_body(group) for group in groups]))

    async def enable_group(self, call: Call[NoBody, NoQuery]) -> Reply:
        return _reply(await self._groups.set_status(call.caller, call.path["id"], Status.ENABLED))

    async def disable_group(self, call: Call[NoBody, NoQuery]) -> Reply:
        return _reply(await self._groups.set_status(call.caller, call.path["id"], Status.DISABLED))

    def routes(self) -> Sequence[AnyRoute]:
        """The routes of groups."""
        return (
            Route(
                method="POST",
                path="/groups",
                summary="Create a group",
                handler=self.create_group,
                tag="groups",
                body=CreateGroupBody,
                answer=GroupBody,
                status=201,
                errors=(Forbidden, NotFound, Conflict, RuleBroken),
            ),
            Route(
                method="GET",
                path="/groups/{id}",
                summary="View a group",
                handler=self.view_group,
                tag="groups",
                answer=GroupBody,
                errors=(NotFound,),
            ),
            Route(
                method="PUT",
                path="/groups/{id}",
                summary="Change a group",
                handler=self.update_group,
                tag="groups",
                body=UpdateGroupBody,
                answer=GroupBody,
                errors=(Forbidden, NotFound, Conflict),
            ),
            _list("/groups", "List groups", self.list_groups, GroupPage),
            _list("/groups/{id}/children", "List a group and those below it", self.list_children, GroupPage),
            _list("/groups/{id}/parents", "List a group and those above it", self.list_parents, GroupPage),
            _list("/users/{id}/memberships", "List the groups of a user", self.list_memberships, MembershipPage),
            _status("/groups/{id}/enable", "Enable a group", self.enable_group),
            _status("/groups/{id}/disable", "Disable a group", self.disable_group),
        )


def _list(path: str, summary: str, handler: Any, answer: type[Struct]) -> AnyRoute:
    return Route(
        method="GET",
        path=path,
        summary=summary,
        handler=handler,
        tag="groups",
        query=GroupQuery,
        answer=answer,
        errors=(NotFound,),
    )


def _status(path: str, summary: str, handler: Any) -> AnyRoute:
    return Route(
        method="POST",
        path=path,
        summary=summary,
        handler=handler,
        tag="groups",
        answer=GroupBody,
        errors=(Forbidden, NotFound, Conflict),
    )


def _reply(group: Group) -> Reply:
    return etagged(group_body(Placed(group)), group)


def _filter(query: GroupQuery) -> GroupFilter:
    return GroupFilter(
        offset=query.offset,
        limit=query.limit,
        status=query.status,
        name=query.name,
        metadata=metadata_filter(query.metadata),
        owner=query.owner_id,
        levels=query.level or None,
    )


def _page(query: GroupQuery, total: int, groups: list[Placed]) -> Reply:
    bodies = _nested(groups) if query.tree else [group_body(group) for group in groups]
    return Reply(200, GroupPage(query.limit, query.offset, total, bodies, query.level))


def _nested(groups: list[Placed]) -> list[GroupBody]:
    """The groups of a page, each under its parent; those whose parent is not on the page stand at the top."""
    below: dict[str, list[Placed]] = {}
    present = {placed.group.id for placed in groups}
    for placed in groups:
        parent = placed.group.parent
        below.setdefault(parent if parent in present else "", []).append(placed)

    def nest(parent: str) -> tuple[GroupBody, ...]:
        return tuple(group_body(placed, nest(placed.group.id)) for placed in below.get(parent, ()))

    return list(nest(""))
