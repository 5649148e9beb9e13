"""What may be asked for: things to make, and lists of them. Pure functions; each raises Malformed."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from blazon.entity import Status, rules
from blazon.errors import Malformed
from blazon.listing import ListFilter, Visibility

__all__ = ["ThingDraft", "ThingFilter", "check_key", "numbered"]

_KEY_BYTES: Final = 4096


class ThingDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A thing somebody asks for. `id` and `key` are empty when Blazon shall choose them."""

    id: str = ""
    name: str = ""
    identity: str = ""
    key: str = ""
    tags: tuple[str, ...] = ()
    owner: str = ""
    metadata: dict[str, Any] | None = None
    status: Status = Status.ENABLED

    def check(self) -> None:
        """What can be said without knowing what there is. Raises Malformed."""
        if self.id:
            rules.check_new_id(self.id)
        rules.check_name(self.name)
        if self.identity:
            rules.check_identity(self.identity, "credentials.identity")
        if self.key:
            check_key(self.key)
        rules.check_tags(self.tags)


class ThingFilter(ListFilter, frozen=True, kw_only=True):
    """Which things a list shows."""

    tag: str | None = None
    owner: str | None = None
    visibility: Visibility | None = None


def check_key(key: str) -> str:
    """A key of at most 4 096 bytes. One that is not ASCII is good for MQTT alone. The error does not repeat it."""
    if len(key.encode()) > _KEY_BYTES:
        raise Malformed(f"the secret is longer than {_KEY_BYTES} bytes")
    if key != key.strip() or not key.isprintable():
        raise Malformed("the secret begins or ends with space, or holds a control character")
    return key


def numbered(what: str, values: Sequence[str]) -> dict[str, int]:
    """Which thing has which value; those without one, an empty text, are left out. None may be there twice."""
    found: dict[str, int] = {}
    for number, value in enumerate(values):
        if value and value in found:
            raise Malformed(f"things[{number}] has {what} that is there twice")
        if value:
            found[value] = number
    return found
