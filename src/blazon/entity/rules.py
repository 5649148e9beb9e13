"""What names, ids, identities, descriptions and tags may be. Pure functions; each raises Malformed."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from blazon.errors import Malformed

__all__ = [
    "check_description",
    "check_id",
    "check_identity",
    "check_name",
    "check_new_id",
    "check_tags",
]

_NAME_BYTES: Final = 1024
_DESCRIPTION_BYTES: Final = 1024
_ID_BYTES: Final = 254
_IDENTITY_BYTES: Final = 254
_TAGS: Final = 256
_TAG_BYTES: Final = 254

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def _check_text(what: str, text: str, most: int) -> None:
    if len(text.encode()) > most:
        raise Malformed(f"{what} is longer than {most} bytes")
    if not text.isprintable() and any(unicodedata.category(character) == "Cc" for character in text):
        raise Malformed(f"{what} holds a control character")


def check_name(name: str, *, required: bool = False) -> str:
    """A name of at most 1 024 bytes."""
    if required and not name:
        raise Malformed("name is missing")
    _check_text("name", name, _NAME_BYTES)
    return name


def check_description(description: str) -> str:
    """A description of at most 1 024 bytes; it may have several lines."""
    _check_text("description", description.replace("\n", " ").replace("\t", " ").replace("\r", " "), _DESCRIPTION_BYTES)
    return description


def check_identity(identity: str, what: str = "identity") -> str:
    """What a user signs in with: not empty, at most 254 bytes, without space around it."""
    if not identity:
        raise Malformed(f"{what} is missing")
    _check_text(what, identity, _IDENTITY_BYTES)
    if identity != identity.strip():
        raise Malformed(f"{what} begins or ends with space")
    return identity


def check_id(what: str, identifier: str) -> str:
    """An id somebody names: not empty, at most 254 bytes. Whether there is such a thing is seen later."""
    if not identifier:
        raise Malformed(f"{what} is missing")
    _check_text(what, identifier, _ID_BYTES)
    return identifier


def check_new_id(identifier: str) -> str:
    """An id a client chose: a UUID in its canonical form, lower case (RFC 9562 §4)."""
    if not _UUID.fullmatch(identifier):
        raise Malformed("id must be a UUID in lower case, such as 5b7d0b3e-6f3c-4f5e-9a55-0a8d6d1d3c1e")
    return identifier


def check_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """At most 256 tags of 1 to 254 bytes."""
    checked = tuple(tags)
    if len(checked) > _TAGS:
        raise Malformed(f"there are more than {_TAGS} tags")
    for tag in checked:
        if not tag:
            raise Malformed("a tag is empty")
        _check_text("a tag", tag, _TAG_BYTES)
    return checked
