"""Finding what serves a path."""

from typing import Generic, Protocol, TypeVar
from urllib.parse import unquote

from blazon.errors import NotFound

__all__ = ["Node", "Paths"]


class _Declared(Protocol):
    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...


class _Serving(Protocol):
    @property
    def route(self) -> _Declared: ...


S = TypeVar("S", bound=_Serving)
R = TypeVar("R")


class Node(Generic[S, R]):
    """One step of a path: what serves its methods, and the resource that is there."""

    __slots__ = ("literal", "parameter", "resource", "rest", "routes")

    def __init__(self) -> None:
        self.literal: dict[str, Node[S, R]] = {}
        self.parameter: Node[S, R] | None = None
        self.rest: Node[S, R] | None = None
        self.routes: dict[str, S] = {}
        self.resource: R | None = None


class Paths(Generic[S, R]):
    """A tree of the paths that are served. A literal step wins over a parameter."""

    def __init__(self) -> None:
        self._root: Node[S, R] = Node()

    def add(self, serving: S) -> None:
        """Lets a route be served."""
        route = serving.route
        node = self.place(route.path)
        if route.method in node.routes:
            raise ValueError(f"{route.method} {route.path} is declared twice")
        node.routes[route.method] = serving

    def place(self, path: str) -> Node[S, R]:
        """The node of a declared path; it is made when it is not there."""
        node = self._root
        for part in path.strip("/").split("/"):
            if part.endswith("*}"):
                node.rest = node.rest or Node()
                node = node.rest
            elif part.startswith("{"):
                node.parameter = node.parameter or Node()
                node = node.parameter
            else:
                node = node.literal.setdefault(part, Node())
        return node

    def find(self, path: str) -> tuple[Node[S, R], list[str]]:
        """The node of a requested path, as it came, and the values of its parameters, decoded. Raises NotFound."""
        node = self._root
        values: list[str] = []
        parts = path[1:].split("/")
        if "%" in path:  # only now, so that a %2F is a character of a step and ends none (RFC 3986 §2.2)
            parts = list(map(unquote, parts))
        for place, part in enumerate(parts):
            following = node.literal.get(part)
            if following is None and node.rest is not None:
                return node.rest, [*values, "/".join(parts[place:])]
            if following is None:
                following = node.parameter
                if following is None or not part or "\0" in part:
                    raise NotFound("there is nothing at this path")
                values.append(part)
            node = following
        if not node.routes and node.resource is None:
            raise NotFound("there is nothing at this path")
        return node, values
