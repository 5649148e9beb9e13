"""Groups of members, and what members may do in them: the pattern that users' groups and things' channels share.

It can keep groups in a hierarchy and policies between members and groups, decide by them, and serve both over HTTP.
It does not know what the members are: the room that uses the pattern does.
"""

from blazon.grouping.api import (
    Choose,
    GroupApi,
    GroupBody,
    GroupDraftBody,
    GroupQuery,
    Place,
    PolicyApi,
    PolicyBody,
    PolicyQuery,
    always,
    group_body,
    group_filter,
    policy_body,
)
from blazon.grouping.apply import appliers_of
from blazon.grouping.events import Authorized, Grouping, GroupSeen, GroupState, PolicyState, group_of
from blazon.grouping.groups import GroupDraft, GroupFilter, Groups
from blazon.grouping.models import Group, Placed, Policy
from blazon.grouping.policies import Members, Policies, PolicyFilter, check_pairs, check_policy
from blazon.grouping.rights import GroupRights
from blazon.grouping.store import GroupStore

__all__ = [
    "Authorized",
    "Choose",
    "Group",
    "GroupApi",
    "GroupBody",
    "GroupDraft",
    "GroupDraftBody",
    "GroupFilter",
    "GroupQuery",
    "GroupRights",
    "GroupSeen",
    "GroupState",
    "GroupStore",
    "Grouping",
    "Groups",
    "Members",
    "Place",
    "Placed",
    "Policies",
    "Policy",
    "PolicyApi",
    "PolicyBody",
    "PolicyFilter",
    "PolicyQuery",
    "PolicyState",
    "always",
    "appliers_of",
    "check_pairs",
    "check_policy",
    "group_body",
    "group_filter",
    "group_of",
    "policy_body",
]
