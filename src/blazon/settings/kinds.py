"""How a setting is declared: its type, and what a type cannot say about it.

A setting is a field of a frozen struct, annotated by one of the functions here. Documents, flags and checks are made
from that annotation.
"""

from collections.abc import Callable
from typing import Annotated, Any

from msgspec import Meta

from blazon.settings.duration import Duration

__all__ = ["Count", "Port", "Positive", "secret_meta", "span", "span_meta", "text_meta", "url_meta"]

Rule = Callable[[Any], bool]
"""Whether a value is good."""

Port = Annotated[int, Meta(ge=0, le=65535)]
Count = Annotated[int, Meta(ge=0, le=2**62)]
Positive = Annotated[int, Meta(ge=1, le=2**31 - 1)]


def span(written: str) -> Any:
    """A default that is a time span, such as `30s`."""
    return Duration.parse(written)


def span_meta(description: str, least: str = "1ms") -> Meta:
    """A time span that is at least `least`."""
    return Meta(description=description, extra={"least": span(least)})


def url_meta(description: str, *schemes: str) -> Meta:
    """A URL of one of the schemes, or nothing. It may hold a password, which is never shown."""
    return Meta(description=description, extra={"schemes": schemes})


def secret_meta(description: str, mend: str = "a text", rule: Rule | None = None) -> Meta:
    """A text that is never shown. `mend` says in words what it must be when `rule` finds it wrong."""
    return Meta(description=description, extra={"secret": True, "mend": mend, "rule": rule})


def text_meta(description: str, mend: str, rule: Rule | None = None, **limits: Any) -> Meta:
    """A text with a limit that needs words: `mend` says what it must be when a limit or `rule` finds it wrong."""
    return Meta(description=description, extra={"mend": mend, "rule": rule}, **limits)
