"""Authentication schemes: how a request says who asks (RFC 9110 §11).

A room that knows callers offers schemes; the routes of every room name those by which they may be called.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from blazon.caller import Caller
from blazon.web.request import Request, bearer_token

__all__ = ["BearerScheme", "Scheme"]


class Scheme(Protocol):
    """One way to say who asks.

    `name` is what routes name it by. `missing` says what to send, for whoever sent nothing. `challenge` is its part of
    WWW-Authenticate (RFC 9110 §11.6.1), empty if it has none, as a certificate. `described` is its name in the OpenAPI
    document, and its security scheme object there (OpenAPI 3.1.0 §4.8.27).
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - see above

    @property
    def missing(self) -> str: ...  # noqa: D102

    @property
    def challenge(self) -> str: ...  # noqa: D102

    @property
    def described(self) -> tuple[str, Mapping[str, Any]]: ...  # noqa: D102

    async def authenticate(self, asked: Request) -> Caller | None:
        """Who asks; None if the request says nothing of this scheme. Raises Unauthenticated, Unavailable."""
        ...


class BearerScheme:
    """Tokens in `Authorization: Bearer …` (RFC 6750 §2.1). `verify` says whose one is, or raises Unauthenticated."""

    missing = "missing or invalid bearer user token: send Authorization: Bearer <token>"
    challenge = "Bearer"
    described: tuple[str, Mapping[str, Any]] = ("bearer", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"})

    def __init__(self, name: str, verify: Callable[[str], Awaitable[Caller]]) -> None:
        self.name = name
        self._verify = verify

    async def authenticate(self, asked: Request) -> Caller | None:
        """Whose token it is. Raises Unauthenticated, Unavailable."""
        token = bearer_token(asked.headers)
        return await self._verify(token) if token else None
