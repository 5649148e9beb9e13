"""What a type cannot say about a setting. Each rule answers what a value must be, or nothing when it is good."""

import base64
import ipaddress
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from blazon.settings.field import Field, fields
from blazon.settings.shape import Settings

__all__ = ["broken_rules"]

_HALF_A_PASSWORD: Final = re.compile(r"(?!sqlite:|https?:)\w+://[^/?#]*[/?#].*@", re.DOTALL)
"""A URL with an `@` behind its host, as one has whose password holds a character of `/?#` as it is. A driver would take
the parts of that password for a host, a port or a path, and repeat them in what it says."""

_DATABASES: Final = ("postgresql", "postgres", "sqlite")


def broken_rules(settings: Settings) -> Iterator[tuple[Field, str]]:
    """Every setting that breaks a rule, and what it must be."""
    for field in fields():
        value = getattr(getattr(settings, field.table), field.name) if field.table else getattr(settings, field.name)
        must_be = _must_be(field, value)
        if must_be:
            yield field, must_be


def _must_be(field: Field, value: Any) -> str:
    texts = value if isinstance(value, tuple) else (value,) if isinstance(value, str) else ()
    if any(not _is_clean(text) for text in texts):
        return "a text without control characters"
    if "least" in field.extra and value < field.extra["least"]:
        return field.must_be
    if field.schemes and value and not _is_url(value, field.schemes):
        return field.must_be
    if field.schemes and _HALF_A_PASSWORD.match(value):
        return "a URL with @ before its host only; write %2F for /, %3F for ?, %23 for # and %40 for @ elsewhere"
    rule = _RULES.get(field.key)
    return field.must_be if rule is not None and not rule(value) else ""


def _is_clean(text: str) -> bool:
    return not any(unicodedata.category(character) in ("Cc", "Cs") for character in text)


def _is_url(url: str, schemes: tuple[str, ...]) -> bool:
    scheme, colon, rest = url.partition("://")
    if not colon or not rest or scheme not in schemes:
        return False
    if scheme in _DATABASES:
        return True  # a path, or several hosts, or none: the driver reads it
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0  # `port` raises when it is no number, or too great a one
    except ValueError:
        return False


def _is_listen(value: str) -> bool:
    host, colon, port = value.rpartition(":")
    if not colon or not re.fullmatch(r"\d{1,5}", port, re.ASCII) or int(port) > 65535:
        return False
    return ":" not in host or bool(re.fullmatch(r"\[[0-9A-Fa-f:.%\w]+\]", host))


def _is_regular_expression(value: str) -> bool:
    try:
        with warnings.catch_warnings(action="ignore"):
            re.compile(value)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def _are_addresses(value: tuple[str, ...]) -> bool:
    try:
        return all(ipaddress.ip_address(text) for text in value)
    except ValueError:
        return False


def _are_origins(value: tuple[str, ...]) -> bool:
    return all(_is_url(text, ("http", "https")) and re.fullmatch(r"https?://[^/?#@]+", text) for text in value)


def _is_master_key(value: str) -> bool:
    try:
        return not value or len(base64.b64decode(value, validate=True)) == 32
    except ValueError:
        return False


def _is_folder(value: str) -> bool:
    try:
        Path(value).expanduser()
    except RuntimeError:  # the home of somebody there is not
        return False
    return True


_RULES: Final[dict[str, Callable[[Any], bool]]] = {
    "data_dir": _is_folder,
    "http.listen": _is_listen,
    "http.trusted_proxies": _are_addresses,
    "users.password_rule": _is_regular_expression,
    "users.reset_origins": _are_origins,
    "secrets.master_key": _is_master_key,
}
