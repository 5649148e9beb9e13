"""Groups and their hierarchy."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from blazon.caller import Caller
from blazon.errors import Conflict, Forbidden, NotFound, RuleBroken
from blazon.log import Decision, EventType, Log, Record
from blazon.users import events
from blazon.users.events import GroupSeen, GroupState, Listed, state_of_group
from blazon.users.models import GROUP, USER, Action, Group, Placed, Principal, Status, mask_of
from blazon.users.service import rules
from blazon.users.service.lists import ListFilter, filters_of
from blazon.users.service.rights import Basis, Rights, expect
from blazon.users.store import Store, Where

__all__ = ["GroupDraft", "GroupFilter", "Groups"]

_DEEPEST: Final = 64
"""How many groups may stand above one."""


class GroupDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A group somebody asks for."""

    name: str = ""
    description: str = ""
    parent: str = ""
    owner: str = ""
    metadata: dict[str, Any] | None = None
    status: Status = Status.ENABLED


class GroupFilter(ListFilter, frozen=True, kw_only=True):
    """Which groups a list shows. `levels` bounds how far a walk goes, None is to its end."""

    owner: str | None = None
    levels: int | None = None


def group_of(record: Record, state: GroupState) -> Group:
    """The group a record made, or changed."""
    created = state.created_at == 0
    fields = {name: getattr(state, name) for name in GroupState.__struct_fields__}
    fields["created_at"] = state.created_at or record.time
    return Group(
        **fields,
        updated_at=0 if created else record.time,
        updated_by="" if created else record.actor,
        revision=record.sequence,
    )


class Groups:
    """The rules of groups."""

    def __init__(self, log: Log, store: Store, rights: Rights) -> None:
        self._log = log
        self._store = store
        self._rights = rights

    async def create(self, caller: Caller, draft: GroupDraft) -> Group:
        """Makes a group, which belongs to the caller, below a parent the caller may see."""
        rules.check_name(draft.name, required=True)
        identifier = self._log.new_id()
        state = GroupState(
            id=identifier,
            owner="",
            name=draft.name,
            description=rules.check_description(draft.description),
            parent=draft.parent,
            metadata=rules.metadata_of(draft.metadata),
            status=draft.status,
        )

        async def decide() -> Decision:
            owner, basis = await self._owner_for(caller, draft)
            if await self._store.group_named(owner, draft.name):
                raise Conflict("its owner has a group of this name")
            if draft.parent:
                basis |= await self._parent(caller, draft.parent)
            made = msgspec.structs.replace(state, owner=owner)
            return Decision((events.GROUP_CREATE.event(GROUP.of(identifier), made),), basis)

        return _only_group(await self._log.commit(caller, decide), events.GROUP_CREATE)

    async def _owner_for(self, caller: Caller, draft: GroupDraft) -> tuple[str, Basis]:
        principal, basis = await self._rights.caller(caller)
        if not draft.owner or draft.owner == principal.id:
            return principal.id, basis
        if not principal.admin:
            raise Forbidden("only an admin makes groups for others")
        owner = await self._store.principal(draft.owner)
        if owner is None:
            raise NotFound("the owner is not a user")
        return owner.id, {**basis, USER.of(owner.id): owner.revision}

    async def _parent(self, caller: Caller, parent: str) -> Basis:
        try:
            group, basis = await self._rights.group(caller, parent, Action.G_LIST)
        except NotFound:
            raise NotFound("the parent is not a group") from None
        if await self._store.depth(group.id) >= _DEEPEST:
            raise RuleBroken(f"groups are nested at most {_DEEPEST} deep")
        return basis

    async def view(self, caller: Caller, identifier: str) -> Group:
        """A group the caller may see."""
        group, _ = await self._rights.group(caller, identifier, Action.G_LIST)
        self._log.observe(caller, events.GROUP_VIEW.event(GROUP.of(group.id), _seen(group)))
        return group

    async def update(
        self,
        caller: Caller,
        identifier: str,
        name: str | None,
        description: str | None,
        metadata: dict[str, Any] | None,
    ) -> Group:
        """Sets name, description and metadata. What is empty or not given stays as it is."""
        changes: dict[str, Any] = {}
        if name:
            changes["name"] = rules.check_name(name)
        if description:
            changes["description"] = rules.check_description(description)
        if metadata is not None:
            changes["metadata"] = rules.metadata_of(metadata)

        async def decide() -> Decision:
            group, basis = await self._rights.group(caller, identifier, Action.G_UPDATE)
            if group.status is not Status.ENABLED:
                raise NotFound("the group is disabled; enable it before changing it")
            expect(caller, group.revision)
            renamed = changes.get("name", group.name)
            if renamed != group.name and await self._store.group_named(group.owner, renamed):
                raise Conflict("its owner has a group of this name")
            changed = state_of_group(group, **changes)
            return Decision((events.GROUP_UPDATE.event(GROUP.of(group.id), changed),), basis)

        return _only_group(await self._log.commit(caller, decide), events.GROUP_UPDATE)

    async def set_status(self, caller: Caller, identifier: str, status: Status) -> Group:
        """Enables or disables."""

        async def decide() -> Decision:
            group, basis = await self._rights.group(caller, identifier, Action.G_DELETE)
            expect(caller, group.revision)
            if group.status is status:
                raise Conflict(f"status already assigned: the group is {status.value} already")
            changed = state_of_group(group, status=status)
            return Decision((events.GROUP_REMOVE.event(GROUP.of(group.id), changed),), basis)

        return _only_group(await self._log.commit(caller, decide), events.GROUP_REMOVE)

    async def browse(self, caller: Caller, wanted: GroupFilter) -> tuple[int, list[Placed]]:
        """The groups the caller may see: its own, and those it has `g_list` on; all for an admin."""
        principal, _ = await self._rights.caller(caller)
        where = self._where(wanted, principal)
        total, groups = await self._store.groups(where, wanted.offset, wanted.limit)
        self._observe_list(caller, wanted, total)
        return total, groups

    async def walk(self, caller: Caller, root: str, wanted: GroupFilter, *, up: bool) -> tuple[int, list[Placed]]:
        """The groups above or below a group, itself at level 0, as far as the caller may see them."""
        principal, _ = await self._rights.caller(caller)
        group, _ = await self._rights.group(caller, root, Action.G_LIST)
        where = self._where(wanted, principal)
        total, groups = await self._store.hierarchy(
            group.id, up=up, levels=wanted.levels, where=where, offset=wanted.offset, limit=wanted.limit
        )
        self._observe_list(caller, wanted, total)
        return total, groups

    async def memberships(self, caller: Caller, user: str, wanted: GroupFilter) -> tuple[int, list[Placed]]:
        """The groups a user has a policy in: all of one's own; of another, those the caller may see as well."""
        principal, _ = await self._rights.caller(caller)
        member, _ = await self._rights.user(caller, user, Action.C_LIST)
        where = self._where(wanted, principal if member.id != principal.id else None)
        where.add("g.id IN (SELECT object FROM user_policies WHERE subject = ?)", member.id)
        total, groups = await self._store.groups(where, wanted.offset, wanted.limit)
        # The document's sample names the user's id `channel_id`; decision A7 keeps that and adds the right name.
        filters = filters_of(wanted, owner_id=wanted.owner, user_id=member.id, channel_id=member.id)
        seen = Listed(total=total, offset=wanted.offset, limit=wanted.limit, filters=filters)
        self._log.observe(caller, events.GROUP_LIST_BY_USER.event(USER.of(member.id), seen))
        return total, groups

    def _where(self, wanted: GroupFilter, principal: Principal | None) -> Where:
        where = Where()
        where.add_given({"g.name": wanted.name, "g.owner": wanted.owner})
        wanted.add_common(where, self._store.dialect, "g")
        if principal is not None and not principal.admin:
            where.add(
                "(g.owner = ? OR g.id IN (SELECT object FROM user_policies WHERE subject = ? AND (mask & ?) <> 0))",
                principal.id,
                principal.id,
                mask_of(Action.G_LIST),
            )
        return where

    def _observe_list(self, caller: Caller, wanted: GroupFilter, total: int) -> None:
        filters = filters_of(wanted, owner_id=wanted.owner)
        seen = Listed(total=total, offset=wanted.offset, limit=wanted.limit, filters=filters)
        self._log.observe(caller, events.GROUP_LIST.event("", seen))


def _only_group(records: Sequence[Record], kind: EventType[GroupState]) -> Group:
    (record,) = records
    return group_of(record, kind.read(record))


def _seen(group: Group) -> GroupSeen:
    return GroupSeen(**{name: getattr(group, name) for name in GroupSeen.__struct_fields__})
