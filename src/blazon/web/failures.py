"""Errors → HTTP responses, in this one place.

The body is the one that the route declares (`Route.failure`), because existing clients of different rooms read
different fields (decision C2). It is a problem document (RFC 9457) if the request's Accept header asks for one.
"""

from collections.abc import Sequence
from typing import Final, Protocol, Self

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

__all__ = ["PROBLEM", "STATUS", "ErrorBody", "Failure", "body_of", "headers_of", "status_of"]

PROBLEM: Final = "application/problem+json"

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


class ErrorBody(Protocol):
    """The body of an error response, a struct that is sent as JSON. A room with its own dialect declares its own."""

    @classmethod
    def of(cls, error: BlazonError) -> Self:
        """The body for an error."""
        ...


class Failure(msgspec.Struct, frozen=True):
    """What went wrong: `error` says exactly what, `message` which kind of error it is."""

    error: str
    message: str

    @classmethod
    def of(cls, error: BlazonError) -> Self:
        """The body for an error."""
        return cls(error.text, error.title)


class _Problem(msgspec.Struct, frozen=True):
    """RFC 9457 §3.1. The type is about:blank, so `title` names the kind of error."""

    title: str
    status: int
    detail: str
    type: str = "about:blank"


def status_of(error: BlazonError) -> int:
    """The status of an error: that of its nearest ancestor in the tree."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def headers_of(error: BlazonError, challenges: Sequence[str] = ()) -> list[tuple[str, str]]:
    """The headers that go with an error. `challenges` are those of the schemes by which the route may be called."""
    if isinstance(error, Unauthenticated):
        return [("www-authenticate", ", ".join(challenges) or "Bearer")]  # RFC 9110 §15.5.2: there must be one
    if isinstance(error, MethodNotAllowed):
        return [("allow", ", ".join(error.allowed))]
    if isinstance(error, TooMany):
        return [("retry-after", str(error.retry_after))]
    if isinstance(error, Unavailable):
        return [("retry-after", "1")]
    if isinstance(error, TooLarge | TooSlow):
        return [("connection", "close")]  # the rest of the body is not read
    return []


def body_of(error: BlazonError, shape: type[ErrorBody], *, problem: bool) -> bytes:
    """The body of an error response: a problem document, or JSON of the given shape."""
    if problem:
        return msgspec.json.encode(_Problem(error.title, status_of(error), error.text))
    return msgspec.json.encode(shape.of(error))
