"""HTTP of groups and policies: what stands in requests and answers, and the routes."""

from blazon.grouping.api.groups import GroupApi, GroupDraftBody, GroupQuery, group_filter
from blazon.grouping.api.policies import PolicyApi, PolicyBody, PolicyQuery, policy_body
from blazon.grouping.api.shapes import (
    FilterQuery,
    GivenStatus,
    GroupBody,
    OwnerBody,
    TagsBody,
    UpdateBody,
    etagged,
    group_body,
    metadata_body,
    metadata_filter,
)

__all__ = [
    "FilterQuery",
    "GivenStatus",
    "GroupApi",
    "GroupBody",
    "GroupDraftBody",
    "GroupQuery",
    "OwnerBody",
    "PolicyApi",
    "PolicyBody",
    "PolicyQuery",
    "TagsBody",
    "UpdateBody",
    "etagged",
    "group_body",
    "group_filter",
    "metadata_body",
    "metadata_filter",
    "policy_body",
]
