"""Users over HTTP (fact sheet §3.1)."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from blazon.access import Role
from blazon.entity import GivenStatus, OwnerBody, Status, TagsBody, UpdateBody, etagged
from blazon.errors import Conflict, Forbidden, NotFound, RuleBroken, TooMany
from blazon.listing import FilterQuery, Visibility, metadata_filter
from blazon.users.api.shapes import UserBody, user_body
from blazon.users.models import User
from blazon.users.service import UserDraft, UserFilter, Users
from blazon.web import AnyRoute, Auth, Call, NoBody, NoQuery, Reply, RouteTable

__all__ = ["UserApi", "UserPage"]


class DraftCredentials(Struct, frozen=True):
    """What the new user will sign in with."""

    identity: str | None = None
    secret: str | None = None


class RegisterBody(Struct, frozen=True):
    """A user to make. `identity` is an e-mail address."""

    name: str | None = None
    tags: list[str] | None = None
    owner: str | None = None
    credentials: DraftCredentials | None = None
    metadata: dict[str, Any] | None = None
    status: GivenStatus | None = None
    role: Literal["", "user", "pki", "admin"] | None = None


class IdentityBody(Struct, frozen=True):
    """The new identity."""

    identity: str | None = None


class SecretBody(Struct, frozen=True):
    """The password as it is and as it shall be."""

    old_secret: str | None = None
    new_secret: str | None = None


class UserQuery(FilterQuery, kw_only=True, frozen=True):
    """Which users to list."""

    identity: Annotated[str, Meta(description="Only the one with exactly this identity.")] | None = None
    tag: Annotated[str, Meta(description="Only those with this tag.")] | None = None
    owner_id: Annotated[str, Meta(description="Only those of this owner; for admins.")] | None = None
    visibility: Annotated[Visibility, Meta(description="Own users, users of shared groups, or both.")] | None = None


class UserPage(Struct, frozen=True):
    """A page of users."""

    limit: int
    offset: int
    total: int
    users: list[UserBody]


class MemberPage(Struct, frozen=True):
    """A page of the members of a group."""

    limit: int
    offset: int
    total: int
    members: list[UserBody]


class UserApi:
    """Handlers of the user routes."""

    def __init__(self, users: Users) -> None:
        self._users = users

    async def register_user(self, call: Call[RegisterBody, NoQuery]) -> Reply:
        body = call.body
        credentials = body.credentials or DraftCredentials()
        draft = UserDraft(
            name=body.name or "",
            identity=credentials.identity or "",
            secret=credentials.secret or "",
            tags=tuple(body.tags or ()),
            owner=body.owner or "",
            metadata=body.metadata,
            status=Status(body.status or Status.ENABLED),
            role=Role(body.role or Role.USER),
        )
        user = await self._users.register(call.caller, draft)
        return etagged(user_body(user), user, 201, "/users")

    async def view_profile(self, call: Call[NoBody, NoQuery]) -> Reply:
        return _reply(await self._users.profile(call.caller))

    async def view_user(self, call: Call[NoBody, NoQuery]) -> Reply:
        return _reply(await self._users.view(call.caller, call.path["id"]))

    async def list_users(self, call: Call[NoBody, UserQuery]) -> Reply:
        query = call.query
        total, users = await self._users.browse(call.caller, _filter(query))
        return Reply(200, UserPage(query.limit, query.offset, total, [user_body(user) for user in users]))

    async def list_members(self, call: Call[NoBody, UserQuery]) -> Reply:
        query = call.query
        total, users = await self._users.members(call.caller, call.path["id"], _filter(query))
        return Reply(200, MemberPage(query.limit, query.offset, total, [user_body(user) for user in users]))

    async def update_user(self, call: Call[UpdateBody, NoQuery]) -> Reply:
        user = await self._users.update(call.caller, call.path["id"], call.body.name, call.body.metadata)
        return _reply(user)

    async def update_user_tags(self, call: Call[TagsBody, NoQuery]) -> Reply:
        return _reply(await self._users.update_tags(call.caller, call.path["id"], call.body.tags or ()))

    async def update_user_identity(self, call: Call[IdentityBody, NoQuery]) -> Reply:
        return _reply(await self._users.update_identity(call.caller, call.path["id"], call.body.identity or ""))

    async def update_user_owner(self, call: Call[OwnerBody, NoQuery]) -> Reply:
        return _reply(await self._users.update_owner(call.caller, call.path["id"], call.body.owner or ""))

    async def update_secret(self, call: Call[SecretBody, NoQuery]) -> Reply:
        body = call.body
        return _reply(await self._users.update_secret(call.caller, body.old_secret or "", body.new_secret or ""))

    async def enable_user(self, call: Call[NoBody, NoQuery]) -> Reply:
        return _reply(await self._users.set_status(call.caller, call.path["id"], Status.ENABLED))

    async def disable_user(self, call: Call[NoBody, NoQuery]) -> Reply:
        return _reply(await self._users.set_status(call.caller, call.path["id"], Status.DISABLED))

    def routes(self) -> Sequence[AnyRoute]:
        """The routes of users. Literal paths win over parameters."""
        change = (Forbidden, NotFound, Conflict, RuleBroken)
        return (
            RouteTable("users", answer=UserBody, service="users")
            .post(
                "/users",
                "Register a user",
                self.register_user,
                body=RegisterBody,
                status=201,
                auth=Auth.OPTIONAL,
                errors=(*change, TooMany),
            )
            .get("/users/profile", "View one's own user", self.view_profile, errors=(NotFound,))
            .get("/users/{id}", "View a user", self.view_user, errors=(NotFound,))
            .get("/users", "List users", self.list_users, query=UserQuery, answer=UserPage)
            .get(
                "/groups/{id}/members",
                "List the users of a group",
                self.list_members,
                query=UserQuery,
                answer=MemberPage,
                errors=(NotFound,),
                tag="groups",
            )
            .patch(
                "/users/secret",
                "Change one's own password",
                self.update_secret,
                body=SecretBody,
                errors=(RuleBroken, TooMany),
            )
            .patch(
                "/users/{id}",
                "Change name and metadata of a user",
                self.update_user,
                body=UpdateBody,
                errors=change,
            )
            .patch(
                "/users/{id}/tags",
                "Replace the tags of a user",
                self.update_user_tags,
                body=TagsBody,
                errors=change,
            )
            .patch(
                "/users/{id}/identity",
                "Change what a user signs in with",
                self.update_user_identity,
                body=IdentityBody,
                errors=change,
            )
            .patch(
                "/users/{id}/owner",
                "Give a user to another owner",
                self.update_user_owner,
                body=OwnerBody,
                errors=change,
            )
            .post("/users/{id}/enable", "Enable a user", self.enable_user, errors=change)
            .post("/users/{id}/disable", "Disable a user", self.disable_user, errors=change)
            .routes
        )


def _reply(user: User) -> Reply:
    return etagged(user_body(user), user)


def _filter(query: UserQuery) -> UserFilter:
    return UserFilter(
        offset=query.offset,
        limit=query.limit,
        status=query.status,
        name=query.name,
        metadata=metadata_filter(query.metadata),
        identity=query.identity,
        tag=query.tag,
        owner=query.owner_id,
        visibility=query.visibility,
    )
