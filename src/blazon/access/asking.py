"""The question who asks, which the room that knows the users answers."""

from typing import Protocol

from blazon.access.principal import Principal
from blazon.caller import Caller
from blazon.log import Basis

__all__ = ["Asking"]


class Asking(Protocol):
    """Knows who asks."""

    async def caller(self, caller: Caller) -> tuple[Principal, Basis]:
        """Who asks, as it stands now. Raises Unauthenticated when nobody does, or the sign-in is over."""
        ...

    async def existing(self, identifier: str) -> Basis:
        """That there is a user with this id. Raises NotFound."""
        ...
