"""Groups and their hierarchy: the rules."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from blazon.access import Action, Principal, expect, mask_of
from blazon.caller import Caller
from blazon.entity import Status, rules
from blazon.errors import Conflict, Forbidden, Malformed, NotFound, RequestError, RuleBroken
from blazon.grouping.events import Grouping, GroupSeen, GroupState, group_of
from blazon.grouping.models import Group, Placed
from blazon.grouping.rights import GroupRights
from blazon.grouping.store import GroupStore
from blazon.listing import Listed, ListFilter, Where, listed
from blazon.log import Basis, Decision, Event, EventType, Log, Record, state_of

__all__ = ["GroupDraft", "GroupFilter", "Groups"]

_DEEPEST: Final = 64
"""How many groups may stand above one."""

_BULK: Final = 1000
"""How many groups are made at once."""


class GroupDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A group somebody asks for. `id` is empty when Blazon shall choose it."""

    id: str = ""
    name: str = ""
    description: str = ""
    parent: str = ""
    owner: str = ""
    metadata: dict[str, Any] | None = None
    status: Status = Status.ENABLED

    def check(self) -> None:
        """What can be said without knowing what there is. Raises Malformed."""
        if self.id:
            rules.check_new_id(self.id)
        rules.check_name(self.name)
        rules.check_description(self.description)


class GroupFilter(ListFilter, frozen=True, kw_only=True):
    """Which groups a list shows. `levels` bounds how far a walk goes, None is to its end."""

    owner: str | None = None
    levels: int | None = None


class Groups:
    """The rules of groups."""

    def __init__(self, log: Log, grouping: Grouping, store: GroupStore, rights: GroupRights) -> None:
        self._log = log
        self._grouping = grouping
        self._store = store
        self._rights = rights

    async def create(self, caller: Caller, draft: GroupDraft) -> Group:
        """Makes a group, which belongs to the caller, below a parent the caller may see."""
        rules.check_name(draft.name, required=True)
        state = self._state(draft)

        async def decide() -> Decision:
            making = _Making(self._grouping, self._store, self._rights, caller)
            return Decision((await making.event(state, chosen=bool(draft.id)),), making.basis)

        return self._only(await self._log.commit(caller, decide), self._grouping.create)

    async def create_many(self, caller: Caller, drafts: Sequence[GroupDraft]) -> list[Group]:
        """Makes groups, all of them or none (decision C6). One may be the parent of one that comes after it."""
        if not drafts:
            raise Malformed("empty list provided: there must be one at least")
        if len(drafts) > _BULK:
            raise RuleBroken(f"at most {_BULK} are made at once; send them in several requests")
        states = []
        for number, draft in enumerate(drafts):
            try:
                states.append(self._state(draft))
            except RequestError as error:
                raise error.at(f"{self._grouping.noun}s[{number}]") from None

        async def decide() -> Decision:
            making = _Making(self._grouping, self._store, self._rights, caller)
            made: list[Event] = []
            for number, (draft, state) in enumerate(zip(drafts, states, strict=True)):
                try:
                    made.append(await making.event(state, chosen=bool(draft.id)))
                except (Conflict, Forbidden, NotFound, RuleBroken) as error:
                    raise error.at(f"{self._grouping.noun}s[{number}]") from None
            return Decision(tuple(made), making.basis)

        records = await self._log.commit(caller, decide)
        return [group_of(record, self._grouping.create.read(record)) for record in records]

    def _state(self, draft: GroupDraft) -> GroupState:
        draft.check()
        return GroupState(
            id=draft.id or self._log.new_id(),
            owner=draft.owner,
            name=draft.name,
            description=draft.description,
            parent=draft.parent,
            metadata=self._log.metadata.kept(draft.metadata),
            status=draft.status,
        )

    async def view(self, caller: Caller, identifier: str) -> Group:
        """A group the caller may see."""
        group, _ = await self._rights.group(caller, identifier, Action.G_LIST)
        seen = state_of(GroupSeen, group)
        self._log.observe(caller, self._grouping.view.event(self._grouping.group.of(group.id), seen))
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
            changes["metadata"] = self._log.metadata.kept(metadata)

        async def decide() -> Decision:
            group, basis = await self._rights.group(caller, identifier, Action.G_UPDATE)
            noun = self._grouping.noun
            if group.status is not Status.ENABLED:
                raise NotFound(f"the {noun} is disabled; enable it before changing it")
            expect(caller, group.revision)
            renamed = changes.get("name", group.name)
            if renamed != group.name and await self._store.named(group.owner, renamed):
                raise Conflict(f"its owner has a {noun} of this name")
            return Decision((self._changed(self._grouping.update, group, **changes),), basis)

        return self._only(await self._log.commit(caller, decide), self._grouping.update)

    async def set_status(self, caller: Caller, identifier: str, status: Status) -> Group:
        """Enables or disables."""

        async def decide() -> Decision:
            group, basis = await self._rights.group(caller, identifier, Action.G_DELETE)
            expect(caller, group.revision)
            if group.status is status:
                raise Conflict(f"status already assigned: the {self._grouping.noun} is {status.value} already")
            return Decision((self._changed(self._grouping.remove, group, status=status),), basis)

        return self._only(await self._log.commit(caller, decide), self._grouping.remove)

    def _changed(self, kind: EventType[GroupState], group: Group, **changes: Any) -> Event:
        return kind.event(self._grouping.group.of(group.id), state_of(GroupState, group, **changes))

    def _only(self, records: Sequence[Record], kind: EventType[GroupState]) -> Group:
        (record,) = records
        return group_of(record, kind.read(record))

    async def browse(self, caller: Caller, wanted: GroupFilter) -> tuple[int, list[Placed]]:
        """The groups the caller may see: its own, and those it has `g_list` on; all for an admin."""
        principal, _ = await self._rights.asking.caller(caller)
        where = self._where(wanted, principal)
        total, groups = await self._store.groups(where, wanted.offset, wanted.limit)
        self._observe_list(caller, wanted, total, {})
        return total, groups

    async def walk(self, caller: Caller, root: str, wanted: GroupFilter, *, up: bool) -> tuple[int, list[Placed]]:
        """The groups above or below a group, itself at level 0, as far as the caller may see them."""
        principal, _ = await self._rights.asking.caller(caller)
        group, _ = await self._rights.group(caller, root, Action.G_LIST)
        where = self._where(wanted, principal)
        total, groups = await self._store.hierarchy(
            group.id, up=up, levels=wanted.levels, where=where, offset=wanted.offset, limit=wanted.limit
        )
        levels = str(wanted.levels) if wanted.levels else None
        known = {"parent_id": group.id, "dir": "1" if up else "-1", "level": levels}
        self._observe_list(caller, wanted, total, known)
        return total, groups

    async def of_member(
        self, caller: Caller, member: str, wanted: GroupFilter, principal: Principal | None, filters: dict[str, str]
    ) -> tuple[int, list[Placed]]:
        """The groups a member has a policy in; of them those `principal` may see, or all when it is None.

        `filters` name the member in the event. Whether the caller may see the member at all is checked before.
        """
        where = self._where(wanted, principal)
        where.add(f"g.id IN (SELECT object FROM {self._store.policies_table} WHERE subject = ?)", member)
        total, groups = await self._store.groups(where, wanted.offset, wanted.limit)
        seen = _listed(wanted, total, filters)
        self._log.observe(caller, self._grouping.list_by_member.event(f"{self._grouping.member}:{member}", seen))
        return total, groups

    def _where(self, wanted: GroupFilter, principal: Principal | None) -> Where:
        where = wanted.where(self._store.dialect, "g", {"g.owner": wanted.owner})
        if principal is not None and not principal.admin:
            where.add(
                f"(g.owner = ? OR g.id IN (SELECT object FROM {self._store.policies_table}"
                " WHERE subject = ? AND (mask & ?) <> 0))",
                principal.id,
                principal.id,
                mask_of(Action.G_LIST),
            )
        return where

    def _observe_list(self, caller: Caller, wanted: GroupFilter, total: int, known: Mapping[str, str | None]) -> None:
        self._log.observe(caller, self._grouping.list.event("", _listed(wanted, total, known)))


def _listed(wanted: GroupFilter, total: int, known: Mapping[str, str | None]) -> Listed:
    asked = {"name": wanted.name, "metadata": wanted.metadata, "owner_id": wanted.owner}
    known = {"status": wanted.status.value, **known}
    return listed(total, wanted.offset, wanted.limit, known=known, asked=asked)


class _Making:
    """One decision that makes groups: what it rests on, and what was decided before the group at hand."""

    def __init__(self, grouping: Grouping, store: GroupStore, rights: GroupRights, caller: Caller) -> None:
        self._grouping = grouping
        self._store = store
        self._rights = rights
        self._caller = caller
        self._names: set[tuple[str, str]] = set()
        self._depths: dict[str, int] = {}
        self.basis: Basis = {}

    async def event(self, state: GroupState, *, chosen: bool) -> Event:
        """The event that makes one more group, whose id the client may have chosen.

        Raises Conflict, Forbidden, NotFound, RuleBroken.
        """
        noun = self._grouping.noun
        owner = await self._owner_for(state.owner)
        if chosen and (state.id in self._depths or await self._store.group(state.id) is not None):
            raise Conflict(f"there is a {noun} with this id")
        if state.name and await self._is_taken(owner, state.name):
            raise Conflict(f"its owner has a {noun} of this name")
        depth = await self._depth_of(state.parent) + 1 if state.parent else 0
        if depth > _DEEPEST:
            raise RuleBroken(f"{noun}s are nested at most {_DEEPEST} deep")
        self._names.add((owner, state.name))
        self._depths[state.id] = depth
        made = msgspec.structs.replace(state, owner=owner)
        return self._grouping.create.event(self._grouping.group.of(state.id), made)

    async def _is_taken(self, owner: str, name: str) -> bool:
        return (owner, name) in self._names or await self._store.named(owner, name)

    async def _owner_for(self, wanted: str) -> str:
        principal, basis = await self._rights.asking.caller(self._caller)
        self.basis |= basis
        if not wanted or wanted == principal.id:
            return principal.id
        if not principal.admin:
            raise Forbidden(f"only an admin makes {self._grouping.noun}s for others")
        try:
            self.basis |= await self._rights.asking.existing(wanted)
        except NotFound:
            raise NotFound("the owner is not a user") from None
        return wanted

    async def _depth_of(self, parent: str) -> int:
        """How deep the parent stands. One the caller may not see is none."""
        if parent in self._depths:
            return self._depths[parent]
        try:
            group, basis = await self._rights.group(self._caller, parent, Action.G_LIST)
        except NotFound:
            raise NotFound(f"the parent is not a {self._grouping.noun}") from None
        self.basis |= basis
        return await self._store.depth(group.id)
