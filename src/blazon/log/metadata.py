"""Metadata: JSON objects of clients, which Blazon keeps and does not read."""

from typing import Any, Final

import msgspec

from blazon.errors import RuleBroken
from blazon.log.canonical import canonical

__all__ = ["METADATA_BYTES", "MetadataRule"]

METADATA_BYTES: Final = 64 * 1024
"""The limit where none is set."""

_NONE: Final = msgspec.Raw(b"{}")


class MetadataRule(msgspec.Struct, frozen=True):
    """How large metadata may be, in bytes of compact JSON in UTF-8.

    It goes whole into every event of what it belongs to, and so into the memory of whoever reads the log, relays it, or
    makes tables of it, many events at once.
    """

    most: int

    def kept(self, given: dict[str, Any] | None) -> msgspec.Raw:
        """Metadata as it is kept; none given is `{}`. Raises RuleBroken."""
        text = canonical(given) if given else _NONE
        size = len(bytes(text))
        if size > self.most:
            raise RuleBroken(
                f"metadata is {size} bytes of compact JSON; at most {self.most} are kept (events.metadata_bytes)"
            )
        return text
