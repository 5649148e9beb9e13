"""Reading lists of the API to their end: those that are cut by offset, and those with a bookmark for the next page."""

from collections.abc import Iterator
from typing import Any, Final

from blazon.cli.client import Api

__all__ = ["LARGEST_PAGE", "by_bookmark", "by_offset"]

LARGEST_PAGE: Final = 1000
"""CAs or certificates the API gives at once."""

_PAGE: Final = 100


def by_offset(api: Api, path: str, key: str) -> Iterator[dict[str, Any]]:
    """Everything in a list of groups, things or channels, whatever its state. `key` is the member it stands in."""
    seen = 0
    while True:
        page = api.call("GET", path, query={"limit": _PAGE, "offset": seen, "status": "all"})
        yield from page[key]
        seen += len(page[key])
        if not page[key] or seen >= page["total"]:
            return


def by_bookmark(api: Api, path: str, size: int = LARGEST_PAGE, **query: Any) -> Iterator[dict[str, Any]]:
    """Everything in a list of CAs or certificates, in pages of `size`, read as far as somebody takes from it."""
    asked: dict[str, Any] = {"page_size": size, **query}
    while True:
        page = api.call("GET", path, query=asked)
        yield from page["list"]
        if not page["next"]:
            return
        asked = {"bookmark": page["next"]}
