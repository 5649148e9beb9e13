"""Policies over HTTP (fact sheet §3.3), on the paths a room gives them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct

from blazon.access import Action
from blazon.clock import rfc3339
from blazon.errors import Forbidden, NotFound
from blazon.grouping.models import Policy
from blazon.grouping.policies import Policies, PolicyFilter
from blazon.web import AnyRoute, Call, NoBody, NoQuery, Page, Reply, RouteTable

__all__ = ["PolicyApi", "PolicyBody", "PolicyQuery", "policy_body"]


class PolicyDraftBody(Struct, frozen=True):
    """What a member (`subject`) may do in a group (`object`)."""

    subject: str | None = None
    object: str | None = None
    actions: list[Action] | None = None


class PolicyBody(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A policy."""

    owner_id: str
    subject: str
    object: str
    actions: tuple[Action, ...]
    created_at: str
    updated_at: str
    updated_by: str = ""


class PolicyQuery(Page, kw_only=True, frozen=True):
    """Which policies to list."""

    owner_id: Annotated[str, Meta(description="Only those this user made; for admins.")] | None = None
    subject: Annotated[str, Meta(description="Only those of this member.")] | None = None
    object: Annotated[str, Meta(description="Only those in this group.")] | None = None
    action: Annotated[Action, Meta(description="Only those that allow this.")] | None = None

    def filter(self) -> PolicyFilter:
        """Which policies are asked for."""
        return PolicyFilter(
            offset=self.offset,
            limit=self.limit,
            owner=self.owner_id,
            subject=self.subject,
            object=self.object,
            action=self.action,
        )


class PolicyPage(Struct, frozen=True):
    """A page of policies."""

    limit: int
    offset: int
    total: int
    policies: list[PolicyBody]


class Place(NamedTuple):
    """Where policies are served. `word` begins the names of the operations there."""

    path: str
    word: str
    listeners: tuple[str, ...]


Choose = Callable[[str], Awaitable[Policies]]


def always(policies: Policies) -> Choose:
    """Chooses these policies whatever their group is."""

    async def choose(_group: str) -> Policies:
        return policies

    return choose


class PolicyApi:
    """Handlers and routes of policies: to replace, delete and list them. How they are made differs by room.

    `choose` finds the policies that are meant by the group of one, its object, or by an empty text for those of all.
    """

    def __init__(self, choose: Choose, places: Sequence[Place], query: type[PolicyQuery] = PolicyQuery) -> None:
        self._choose = choose
        self._places = places
        self._query = query

    async def update(self, call: Call[PolicyDraftBody, NoQuery]) -> Reply:
        body = call.body
        policies = await self._choose(body.object or "")
        await policies.update(call.caller, body.subject or "", body.object or "", body.actions or ())
        return Reply(204)

    async def delete(self, call: Call[NoBody, NoQuery]) -> Reply:
        policies = await self._choose(call.path["object"])
        await policies.delete(call.caller, call.path["subject"], call.path["object"])
        return Reply(204)

    async def browse(self, call: Call[NoBody, PolicyQuery]) -> Reply:
        query, wanted = call.query, call.query.filter()
        policies = await self._choose(wanted.object or "")
        total, found = await policies.browse(call.caller, wanted)
        return Reply(200, PolicyPage(query.limit, query.offset, total, [policy_body(policy) for policy in found]))

    def routes(self) -> Sequence[AnyRoute]:
        """The routes of policies."""
        table = RouteTable("policies")
        for path, word, listeners in self._places:
            table.put(
                path,
                "Replace what a policy allows",
                self.update,
                body=PolicyDraftBody,
                status=204,
                errors=(Forbidden, NotFound),
                operation=f"update_{word}_policy",
                listeners=listeners,
            )
            table.delete(
                f"{path}/{{subject}}/{{object}}",
                "Delete a policy",
                self.delete,
                status=204,
                errors=(Forbidden, NotFound),
                operation=f"delete_{word}_policy",
                listeners=listeners,
            )
            table.get(
                path,
                "List policies",
                self.browse,
                query=self._query,
                answer=PolicyPage,
                operation=f"list_{word}_policies",
                listeners=listeners,
            )
        return table.routes


def policy_body(policy: Policy) -> PolicyBody:
    """A policy as answers show it."""
    return PolicyBody(
        owner_id=policy.owner,
        subject=policy.subject,
        object=policy.object,
        actions=policy.actions,
        created_at=rfc3339(policy.created_at),
        updated_at=rfc3339(policy.updated_at),
        updated_by=policy.updated_by,
    )
