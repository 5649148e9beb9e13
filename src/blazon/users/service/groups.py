"""Which groups a user is in."""

from blazon.access import Action
from blazon.caller import Caller
from blazon.grouping import GroupFilter, Groups, Placed
from blazon.users.service.rights import Rights

__all__ = ["Memberships"]


class Memberships:
    """The groups of one user."""

    def __init__(self, rights: Rights, groups: Groups) -> None:
        self._rights = rights
        self._groups = groups

    async def browse(self, caller: Caller, user: str, wanted: GroupFilter) -> tuple[int, list[Placed]]:
        """The groups a user has a policy in: all of one's own; of another, those the caller may see as well."""
        principal, _ = await self._rights.caller(caller)
        member, _ = await self._rights.user(caller, user, Action.C_LIST)
        # The document's sample names the user's id `channel_id`; decision A7 keeps that and adds the right name.
        named = {"user_id": member.id, "channel_id": member.id}
        limited = principal if member.id != principal.id else None
        return await self._groups.of_member(caller, member.id, wanted, limited, named)
