"""Policies of users in groups, for rooms that serve them beside policies of their own."""

from blazon.grouping import GroupStore, Policies

__all__ = ["GroupPolicies"]


class GroupPolicies:
    """What users may do in groups."""

    def __init__(self, policies: Policies, store: GroupStore) -> None:
        self.policies = policies
        self._store = store

    async def has_group(self, identifier: str) -> bool:
        """Whether there is a group with this id."""
        return await self._store.group(identifier) is not None
