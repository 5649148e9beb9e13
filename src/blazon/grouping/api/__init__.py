"""HTTP of groups and policies: what stands in requests and answers, and the routes."""

from blazon.grouping.api.groups import GroupApi, GroupDraftBody, GroupQuery, group_filter
from blazon.grouping.api.policies import Choose, Place, PolicyApi, PolicyBody, PolicyQuery, always, policy_body
from blazon.grouping.api.shapes import GroupBody, group_body

__all__ = [
    "Choose",
    "GroupApi",
    "GroupBody",
    "GroupDraftBody",
    "GroupQuery",
    "Place",
    "PolicyApi",
    "PolicyBody",
    "PolicyQuery",
    "always",
    "group_body",
    "group_filter",
    "policy_body",
]
