"""Things, channels, and what things and users may do on them.

It can keep things and their keys, channels in a hierarchy, and policies between them; it decides in memory whether an
access is allowed, and says why. It carries no messages, and it does not know what a thing's configuration is.
"""

from blazon.room import Room, Table
from blazon.storage import MigrationSet
from blazon.things.access import Access, Verdict
from blazon.things.api import ChannelDraftBody, ThingDraftBody
from blazon.things.apply import APPLIERS
from blazon.things.events import TYPES
from blazon.things.models import CHANNEL, POLICY, THING
from blazon.things.service import NewThing, Provisioning, ThingDraft
from blazon.things.setup import build

__all__ = ["Access", "ChannelDraftBody", "NewThing", "Provisioning", "ThingDraft", "ThingDraftBody", "Verdict", "room"]

room = Room(
    name="things",
    migrations=MigrationSet("things", "blazon.things"),
    tables=(Table("things", ("id",)), Table("channels", ("id",)), Table("thing_policies", ("subject", "object"))),
    kinds=(THING, CHANNEL, POLICY),
    types=TYPES,
    appliers=APPLIERS,
    build=build,
    ports=("things",),
)
