"""Rules that values of settings keep, where a type cannot say them."""

import base64
import ipaddress
import re
import unicodedata
import warnings
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

__all__ = [
    "are_addresses",
    "are_origins",
    "is_clean",
    "is_folder",
    "is_listen",
    "is_master_key",
    "is_regular_expression",
    "is_url",
]

_DATABASES: Final = ("postgresql", "postgres", "sqlite")


def is_clean(text: str) -> bool:
    """Whether a text has no control characters."""
    return not any(unicodedata.category(character) in ("Cc", "Cs") for character in text)


def is_url(url: str, schemes: tuple[str, ...]) -> bool:
    """Whether a text is a URL of one of the schemes, with a host unless it is that of a database."""
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


def is_listen(value: str) -> bool:
    """Whether a text is host:port."""
    host, colon, port = value.rpartition(":")
    if not colon or not re.fullmatch(r"\d{1,5}", port, re.ASCII) or int(port) > 65535:
        return False
    return ":" not in host or bool(re.fullmatch(r"\[[0-9A-Fa-f:.%\w]+\]", host))


def is_regular_expression(value: str) -> bool:
    """Whether a text is a regular expression."""
    try:
        with warnings.catch_warnings(action="ignore"):
            re.compile(value)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def are_addresses(value: tuple[str, ...]) -> bool:
    """Whether all texts are IP addresses."""
    try:
        return all(ipaddress.ip_address(text) for text in value)
    except ValueError:
        return False


def are_origins(value: tuple[str, ...]) -> bool:
    """Whether all texts are origins, such as `https://ui.example.com`."""
    return all(is_url(text, ("http", "https")) and re.fullmatch(r"https?://[^/?#@]+", text) for text in value)


def is_master_key(value: str) -> bool:
    """Whether a text is base64 of 32 bytes, or empty."""
    try:
        return not value or len(base64.b64decode(value, validate=True)) == 32
    except ValueError:
        return False


def is_folder(value: str) -> bool:
    """Whether a text can be the path of a folder."""
    try:
        Path(value).expanduser()
    except RuntimeError:  # the home of somebody there is not
        return False
    return True
