"""Groups over HTTP (fact sheet §3.2), under the name a room gives them."""

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct

from blazon.entity import GivenStatus, Status, etagged
from blazon.errors import Conflict, Forbidden, NotFound, RuleBroken
from blazon.grouping.api.shapes import GroupBody, group_body
from blazon.grouping.groups import GroupDraft, GroupFilter, Groups
from blazon.grouping.models import Group, Placed
from blazon.listing import FilterQuery, metadata_filter
from blazon.web import AnyRoute, Call, NoBody, NoQuery, Reply, RouteTable

__all__ = ["GroupApi", "GroupDraftBody", "GroupQuery", "group_filter"]

_LEVELS = 5


class GroupDraftBody(Struct, frozen=True):
    """A group to make."""

    name: str | None = None
    description: str | None = None
    parent_id: str | None = None
    owner_id: str | None = None
    metadata: dict[str, Any] | None = None
    status: GivenStatus | None = None

    def draft(self) -> GroupDraft:
        """What is asked for."""
        return self.drafted(None)

    def drafted(self, identifier: str | None) -> GroupDraft:
        """The same, with an id of the client's choice."""
        return GroupDraft(
            id=identifier or "",
            name=self.name or "",
            description=self.description or "",
            parent=self.parent_id or "",
            owner=self.owner_id or "",
            metadata=self.metadata,
            status=Status(self.status or Status.ENABLED),
        )


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


class GroupApi:
    """Handlers and routes of groups.

    `noun` is what a group is called here, and `service` whose routes they are. `draft` is the body that makes one,
    `page` the struct of a page: `limit`, `offset`, `total`, the groups, `level`.
    """

    def __init__(
        self, groups: Groups, noun: str, draft: type[GroupDraftBody], page: type[Struct], service: str
    ) -> None:
        self._service = service
        self._groups = groups
        self._noun = noun
        self._draft = draft
        self._page = page

    async def create(self, call: Call[Any, NoQuery]) -> Reply:
        group = await self._groups.create(call.caller, call.body.draft())
        return etagged(group_body(Placed(group)), group, 201, f"/{self._noun}s")

    async def view(self, call: Call[NoBody, NoQuery]) -> Reply:
        return _reply(await self._groups.view(call.caller, call.path["id"]))

    async def update(self, call: Call[UpdateGroupBody, NoQuery]) -> Reply:
        body = call.body
        return _reply(
            await self._groups.update(call.caller, call.path["id"], body.name, body.description, body.metadata)
        )

    async def browse(self, call: Call[NoBody, GroupQuery]) -> Reply:
        if call.query.parent_id is not None:
            return await self._walk(call, call.query.parent_id, up=call.query.dir >= 0)
        total, groups = await self._groups.browse(call.caller, group_filter(call.query))
        return self._paged(call.query, total, groups)

    async def children(self, call: Call[NoBody, GroupQuery]) -> Reply:
        return await self._walk(call, call.path["id"], up=False)

    async def parents(self, call: Call[NoBody, GroupQuery]) -> Reply:
        return await self._walk(call, call.path["id"], up=True)

    async def _walk(self, call: Call[NoBody, GroupQuery], root: str, *, up: bool) -> Reply:
        total, groups = await self._groups.walk(call.caller, root, group_filter(call.query), up=up)
        return self._paged(call.query, total, groups)

    async def enable(self, call: Call[NoBody, NoQuery]) -> Reply:
        return _reply(await self._groups.set_status(call.caller, call.path["id"], Status.ENABLED))

    async def disable(self, call: Call[NoBody, NoQuery]) -> Reply:
        return _reply(await self._groups.set_status(call.caller, call.path["id"], Status.DISABLED))

    def _paged(self, query: GroupQuery, total: int, groups: list[Placed]) -> Reply:
        bodies = _nested(groups) if query.tree else [group_body(group) for group in groups]
        return Reply(200, self._page(query.limit, query.offset, total, bodies, query.level))

    def routes(self) -> Sequence[AnyRoute]:
        """The routes of groups."""
        noun, every, one = self._noun, f"/{self._noun}s", f"/{self._noun}s/{{id}}"
        change = (Forbidden, NotFound, Conflict, RuleBroken)
        table = RouteTable(f"{noun}s", answer=GroupBody, service=self._service)
        table.post(
            every,
            f"Create a {noun}",
            self.create,
            body=self._draft,
            status=201,
            errors=change,
            operation=f"create_{noun}",
        )
        table.get(one, f"View a {noun}", self.view, errors=(NotFound,), operation=f"view_{noun}")
        table.put(one, f"Change a {noun}", self.update, body=UpdateGroupBody, errors=change, operation=f"update_{noun}")
        for path, summary, handler, word in (
            (every, f"List {noun}s", self.browse, "s"),
            (f"{one}/children", f"List a {noun} and those below it", self.children, "_children"),
            (f"{one}/parents", f"List a {noun} and those above it", self.parents, "_parents"),
        ):
            table.get(
                path,
                summary,
                handler,
                query=GroupQuery,
                answer=self._page,
                errors=(NotFound,),
                operation=f"list_{noun}{word}",
            )
        for verb, change_status in (("enable", self.enable), ("disable", self.disable)):
            table.post(
                f"{one}/{verb}",
                f"{verb.capitalize()} a {noun}",
                change_status,
                errors=change[:3],
                operation=f"{verb}_{noun}",
            )
        return table.routes


def _reply(group: Group) -> Reply:
    return etagged(group_body(Placed(group)), group)


def group_filter(query: GroupQuery) -> GroupFilter:
    """Which groups are asked for."""
    return GroupFilter(
        offset=query.offset,
        limit=query.limit,
        status=query.status,
        name=query.name,
        metadata=metadata_filter(query.metadata),
        owner=query.owner_id,
        levels=query.level or None,
    )


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
