"""Puts the room together."""

from typing import Final

from blazon.grouping import GroupApi, GroupRights, Groups, GroupStore, Place, Policies, PolicyApi
from blazon.room import House, Parts
from blazon.things.access import Access
from blazon.things.api import (
    AccessApi,
    ChannelApi,
    ChannelDraftBody,
    ChannelPage,
    ThingApi,
    ThingPolicyApi,
    ThingPolicyQuery,
)
from blazon.things.events import GROUPING
from blazon.things.order import Orders
from blazon.things.service import Decisions, Provisioning, Rights, ThingChannels, ThingMembers, Things
from blazon.things.store import Store
from blazon.users import GroupPolicies, People

__all__ = ["build"]

_PLACES: Final = (
    Place("/policies", "thing", ("api", "things")),
    Place("/things/policies", "things", ("api", "things")),
)
"""Where policies of things are: the path of the service, which goes by its object, and the gateway's."""


def build(house: House) -> Parts:
    """The running room."""
    people = house.offers.get(People)
    store = Store(house.database)
    access = Access(house.database, house.sealer)
    house.log.listen(access)
    orders = Orders(store)
    house.log.listen(orders)
    rights = Rights(store, people)
    channel_store = GroupStore(house.database, GROUPING)
    channel_rights = GroupRights(GROUPING, channel_store, people)
    channels = Groups(house.log, GROUPING, channel_store, channel_rights)
    policies = Policies(house.log, GROUPING, channel_store, channel_rights, ThingMembers(rights, people))
    groups = house.offers.get(GroupPolicies)

    async def choose(group: str) -> Policies:
        """The policies on a channel, or those in a group if it is the id of one."""
        if group and await channel_store.group(group) is None and await groups.has_group(group):
            return groups.policies
        return policies

    things = Things(house.log, store, access, orders, rights, channel_store, channel_rights, people, house.sealer)
    return Parts(
        routes=(
            *ThingApi(things).routes(),
            *GroupApi(channels, "channel", ChannelDraftBody, ChannelPage, "things").routes(),
            *ChannelApi(channels, ThingChannels(rights, channels, people)).routes(),
            *ThingPolicyApi(policies, choose, _PLACES).routes(),
            *PolicyApi(choose, _PLACES, ThingPolicyQuery).routes(),
            *AccessApi(Decisions(house.log, access, people, rights, channel_rights)).routes(),
        ),
        offers=(access, Provisioning(things, policies)),
    )
