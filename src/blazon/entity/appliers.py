"""What the appliers of every room need: how a room gives them, and JSON as a column holds it."""

from typing import Any

import msgspec

from blazon.log import Apply, EventType

__all__ = ["by_name", "text_of"]


def by_name(by_type: dict[EventType[Any], Apply]) -> dict[tuple[str, str], Apply]:
    """Appliers by service and type, as a room gives them."""
    return {(declared.service, declared.name): apply for declared, apply in by_type.items()}


def text_of(raw: msgspec.Raw) -> str:
    """JSON as a column holds it."""
    return bytes(raw).decode()
