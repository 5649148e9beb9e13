"""Policies over HTTP (fact sheet §3.3), on the gateway's paths."""

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct

from blazon.clock import rfc3339
from blazon.errors import Forbidden, Malformed, NotFound
from blazon.users.models import Action, Policy
from blazon.users.service import Policies, PolicyFilter
from blazon.web import AnyRoute, Auth, Call, NoBody, NoQuery, Page, Reply, Route

__all__ = ["PolicyApi", "PolicyPage"]


class PolicyDraftBody(Struct, frozen=True):
    """What a user (`subject`) may do in a group (`object`)."""

    subject: str | None = None
    object: str | None = None
    actions: list[Action] | None = None


class AuthorizeBody(Struct, frozen=True):
    """Whether a user (`subject`) may do `action` to a user (`client`) or a group (`group`)."""

    subject: str | None = None
    object: str | None = None
    action: Action | None = None
    entity_type: str | None = None


class Empty(Struct, frozen=True):
    """An empty object."""


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
    subject: Annotated[str, Meta(description="Only those of this user.")] | None = None
    object: Annotated[str, Meta(description="Only those in this group.")] | None = None
    action: Annotated[Action, Meta(description="Only those that allow this.")] | None = None


class PolicyPage(Struct, frozen=True):
    """A page of policies."""

    limit: int
    offset: int
    total: int
    policies: list[PolicyBody]


class PolicyApi:
    """Handlers of the policy routes."""

    def __init__(self, policies: Policies) -> None:
        self._policies = policies

    async def add_user_policy(self, call: Call[PolicyDraftBody, NoQuery]) -> Reply:
        body = call.body
        await self._policies.add(call.caller, body.subject or "", body.object or "", body.actions or ())
        return Reply(201)

    async def update_user_policy(self, call: Call[PolicyDraftBody, NoQuery]) -> Reply:
        body = call.body
        await self._policies.update(call.caller, body.subject or "", body.object or "", body.actions or ())
        return Reply(204)

    async def delete_user_policy(self, call: Call[NoBody, NoQuery]) -> Reply:
        await self._policies.delete(call.caller, call.path["subject"], call.path["object"])
        return Reply(204)

    async def list_user_policies(self, call: Call[NoBody, PolicyQuery]) -> Reply:
        query = call.query
        wanted = PolicyFilter(
            offset=query.offset,
            limit=query.limit,
            owner=query.owner_id,
            subject=query.subject,
            object=query.object,
            action=query.action,
        )
        total, policies = await self._policies.browse(call.caller, wanted)
        return Reply(200, PolicyPage(query.limit, query.offset, total, [_body(policy) for policy in policies]))

    async def authorize_user(self, call: Call[AuthorizeBody, NoQuery]) -> Reply:
        body = call.body
        if body.action is None:
            raise Malformed("malformed policy actions: action is missing")
        await self._policies.authorize(
            call.caller, body.subject or "", body.object or "", body.action, body.entity_type or ""
        )
        return Reply(200, Empty())

    def routes(self) -> Sequence[AnyRoute]:
        """The routes of policies between users and groups."""
        return (
            _write("POST", "Let a user do something in a group", self.add_user_policy, 201),
            _write("PUT", "Replace what a user may do in a group", self.update_user_policy, 204),
            Route(
                method="DELETE",
                path="/users/policies/{subject}/{object}",
                summary="Delete a policy",
                handler=self.delete_user_policy,
                tag="policies",
                status=204,
                errors=(Forbidden, NotFound),
            ),
            Route(
                method="GET",
                path="/users/policies",
                summary="List policies",
                handler=self.list_user_policies,
                tag="policies",
                query=PolicyQuery,
                answer=PolicyPage,
            ),
            Route(
                method="POST",
                path="/authorize",
                summary="Ask whether a user may do something",
                handler=self.authorize_user,
                tag="policies",
                body=AuthorizeBody,
                answer=Empty,
                auth=Auth.NONE,
                errors=(Forbidden,),
            ),
        )


def _write(method: str, summary: str, handler: Any, status: int) -> AnyRoute:
    return Route(
        method=method,
        path="/users/policies",
        summary=summary,
        handler=handler,
        tag="policies",
        body=PolicyDraftBody,
        status=status,
        errors=(Forbidden, NotFound),
    )


def _body(policy: Policy) -> PolicyBody:
    return PolicyBody(
        owner_id=policy.owner,
        subject=policy.subject,
        object=policy.object,
        actions=policy.actions,
        created_at=rfc3339(policy.created_at),
        updated_at=rfc3339(policy.updated_at),
        updated_by=policy.updated_by,
    )
