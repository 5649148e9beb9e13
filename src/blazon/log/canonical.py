"""One way to write an object: what is equal has the same text, in the log, in a table and on a wire."""

from typing import Any

import msgspec

__all__ = ["canonical"]


def canonical(value: dict[str, Any]) -> msgspec.Raw:
    """JSON, compact, with sorted names."""
    return msgspec.Raw(msgspec.json.encode(value, order="sorted"))
