"""Reading JSON from strangers.

msgspec reads the fields. What it accepts and Blazon does not is refused here: a name that is repeated in one object
(RFC 8259 §4 leaves open which one counts), U+0000, which PostgreSQL cannot store, and nesting beyond reason.
"""

import json
import re
from typing import Any, Final, TypeVar

import msgspec

from blazon.errors import Malformed

__all__ = ["DEPTH", "IncompleteBody", "place_first", "read"]

T = TypeVar("T")

_LACKS: Final = re.compile(r"missing required field|got `null` - at `\$[^\[]*`$")
"""How msgspec says that a field is missing or null. A null in a list is a member of the wrong type."""

DEPTH: Final = 64
"""How deep JSON may be nested."""


class IncompleteBody(Malformed):
    """The body lacks a field it must have, or has null in its place."""


class _Twice(ValueError):
    pass


def _no_name_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise _Twice(next(name for name in names if names.count(name) > 1))
    return found


_begin = json.JSONDecoder(object_pairs_hook=_no_name_twice).raw_decode
_SPACE: Final = " \t\n\r"
"""Around a value (RFC 8259 §2)."""


def _scan(text: str) -> Any:
    """The value of a text that holds nothing else. Raises ValueError, RecursionError."""
    text = text.rstrip(_SPACE)
    value, end = _begin(text, len(text) - len(text.lstrip(_SPACE)))
    if end != len(text):
        raise json.JSONDecodeError("Extra data", text, len(text) - len(text[end:].lstrip(_SPACE)))
    return value


def read(body: bytes, decoder: "msgspec.json.Decoder[T]") -> T:
    """Reads a body. Raises Malformed, with the place of a wrong field; IncompleteBody when a field is missing."""
    if not body:
        raise Malformed("the request has no body; send one in JSON")
    try:
        text = body.decode()
        value = _scan(text)
    except UnicodeDecodeError:
        raise Malformed("the body is not UTF-8") from None
    except _Twice as error:
        raise Malformed(f"the body has the name {str(error)[:100]!r} twice in one object") from None
    except RecursionError:
        raise Malformed(f"the body is nested deeper than {DEPTH} levels") from None
    except ValueError as error:
        raise Malformed(f"the body is not JSON: {error}") from None
    if "\\u" in text or text.count("{") + text.count("[") > DEPTH:
        _check_text(value, 0)
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        kind = IncompleteBody if _LACKS.search(str(error)) else Malformed
        raise kind(place_first(str(error))) from None
    except msgspec.DecodeError as error:
        raise Malformed(f"the body is not JSON: {error}") from None


def place_first(message: str) -> str:
    """`Expected `str`, got `int` - at `$.name`` → `name: expected `str`, got `int``."""
    reason, _, place = message.partition(" - at ")
    name = place.strip("`").removeprefix("$").removeprefix(".")
    lowered = reason[:1].lower() + reason[1:]
    return f"{name}: {lowered}" if name else lowered


def _check_text(value: object, depth: int) -> None:
    if depth > DEPTH:
        raise Malformed(f"the body is nested deeper than {DEPTH} levels")
    if isinstance(value, str):
        if "\0" in value:
            raise Malformed("the body holds the character U+0000, which cannot be kept")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise Malformed("the body holds half a surrogate pair, which is no character")
    elif isinstance(value, dict):
        for name, member in value.items():
            _check_text(name, depth)
            _check_text(member, depth + 1)
    elif isinstance(value, list):
        for member in value:
            _check_text(member, depth + 1)
