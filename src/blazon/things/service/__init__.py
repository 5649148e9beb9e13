"""The rules: what may happen, decided from what is there. No HTTP, no SQL text."""

from blazon.things.service.access import Decisions
from blazon.things.service.channels import ThingChannels
from blazon.things.service.drafts import ThingDraft, ThingFilter
from blazon.things.service.provisioning import NewThing, Provisioning
from blazon.things.service.rights import Rights, ThingMembers
from blazon.things.service.things import Things

__all__ = [
    "Decisions",
    "NewThing",
    "Provisioning",
    "Rights",
    "ThingChannels",
    "ThingDraft",
    "ThingFilter",
    "ThingMembers",
    "Things",
]
