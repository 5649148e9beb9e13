"""Who may manage the PKI (decision C13)."""

from blazon.caller import Caller
from blazon.errors import Forbidden, PreconditionFailed
from blazon.log import Basis
from blazon.users import People

__all__ = ["Rights", "expect"]


class Rights:
    """Answers who may do what: an admin and a user with the role `pki` everything, anybody else nothing."""

    def __init__(self, people: People) -> None:
        self._people = people

    async def pki(self, caller: Caller) -> Basis:
        """What rests on the caller being one who may. Raises Unauthenticated, Forbidden."""
        principal, basis = await self._people.caller(caller)
        if not principal.pki:
            raise Forbidden("this takes an admin, or a user with the role pki")
        return basis


def expect(caller: Caller, revision: int) -> None:
    """Honours If-Match. Raises PreconditionFailed."""
    if caller.expected and revision not in caller.expected:
        raise PreconditionFailed(f'it has changed: its ETag is "{revision}" now; read it again')
