"""How this room declares its routes."""

from collections.abc import Callable
from typing import Any, Unpack

from blazon.ca.api.failure import PkiFailure
from blazon.errors import RequestError
from blazon.web import JSON_OR_TEXT, Auth, Declared, RouteTable

__all__ = ["also_by_post", "pki_table"]


def pki_table(
    tag: str,
    *,
    answer: type[Any] | None = None,
    errors: tuple[type[RequestError], ...] = (),
    auth: Auth = Auth.USER,
) -> RouteTable:
    """A table of routes with the errors of this room, and with bodies as its web clients send them."""
    return RouteTable(tag, answer=answer, errors=errors, auth=auth, consumes=JSON_OR_TEXT, failure=PkiFailure)


def also_by_post(
    table: RouteTable, path: str, summary: str, handler: Callable[[Any], Any], **more: Unpack[Declared]
) -> None:
    """Adds a route for PUT, and the same for POST, which clients of an older generation send."""
    table.put(path, summary, handler, **more)
    more["operation"] = f"{handler.__name__}_by_post"
    table.post(path, summary, handler, **more)
