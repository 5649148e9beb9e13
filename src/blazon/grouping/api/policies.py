"""Policies over HTTP (fact sheet §3.3), on the paths a room gives them."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct

from blazon.access import Action
from blazon.clock import rfc3339
from blazon.errors import Forbidden, NotFound
from blazon.grouping.models import Policy
from blazon.grouping.policies import Policies, PolicyFilter
from blazon.web import AnyRoute, Call, NoBody, NoQuery, Page, Reply, Route

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


class PolicyApi:
    """Handlers and routes of policies: to replace, delete and list them. How they are made differs by room.

    `paths` are the places where they are served: each with the word that begins its operation names.
    """

    def __init__(
        self, policies: Policies, paths: Sequence[tuple[str, str]], query: type[PolicyQuery] = PolicyQuery
    ) -> None:
        self._policies = policies
        self._paths = paths
        self._query = query

    async def update(self, call: Call[PolicyDraftBody, NoQuery]) -> Reply:
        body = call.body
        await self._policies.update(call.caller, body.subject or "", body.object or "", body.actions or ())
        return Reply(204)

    async def delete(self, call: Call[NoBody, NoQuery]) -> Reply:
        await self._policies.delete(call.caller, call.path["subject"], call.path["object"])
        return Reply(204)

    async def browse(self, call: Call[NoBody, PolicyQuery]) -> Reply:
        query = call.query
        total, policies = await self._policies.browse(call.caller, query.filter())
        return Reply(200, PolicyPage(query.limit, query.offset, total, [policy_body(policy) for policy in policies]))

    def routes(self) -> Sequence[AnyRoute]:
        """The routes of policies."""
        return tuple(route for path, word in self._paths for route in self._at(path, word))

    def _at(self, path: str, word: str) -> Sequence[AnyRoute]:
        return (
            Route(
                method="PUT",
                path=path,
                operation=f"update_{word}_policy",
                summary="Replace what a policy allows",
                handler=self.update,
                tag="policies",
                body=PolicyDraftBody,
                status=204,
                errors=(Forbidden, NotFound),
            ),
            Route(
                method="DELETE",
                path=f"{path}/{{subject}}/{{object}}",
                operation=f"delete_{word}_policy",
                summary="Delete a policy",
                handler=self.delete,
                tag="policies",
                status=204,
                errors=(Forbidden, NotFound),
            ),
            Route(
                method="GET",
                path=path,
                operation=f"list_{word}_policies",
                summary="List policies",
                handler=self.browse,
                tag="policies",
                query=self._query,
                answer=PolicyPage,
            ),
        )


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
