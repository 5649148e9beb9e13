"""What can be set about users and their tokens."""

from typing import Annotated

from msgspec import Meta, Struct

from blazon.settings import Duration, Positive, are_origins, is_regular_expression, span, span_meta, text_meta

__all__ = ["TokenSettings", "UserSettings"]


class UserSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Users."""

    open_registration: Annotated[bool, Meta(description="Whether anybody may register.")] = True
    password_rule: Annotated[
        str,
        text_meta("Regular expression a new password must match.", "a regular expression", is_regular_expression),
    ] = "^.{8,}$"  # noqa: S105 - a rule, not a password
    reset_path: Annotated[
        str,
        text_meta("Path of the page that sets a new password.", "a path that begins with /", pattern=r"^/[^?#\s]*$"),
    ] = "/reset-request"
    reset_origins: Annotated[
        tuple[str, ...],
        text_meta(
            "Origins, such as https://ui.example.com, a reset mail may link to; empty is http.public_url's, or any.",
            "a list of origins without a path, such as https://ui.example.com",
            are_origins,
        ),
    ] = ()
    failures_per_minute: Annotated[
        Positive, Meta(description="Failed sign-ins per identity and address in a minute before more are refused.")
    ] = 10


class TokenSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Tokens."""

    access: Annotated[Duration, span_meta("How long an access token lives.", "1s")] = span("15m")
    refresh: Annotated[Duration, span_meta("How long a refresh token lives.", "1s")] = span("24h")
    reset: Annotated[Duration, span_meta("How long the link of a reset mail works.", "1s")] = span("30m")
