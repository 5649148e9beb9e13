"""Every error a caller of Blazon can meet, as one tree.

    BlazonError
    ├── RequestError                 the caller can mend it
    │   ├── Malformed                the request cannot be read
    │   ├── Unauthenticated          no credentials, or wrong ones
    │   ├── Forbidden                known caller, not allowed
    │   ├── NotFound                 unknown, or not for this caller to know of
    │   ├── MethodNotAllowed         the path exists, the method does not
    │   ├── Conflict                 it exists already, or is already so
    │   ├── PreconditionFailed       If-Match names another revision
    │   ├── TooLarge                 the body is over the limit
    │   ├── TooSlow                  the request did not come in time
    │   ├── UnsupportedMedia         the body is not JSON
    │   ├── RuleBroken               readable, but a rule says no
    │   └── TooMany                  slow down; carries when to try again
    ├── Unavailable                  not the caller's fault, and passing
    │   ├── StorageUnavailable       the database is away, full or broken
    │   │   └── LogWentBack          the database came back without records it had
    │   └── OutcomeUnknown           the database went away or failed while it committed
    ├── IntegrityConflict            a constraint of the database refused a statement
    ├── LogDamaged                   the log contradicts itself
    └── StartError                   Blazon cannot start; says what to mend
        ├── DatabaseAway             the database cannot be reached; that may pass
        └── SettingsError            a setting is wrong; says where it stands

`blazon.web.failures` maps each of them to an HTTP answer, in one place; a test proves that the map is total.
Nothing secret is ever put into an error: messages name fields and rules, not values of secrets.
"""

from typing import Self

__all__ = [
    "BlazonError",
    "Conflict",
    "DatabaseAway",
    "Forbidden",
    "IntegrityConflict",
    "LogDamaged",
    "LogWentBack",
    "Malformed",
    "MethodNotAllowed",
    "NotFound",
    "OutcomeUnknown",
    "PreconditionFailed",
    "RequestError",
    "RuleBroken",
    "SettingsError",
    "StartError",
    "StorageUnavailable",
    "TooLarge",
    "TooMany",
    "TooSlow",
    "Unauthenticated",
    "Unavailable",
    "UnsupportedMedia",
]


class BlazonError(Exception):
    """The root of the tree.

    `title` is what kind of thing went wrong, the same words for every error of a class (clients match on them);
    `reason` is what went wrong this time and, where it helps, what to do next. Where clients match on the reason too,
    it is the text they know, and `detail` says the rest. `text` is both.
    """

    title = "something went wrong"

    def __init__(self, reason: str = "", detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        self.text = f"{reason}: {detail}" if detail else reason
        super().__init__(self.text or self.title)


class RequestError(BlazonError):
    """The caller can mend it."""

    title = "something went wrong with the request"

    def at(self, place: str) -> Self:
        """The same error of one entry of a list, with the place of that entry before its reason."""
        return type(self)(f"{place}: {self.reason}")


class Malformed(RequestError):
    """The request cannot be read: bad JSON, a field of the wrong type, a bad parameter."""


class Unauthenticated(RequestError):
    """No credentials, or wrong ones."""

    title = "failed to perform authentication over the entity"


class Forbidden(RequestError):
    """The caller is known and is not allowed to do this."""

    title = "failed to perform authorization over the entity"


class NotFound(RequestError):
    """There is no such thing, or the caller may not know of it; the two answers are the same on purpose."""

    title = "entity not found"


class MethodNotAllowed(RequestError):
    """The path exists, the method does not. `allowed` is the list for the Allow header (RFC 9110 §15.5.6)."""

    title = "method not allowed"

    def __init__(self, reason: str, allowed: tuple[str, ...]) -> None:
        super().__init__(reason)
        self.allowed = allowed


class Conflict(RequestError):
    """It exists already, or it is already in the state that was asked for."""

    title = "entity already exists"


class PreconditionFailed(RequestError):
    """If-Match names another revision than the current one (RFC 9110 §13.1.1)."""

    title = "precondition failed"


class TooLarge(RequestError):
    """The request is larger than the limit."""

    title = "request too large"


class TooSlow(RequestError):
    """The request did not come within its time."""

    title = "request timeout"


class UnsupportedMedia(RequestError):
    """The body is not of a type this path reads."""

    title = "unsupported content type"


class RuleBroken(RequestError):
    """The request can be read and a rule refuses it."""

    title = "malformed entity specification"


class TooMany(RequestError):
    """Too many requests. `retry_after` is in whole seconds (RFC 9110 §10.2.3)."""

    title = "too many requests"

    def __init__(self, reason: str, retry_after: int) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Unavailable(BlazonError):
    """Not the caller's fault and passing: the same request may work later."""

    title = "service unavailable"


class StorageUnavailable(Unavailable):
    """The database is away, full or broken. Nothing of the operation is kept, also after a crash."""

    title = "storage unavailable"


class LogWentBack(StorageUnavailable):
    """The database came back without records that this process has seen: after a failover, or a restore from a copy.

    Nothing of the operation is kept. It works again once this process has read its memory anew.
    """


class OutcomeUnknown(Unavailable):
    """The database went away, or its disk failed, while it committed: the operation may or may not have happened.

    Sending the request again with the same Idempotency-Key is safe.
    """

    title = "outcome unknown"


class IntegrityConflict(BlazonError):
    """A constraint of the database refused a statement. The writer turns it into a new decision."""

    title = "integrity conflict"


class LogDamaged(BlazonError):
    """The log contradicts itself. `position` is the first sequence number that is wrong."""

    title = "the event log is damaged"

    def __init__(self, reason: str, position: int) -> None:
        super().__init__(reason)
        self.position = position


class StartError(BlazonError):
    """Blazon cannot start. The reason says what to mend."""

    title = "cannot start"


class DatabaseAway(StartError):
    """The database cannot be reached. That may pass by itself."""


class SettingsError(StartError):
    """A setting is wrong. The reason names the file and line, the variable or the flag, and the mend."""

    title = "wrong setting"
