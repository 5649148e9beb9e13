"""What a process knows of the log: whether it is current, and what it does when the log went back."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from blazon.caller import ANONYMOUS
from blazon.clock import Clock, SystemClock
from blazon.errors import LogWentBack, Unavailable
from blazon.health import Health
from blazon.log import CURSOR, Decision, Event, Follower, Log, Position, Record, verify
from blazon.storage import Database, open_database
from blazon.testing.toy import APPLIERS, BOX, CATALOGUE, look, make, operation, prepare, writing
from tests.interleaving import Heard
from tests.servers import PostgresServer
from tests.servers.proxy import Proxy

PATIENCE = 20.0


class House:
    """A log with a memory, and what it counts."""

    def __init__(self, database: Database, *, max_staleness: float = 1.0, clock: Clock | None = None) -> None:
        self.registry = CollectorRegistry()
        self.health = Health(self.registry)
        kinds = {BOX.name: BOX, CURSOR.name: CURSOR}
        self.log = Log(
            database,
            CATALOGUE,
            kinds,
            APPLIERS,
            clock or SystemClock(),
            self.registry,
            health=self.health,
            max_staleness=max_staleness,
        )
        self.memory = Heard()
        self.log.listen(self.memory)

    def counted(self, name: str) -> float | None:
        return self.registry.get_sample_value(name)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["House"]:
        """With its writer, and with what keeps it current."""
        async with writing(self.log):
            await self.log.begin()
            keeping = asyncio.create_task(self.log.keep_current())
            try:
                yield self
            finally:
                keeping.cancel()
                await asyncio.gather(keeping, return_exceptions=True)


@pytest.fixture
async def house(database: Database) -> AsyncIterator[House]:
    await prepare(database)
    async with House(database).running() as started:
        yield started


async def _go_back(database: Database, sequence: int) -> None:
    """The database loses what came after a record, as a standby that takes over too early, or an older copy, has."""
    async with database.transaction() as tx:
        await tx.run("DELETE FROM boxes WHERE revision > ?", (sequence,))
        await tx.run("DELETE FROM events WHERE sequence > ?", (sequence,))
        row = await tx.row("SELECT time, hash FROM events WHERE sequence = ?", (sequence,))
        assert row is not None
        await tx.run("UPDATE log_head SET sequence = ?, time = ?, hash = ?", (sequence, row[0], row[1]))


async def _until_again(house: House) -> None:
    async with asyncio.timeout(PATIENCE):
        while house.counted("blazon_log_rewinds_total") == 0 or not house.log.is_current():
            await asyncio.sleep(0.01)


async def _made(log: Log, *names: str) -> list[Record]:
    return [record for name in names for record in await log.writer.commit(operation(make(name)))]


async def test_it_is_current_once_it_has_begun(database: Database) -> None:
    await prepare(database)
    house = House(database)
    assert not house.log.is_current()
    async with house.running():
        assert house.log.is_current()
        await house.log.current()
        assert house.memory.reloads == 1


async def test_a_memory_that_fails_is_loaded_before_the_next_answer(house: House) -> None:
    def fail(_: Sequence[Record]) -> None:
        raise LookupError("a record of a newer release")

    house.memory.hear = fail  # type: ignore[method-assign]
    await _made(house.log, "a")
    await house.log.current()
    assert house.memory.reloads >= 2
    assert house.counted("blazon_log_memory_failures_total") == 1
    assert house.log.is_current()


async def test_a_process_that_did_not_look_for_a_while_looks_before_it_answers(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    url = postgres.new_database()
    mine, theirs = [await open_database(url, tmp_path) for _ in range(2)]
    await prepare(mine)
    here, there = House(mine), House(theirs)
    async with writing(here.log), there.running():
        await here.log.begin()  # and nothing keeps it current, as in a process that stands still
        await _made(there.log, "a")
        async with asyncio.timeout(PATIENCE):
            while here.log.is_current():
                await asyncio.sleep(0.01)
        assert here.memory.records == []
        await asyncio.gather(*(here.log.current() for _ in range(50)))
        assert [record.key for record in here.memory.records] == ["a"]
    for database in (mine, theirs):
        await database.close()


async def test_a_process_that_is_cut_off_refuses_at_once_after_the_first(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    url = postgres.new_database()
    loop = asyncio.get_running_loop()
    async with Proxy(postgres.port) as proxy:
        database = await open_database(url.replace(str(postgres.port), str(proxy.port)), tmp_path)
        await prepare(database)
        async with House(database, max_staleness=0.5).running() as house:
            proxy.cut()
            with pytest.raises(Unavailable, match="cannot read the event log"):
                async with asyncio.timeout(PATIENCE):
                    while True:
                        await house.log.current()
                        await asyncio.sleep(0.01)
            turns = 0

            async def turning() -> None:
                nonlocal turns
                while True:
                    turns += 1
                    await asyncio.sleep(0)

            counting = asyncio.create_task(turning())
            for _ in range(100):
                with pytest.raises(Unavailable):
                    await house.log.current()
            counting.cancel()
            assert turns <= 100, "nobody waited for anything"
            with pytest.raises(Unavailable):
                await house.log.commit(ANONYMOUS, _decide(make("never")))
            proxy.mend()
            async with asyncio.timeout(PATIENCE):
                while not house.log.is_current():
                    await asyncio.sleep(0.01)
            assert loop.time() > 0
        await database.close()


def _decide(*events: Event):  # type: ignore[no-untyped-def]
    async def decide() -> Decision:
        return Decision(events)

    return decide


async def test_a_log_that_went_back_is_noticed_before_anything_is_added(house: House, database: Database) -> None:
    log = house.log
    await _made(log, *"abcde")
    await _go_back(database, 2)
    reloads = house.memory.reloads
    with pytest.raises(LogWentBack):
        await log.writer.commit(operation(make("f")))
    assert not log.is_current()
    await _until_again(house)
    assert house.memory.reloads > reloads
    (record,) = await log.commit(ANONYMOUS, _decide(make("g")))
    assert record.sequence == 3
    assert house.memory.records[-1] == record
    assert "records 3 to 5" in house.health.troubles["log"]
    assert house.counted("blazon_log_lost_events_total") == 3
    async with asyncio.timeout(PATIENCE):
        while not (found := (await verify(database)).rewinds):
            await asyncio.sleep(0.01)
    assert [(rewind.kept, rewind.known) for rewind in found] == [(2, 5)]
    assert await log.behind(Position.of(record), 10) == []


async def test_an_idle_process_notices_it_by_itself(postgres: PostgresServer, tmp_path: Path) -> None:
    url = postgres.new_database()
    mine, theirs = [await open_database(url, tmp_path) for _ in range(2)]
    await prepare(mine)
    async with House(mine).running() as here:
        await _made(here.log, *"abc")
        await _go_back(theirs, 1)
        await _until_again(here)
        assert here.counted("blazon_log_lost_events_total") == 2
    for database in (mine, theirs):
        await database.close()


async def test_other_records_in_the_place_of_the_lost_ones_are_noticed_too(house: House, database: Database) -> None:
    """Another process has gone on with the log that went back, further than this one knew."""
    await _made(house.log, *"abcde")
    await _go_back(database, 2)
    other = House(database)
    async with writing(other.log):
        await other.log.begin()
        made = await _made(other.log, *"vwxyz")
    await house.log.current() if database.shared else await _provoke(house)
    await _until_again(house)
    assert house.counted("blazon_log_lost_events_total") == 3
    assert [record.id for record in await house.log.behind(Position.of(made[1]), 10)] == [each.id for each in made[2:]]


async def _provoke(house: House) -> None:
    """With a database of one process only who adds something looks."""
    with pytest.raises(LogWentBack):
        await house.log.writer.commit(operation(make("never")))


async def test_what_was_decided_on_lost_records_is_decided_again(house: House, database: Database) -> None:
    """Also when the revision it relied on has been given to something else."""
    log = house.log
    await _made(log, "a", "b", "c")
    decided = 0

    async def decide() -> Decision:
        nonlocal decided
        decided += 1
        if decided == 1:
            await _go_back(database, 2)
            with pytest.raises(LogWentBack):
                await log.writer.commit(operation(make("d")))
            await _until_again(house)
            await _made(log, "e")
            return Decision((make("on c"),), {BOX.of("e"): 3})
        return Decision((make("on e"),), {BOX.of("e"): 3})

    (record,) = await log.commit(ANONYMOUS, decide)
    assert (decided, record.key) == (2, "on e")


async def test_times_grow_past_those_of_the_lost_records(house: House, database: Database) -> None:
    """A stream at Redis may hold the lost records; it takes only ids that are greater."""
    lost = await _made(house.log, *"abc")
    await _go_back(database, 1)
    with pytest.raises(LogWentBack):
        await house.log.writer.commit(operation(make("d")))
    await _until_again(house)
    house.log.clock.now = lambda: 0  # type: ignore[method-assign]
    (record,) = await _made(house.log, "e")
    assert record.time > lost[-1].time


async def test_a_follower_goes_on_from_what_the_log_has(house: House, database: Database) -> None:
    seen: list[str] = []

    async def handle(record: Record) -> Sequence[Event]:
        seen.append(record.key)
        return ()

    follower = Follower(house.log, "reader", frozenset({("toy", "box.make")}), handle)
    following = asyncio.create_task(follower.run())
    async with asyncio.timeout(PATIENCE):
        await _made(house.log, *"abc")
        while seen != ["a", "b", "c"]:
            await asyncio.sleep(0.01)
        # The cursor is in the database and goes back with it.
        async with database.transaction() as tx:
            await tx.run("UPDATE cursors SET position = 1 WHERE name = 'reader'")
        await _go_back(database, 1)
        with pytest.raises(LogWentBack):
            await house.log.writer.commit(operation(make("never")))
        await _until_again(house)
        await _made(house.log, *"xyz")
        while seen != ["a", "b", "c", "x", "y", "z"]:
            await asyncio.sleep(0.01)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_observations_are_kept_over_it(house: House, database: Database) -> None:
    await _made(house.log, *"abc")
    await _go_back(database, 2)
    house.log.writer.observe(operation(look("a")))
    await _until_again(house)
    async with asyncio.timeout(PATIENCE):
        while (await house.log.reader.head()).sequence < 3:
            await asyncio.sleep(0.01)
    (record,) = await house.log.reader.after(2, 10)
    assert record.type == "box.view"


async def test_observations_that_are_trimmed_are_no_loss(house: House, database: Database) -> None:
    """The newest record a process knows may be an observation that another process trims."""
    await _made(house.log, "a")
    house.log.writer.observe(operation(look("a")))
    async with asyncio.timeout(PATIENCE):
        while (await house.log.reader.head()).sequence < 2:
            await asyncio.sleep(0.01)
    async with database.transaction() as tx:
        await tx.run("DELETE FROM events WHERE sequence = 2")
        await tx.run("UPDATE log_head SET trimmed = 2")
    await _made(house.log, "b")
    assert house.counted("blazon_log_rewinds_total") == 0
