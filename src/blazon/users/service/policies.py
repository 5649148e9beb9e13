"""Policies: what users may do in groups, and the question whether they may (fact sheet §9)."""

from collections.abc import Sequence
from typing import Final

import msgspec

from blazon.caller import Caller
from blazon.errors import Forbidden, Malformed, NotFound
from blazon.log import Decision, EventType, Log
from blazon.users import events
from blazon.users.events import Authorized, Listed, PolicyState
from blazon.users.models import GROUP, POLICY, USER, Action, Policy, expanded, mask_of
from blazon.users.principals import Principals
from blazon.users.service import rules
from blazon.users.service.rights import Basis, Rights, expect
from blazon.users.store import Store, Where

__all__ = ["Policies", "PolicyFilter"]

_ENTITIES: Final = ("client", "group", "thing")
"""What an action can be done to. Of things this room knows only that an admin may do everything to them."""


class PolicyFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which policies a list shows."""

    offset: int = 0
    limit: int = 10
    owner: str | None = None
    subject: str | None = None
    object: str | None = None
    action: Action | None = None


class Policies:
    """The rules of policies."""

    def __init__(self, log: Log, store: Store, rights: Rights, principals: Principals) -> None:
        self._log = log
        self._store = store
        self._rights = rights
        self._principals = principals

    async def add(self, caller: Caller, subject: str, object_: str, actions: Sequence[Action]) -> None:
        """Lets a user do something in a group. Where there is a policy already, its actions are replaced."""
        wanted = expanded(_checked(subject, object_, actions))

        async def decide() -> Decision:
            basis = await self._may_add(caller, object_, wanted)
            user = await self._store.principal(subject)
            if user is None:
                raise NotFound("the subject is not a user")
            basis[USER.of(user.id)] = user.revision
            there = await self._store.policy(subject, object_)
            basis[POLICY.of(subject, object_)] = 0 if there is None else there.revision
            state = PolicyState(
                subject=subject,
                object=object_,
                actions=wanted,
                owner=caller.id if there is None else there.owner,
                created_at=0 if there is None else there.created_at,
            )
            return Decision((events.POLICY_ADD.event(POLICY.of(subject, object_), state),), basis)

        await self._log.commit(caller, decide)

    async def _may_add(self, caller: Caller, object_: str, wanted: tuple[Action, ...]) -> Basis:
        """An admin and the group's owner may give any action; who holds `g_add` may give what it has itself."""
        principal, basis = await self._rights.caller(caller)
        group = await self._store.group(object_)
        if group is None:
            raise NotFound("the object is not a group")
        basis[GROUP.of(group.id)] = group.revision
        if principal.admin or group.owner == principal.id:
            return basis
        mine = await self._store.policy(principal.id, group.id)
        if mine is None:
            raise NotFound("the object is not a group")
        basis[POLICY.of(principal.id, group.id)] = mine.revision
        if Action.G_ADD not in mine.actions:
            raise Forbidden("this takes g_add on the group")
        beyond = [action for action in wanted if action not in mine.actions]
        if beyond:
            raise Forbidden(f"you cannot give what you do not have: {', '.join(beyond)}")
        return basis

    async def update(self, caller: Caller, subject: str, object_: str, actions: Sequence[Action]) -> None:
        """Replaces the actions of a policy, as given."""
        wanted = tuple(dict.fromkeys(_checked(subject, object_, actions)))
        await self._change(caller, subject, object_, events.POLICY_UPDATE, wanted)

    async def delete(self, caller: Caller, subject: str, object_: str) -> None:
        """Deletes a policy. Who may know that there is none is not refused (the call is idempotent for them)."""
        await self._change(caller, subject, object_, events.POLICY_DELETE, None)

    async def _change(
        self,
        caller: Caller,
        subject: str,
        object_: str,
        kind: EventType[PolicyState],
        actions: tuple[Action, ...] | None,
    ) -> None:
        async def decide() -> Decision:
            policy, basis = await self._rights.policy(caller, subject, object_)
            if policy is None:
                if actions is None:
                    return Decision(())
                raise NotFound("there is no such policy")
            expect(caller, policy.revision)
            if actions is not None:  # who made a policy may not put into it later what it could not give at first
                basis |= await self._may_add(caller, object_, actions)
            state = PolicyState(
                subject=subject,
                object=object_,
                actions=policy.actions if actions is None else actions,
                owner=policy.owner,
                created_at=policy.created_at,
            )
            return Decision((kind.event(POLICY.of(subject, object_), state),), basis)

        await self._log.commit(caller, decide)

    async def browse(self, caller: Caller, wanted: PolicyFilter) -> tuple[int, list[Policy]]:
        """All policies for an admin; those the caller made for others."""
        principal, _ = await self._rights.caller(caller)
        where = Where()
        where.add_given({"p.subject": wanted.subject, "p.object": wanted.object})
        if wanted.action is not None:
            where.add("(p.mask & ?) <> 0", mask_of(wanted.action))
        if not principal.admin:
            where.add("p.owner = ?", principal.id)
        elif wanted.owner:
            where.add("p.owner = ?", wanted.owner)
        total, policies = await self._store.policies(where, wanted.offset, wanted.limit)
        used = {
            "owner_id": wanted.owner if principal.admin else principal.id,
            "subject": wanted.subject,
            "object": wanted.object,
            "action": wanted.action,
        }
        filters = {name: value for name, value in used.items() if value}
        seen = Listed(total=total, offset=wanted.offset, limit=wanted.limit, filters=filters)
        self._log.observe(caller, events.POLICY_LIST.event("", seen))
        return total, policies

    async def authorize(self, caller: Caller, subject: str, object_: str, action: Action, entity_type: str) -> None:
        """Whether a user may do something to a user (`client`) or a group (`group`). Raises Forbidden when not."""
        _checked(subject, object_, (action,))
        if entity_type not in _ENTITIES:
            raise Malformed('malformed policy: entity_type must be "client", "group" or "thing"')
        principal = await self._principals.get(subject)
        if principal is None or not principal.enabled:
            raise Forbidden("the subject is unknown or disabled")
        if not principal.admin and not await self._allowed(subject, object_, action, entity_type):
            raise Forbidden(f"the subject may not {action} this {entity_type}")
        authorized = Authorized(entity_type, subject, object_, action.value)
        self._log.observe(caller, events.POLICY_AUTHORIZE.event(f"{entity_type}:{object_}", authorized))

    async def _allowed(self, subject: str, object_: str, action: Action, entity_type: str) -> bool:
        if entity_type == "client":
            user = await self._store.user(object_)
            if user is not None and user.owner == subject:
                return True
            return await self._store.shared_group(subject, object_, action) is not None
        if entity_type == "group":
            group = await self._store.group(object_)
            if group is None:
                return False
            if group.owner == subject:
                return True
            policy = await self._store.policy(subject, object_)
            return policy is not None and action in policy.actions
        return False


def _checked(subject: str, object_: str, actions: Sequence[Action]) -> tuple[Action, ...]:
    rules.check_id("malformed policy: subject", subject)
    rules.check_id("malformed policy: object", object_)
    if not actions:
        raise Malformed("malformed policy actions: there must be one at least")
    return tuple(actions)
