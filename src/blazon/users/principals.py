"""Who callers are, in memory, kept current by the log."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from blazon.access import Principal
from blazon.errors import Unauthenticated
from blazon.log import Record
from blazon.users.store import Store

__all__ = ["Principals"]

_REMEMBERED: Final = 100_000


class Principals:
    """Principals by id. A change of a user drops it here before the one who changed it is answered."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: OrderedDict[str, Principal] = OrderedDict()
        self._dropped = 0

    async def get(self, identifier: str) -> Principal | None:
        """The principal with an id."""
        known = self._known.get(identifier)
        if known is not None:
            return known
        dropped = self._dropped
        principal = await self._store.principal(identifier)
        # While we read, a change may have come: then what was read may be old, and is not kept.
        if principal is not None and dropped == self._dropped:
            self._known[identifier] = principal
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return principal

    async def standing(self, identifier: str, session: str, epoch: int) -> Principal:
        """The principal a sign-in belongs to, if it still counts. Raises Unauthenticated."""
        principal = await self.get(identifier)
        if principal is None or not principal.enabled:
            raise Unauthenticated("the user of this token is unknown or disabled")
        if principal.epoch != epoch and principal.kept != session:
            raise Unauthenticated(
                "the password was changed, or the user disabled, after this token was issued; sign in again"
            )
        return principal

    async def reload(self) -> int:
        """Forgets everything."""
        self._dropped += 1
        self._known.clear()
        return 0

    def hear(self, records: Sequence[Record]) -> None:
        """Drops the users that changed."""
        for record in records:
            if record.service == "users" and record.subject.startswith("user:"):
                self._dropped += 1
                self._known.pop(record.key, None)
