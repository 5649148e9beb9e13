"""Puts the room together."""

from typing import Final

from blazon.grouping import GroupApi, GroupRights, Groups, GroupStore, Policies, PolicyApi
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
from blazon.things.service import Decisions, Rights, ThingChannels, ThingMembers, Things
from blazon.things.store import Store
from blazon.users import People

__all__ = ["build"]

_PATHS: Final = (("/policies", "thing"), ("/things/policies", "things"))
"""Where policies of things are, each with the word for its operation names: the service's path and the gateway's."""


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
    things = Things(house.log, store, access, orders, rights, channel_store, channel_rights, people, house.sealer)
    return Parts(
        routes=(
            *ThingApi(things).routes(),
            *GroupApi(channels, "channel", ChannelDraftBody, ChannelPage).routes(),
            *ChannelApi(channels, ThingChannels(rights, channels, people)).routes(),
            *ThingPolicyApi(policies, _PATHS).routes(),
            *PolicyApi(policies, _PATHS, ThingPolicyQuery).routes(),
            *AccessApi(Decisions(house.log, access, people, rights, channel_rights)).routes(),
        ),
        offers=(access,),
    )
