"""Two processes over one PostgreSQL: what one takes away is gone in the other, and a new one decides the same."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from blazon.app import ROOMS
from blazon.clock import SystemClock
from blazon.entity import Status
from blazon.grouping import PolicyState
from blazon.log import Catalogue, EventType, Kind, Log, Operation, Record, state_of
from blazon.storage import Database, Statement, open_database
from blazon.things.events import GROUPING, THING_REMOVE, THING_UPDATE_SECRET, ThingState
from blazon.things.models import POLICY, THING, Thing
from blazon.things.store import Store
from tests.running import Running, running
from tests.servers import PostgresServer
from tests.servers.proxy import Proxy
from tests.streams import PATIENCE
from tests.things.support import allow, asked, identify, key_of, may, policy

KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
FLAGS = {"redis__embedded": "false", "secrets__master_key": KEY}


@pytest.fixture(scope="module")
async def url(postgres: PostgresServer) -> str:
    return postgres.new_database()


@pytest.fixture(scope="module")
async def here(url: str, tmp_path_factory: pytest.TempPathFactory, anyio_backend: object) -> AsyncIterator[Running]:
    async with running(tmp_path_factory.mktemp("here"), database__url=url, **FLAGS) as started:
        yield started


@pytest.fixture(scope="module")
async def there(here: Running, url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with running(tmp_path_factory.mktemp("there"), database__url=url, **FLAGS) as started:
        yield started


async def until(question: Callable[[], Awaitable[bool]]) -> None:
    """Asks until it is so."""
    async with asyncio.timeout(PATIENCE):
        while not await question():
            pass


async def knows(blazon: Running, key: str) -> bool:
    return (await identify(blazon, key)).status == 200


async def connected(here: Running, there: Running) -> tuple[Any, Any]:
    """A thing on a channel, made in one process and known in the other."""
    thing, channel = await here.thing(), await here.channel()
    await allow(here, thing, channel, "m_read", "m_write")
    await until(lambda: may(there, thing, channel, "m_read"))
    assert await knows(there, key_of(thing))
    return thing, channel


async def gone(blazon: Running, thing: Any, channel: Any, action: str = "m_read") -> None:
    async def refused() -> bool:
        return not await may(blazon, thing, channel, action)

    await until(refused)


async def test_a_right(here: Running, there: Running) -> None:
    thing, channel = await connected(here, there)
    await here.ok("PUT", "/policies", policy(thing, channel, "m_write"))
    await gone(there, thing, channel)
    assert await may(there, thing, channel, "m_write")
    await there.ok("DELETE", f"/policies/{thing['id']}/{channel['id']}")
    assert not await may(there, thing, channel, "m_write")
    await gone(here, thing, channel, "m_write")


async def test_a_key(here: Running, there: Running) -> None:
    thing, channel = await connected(here, there)
    new = f"new key of {thing['id']}"
    await there.ok("PATCH", f"/things/{thing['id']}/secret", {"secret": new})
    assert await knows(there, new)
    await until(lambda: knows(here, new))
    assert not await knows(here, key_of(thing))
    await gone(here, thing, channel)
    assert await may(here, {"credentials": {"secret": new}}, channel, "m_read")


async def test_a_thing(here: Running, there: Running) -> None:
    thing, channel = await connected(here, there)
    await here.ok("POST", f"/things/{thing['id']}/disable")
    await gone(there, thing, channel)
    assert not await knows(there, key_of(thing))
    await there.ok("POST", f"/things/{thing['id']}/enable")
    await until(lambda: may(here, thing, channel, "m_read"))


async def test_a_channel(here: Running, there: Running) -> None:
    thing, channel = await connected(here, there)
    await there.ok("POST", f"/channels/{channel['id']}/disable")
    assert not await may(there, thing, channel, "m_read")
    await gone(here, thing, channel)
    await here.ok("POST", f"/channels/{channel['id']}/enable")
    await until(lambda: may(there, thing, channel, "m_read"))


async def test_an_owner(here: Running, there: Running) -> None:
    person = await here.person()
    thing = await here.thing(person)
    await until(lambda: may(there, person, thing, "c_update", "client"))
    await there.ok("PATCH", f"/things/{thing['id']}/owner", {"owner": there.admin.id})
    await until_refused(here, person, thing)
    totals = [(await each.ok("GET", f"/things?owner_id={person.id}"))["total"] for each in (here, there)]
    assert totals == [0, 0]


async def until_refused(blazon: Running, person: Any, thing: Any) -> None:
    async def refused() -> bool:
        return not await may(blazon, person, thing, "c_update", "client")

    await until(refused)


async def test_both_change_the_same_at_once(here: Running, there: Running) -> None:
    """Whatever the order was, both end with what the log says."""
    thing, channel = await connected(here, there)
    path = f"/things/{thing['id']}/secret"
    keys = [f"{number} of {thing['id']}" for number in range(10)]
    houses = [here, there]
    sent = [houses[number % 2].call("PATCH", path, {"secret": key}) for number, key in enumerate(keys)]
    sent += [
        houses[number % 2].call("PUT", "/policies", policy(thing, channel, ("m_read", "m_write")[number // 2 % 2]))
        for number in range(10)
    ]
    assert {answer.status for answer in await asyncio.gather(*sent)} == {200, 204}
    key = key_of(await here.ok("GET", f"/things/{thing['id']}"))
    (found,) = (await here.ok("GET", f"/policies?subject={thing['id']}"))["policies"]
    final = {"credentials": {"secret": key}}
    for house in houses:
        await until(lambda house=house: may(house, final, channel, found["actions"][0]))  # type: ignore[misc]
        for other in ("m_read", "m_write"):
            if other not in found["actions"]:
                await gone(house, final, channel, other)
        for useless in {*keys, key_of(thing)} - {key}:
            assert not await knows(house, useless)


async def test_a_new_process_decides_the_same(here: Running, there: Running, url: str, tmp_path: Path) -> None:
    owner = await here.person()
    things = [await here.thing(owner) for _ in range(4)]
    channels = [await here.channel(owner) for _ in range(11)]
    for number, channel in enumerate(channels):
        await allow(here, things[0], channel, ("m_read", "m_write")[number % 2])
    await allow(here, things[1], channels[0], "m_read")
    await allow(here, things[2], channels[1], "m_write")
    await allow(here, owner, channels[2], "c_list")
    await here.ok("POST", f"/things/{things[1]['id']}/disable")
    await here.ok("POST", f"/channels/{channels[1]['id']}/disable")
    await here.ok("DELETE", f"/policies/{things[0]['id']}/{channels[3]['id']}")
    await here.ok("PATCH", f"/things/{things[3]['id']}/secret", {"secret": f"changed {things[3]['id']}"})

    async def decisions(blazon: Running) -> list[bool]:
        return [
            *[await may(blazon, thing, channel, action)
              for thing in things for channel in channels for action in ("m_read", "m_write")],
            *[await may(blazon, owner.id, thing, "c_list", "client") for thing in things],
            *[await knows(blazon, key) for key in (*map(key_of, things), f"changed {things[3]['id']}")],
        ]  # fmt: skip

    known = await decisions(here)
    assert True in known
    assert False in known
    async with running(tmp_path, database__url=url, **FLAGS) as fresh:
        assert await decisions(fresh) == known
        for query in ("", "?status=disabled", "?status=all"):
            totals = [(await each.ok("GET", f"/things{query}"))["total"] for each in (here, fresh)]
            assert totals[0] == totals[1] > 0
        async with asyncio.timeout(PATIENCE):
            while await decisions(there) != known:
                pass


async def test_a_process_that_is_cut_off_decides_nothing(tmp_path: Path, postgres: PostgresServer) -> None:
    """It cannot hear that another one took a right away, and must not go on giving it."""
    url = postgres.new_database()
    (tmp_path / "here").mkdir()
    (tmp_path / "cut").mkdir()
    async with running(tmp_path / "here", database__url=url, **FLAGS) as here, Proxy(postgres.port) as proxy:
        through = url.replace(str(postgres.port), str(proxy.port))
        async with running(tmp_path / "cut", database__url=through, **FLAGS) as there:
            thing, channel = await connected(here, there)
            proxy.cut()
            await here.ok("POST", f"/things/{thing['id']}/disable")

            async def answers_nothing() -> bool:
                return (await identify(there, key_of(thing))).status == 503

            await until(answers_nothing)
            for _ in range(20):
                answers = [await identify(there, key_of(thing))]
                answers += [await asked(there, thing, channel, "m_read", entity) for entity in ("thing", "group")]
                assert {answer.status for answer in answers} == {503}
            proxy.mend()

            async def refuses() -> bool:
                return (await identify(there, key_of(thing))).status == 401

            await until(refuses)


async def test_what_a_newer_release_records_leaves_no_right_that_was_taken_away(
    here: Running, there: Running, url: str, tmp_path: Path
) -> None:
    """A rolling upgrade: beside these processes runs one that knows an action more, and an event more."""
    pairs = [await connected(here, there) for _ in range(3)]
    (denied, channel), (disabled, _), (changed, _) = pairs
    database = await open_database(url, tmp_path)
    try:
        store = Store(database)
        states = [state_of(ThingState, await existing(store, thing["id"])) for thing in (disabled, changed)]
        taken = (
            NEWER_ADD.event(POLICY.of(changed["id"], channel["id"]), NewerPolicy(changed["id"], channel["id"])),
            NEWER_MOVE.event(THING.of(changed["id"]), Moved(changed["id"], "attic")),
            GROUPING.policy_delete.event(
                POLICY.of(denied["id"], channel["id"]),
                PolicyState(subject=denied["id"], object=channel["id"], actions=(), owner="", created_at=1),
            ),
            THING_REMOVE.event(THING.of(disabled["id"]), replace(states[0], status=Status.DISABLED)),
            THING_UPDATE_SECRET.event(THING.of(changed["id"]), replace(states[1], key_hash="ab" * 32)),
        )
        log = newer_log(database)
        writing = asyncio.create_task(log.writer.run())
        await log.writer.commit(Operation(events=taken))
        log.writer.stop()
        await writing
    finally:
        await database.close()
    for house in (here, there):
        await gone(house, denied, channel)
        for thing in (disabled, changed):
            await until(lambda thing=thing, house=house: lost(house, thing))  # type: ignore[misc]
        assert await house.metric("blazon_log_memory_failures_total") >= 1
    # They go on: what was recorded in between has been read from the tables, and new facts are heard.
    await connected(here, there)


async def lost(blazon: Running, thing: Any) -> bool:
    return (await identify(blazon, key_of(thing))).status == 401


async def existing(store: Store, identifier: str) -> Thing:
    found = await store.thing(identifier)
    assert found is not None
    return found


class NewerPolicy(Struct, frozen=True):
    """A policy with an action that this release does not have."""

    subject: str
    object: str
    actions: tuple[str, ...] = ("m_admin",)


class Moved(Struct, frozen=True):
    """Something of a thing that this release does not know."""

    id: str
    place: str


NEWER_ADD = EventType("things", "policies.add", Kind.FACT, NewerPolicy, lambda _, __: {})
NEWER_MOVE = EventType("things", "thing.move", Kind.FACT, Moved, lambda _, __: {})


def _add(record: Record, data: NewerPolicy) -> Iterable[Statement]:
    yield Statement(
        "UPDATE thing_policies SET mask = ?, revision = ? WHERE subject = ? AND object = ?",
        (1 << 40, record.sequence, data.subject, data.object),
    )


def newer_log(database: Database) -> Log:
    """The log of a process of that release."""
    types = [declared for room in ROOMS for declared in room.types]
    newer = [each for each in types if (each.service, each.name) != ("things", "policies.add")]
    kinds = {kind.name: kind for room in ROOMS for kind in room.kinds}
    appliers = {key: apply for room in ROOMS for key, apply in room.appliers.items()}
    catalogue = Catalogue((*newer, NEWER_ADD, NEWER_MOVE))
    return Log(
        database, catalogue, kinds, {**appliers, ("things", "policies.add"): _add}, SystemClock(), CollectorRegistry()
    )
