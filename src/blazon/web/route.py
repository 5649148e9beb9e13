"""What a room declares for HTTP: routes. The dispatcher serves them and the OpenAPI document describes them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any, ClassVar, Final, Generic, TypeVar

from msgspec import Meta, Struct

from blazon.caller import Caller
from blazon.errors import RequestError
from blazon.web.failures import ErrorBody, Failure
from blazon.web.request import JSON, Headers

__all__ = [
    "REFRESH_TOKEN",
    "USER_TOKEN",
    "AnyRoute",
    "Auth",
    "Call",
    "NoBody",
    "NoQuery",
    "Page",
    "Reply",
    "Route",
]

B = TypeVar("B")
Q = TypeVar("Q", bound=Struct)


USER_TOKEN: Final = "user token"  # noqa: S105 - a name
REFRESH_TOKEN: Final = "refresh token"  # noqa: S105
"""Schemes that the room of users offers."""


class NoBody(Struct, frozen=True):
    """The body of a request that has none."""


class NoQuery(Struct, frozen=True):
    """The parameters of a request that has none."""


class Page(Struct, kw_only=True, frozen=True):
    """The parameters every list has."""

    offset: Annotated[int, Meta(ge=0, le=2**62, description="How many to leave out at the beginning.")] = 0
    limit: Annotated[int, Meta(ge=1, le=100, description="How many to return at most.")] = 10


class Auth(Struct, frozen=True):
    """Who may call a route, before the rules of the room decide: whoever one of the schemes authenticates.

    Without schemes that is anybody, and credentials are not looked at. If it is `optional`, valid credentials identify
    the caller, and invalid ones are ignored.
    """

    schemes: tuple[str, ...] = ()
    optional: bool = False

    NONE: ClassVar["Auth"]
    """Anybody."""

    OPTIONAL: ClassVar["Auth"]
    """Anybody; a user with a valid access token is known."""

    USER: ClassVar["Auth"]
    """A user with a valid access token."""

    REFRESH: ClassVar["Auth"]
    """A user with a valid refresh token."""

    @property
    def required(self) -> bool:
        """Whether a caller who is not authenticated is refused."""
        return bool(self.schemes) and not self.optional


Auth.NONE = Auth()
Auth.OPTIONAL = Auth((USER_TOKEN,), optional=True)
Auth.USER = Auth((USER_TOKEN,))
Auth.REFRESH = Auth((REFRESH_TOKEN,))


class Call(Generic[B, Q]):
    """One request, read and checked. `path` holds the values of the path's parameters, percent-decoded."""

    __slots__ = ("body", "caller", "headers", "path", "query")

    def __init__(self, caller: Caller, headers: Headers, path: dict[str, str], query: Q, body: B) -> None:
        self.caller = caller
        self.headers = headers
        self.path = path
        self.query = query
        self.body = body


class Reply(Struct, frozen=True):
    """What a handler returns. `headers` are names in lower case and values.

    `body` is sent as it is if it is bytes, and as JSON otherwise; None is a response without a body. An iterator of
    bytes is a stream, such as Server-Sent Events: each item is sent when it comes, and the iterator is closed when the
    client leaves or the server stops.
    """

    status: int = 200
    body: Struct | Sequence[Struct] | Mapping[str, int] | bytes | AsyncIterator[bytes] | None = None
    headers: tuple[tuple[str, str], ...] = ()


class Route(Struct, Generic[B, Q], frozen=True, kw_only=True):
    """One method of one path.

    `path` has parameters in braces (`router.Router`). `body` is a struct, a list of structs, or `bytes` for a body that
    is not JSON; `consumes` are its media types, the usual one first. `answer` is the shape of the response body: a
    struct, a list or map of structs, `bytes`, or None if there is no body; `produces` is its media type. A GET that
    answers with bytes and an `etag` answers 304 to a client that has this version already.

    `errors` are the errors the room raises besides those every route can raise, `failure` is the body they are sent
    with. `summary` begins with a verb and is one line. `operation` is needed only where one handler serves several
    routes. `listeners` are the names of those that answer it. `described` is false for routes that the OpenAPI document
    leaves out.
    """

    method: str
    path: str
    summary: str
    handler: Callable[[Call[B, Q]], Reply | Awaitable[Reply]]
    """Answers a request. A plain function that returns a Reply must not wait for anything: it runs on the event loop,
    between two reads. A handler that must wait is a coroutine function, or returns an awaitable; it gets a task."""
    tag: str
    body: type[B] = NoBody  # type: ignore[assignment]
    consumes: tuple[str, ...] = JSON
    query: type[Q] = NoQuery  # type: ignore[assignment]
    answer: type[Any] | None = None
    produces: str = "application/json"
    status: int = int(HTTPStatus.OK)
    auth: Auth = Auth.USER
    errors: tuple[type[RequestError], ...] = ()
    failure: type[ErrorBody] = Failure
    operation: str = ""
    described: bool = True
    listeners: tuple[str, ...] = ("api",)

    @property
    def name(self) -> str:
        """The operation's name: that of its handler, unless it has one of its own."""
        return self.operation or str(getattr(self.handler, "__name__", "")).strip("_")

    @property
    def takes_body(self) -> bool:
        """Whether the request has a body."""
        return self.body is not NoBody

    @property
    def takes_json(self) -> bool:
        """Whether the request has a body of JSON."""
        return self.takes_body and self.body is not bytes

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the path's parameters, in order."""
        return tuple(part[1:-1].rstrip("*") for part in self.path.split("/") if part.startswith("{"))


AnyRoute = Route[Any, Any]
