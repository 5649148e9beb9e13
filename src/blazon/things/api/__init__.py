"""HTTP of this room: what stands in requests and answers, and the routes."""

from blazon.things.api.access import AccessApi
from blazon.things.api.channels import ChannelApi, ChannelDraftBody, ChannelPage
from blazon.things.api.policies import ThingPolicyApi, ThingPolicyQuery
from blazon.things.api.things import ThingApi, ThingDraftBody

__all__ = [
    "AccessApi",
    "ChannelApi",
    "ChannelDraftBody",
    "ChannelPage",
    "ThingApi",
    "ThingDraftBody",
    "ThingPolicyApi",
    "ThingPolicyQuery",
]
