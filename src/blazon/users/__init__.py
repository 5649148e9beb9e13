"""Users, groups, and what users may do in groups.

It can register users and sign them in, keep groups in a hierarchy, and decide whether a user may do something to
another user or to a group. It answers who a token belongs to for the other rooms. It does not know things or channels,
and it sends no mail but the one with the link to set a new password.
"""

from blazon.room import Room, Table
from blazon.storage import MigrationSet
from blazon.users.apply import APPLIERS
from blazon.users.events import TYPES
from blazon.users.first_admin import ADMIN_PASSWORD_FILE
from blazon.users.group_policies import GroupPolicies
from blazon.users.models import GROUP, POLICY, USER
from blazon.users.people import People
from blazon.users.settings import TokenSettings, UserSettings
from blazon.users.setup import build
from blazon.users.waiting import WAITING

__all__ = ["ADMIN_PASSWORD_FILE", "GroupPolicies", "People", "room"]

room = Room(
    name="users",
    migrations=MigrationSet("users", "blazon.users"),
    tables=(Table("users", ("id",)), Table("groups", ("id",)), Table("user_policies", ("subject", "object"))),
    kinds=(USER, GROUP, POLICY, WAITING),
    types=TYPES,
    appliers=APPLIERS,
    build=build,
    settings={"users": UserSettings, "tokens": TokenSettings},
    ports=("users",),
)
