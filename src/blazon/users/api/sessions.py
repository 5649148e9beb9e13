"""Signing in over HTTP (fact sheet §3.1, §8)."""

from collections.abc import Sequence

from msgspec import Struct

from blazon.errors import NotFound, RuleBroken, TooMany, Unauthenticated
from blazon.users.people import People
from blazon.users.service import Sessions
from blazon.users.tokens import TokenPair
from blazon.web import AnyRoute, Auth, Call, NoBody, NoQuery, Reply, RouteTable

__all__ = ["SessionApi"]


class CredentialsBody(Struct, frozen=True):
    """What a user signs in with."""

    identity: str | None = None
    secret: str | None = None


class TokenBody(Struct, frozen=True):
    """The tokens of a sign-in."""

    access_token: str
    refresh_token: str
    access_type: str = "Bearer"


class ResetRequestBody(Struct, frozen=True):
    """Whose password shall be set. The mail links to the page named by the Referer header."""

    email: str | None = None


class ResetBody(Struct, frozen=True):
    """The token of the mail and the new password, twice."""

    token: str | None = None
    password: str | None = None
    confirm_password: str | None = None


class MessageBody(Struct, frozen=True):
    """What was done."""

    msg: str


class EmptyBody(Struct, frozen=True):
    """An empty object."""


class IdentityAnswer(Struct, frozen=True):
    """Whose token it is."""

    id: str


class SessionApi:
    """Handlers of the sign-in routes."""

    def __init__(self, sessions: Sessions, people: People) -> None:
        self._sessions = sessions
        self._people = people

    async def issue_token(self, call: Call[CredentialsBody, NoQuery]) -> Reply:
        pair = await self._sessions.issue(call.caller, call.body.identity or "", call.body.secret or "")
        return _tokens(pair)

    async def refresh_token(self, call: Call[NoBody, NoQuery]) -> Reply:
        return _tokens(await self._sessions.refresh(call.caller))

    async def identify_user(self, call: Call[NoBody, NoQuery]) -> Reply:
        self._people.identify(call.caller)
        return Reply(200, IdentityAnswer(call.caller.id))

    async def request_password_reset(self, call: Call[ResetRequestBody, NoQuery]) -> Reply:
        referer = call.headers.one(b"referer") or ""
        await self._sessions.request_reset(call.caller, call.body.email or "", referer)
        return Reply(201, MessageBody("Email with reset link is sent"))

    async def reset_password(self, call: Call[ResetBody, NoQuery]) -> Reply:
        body = call.body
        await self._sessions.reset(call.caller, body.token or "", body.password or "", body.confirm_password or "")
        return Reply(201, EmptyBody())

    def routes(self) -> Sequence[AnyRoute]:
        """The routes of signing in."""
        return (
            RouteTable("tokens", service="users")
            .post(
                "/users/tokens/issue",
                "Sign in",
                self.issue_token,
                body=CredentialsBody,
                answer=TokenBody,
                status=201,
                auth=Auth.NONE,
                errors=(Unauthenticated, TooMany),
            )
            .post(
                "/users/tokens/refresh",
                "Get new tokens for a refresh token",
                self.refresh_token,
                answer=TokenBody,
                status=201,
                auth=Auth.REFRESH,
            )
            .post("/users/tokens/identify", "Ask whose access token it is", self.identify_user, answer=IdentityAnswer)
            .post(
                "/password/reset-request",
                "Ask for a mail to set a new password",
                self.request_password_reset,
                body=ResetRequestBody,
                answer=MessageBody,
                status=201,
                auth=Auth.NONE,
                errors=(NotFound, RuleBroken, TooMany),
                tag="password",
            )
            .put(
                "/password/reset",
                "Set a new password with the token of the mail",
                self.reset_password,
                body=ResetBody,
                answer=EmptyBody,
                status=201,
                auth=Auth.NONE,
                errors=(Unauthenticated, RuleBroken, TooMany),
                tag="password",
            )
            .routes
        )


def _tokens(pair: TokenPair) -> Reply:
    # RFC 6749 §5.1: an answer with a token is not to be cached.
    return Reply(201, TokenBody(pair.access, pair.refresh), (("cache-control", "no-store"),))
