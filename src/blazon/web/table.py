"""The table in which a room declares its routes.

It begins with what they have in common, and each line adds one:

    table = RouteTable("things", errors=(NotFound,), answer=ThingBody)
    table.post("/things", "Create a thing", self.create_thing, body=ThingDraftBody, status=201)
    table.get("/things/{id}", "View a thing", self.view_thing)
    return table.routes
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypedDict, Unpack

from blazon.errors import RequestError
from blazon.web.failures import ErrorBody, Failure
from blazon.web.request import JSON
from blazon.web.route import AnyRoute, Auth, Reply, Route

__all__ = ["Declared", "RouteTable"]

Handler = Callable[[Any], Reply | Awaitable[Reply]]


class Declared(TypedDict, total=False):
    """What a route may declare besides its method, path, summary and handler. `Route` says what each means."""

    body: type[Any]
    consumes: tuple[str, ...]
    query: type[Any]
    answer: type[Any] | None
    produces: str
    status: int
    auth: Auth
    tag: str
    operation: str
    described: bool
    listeners: tuple[str, ...]
    errors: tuple[type[RequestError], ...]


class RouteTable:
    """Routes that have much in common.

    `errors` can be raised by every one of them; those of a route come besides. `failure` is the body of their errors.
    They are answered by `listener`, and by the listener of the `service` if there is one (`Room.ports`). The other
    arguments are for routes that declare nothing else. `routes` are the routes so far, in order.
    """

    def __init__(
        self,
        tag: str,
        *,
        errors: tuple[type[RequestError], ...] = (),
        answer: type[Any] | None = None,
        auth: Auth = Auth.USER,
        consumes: tuple[str, ...] = JSON,
        failure: type[ErrorBody] = Failure,
        service: str = "",
        listener: str = "api",
    ) -> None:
        self.routes: tuple[AnyRoute, ...] = ()
        self._errors = errors
        self._failure = failure
        self._usual: Declared = {
            "tag": tag,
            "answer": answer,
            "auth": auth,
            "consumes": consumes,
            "listeners": (listener, service) if service else (listener,),
        }

    def get(self, path: str, summary: str, handler: Handler, **more: Unpack[Declared]) -> "RouteTable":
        """Adds a route for GET, and with it for HEAD."""
        return self.route("GET", path, summary, handler, **more)

    def post(self, path: str, summary: str, handler: Handler, **more: Unpack[Declared]) -> "RouteTable":
        """Adds a route for POST."""
        return self.route("POST", path, summary, handler, **more)

    def put(self, path: str, summary: str, handler: Handler, **more: Unpack[Declared]) -> "RouteTable":
        """Adds a route for PUT."""
        return self.route("PUT", path, summary, handler, **more)

    def patch(self, path: str, summary: str, handler: Handler, **more: Unpack[Declared]) -> "RouteTable":
        """Adds a route for PATCH."""
        return self.route("PATCH", path, summary, handler, **more)

    def delete(self, path: str, summary: str, handler: Handler, **more: Unpack[Declared]) -> "RouteTable":
        """Adds a route for DELETE."""
        return self.route("DELETE", path, summary, handler, **more)

    def route(self, method: str, path: str, summary: str, handler: Handler, **more: Unpack[Declared]) -> "RouteTable":
        """Adds a route."""
        declared: dict[str, Any] = {**self._usual, **more}
        declared["errors"] = (*self._errors, *more.get("errors", ()))
        added: AnyRoute = Route(
            method=method, path=path, summary=summary, handler=handler, failure=self._failure, **declared
        )
        self.routes = (*self.routes, added)
        return self
