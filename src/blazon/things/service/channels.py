"""Which channels a thing is on."""

from blazon.access import Action
from blazon.caller import Caller
from blazon.grouping import GroupFilter, Groups, Placed
from blazon.things.service.rights import Rights
from blazon.users import People

__all__ = ["ThingChannels"]


class ThingChannels:
    """The channels of one thing."""

    def __init__(self, rights: Rights, channels: Groups, people: People) -> None:
        self._rights = rights
        self._channels = channels
        self._people = people

    async def browse(self, caller: Caller, thing: str, wanted: GroupFilter) -> tuple[int, list[Placed]]:
        """The channels a thing the caller may see has a policy on, as far as the caller may see them too."""
        found, _ = await self._rights.thing(caller, thing, Action.C_LIST)
        principal, _ = await self._people.caller(caller)
        return await self._channels.of_member(caller, found.id, wanted, principal, {"thing_id": found.id})
