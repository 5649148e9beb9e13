"""If-Match: whether what is changed is still what the caller saw (RFC 9110 §13.1.1)."""

from blazon.caller import Caller
from blazon.errors import PreconditionFailed

__all__ = ["expect"]


def expect(caller: Caller, revision: int) -> None:
    """Honours If-Match. Raises PreconditionFailed."""
    if caller.expected and revision not in caller.expected:
        raise PreconditionFailed(f'it has changed: its ETag is "{revision}" now; read it again')
