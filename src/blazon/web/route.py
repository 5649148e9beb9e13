"""What a room declares for HTTP: routes. The dispatcher serves them and OpenAPI describes them, from the same words."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import Enum
from http import HTTPStatus
from typing import Annotated, Any, Generic, TypeVar

from msgspec import Meta, Struct

from blazon.caller import Caller
from blazon.errors import RequestError
from blazon.web.reading import JSON, Headers

__all__ = ["Auth", "BinaryReply", "BinaryRoute", "Call", "NoBody", "NoQuery", "Page", "Reply", "Route"]

B = TypeVar("B")
Q = TypeVar("Q", bound=Struct)


class NoBody(Struct, frozen=True):
    """The body of a request that has none."""


class NoQuery(Struct, frozen=True):
    """The parameters of a request that has none."""


class Page(Struct, kw_only=True, frozen=True):
    """The parameters every list has."""

    offset: Annotated[int, Meta(ge=0, le=2**62, description="How many to leave out at the beginning.")] = 0
    limit: Annotated[int, Meta(ge=1, le=100, description="How many to return at most.")] = 10


class Auth(Enum):
    """Who may call a route, before the rules of the room decide."""

    NONE = "none"
    """Anybody; credentials are not looked at."""

    OPTIONAL = "optional"
    """Anybody; a valid token makes the caller known, a wrong one is as none."""

    USER = "user"
    """A user with a valid access token."""

    REFRESH = "refresh"
    """A user with a valid refresh token."""


class Call(Generic[B, Q]):
    """One request, read and checked.

    `path` holds the values of the path's parameters.
    """

    __slots__ = ("body", "caller", "headers", "path", "query")

    def __init__(self, caller: Caller, headers: Headers, path: dict[str, str], query: Q, body: B) -> None:
        self.caller = caller
        self.headers = headers
        self.path = path
        self.query = query
        self.body = body


class Reply(Struct, frozen=True):
    """An answer. `body` is encoded as JSON; None is an answer without a body."""

    status: int = 200
    body: Struct | Sequence[Struct] | Mapping[str, int] | None = None
    headers: tuple[tuple[str, str], ...] = ()


class Route(Struct, Generic[B, Q], frozen=True, kw_only=True):
    """One method of one path.

    `path` has parameters in braces; `body` is a struct or a list of them; `errors` are the errors the room raises
    besides those every route can give; `answer` is None when there is no body. `summary` begins with a verb and is one
    line. `operation` is needed only where one handler serves several routes.
    """

    method: str
    path: str
    summary: str
    handler: Callable[[Call[B, Q]], Awaitable[Reply]]
    tag: str
    body: type[B] = NoBody  # type: ignore[assignment]
    query: type[Q] = NoQuery  # type: ignore[assignment]
    answer: type[Any] | None = None
    status: int = int(HTTPStatus.OK)
    auth: Auth = Auth.USER
    errors: tuple[type[RequestError], ...] = ()
    operation: str = ""
    at_once: Callable[[Call[B, Q]], Reply | None] | None = None
    """Answers like `handler`, but from memory and without waiting; None when that needs `handler`. Only for routes
    anybody may call."""
    media: tuple[str, ...] = JSON
    """The content types a body of JSON may be sent under."""

    @property
    def name(self) -> str:
        """The operation's name: that of its handler, when it has none of its own."""
        return self.operation or str(getattr(self.handler, "__name__", "")).strip("_")

    @property
    def takes_body(self) -> bool:
        """Whether the request has a body."""
        return self.body is not NoBody

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the path's parameters, in order."""
        return tuple(part[1:-1] for part in self.path.split("/") if part.startswith("{"))


AnyRoute = Route[Any, Any]


class BinaryReply(Struct, frozen=True):
    """An answer that is not JSON. With a header `etag` it is 304 to a GET that has it already."""

    body: bytes
    content_type: str
    headers: tuple[tuple[str, str], ...] = ()
    status: int = int(HTTPStatus.OK)


class BinaryRoute(Struct, frozen=True, kw_only=True):
    """One method of one path whose bodies are octets of a format of their own; anybody may call it.

    The last part of `path` may be `{name*}`: it stands for the rest of the path, slashes included. `handler` gets the
    values of the path's parameters in order, percent-decoded, and the body.
    """

    method: str
    path: str
    handler: Callable[[tuple[str, ...], bytes], Awaitable[BinaryReply]]
    at_once: Callable[[tuple[str, ...], bytes], BinaryReply | None] | None = None
    """Answers like `handler`, but from memory and without waiting; None when that needs `handler`."""
