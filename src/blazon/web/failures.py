"""Errors → HTTP answers, in this one place.

The body is `{"error": <what exactly>, "message": <what kind>}`, as clients of the first dialect expect it, below some
paths that of the dialect spoken there (decision C2), or a problem document (RFC 9457) when the request's Accept header
asks for one. Clients of the PKI dialect compare `err` with the texts they know (decision C16), so it holds nothing else
where there is such a text; `detail` has the rest.
"""

from typing import Final

import msgspec

from blazon.errors import (
    BlazonError,
    Conflict,
    Forbidden,
    IntegrityConflict,
    LogDamaged,
    LogWentBack,
    Malformed,
    MethodNotAllowed,
    NotFound,
    OutcomeUnknown,
    PreconditionFailed,
    RequestError,
    RuleBroken,
    StartError,
    StorageUnavailable,
    TooLarge,
    TooMany,
    TooSlow,
    Unauthenticated,
    Unavailable,
    UnsupportedMedia,
)
from blazon.web.json import IncompleteBody

__all__ = ["PROBLEM", "STATUS", "Failure", "PkiFailure", "body_of", "headers_of", "shape_at", "status_of"]

PROBLEM: Final = "application/problem+json"

_PKI_PATHS: Final = ("/api/ca/", "/api/va/")

_INCOMPLETE: Final = "struct validation error"
"""The text by which clients of the PKI dialect recognise that a body lacks a field (fact sheet §2c.1)."""

STATUS: Final[dict[type[BlazonError], int]] = {
    BlazonError: 500,
    RequestError: 400,
    Malformed: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    MethodNotAllowed: 405,
    Conflict: 409,
    PreconditionFailed: 412,
    TooSlow: 408,
    TooLarge: 413,
    UnsupportedMedia: 415,
    RuleBroken: 422,
    TooMany: 429,
    Unavailable: 503,
    StorageUnavailable: 503,
    LogWentBack: 503,
    OutcomeUnknown: 503,
    # These are caught inside; one that gets out is a bug.
    IntegrityConflict: 500,
    LogDamaged: 500,
    StartError: 500,
}
"""Every branch of the error tree and its status; a class below a branch has the status of its branch."""


class Failure(msgspec.Struct, frozen=True):
    """What went wrong: `error` what exactly, `message` what kind of thing."""

    error: str
    message: str


class PkiFailure(msgspec.Struct, frozen=True, omit_defaults=True):
    """What went wrong: `err` in the words clients match on, where there are such, and `detail` the rest."""

    err: str
    detail: str = ""


class _Problem(msgspec.Struct, frozen=True):
    """RFC 9457 §3.1; the type is about:blank, so `title` is the kind and `status` says the rest."""

    title: str
    status: int
    detail: str
    type: str = "about:blank"


def status_of(error: BlazonError) -> int:
    """The status of an error: that of the nearest class above it in the tree."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def headers_of(error: BlazonError) -> list[tuple[str, str]]:
    """The headers that go with an error."""
    if isinstance(error, Unauthenticated):
        return [("www-authenticate", "Bearer")]  # RFC 9110 §15.5.2
    if isinstance(error, MethodNotAllowed):
        return [("allow", ", ".join(error.allowed))]
    if isinstance(error, TooMany):
        return [("retry-after", str(error.retry_after))]
    if isinstance(error, Unavailable):
        return [("retry-after", "1")]
    if isinstance(error, TooLarge | TooSlow):
        return [("connection", "close")]  # the rest of the body is not waited for
    return []


def shape_at(path: str) -> type[Failure] | type[PkiFailure]:
    """The body of errors at a path."""
    return PkiFailure if path.startswith(_PKI_PATHS) else Failure


def body_of(error: BlazonError, *, problem: bool, path: str = "") -> bytes:
    """The body of an error's answer at a path."""
    if problem:
        return msgspec.json.encode(_Problem(error.title, status_of(error), error.text))
    if shape_at(path) is not PkiFailure:
        return msgspec.json.encode(Failure(error.text, error.title))
    if isinstance(error, IncompleteBody):
        return msgspec.json.encode(PkiFailure(_INCOMPLETE, error.text))
    return msgspec.json.encode(PkiFailure(error.reason or error.title, error.detail))
