"""Things: create, view, list, change, enable, disable."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from blazon.access import Action, Principal, expect, mask_of
from blazon.caller import Caller
from blazon.entity import Status, rules
from blazon.errors import Conflict, Forbidden, Malformed, NotFound, RequestError, RuleBroken
from blazon.grouping import GroupRights, GroupStore
from blazon.listing import Listed, StatusFilter, Visibility, Where, listed, visibility_filters
from blazon.log import Basis, Decision, Event, EventType, Log, Record, entity_of, state_of
from blazon.storage import Sealer
from blazon.things import events
from blazon.things.access import Access
from blazon.things.events import ThingSeen, ThingState
from blazon.things.models import CHANNEL, THING, Thing, key_context
from blazon.things.order import FAR, Orders, Scope
from blazon.things.service.drafts import ThingDraft, ThingFilter, check_key, numbered
from blazon.things.service.rights import Rights
from blazon.things.store import Store
from blazon.users import People

__all__ = ["Things"]

_BULK: Final = 1000
"""How many things are made at once."""

_SHARED_WITH: Final = (
    "t.id IN (SELECT q.subject FROM thing_policies p JOIN thing_policies q ON q.object = p.object"
    " WHERE p.subject = ? AND (p.mask & ?) <> 0)"
)


class Things:
    """The rules of things."""

    def __init__(
        self,
        log: Log,
        store: Store,
        access: Access,
        orders: Orders,
        rights: Rights,
        channels: GroupStore,
        channel_rights: GroupRights,
        people: People,
        sealer: Sealer,
    ) -> None:
        self._log = log
        self._store = store
        self._access = access
        self._orders = orders
        self._rights = rights
        self._channels = channels
        self._channel_rights = channel_rights
        self._people = people
        self._sealer = sealer

    async def create(self, caller: Caller, draft: ThingDraft) -> Thing:
        """Makes a thing, which belongs to the caller."""
        return (await self._create(caller, (draft,), (self.state_of_new(draft),)))[0]

    async def create_many(self, caller: Caller, drafts: Sequence[ThingDraft]) -> list[Thing]:
        """Makes things, all of them or none (decision C6)."""
        if not drafts:
            raise Malformed("empty list provided: there must be one at least")
        if len(drafts) > _BULK:
            raise RuleBroken(f"at most {_BULK} are made at once; send them in several requests")
        states = []
        for number, draft in enumerate(drafts):
            try:
                states.append(self.state_of_new(draft))
            except RequestError as error:
                raise error.at(f"things[{number}]") from None
        return await self._create(caller, drafts, states)

    def state_of_new(self, draft: ThingDraft) -> ThingState:
        """The state of a thing to make, with the id and the key that Blazon chooses. Raises Malformed."""
        draft.check()
        identifier, key = draft.id or self._log.new_id(), draft.key or str(uuid.uuid4())
        return ThingState(
            id=identifier,
            name=draft.name,
            identity=draft.identity,
            key=self._sealer.seal(key.encode(), key_context(identifier)),
            key_hash=self._sealer.fingerprint(key),
            tags=draft.tags,
            owner=draft.owner,
            metadata=self._log.metadata.kept(draft.metadata),
            status=draft.status,
        )

    async def _create(self, caller: Caller, drafts: Sequence[ThingDraft], states: Sequence[ThingState]) -> list[Thing]:
        records = await self._log.commit(caller, lambda: self.creation(caller, drafts, states))
        return [entity_of(Thing, record, events.THING_CREATE.read(record)) for record in records]

    async def creation(self, caller: Caller, drafts: Sequence[ThingDraft], states: Sequence[ThingState]) -> Decision:
        """The decision to make things. `states` are those of the drafts, from `state_of_new`."""
        several = len(states) > 1
        # What Blazon chose is new; only what a client chose can be there already.
        ids = numbered("an id", [state.id if drafts[number].id else "" for number, state in enumerate(states)])
        keys = numbered("a key", [state.key_hash if drafts[number].key else "" for number, state in enumerate(states)])

        principal, basis = await self._people.caller(caller)
        for what, column, chosen in (("this id", "id", ids), ("this key", "key_hash", keys)):
            there = await self._store.present(column, list(chosen)) if chosen else ()
            for value in there:
                place = f"things[{chosen[value]}]: " if several else ""
                raise Conflict(f"{place}there is a thing with {what}")
        for identifier, number in ids.items():
            if await self._people.get(identifier) is not None:  # a policy names its subject by the id alone
                place = f"things[{number}]: " if several else ""
                raise Conflict(f"{place}this id is that of a user")
        made: list[Event] = []
        for number, state in enumerate(states):
            try:
                basis |= await self._owner(principal, state.owner)
            except RequestError as error:
                raise error.at(f"things[{number}]") if several else error from None
            owned = msgspec.structs.replace(state, owner=state.owner or principal.id)
            made.append(events.THING_CREATE.event(THING.of(state.id), owned))
        return Decision(tuple(made), basis)

    async def _owner(self, principal: Principal, owner: str) -> Basis:
        if not owner or owner == principal.id:
            return {}
        if not principal.admin:
            raise Forbidden("only an admin makes things for others")
        try:
            return await self._people.existing(owner)
        except NotFound:
            raise NotFound("the owner is not a user") from None

    async def view(self, caller: Caller, identifier: str) -> tuple[Thing, str]:
        """A thing the caller may see, and its key if the caller may know it, else an empty text."""
        thing, _ = await self._rights.thing(caller, identifier, Action.C_LIST)
        seen = state_of(ThingSeen, thing)
        self._log.observe(caller, events.THING_VIEW.event(THING.of(thing.id), seen))
        return thing, self.key_of(thing) if await self._rights.knows_key(caller, thing) else ""

    def key_of(self, thing: Thing) -> str:
        """The key of a thing, in clear."""
        return self._sealer.unseal(thing.key, key_context(thing.id)).decode()

    async def update(self, caller: Caller, identifier: str, name: str | None, metadata: dict[str, Any] | None) -> Thing:
        """Sets name and metadata. An empty name and no metadata leave them as they are; metadata is replaced."""
        changes: dict[str, Any] = {}
        if name:
            changes["name"] = rules.check_name(name)
        if metadata is not None:
            changes["metadata"] = self._log.metadata.kept(metadata)
        return await self._change(caller, identifier, events.THING_UPDATE, changes)

    async def update_tags(self, caller: Caller, identifier: str, tags: Sequence[str]) -> Thing:
        """Replaces the tags."""
        return await self._change(caller, identifier, events.THING_UPDATE_TAGS, {"tags": rules.check_tags(tags)})

    async def update_key(self, caller: Caller, identifier: str, key: str) -> Thing:
        """Sets the key. The old one is good for nothing from then on."""
        if not key:
            raise Malformed("secret is missing")
        hashed = self._sealer.fingerprint(check_key(key))
        sealed = self._sealer.seal(key.encode(), key_context(identifier))
        changes = {"key": sealed, "key_hash": hashed}
        return await self._change(caller, identifier, events.THING_UPDATE_SECRET, changes)

    async def update_owner(self, caller: Caller, identifier: str, owner: str) -> Thing:
        """Gives the thing to another owner. Only its owner and an admin can: it is all that a thing is."""
        if not owner:
            raise Malformed("owner is missing")
        return await self._change(caller, identifier, events.THING_UPDATE_OWNER, {"owner": owner}, shared=False)

    async def _change(
        self,
        caller: Caller,
        identifier: str,
        kind: EventType[ThingState],
        changes: dict[str, Any],
        *,
        shared: bool = True,
    ) -> Thing:
        async def decide() -> Decision:
            thing, basis = await self._rights.thing(caller, identifier, Action.C_UPDATE, shared=shared)
            if thing.status is not Status.ENABLED:
                raise NotFound("the thing is disabled; enable it before changing it")
            expect(caller, thing.revision)
            if "owner" in changes:
                try:
                    basis |= await self._people.existing(changes["owner"])
                except NotFound:
                    raise NotFound("the owner is not a user") from None
            hashed = changes.get("key_hash", thing.key_hash)
            if hashed != thing.key_hash and await self._store.present("key_hash", (hashed,)):
                raise Conflict("there is a thing with this key")
            return Decision((kind.event(THING.of(thing.id), state_of(ThingState, thing, **changes)),), basis)

        return _only_thing(await self._log.commit(caller, decide), kind)

    async def set_status(self, caller: Caller, identifier: str, status: Status) -> Thing:
        """Enables or disables. A disabled thing cannot connect, publish or subscribe, at once (decision C9)."""

        async def decide() -> Decision:
            thing, basis = await self._rights.thing(caller, identifier, Action.C_DELETE)
            expect(caller, thing.revision)
            if thing.status is status:
                raise Conflict(f"status already assigned: the thing is {status.value} already")
            changed = state_of(ThingState, thing, status=status)
            return Decision((events.THING_REMOVE.event(THING.of(thing.id), changed),), basis)

        return _only_thing(await self._log.commit(caller, decide), events.THING_REMOVE)

    async def browse(self, caller: Caller, wanted: ThingFilter) -> tuple[int, list[Thing]]:
        """The things the caller may see: its own and those shared with it; all for an admin (decision C8)."""
        principal, _ = await self._people.caller(caller)
        where = self._where(wanted)
        scope = self._restrict(where, principal, wanted)
        total, things = await self._page(where, wanted, scope)
        known = visibility_filters(wanted.visibility, principal)
        owner = wanted.owner if principal.admin and wanted.visibility in (None, Visibility.ALL) else None
        self._log.observe(caller, events.THING_LIST.event("", _listed(wanted, total, known, {"owner": owner})))
        return total, things

    def _restrict(self, where: Where, principal: Principal, wanted: ThingFilter) -> Scope | None:
        """Adds who may see what. The scope of the list when it is told by an owner and a state alone."""
        lists = mask_of(Action.C_LIST)
        owner = wanted.owner if principal.admin else principal.id
        if wanted.visibility is Visibility.SHARED:
            where.add(_SHARED_WITH, principal.id, lists)
            return None
        if wanted.visibility is Visibility.MINE:
            owner = principal.id
        elif not principal.admin and self._access.has_policy(principal.id, Action.C_LIST):
            where.add(f"(t.owner = ? OR {_SHARED_WITH})", principal.id, principal.id, lists)
            return None
        if owner:
            where.add("t.owner = ?", owner)
        if (wanted.name, wanted.tag, wanted.metadata) != (None, None, None):
            return None
        return Scope(owner or None, None if wanted.status is StatusFilter.ALL else Status(wanted.status.value))

    async def _page(self, where: Where, wanted: ThingFilter, scope: Scope | None) -> tuple[int, list[Thing]]:
        """How many there are in all, and a page of them.

        To count a million rows, or to pass them, takes a database long; what is asked for most is in memory.
        """
        if scope is None:
            return await self._store.count(where), await self._store.page(where, wanted.offset, wanted.limit)
        total = self._access.count(scope.owner, scope.status)
        if wanted.offset < FAR:
            return total, await self._store.page(where, wanted.offset, wanted.limit)
        begin = await self._orders.at(scope, wanted.offset)
        if begin is None:
            return total, []
        where.add("t.created_at >= ?", begin)
        return total, await self._store.page(where, 0, wanted.limit)

    async def on_channel(self, caller: Caller, channel: str, wanted: ThingFilter) -> tuple[int, list[Thing]]:
        """The things with a policy on a channel: all for who owns it or may list them there; else one's own."""
        principal, _ = await self._people.caller(caller)
        policy = await self._channels.policy(principal.id, channel)
        lists = policy is not None and Action.C_LIST in policy.actions
        found, _ = await self._channel_rights.group(caller, channel, Action.C_LIST if lists else Action.G_LIST)
        where = self._where(wanted)
        where.add("t.id IN (SELECT subject FROM thing_policies WHERE object = ?)", found.id)
        if not principal.admin and not lists and found.owner != principal.id:
            where.add("t.owner = ?", principal.id)
        if principal.admin and wanted.owner:
            where.add("t.owner = ?", wanted.owner)
        total = await self._store.count(where)
        things = await self._store.page(where, wanted.offset, wanted.limit)
        owner = wanted.owner if principal.admin else None
        seen = _listed(wanted, total, {"channel_id": found.id}, {"owner_id": owner})
        self._log.observe(caller, events.THING_LIST_BY_CHANNEL.event(CHANNEL.of(found.id), seen))
        return total, things

    def _where(self, wanted: ThingFilter) -> Where:
        where = wanted.where(self._store.dialect, "t")
        if wanted.tag is not None:
            where.add(self._store.dialect.contains("t.tags"), msgspec.json.encode([wanted.tag]).decode())
        return where


def _listed(
    wanted: ThingFilter, total: int, known: Mapping[str, str | None], asked: Mapping[str, str | None]
) -> Listed:
    known = {"status": wanted.status.value, **known}
    texts = {"name": wanted.name, "metadata": wanted.metadata, "tag": wanted.tag}
    return listed(total, wanted.offset, wanted.limit, known=known, asked={**texts, **asked})


def _only_thing(records: Sequence[Record], kind: EventType[ThingState]) -> Thing:
    (record,) = records
    return entity_of(Thing, record, kind.read(record))
