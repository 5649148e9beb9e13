"""What names, identities, passwords, tags and metadata may be. Pure functions; each raises Malformed or RuleBroken."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from blazon.errors import Malformed, RuleBroken
from blazon.log import canonical

__all__ = [
    "EMPTY",
    "check_description",
    "check_email",
    "check_id",
    "check_identity",
    "check_name",
    "check_password",
    "check_tags",
    "metadata_of",
]

EMPTY: Final = msgspec.Raw(b"{}")
"""No metadata."""

_NAME_BYTES: Final = 1024
_DESCRIPTION_BYTES: Final = 1024
_ID_BYTES: Final = 254
_IDENTITY_BYTES: Final = 254
_PASSWORD_BYTES: Final = 1024
_TAGS: Final = 256
_TAG_BYTES: Final = 254

_LOCAL_PART: Final = re.compile(r"[a-zA-Z0-9!#$%&'*+/=?^_`{|}~.-]+")
_LABEL: Final = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?")
_LAST_LABEL_BYTES: Final = 24


def _check_text(what: str, text: str, most: int) -> None:
    if len(text.encode()) > most:
        raise Malformed(f"{what} is longer than {most} bytes")
    if any(unicodedata.category(character) == "Cc" for character in text):
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


def check_email(identity: str) -> str:
    """An identity that is an e-mail address (lengths of RFC 5321 §4.5.3.1); its domain may be internationalised."""
    check_identity(identity, "credentials.identity")
    local, at, domain = identity.partition("@")
    if not at or "@" in domain:
        raise Malformed("credentials.identity must be an e-mail address, such as name@example.com")
    if len(local) > 64 or not _LOCAL_PART.fullmatch(local) or local.strip(".") != local or ".." in local:
        raise Malformed("credentials.identity has no good part before the @")
    try:
        ascii_domain = domain.encode("idna").decode()
    except UnicodeError:
        raise Malformed("credentials.identity has no good domain after the @") from None
    labels = ascii_domain.split(".")
    if len(labels) < 2 or len(ascii_domain) > 255 or len(labels[-1]) > _LAST_LABEL_BYTES:
        raise Malformed("credentials.identity has no good domain after the @")
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise Malformed("credentials.identity has no good domain after the @")
    return identity


def check_password(what: str, password: str, rule: "re.Pattern[str]") -> str:
    """A password that fulfils the rule of `users.password_rule`. The error does not repeat the password."""
    if not password:
        raise Malformed(f"{what} is missing")
    if len(password.encode()) > _PASSWORD_BYTES:
        raise Malformed(f"{what} is longer than {_PASSWORD_BYTES} bytes")
    if not rule.search(password):
        raise RuleBroken(f"password does not meet the requirements: {what} must match {rule.pattern}")
    return password


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


def metadata_of(metadata: dict[str, Any] | None) -> msgspec.Raw:
    """Metadata as it is kept; none given is `{}`."""
    return canonical(metadata) if metadata else EMPTY
