"""Policies: what members may do in groups. The rules (fact sheet §9)."""

from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from blazon.access import Action, Principal, expanded, expect, mask_of
from blazon.caller import Caller
from blazon.entity import rules
from blazon.errors import Malformed, NotFound, RuleBroken
from blazon.grouping.events import Grouping, PolicyState
from blazon.grouping.models import Policy
from blazon.grouping.rights import GroupRights
from blazon.grouping.store import GroupStore
from blazon.listing import Where, listed
from blazon.log import Basis, Decision, Event, EventType, Log

__all__ = ["Members", "Policies", "PolicyFilter", "check_pairs", "check_policy"]

_PAIRS: Final = 10_000
"""How many policies are made or deleted at once."""


class PolicyFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which policies a list shows."""

    offset: int = 0
    limit: int = 10
    owner: str | None = None
    subject: str | None = None
    object: str | None = None
    action: Action | None = None


class Members(Protocol):
    """Knows who can be the subject of a policy."""

    async def may_join(self, caller: Caller, principal: Principal, subject: str, *, subject_is_user: bool) -> Basis:
        """That there is such a subject and the caller may put it into a group. Raises NotFound and Forbidden."""
        ...


def check_policy(subject: str, object_: str, actions: Sequence[Action]) -> tuple[Action, ...]:
    """A policy that is well-formed. Raises Malformed."""
    rules.check_id("malformed policy: subject", subject)
    rules.check_id("malformed policy: object", object_)
    if not actions:
        raise Malformed("malformed policy actions: there must be one at least")
    return tuple(actions)


class Policies:
    """The rules of policies."""

    def __init__(self, log: Log, grouping: Grouping, store: GroupStore, rights: GroupRights, members: Members) -> None:
        self._log = log
        self._grouping = grouping
        self._store = store
        self._rights = rights
        self._members = members

    async def add(
        self, caller: Caller, subject: str, object_: str, actions: Sequence[Action], *, subject_is_user: bool
    ) -> None:
        """Lets a member do something in a group. Where there is a policy already, its actions are replaced.

        To replace them takes what `update` takes: who may give something may not take away what others gave. A user
        gets what the actions imply with them; a thing gets them as they are.
        """
        check_policy(subject, object_, actions)
        await self._add(caller, (subject,), (object_,), actions, subject_is_user=subject_is_user)

    async def connect(
        self,
        caller: Caller,
        subjects: Sequence[str],
        objects: Sequence[str],
        actions: Sequence[Action],
        *,
        subject_is_user: bool,
    ) -> list[Policy]:
        """Lets each of the members do something in each of the groups: all of it, or nothing."""
        check_pairs(subjects, objects)
        check_policy(subjects[0], objects[0], actions)
        return await self._add(caller, subjects, objects, actions, subject_is_user=subject_is_user)

    async def _add(
        self,
        caller: Caller,
        subjects: Sequence[str],
        objects: Sequence[str],
        actions: Sequence[Action],
        *,
        subject_is_user: bool,
    ) -> list[Policy]:
        records = await self._log.commit(
            caller,
            lambda: self.connection(
                caller, subjects, objects, actions, subject_is_user=subject_is_user, members=self._members
            ),
        )
        policies = []
        for record in records:
            state = self._grouping.policy_add.read(record)
            fields = {name: getattr(state, name) for name in PolicyState.__struct_fields__}
            fields["created_at"] = state.created_at or record.time
            changed = state.created_at != 0
            policies.append(
                Policy(
                    **fields,
                    updated_at=record.time if changed else 0,
                    updated_by=record.actor if changed else "",
                    revision=record.sequence,
                )
            )
        return policies

    async def connection(
        self,
        caller: Caller,
        subjects: Sequence[str],
        objects: Sequence[str],
        actions: Sequence[Action],
        *,
        subject_is_user: bool,
        members: Members,
    ) -> Decision:
        """The decision to let each of the members do something in each of the groups. `members` knows the members."""
        wanted = expanded(tuple(actions)) if subject_is_user else tuple(dict.fromkeys(actions))
        basis: Basis = {}
        made: list[Event] = []
        # The groups first: who may not even see them is told nothing about the members.
        for object_ in objects:
            principal, rests = await self._rights.may_give(caller, object_, wanted)
            basis |= rests
        for subject in subjects:
            basis |= await members.may_join(caller, principal, subject, subject_is_user=subject_is_user)
        for object_ in objects:
            there = await self._store.policies_in(object_, subjects)
            basis |= await self._rights.may_replace(principal, object_, there.values())
            made += (self._added(caller, subject, object_, wanted, there.get(subject)) for subject in subjects)
            basis |= {
                self._grouping.policy.of(subject, object_): there[subject].revision if subject in there else 0
                for subject in subjects
            }
        return Decision(tuple(made), basis)

    def _added(
        self, caller: Caller, subject: str, object_: str, actions: tuple[Action, ...], there: Policy | None
    ) -> Event:
        state = PolicyState(
            subject=subject,
            object=object_,
            actions=actions,
            owner=caller.id if there is None else there.owner,
            created_at=0 if there is None else there.created_at,
        )
        return self._grouping.policy_add.event(self._grouping.policy.of(subject, object_), state)

    async def update(self, caller: Caller, subject: str, object_: str, actions: Sequence[Action]) -> None:
        """Replaces the actions of a policy, as given."""
        wanted = tuple(dict.fromkeys(check_policy(subject, object_, actions)))

        async def decide() -> Decision:
            policy, basis = await self._rights.policy(caller, subject, object_)
            if policy is None:
                raise NotFound("there is no such policy")
            expect(caller, policy.revision)
            # Who made a policy may not put into it later what it could not give at first.
            _, more = await self._rights.may_give(caller, object_, wanted)
            return Decision((self._changed(self._grouping.policy_update, policy, wanted),), basis | more)

        await self._log.commit(caller, decide)

    async def delete(self, caller: Caller, subject: str, object_: str) -> None:
        """Deletes a policy. Who may know that there is none is not refused (the call is idempotent for them)."""
        check_policy(subject, object_, (Action.G_LIST,))
        await self._delete(caller, (subject,), (object_,))

    async def disconnect(self, caller: Caller, subjects: Sequence[str], objects: Sequence[str]) -> None:
        """Deletes the policies of each of the members in each of the groups: all of them, or none."""
        check_pairs(subjects, objects)
        await self._delete(caller, subjects, objects)

    async def _delete(self, caller: Caller, subjects: Sequence[str], objects: Sequence[str]) -> None:
        async def decide() -> Decision:
            basis: Basis = {}
            made: list[Event] = []
            for object_ in objects:
                for subject in subjects:
                    policy, rests = await self._rights.policy(caller, subject, object_)
                    basis |= rests
                    if policy is not None:
                        expect(caller, policy.revision)
                        made.append(self._changed(self._grouping.policy_delete, policy, policy.actions))
            return Decision(tuple(made), basis)

        await self._log.commit(caller, decide)

    def _changed(self, kind: EventType[PolicyState], policy: Policy, actions: tuple[Action, ...]) -> Event:
        state = PolicyState(
            subject=policy.subject,
            object=policy.object,
            actions=actions,
            owner=policy.owner,
            created_at=policy.created_at,
        )
        return kind.event(self._grouping.policy.of(policy.subject, policy.object), state)

    async def browse(self, caller: Caller, wanted: PolicyFilter) -> tuple[int, list[Policy]]:
        """All policies for an admin; those the caller made for others."""
        principal, _ = await self._rights.asking.caller(caller)
        where = Where()
        where.add_given({"p.subject": wanted.subject, "p.object": wanted.object})
        if wanted.action is not None:
            where.add("(p.mask & ?) <> 0", mask_of(wanted.action))
        if not principal.admin:
            where.add("p.owner = ?", principal.id)
        elif wanted.owner:
            where.add("p.owner = ?", wanted.owner)
        total, policies = await self._store.policies(where, wanted.offset, wanted.limit)
        seen = listed(
            total,
            wanted.offset,
            wanted.limit,
            known={"action": wanted.action, "owner_id": None if principal.admin else principal.id},
            asked={
                "owner_id": wanted.owner if principal.admin else None,
                "subject": wanted.subject,
                "object": wanted.object,
            },
        )
        self._log.observe(caller, self._grouping.policy_list.event("", seen))
        return total, policies


def check_pairs(subjects: Sequence[str], objects: Sequence[str]) -> None:
    """Two lists whose every pair is meant, each pair once."""
    for what, identifiers in (("subjects", subjects), ("objects", objects)):
        if not identifiers:
            raise Malformed(f"empty list provided: {what} must name one at least")
        seen: set[str] = set()
        for number, identifier in enumerate(identifiers):
            rules.check_id(f"{what}[{number}]", identifier)
            if identifier in seen:
                raise Malformed(f"{what}[{number}] is there twice: {identifier}")
            seen.add(identifier)
    if len(subjects) * len(objects) > _PAIRS:
        raise RuleBroken(f"these are more than {_PAIRS} pairs; send them in several requests")
