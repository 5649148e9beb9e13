"""Who asks for an operation, and what travels with the request."""

import msgspec

__all__ = ["ANONYMOUS", "Caller", "Once"]


class Once(msgspec.Struct, frozen=True):
    """A request that must have its effect once, however often it is sent (the Idempotency-Key header).

    `scope` keeps the keys of different callers apart; `digest` is a keyed hash of method, path and body, so that a
    key that is used again for something else is noticed.
    """

    scope: str
    key: str
    digest: str


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """The one who asks. `id` is empty for an anonymous caller.

    What the caller may do is not written here: it is looked up for each decision, so that a caller who has just been
    disabled cannot slip a last operation in. `session` is the id of the sign-in whose token was used, `epoch` the
    user's epoch in it. `expected` are the revisions named by If-Match; None when the header was not sent, empty for
    `*`, which any revision fulfils. `address` is where the request came from.
    """

    id: str = ""
    session: str = ""
    epoch: int = 0
    traceparent: str = ""
    address: str = ""
    once: Once | None = None
    expected: frozenset[int] | None = None

    @property
    def anonymous(self) -> bool:
        """Whether nobody signed in."""
        return self.id == ""


ANONYMOUS = Caller()
"""Nobody in particular."""
