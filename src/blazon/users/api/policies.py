"""Adding policies between users and groups, and asking by them (fact sheet §3.3), on the gateway's paths."""

from collections.abc import Sequence

from msgspec import Struct

from blazon.access import Action
from blazon.errors import Forbidden, Malformed, NotFound
from blazon.grouping import Place, Policies
from blazon.users.service import Authorizer
from blazon.web import AnyRoute, Auth, Call, NoQuery, Reply, RouteTable

__all__ = ["UserPolicyApi"]


class PolicyAddBody(Struct, frozen=True):
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


class UserPolicyApi:
    """Handlers of the routes that only users' policies have."""

    def __init__(self, policies: Policies, authorizer: Authorizer, places: Sequence[Place]) -> None:
        self._policies = policies
        self._places = places
        self._authorizer = authorizer

    async def add_user_policy(self, call: Call[PolicyAddBody, NoQuery]) -> Reply:
        body = call.body
        await self._policies.add(
            call.caller, body.subject or "", body.object or "", body.actions or (), subject_is_user=True
        )
        return Reply(201)

    async def authorize_user(self, call: Call[AuthorizeBody, NoQuery]) -> Reply:
        body = call.body
        if body.action is None:
            raise Malformed("malformed policy actions: action is missing")
        await self._authorizer.authorize(
            call.caller, body.subject or "", body.object or "", body.action, body.entity_type or ""
        )
        return Reply(200, Empty())

    def routes(self) -> Sequence[AnyRoute]:
        """The routes."""
        table = RouteTable("policies", service="users")
        for path, word, listeners in self._places:
            table.post(
                path,
                "Let a user do something in a group",
                self.add_user_policy,
                body=PolicyAddBody,
                status=201,
                errors=(Forbidden, NotFound),
                operation=f"add_{word}_policy",
                listeners=listeners,
            )
        return table.post(
            "/authorize",
            "Ask whether a user may do something",
            self.authorize_user,
            body=AuthorizeBody,
            answer=Empty,
            auth=Auth.NONE,
            errors=(Forbidden,),
        ).routes
