"""What memory decides is what the tables say: after any operations, heard in any way, after a load and a rebuild."""

import asyncio
import tempfile
import uuid
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from blazon.access import ACTIONS, Action, mask_of
from blazon.app import ROOMS, make_log
from blazon.clock import SystemClock
from blazon.entity import Status
from blazon.grouping import GroupState, PolicyState
from blazon.history import rebuild
from blazon.log import MIGRATIONS, Event, Log, Operation, Record, state_of
from blazon.log.listeners import Listeners
from blazon.storage import Database, Sealer, migrate, open_database
from blazon.things import Access
from blazon.things.events import (
    GROUPING,
    THING_CREATE,
    THING_REMOVE,
    THING_UPDATE_OWNER,
    THING_UPDATE_SECRET,
    ThingState,
)
from blazon.things.models import CHANNEL, POLICY, THING
from tests.interleaving import interleaved, played

THINGS = [str(uuid.UUID(int=number, version=4)) for number in range(3)]
CHANNELS = [str(uuid.UUID(int=100 + number, version=4)) for number in range(11)]
"""More than stand in a tuple."""
USERS = ["ann", "bob"]
KEYS = ["key one", "key two", "key three", "key four"]
SUBJECTS = [*THINGS, *USERS]

SEALER = Sealer(bytes(32))
EMPTY = msgspec.Raw(b"{}")

_thing, _channel, _user = st.sampled_from(THINGS), st.sampled_from(CHANNELS), st.sampled_from(USERS)
_subject, _key = st.sampled_from(SUBJECTS), st.sampled_from(KEYS)
_actions = st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=3, unique=True).map(tuple)
_steps = st.one_of(
    st.tuples(st.just("make"), _thing, _key, _user, st.sampled_from(Status)),
    st.tuples(st.just("key"), _thing, _key),
    st.tuples(st.just("key"), _thing, _key),
    st.tuples(st.just("give"), _thing, _user),
    st.tuples(st.just("switch"), _thing),
    st.tuples(st.just("channel"), _channel, _user, st.sampled_from(Status)),
    st.tuples(st.just("switch channel"), _channel),
    st.tuples(st.just("allow"), _subject, _channel, _actions),
    st.tuples(st.just("allow all"), _subject, _actions),
    st.tuples(st.just("deny"), _subject, _channel),
)
STEPS = st.lists(_steps, min_size=1, max_size=30)
_key_steps = st.one_of(
    st.tuples(st.just("make"), _thing, _key, _user, st.just(Status.ENABLED)), st.tuples(st.just("key"), _thing, _key)
)
KEY_STEPS = st.lists(_key_steps, min_size=3, max_size=20)
"""Keys that go from one thing to another."""


class World:
    """Makes the events of steps, as far as rules and constraints let them happen."""

    def __init__(self) -> None:
        self.things: dict[str, ThingState] = {}
        self.channels: dict[str, GroupState] = {}
        self.policies: dict[tuple[str, str], PolicyState] = {}

    def events(self, step: tuple[Any, ...]) -> list[Event]:
        kind, *rest = step
        made: list[Event] = getattr(self, "_" + kind.replace(" ", "_"))(*rest)
        return made

    def _free(self, key: str) -> bool:
        return SEALER.fingerprint(key) not in {thing.key_hash for thing in self.things.values()}

    def _set(self, kind: Any, state: ThingState) -> list[Event]:
        self.things[state.id] = state
        return [kind.event(THING.of(state.id), state)]

    def _make(self, thing: str, key: str, owner: str, status: Status) -> list[Event]:
        if thing in self.things or not self._free(key):
            return []
        state = ThingState(
            id=thing, name="", identity="", key="sealed", key_hash=SEALER.fingerprint(key), tags=(), owner=owner,
            metadata=EMPTY, status=status,
        )  # fmt: skip
        return self._set(THING_CREATE, state)

    def _changed(self, kind: Any, thing: str, **changes: Any) -> list[Event]:
        if thing not in self.things:
            return []
        return self._set(kind, state_of(ThingState, self.things[thing], created_at=1, **changes))

    def _key(self, thing: str, key: str) -> list[Event]:
        return self._changed(THING_UPDATE_SECRET, thing, key_hash=SEALER.fingerprint(key)) if self._free(key) else []

    def _give(self, thing: str, owner: str) -> list[Event]:
        return self._changed(THING_UPDATE_OWNER, thing, owner=owner)

    def _switch(self, thing: str) -> list[Event]:
        if thing not in self.things:
            return []
        off = self.things[thing].status is Status.DISABLED
        return self._changed(THING_REMOVE, thing, status=Status.ENABLED if off else Status.DISABLED)

    def _channel(self, channel: str, owner: str, status: Status) -> list[Event]:
        if channel in self.channels:
            return []
        state = GroupState(id=channel, owner=owner, name="", description="", parent="", metadata=EMPTY, status=status)
        self.channels[channel] = state
        return [GROUPING.create.event(CHANNEL.of(channel), state)]

    def _switch_channel(self, channel: str) -> list[Event]:
        if channel not in self.channels:
            return []
        before = self.channels[channel]
        status = Status.ENABLED if before.status is Status.DISABLED else Status.DISABLED
        state = self.channels[channel] = msgspec.structs.replace(before, status=status, created_at=1)
        return [GROUPING.remove.event(CHANNEL.of(channel), state)]

    def _allow(self, subject: str, channel: str, actions: tuple[Action, ...]) -> list[Event]:
        if channel not in self.channels or (subject in THINGS and subject not in self.things):
            return []
        there = (subject, channel) in self.policies
        state = PolicyState(subject=subject, object=channel, actions=actions, owner="ann", created_at=1 if there else 0)
        self.policies[subject, channel] = state
        kind = GROUPING.policy_update if there and len(actions) == 1 else GROUPING.policy_add
        return [kind.event(POLICY.of(subject, channel), state)]

    def _allow_all(self, subject: str, actions: tuple[Action, ...]) -> list[Event]:
        return [event for channel in CHANNELS for event in self._allow(subject, channel, actions)]

    def _deny(self, subject: str, channel: str) -> list[Event]:
        state = self.policies.pop((subject, channel), None)
        return [] if state is None else [GROUPING.policy_delete.event(POLICY.of(subject, channel), state)]


class Truth:
    """What the tables say."""

    def __init__(self, things: Sequence[Any], channels: Sequence[Any], policies: Sequence[Any]) -> None:
        self._things = {row[0]: row[1:] for row in things}
        self._channels = {row[0]: row[1:] for row in channels}
        self._masks = {(row[0], row[1]): row[2] for row in policies}

    @classmethod
    async def of(cls, database: Database) -> "Truth":
        return cls(
            await database.rows("SELECT id, key_hash, owner, status FROM things"),
            await database.rows("SELECT id, owner, status FROM channels"),
            await database.rows("SELECT subject, object, mask FROM thing_policies"),
        )

    def decisions(self) -> dict[Any, Any]:
        """Every question there is, with its answer."""
        found: dict[Any, Any] = {}
        for key in KEYS:
            found["identify", key] = self._identified(key)
            for channel in CHANNELS:
                for action in ACTIONS:
                    found["key", key, channel, action] = self._by_key(key, channel, action)
        for subject in SUBJECTS:
            for action in ACTIONS:
                wanted = mask_of(action)
                found["has", subject, action] = any(
                    mask & wanted for (each, _), mask in self._masks.items() if each == subject
                )
                for channel in CHANNELS:
                    found["user", subject, channel, action] = channel in self._channels and (
                        self._channels[channel][0] == subject or bool(self._mask(subject, channel) & wanted)
                    )
        for thing in THINGS:
            found["channels", thing] = {at: mask for (each, at), mask in self._masks.items() if each == thing}
        for owner in (None, *USERS):
            for status in (None, *Status):
                found["count", owner, status] = sum(
                    1
                    for _, whose, state in self._things.values()
                    if owner in (None, whose) and status in (None, Status(state))
                )
        return found

    def _mask(self, subject: str, channel: str) -> int:
        return int(self._masks.get((subject, channel), 0))

    def _holder(self, key: str) -> str | None:
        digest = SEALER.fingerprint(key)
        return next((thing for thing, (has, _, _) in self._things.items() if has == digest), None)

    def _identified(self, key: str) -> str | None:
        thing = self._holder(key)
        return thing if thing is not None and self._things[thing][2] == "enabled" else None

    def _by_key(self, key: str, channel: str, action: Action) -> tuple[bool, str]:
        thing = self._holder(key)
        open_ = channel in self._channels and self._channels[channel][1] == "enabled"
        allowed = (
            self._identified(key) is not None and open_ and bool(self._mask(thing or "", channel) & mask_of(action))
        )
        return allowed, thing or ""


def decided(access: Access) -> dict[Any, Any]:
    """The same questions, answered from memory."""
    found: dict[Any, Any] = {}
    for key in KEYS:
        found["identify", key] = access.identify(key)
        for channel in CHANNELS:
            for action in ACTIONS:
                verdict = access.by_key(key, channel, action)
                found["key", key, channel, action] = (verdict.allowed, verdict.thing)
    for subject in SUBJECTS:
        for action in ACTIONS:
            found["has", subject, action] = access.has_policy(subject, action)
            for channel in CHANNELS:
                found["user", subject, channel, action] = access.of_user(subject, channel, action).allowed
    for thing in THINGS:
        found["channels", thing] = dict(access.channels_of(thing))
    for owner in (None, *USERS):
        for status in (None, *Status):
            found["count", owner, status] = access.count(owner, status)
    return found


def same(access: Access, truth: dict[Any, Any]) -> None:
    """Memory and tables agree on every question."""
    answers = decided(access)
    assert {
        question: (answers[question], answer) for question, answer in truth.items() if answers[question] != answer
    } == {}


async def recorded(database: Database, steps: list[Any]) -> tuple[Log, Access, list[Record]]:
    """Commits the steps, each with its events in one operation; an Access has listened."""
    log = make_log(database, SystemClock(), CollectorRegistry())
    access = Access(database, SEALER)
    log.listen(access)
    writing = asyncio.create_task(log.writer.run())
    await log.begin()
    world, records = World(), list[Record]()
    for step in steps:
        if events := world.events(step):
            records += await log.writer.commit(Operation(events=tuple(events)))
    log.writer.stop()
    await writing
    return log, access, records


def on_a_database(work: Callable[[Database], Awaitable[None]]) -> None:
    """Runs with an empty database."""

    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            database = await open_database("", Path(folder))
            try:
                await migrate(database, (MIGRATIONS, *(room.migrations for room in ROOMS)))
                await work(database)
            finally:
                await database.close()

    asyncio.run(run())


@settings(max_examples=50)
@given(STEPS)
def test_after_any_operations_a_load_and_a_rebuild(steps: list[Any]) -> None:
    async def work(database: Database) -> None:
        _, access, records = await recorded(database, steps)
        truth = (await Truth.of(database)).decisions()
        same(access, truth)
        fresh = Access(database, SEALER)
        listeners = Listeners(shared=True)
        listeners.add(fresh)
        await listeners.load()
        same(fresh, truth)
        # What it has loaded it does not take for news.
        listeners.others(records)
        same(fresh, truth)
        await rebuild(database, ROOMS)
        again = Access(database, SEALER)
        await again.reload()
        same(again, truth)
        await again.reload()
        same(again, truth)
        assert (await Truth.of(database)).decisions() == truth

    on_a_database(work)


@settings(max_examples=50)
@given(STEPS | KEY_STEPS, st.data())
def test_however_own_records_and_those_of_others_come_in(steps: list[Any], data: st.DataObject) -> None:
    async def work(database: Database) -> None:
        other = Access(database, SEALER)
        listeners = Listeners(shared=True)
        listeners.add(other)
        await listeners.load()
        _, _, records = await recorded(database, steps)
        own = [record for record in records if data.draw(st.booleans())]
        played(listeners, data.draw(interleaved(records, own)))
        same(other, (await Truth.of(database)).decisions())

    on_a_database(work)


def test_a_key_that_goes_from_one_to_another_is_the_others_in_whatever_order_it_is_heard() -> None:
    """The one gave it up in another process, the other took it in this one, which heard of its own first."""
    one, two = THINGS[:2]
    steps = [
        ("make", one, "key one", "ann", Status.ENABLED),
        ("key", one, "key two"),
        ("make", two, "key one", "ann", Status.ENABLED),
    ]

    async def work(database: Database) -> None:
        accesses = [Access(database, SEALER) for _ in range(2)]
        memories = [Listeners(shared=True) for _ in accesses]
        for access, listeners in zip(accesses, memories, strict=True):
            listeners.add(access)
            await listeners.load()
        _, _, records = await recorded(database, steps)
        for access, listeners, ahead in zip(accesses, memories, (0, 1), strict=True):
            if ahead:
                listeners.others(records[:ahead])
            listeners.own(records[2:])
            assert access.identify("key one") == two
            for number in range(ahead, len(records)):
                listeners.others(records[number : number + 1])
                assert access.identify("key one") == two
            same(access, (await Truth.of(database)).decisions())

    on_a_database(work)
