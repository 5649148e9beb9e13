"""Finding what serves a path."""

from collections.abc import Mapping
from typing import Generic, TypeVar
from urllib.parse import unquote

from blazon.errors import NotFound

__all__ = ["Router"]

T = TypeVar("T")


class _Node(Generic[T]):
    """One segment of a path: what serves its methods, and the segments that may follow."""

    __slots__ = ("literal", "methods", "parameter", "rest")

    def __init__(self) -> None:
        self.literal: dict[str, _Node[T]] = {}
        self.parameter: _Node[T] | None = None
        self.rest: _Node[T] | None = None
        self.methods: dict[str, T] = {}


class Router(Generic[T]):
    """A tree of path segments.

    A declared path consists of literal segments, parameters (`{name}`, one segment) and, at its end, `{name*}`: the
    rest of the path, slashes included. Where several fit, a literal segment wins over a parameter.
    """

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()

    def add(self, method: str, path: str, serving: T) -> None:
        """Serves a method of a declared path. Raises ValueError if it is served already."""
        node = self._root
        for segment in path.strip("/").split("/"):
            if segment.endswith("*}"):
                node.rest = node.rest or _Node()
                node = node.rest
            elif segment.startswith("{"):
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.literal.setdefault(segment, _Node())
        if method in node.methods:
            raise ValueError(f"{method} {path} is declared twice")
        node.methods[method] = serving

    def find(self, path: str) -> tuple[Mapping[str, T], list[str]]:
        """What serves the methods of a requested path, and the values of its parameters.

        `path` is percent-encoded. It is split before it is decoded, so `%2F` is a slash in a value. Raises NotFound.
        """
        node = self._root
        values: list[str] = []
        segments = path[1:].split("/")
        if "%" in path:
            segments = [unquote(segment) for segment in segments]
        for place, segment in enumerate(segments):
            following = node.literal.get(segment)
            if following is None and node.rest is not None:
                return node.rest.methods, [*values, "/".join(segments[place:])]
            if following is None:
                following = node.parameter
                if following is None or not segment or "\0" in segment:
                    raise NotFound("there is nothing at this path")
                values.append(segment)
            node = following
        if not node.methods:
            raise NotFound("there is nothing at this path")
        return node.methods, values

    def nearest(self, path: str) -> T | None:
        """Something that is served below the longest beginning of a path that leads anywhere; None if none does."""
        node = self._root
        for segment in path[1:].split("/"):
            following = node.literal.get(segment) or node.parameter
            if following is None:
                break
            node = following
        return None if node is self._root else _any_below(node)


def _any_below(node: _Node[T]) -> T | None:
    for serving in node.methods.values():
        return serving
    below = (_any_below(child) for child in (*node.literal.values(), node.parameter, node.rest) if child is not None)
    return next((serving for serving in below if serving is not None), None)
