"""What can happen to groups and policies, and the name each use of the pattern gives to it.

Data is the complete change; a state struct is the whole row after it. `created_at` 0 in a state means: with this very
event. Names and fields are those of the event document, as settled by decisions A1 to A10.
"""

from typing import Final

import msgspec

from blazon.access import Action
from blazon.entity import Status, seen_stamps, stamps, status_fields
from blazon.grouping.models import Group
from blazon.listing import Listed, listed_fields
from blazon.log import EventType, Fields, Record, Service, SubjectKind, entity_of

__all__ = [
    "Authorized",
    "GroupSeen",
    "GroupState",
    "Grouping",
    "PolicyState",
    "group_of",
]


class GroupState(msgspec.Struct, frozen=True, kw_only=True):
    """A group after a change."""

    id: str
    owner: str
    name: str
    description: str
    parent: str
    metadata: msgspec.Raw
    status: Status
    created_at: int = 0


class GroupSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A group as a reader saw it."""

    id: str
    owner: str
    name: str
    description: str
    parent: str
    metadata: msgspec.Raw
    status: Status
    created_at: int
    updated_at: int
    updated_by: str


class PolicyState(msgspec.Struct, frozen=True, kw_only=True):
    """A policy after a change, or as it was when it was deleted."""

    subject: str
    object: str
    actions: tuple[Action, ...]
    owner: str
    created_at: int = 0


class Authorized(msgspec.Struct, frozen=True):
    """Somebody asked whether an access is allowed, and it is."""

    entity_type: str
    subject: str
    object: str
    action: str


def _group(data: GroupState | GroupSeen) -> Fields:
    return {
        "id": data.id,
        "owner": data.owner,
        "parent": data.parent,
        "name": data.name,
        "description": data.description,
        "metadata": data.metadata,
        "status": data.status.value,
    }


def _policy(data: PolicyState) -> Fields:
    return {
        "owner_id": data.owner,
        "subject": data.subject,
        "object": data.object,
        "actions": tuple(action.value for action in data.actions),
    }


def _authorized(_: Record, data: Authorized) -> Fields:
    return {
        "entity_type": data.entity_type,
        "subject": data.subject,
        "object": data.object,
        "actions": data.action,
        "action": data.action,
    }


class Grouping:
    """One use of the pattern: the groups of users, or the channels of things.

    `noun` is what a group is called, `member` what a member is; `by_member` is the name of the event for a list of
    the groups of one member.
    """

    def __init__(
        self, service: Service, *, noun: str, member: str, by_member: str, group: SubjectKind, policy: SubjectKind
    ) -> None:
        self.noun: Final = noun
        self.member: Final = member
        self.group: Final = group
        self.policy: Final = policy
        self.create: EventType[GroupState] = service.fact(
            f"{noun}.create", GroupState, lambda record, data: {**_group(data), **stamps(record, data.created_at)}
        )
        self.update: EventType[GroupState] = service.fact(f"{noun}.update", GroupState, self.create.fields)
        self.remove: EventType[GroupState] = service.fact(f"{noun}.remove", GroupState, status_fields)
        self.view: EventType[GroupSeen] = service.observation(
            f"{noun}.view", GroupSeen, lambda _, data: {**_group(data), **seen_stamps(data)}
        )
        self.list: EventType[Listed] = service.observation(f"{noun}.list", Listed, listed_fields)
        self.list_by_member: EventType[Listed] = service.observation(by_member, Listed, listed_fields)
        self.policy_add: EventType[PolicyState] = service.fact(
            "policies.add", PolicyState, lambda record, data: {**_policy(data), **stamps(record, data.created_at)}
        )
        self.policy_update: EventType[PolicyState] = service.fact(
            "policies.update", PolicyState, self.policy_add.fields
        )
        self.policy_delete: EventType[PolicyState] = service.fact(
            "policies.delete", PolicyState, lambda _, data: _policy(data)
        )
        self.policy_authorize: EventType[Authorized] = service.observation(
            "policies.authorize", Authorized, _authorized
        )
        self.policy_list: EventType[Listed] = service.observation("policies.list", Listed, listed_fields)
        self.types: Final = (
            self.create,
            self.update,
            self.remove,
            self.view,
            self.list,
            self.list_by_member,
            self.policy_add,
            self.policy_update,
            self.policy_delete,
            self.policy_authorize,
            self.policy_list,
        )


def group_of(record: Record, state: GroupState) -> Group:
    """The group a record made, or changed."""
    return entity_of(Group, record, state)
