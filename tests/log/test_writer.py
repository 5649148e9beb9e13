"""The writer: operations that wait are committed together, and none fails for another's sake."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from blazon.clock import ManualClock
from blazon.errors import IntegrityConflict, Unavailable
from blazon.log import Log, Operation, Reader, Record, Stale, verify
from blazon.storage import Database, Statement, open_database
from blazon.testing.toy import look, make, make_log, open_log, operation, prepare, put, writing
from tests.servers import PostgresServer


async def _totals(database: Database) -> dict[str, int]:
    return {row[0]: row[1] for row in await database.rows("SELECT id, total FROM boxes")}


async def _all(log: Log) -> list[Record]:
    return await log.reader.after(0, 100_000)


async def _together(log: Log, *operations: Operation) -> list[Sequence[Record] | BaseException]:
    """Hands operations over so that they are in one batch, and waits for all."""
    return await asyncio.gather(*(log.writer.commit(each) for each in operations), return_exceptions=True)


async def test_an_operation_is_recorded_and_applied(database: Database) -> None:
    async with open_log(database) as log:
        records = await log.writer.commit(operation(make("a"), put("a", 2, 2), put("a", 3, 5)))
        assert [record.sequence for record in records] == [1, 2, 3]
        assert await _totals(database) == {"a": 5}
        assert await _all(log) == list(records)
        assert (await log.reader.head()).hash == records[-1].hash


async def test_many_at_once_get_gapless_numbers_and_one_order(database: Database) -> None:
    async with open_log(database) as log:
        await asyncio.gather(*(log.writer.commit(operation(make(f"box {number}"))) for number in range(300)))
        records = await _all(log)
        assert [record.sequence for record in records] == list(range(1, 301))
        times = [record.time for record in records]
        assert times == sorted(set(times))
        assert len(await _totals(database)) == 300
        assert (await verify(database)).facts == 300


async def test_an_operation_on_a_stale_revision_is_turned_away_alone(database: Database) -> None:
    async with open_log(database) as log:
        await log.writer.commit(operation(make("a")))
        outcome = await _together(
            log,
            operation(put("a", 1, 1), a=1),
            operation(put("a", 9, 9), a=1),  # the one before has just changed it
            operation(make("b"), b=0),
            operation(put("a", 9, 9), a=77),
            operation(make("c"), missing=0),
        )
        assert [isinstance(one, Stale) for one in outcome] == [False, True, False, True, False]
        assert await _totals(database) == {"a": 1, "b": 0, "c": 0}
        assert [record.sequence for record in await _all(log)] == [1, 2, 3, 4]


async def test_a_conflict_fails_one_operation_of_a_batch_and_no_other(database: Database) -> None:
    async with open_log(database) as log:
        outcome = await _together(
            log,
            operation(make("one", "1")),
            operation(make("two", "2"), make("one", "3")),  # breaks the unique name: neither of its events stays
            operation(make("two", "4")),
            operation(put("1", 5, 5)),
        )
        assert [isinstance(one, IntegrityConflict) for one in outcome] == [False, True, False, False]
        assert await _totals(database) == {"1": 5, "4": 0}
        assert [record.sequence for record in await _all(log)] == [1, 2, 3]
        assert (await verify(database)).sequence == 3


async def test_a_bug_in_an_applier_fails_one_operation_and_no_other(database: Database) -> None:
    from blazon.testing.toy import BROKEN, Seen

    async with open_log(database) as log:
        outcome = await _together(
            log, operation(make("a")), operation(BROKEN.event("box:a", Seen("a"))), operation(make("b"))
        )
        assert isinstance(outcome[1], RuntimeError)
        assert await _totals(database) == {"a": 0, "b": 0}
        assert [record.sequence for record in await _all(log)] == [1, 2]


async def test_events_of_one_subject_in_a_batch_are_applied_in_order(database: Database) -> None:
    async with open_log(database) as log:
        await _together(
            log,
            operation(make("a"), put("a", 1, 1), make("b"), put("a", 1, 2)),
            operation(put("b", 7, 7), put("a", 1, 3), put("b", 1, 8)),
        )
        assert await _totals(database) == {"a": 3, "b": 8}


async def test_observations_are_recorded_without_waiting_and_change_nothing(database: Database) -> None:
    async with open_log(database) as log:
        await log.writer.commit(operation(make("a")))
        log.writer.observe(operation(look("a")))
        await log.writer.commit(operation(put("a", 1, 1), a=1))  # an observation is no new revision
        kinds = [(record.type, record.kind) for record in await _all(log)]
        assert kinds == [("box.make", 0), ("box.view", 1), ("box.put", 0)]  # in the order they came


async def test_what_waits_is_written_before_the_end(database: Database) -> None:
    await prepare(database)
    log = make_log(database)
    task = asyncio.create_task(log.writer.run())
    waiting = [asyncio.ensure_future(log.writer.commit(operation(make(f"{number}")))) for number in range(50)]
    log.writer.observe(operation(look("1")))
    await asyncio.sleep(0)
    log.writer.stop()
    await task
    assert len([one.result() for one in waiting]) == 50
    assert len(await _all(log)) == 51
    with pytest.raises(Unavailable, match="stopping"):
        await log.writer.commit(operation(make("late")))


async def test_statements_that_go_with_an_operation_share_its_fate(database: Database) -> None:
    async with open_log(database) as log:
        note = "INSERT INTO kept (name, value) VALUES (?, ?)"

        def also(records: Sequence[Record]) -> list[Statement]:
            return [Statement(note, (records[0].id, str(records[0].sequence)))]

        (record,) = await log.writer.commit(Operation(events=(make("a"),), also=also))
        with pytest.raises(IntegrityConflict):
            await log.writer.commit(Operation(events=(make("a", "again"),), also=also))
        kept = await database.rows("SELECT name, value FROM kept")
        assert [tuple(row) for row in kept] == [(record.id, "1")]


async def test_listeners_hear_a_batch_before_its_callers_are_answered(database: Database) -> None:
    async with open_log(database) as log:
        heard: list[str] = []
        log.writer.listen(lambda records: heard.extend(record.subject for record in records))
        log.writer.listen(lambda _: 1 // 0)  # a broken listener is logged and harms nobody

        async def commit(name: str) -> None:
            await log.writer.commit(operation(make(name)))
            assert f"box:{name}" in heard

        await asyncio.gather(*(commit(f"{number}") for number in range(20)))


async def test_a_caller_that_goes_away_stops_nobody(database: Database) -> None:
    async with open_log(database) as log:
        gone = asyncio.ensure_future(log.writer.commit(operation(make("a"))))
        await asyncio.sleep(0)
        gone.cancel()
        await log.writer.commit(operation(make("b")))
        assert await _totals(database) == {"a": 0, "b": 0}


async def test_a_clock_that_goes_back_moves_no_event_back(database: Database) -> None:
    clock = ManualClock()
    async with open_log(database, clock) as log:
        (first,) = await log.writer.commit(operation(make("a")))
        clock.move(-3600)
        (second,) = await log.writer.commit(operation(make("b")))
        clock.move(7200)
        (third,) = await log.writer.commit(operation(make("c")))
        assert first.time < second.time < third.time == clock.now()


async def test_an_operation_larger_than_a_batch_is_committed_whole(database: Database) -> None:
    async with open_log(database) as log:
        many = operation(*(make(f"{number}") for number in range(3000)))
        outcome = await _together(log, operation(make("before")), many, operation(make("after")))
        assert [len(one) for one in outcome if not isinstance(one, BaseException)] == [1, 3000, 1]
        assert (await log.reader.head()).sequence == 3002


async def test_processes_share_one_gapless_order(postgres: PostgresServer, tmp_path: Path) -> None:
    """Each with its own connections, as processes have: all race for the same boxes and names."""
    url = postgres.new_database()
    databases = [await open_database(url, tmp_path) for _ in range(3)]
    await prepare(databases[0])
    logs = [make_log(database) for database in databases]

    async def race(log: Log, turn: int) -> int:
        won = 0
        for number in range(100):
            try:
                await log.writer.commit(operation(make(f"name {number}", f"{number}-{turn}")))
                won += 1
            except IntegrityConflict:
                pass
        return won

    async with writing(logs[0]), writing(logs[1]), writing(logs[2]):
        won = await asyncio.gather(*(race(log, turn) for turn, log in enumerate(logs)))
    assert sum(won) == 100
    records = await Reader(databases[0]).after(0, 1000)
    assert [record.sequence for record in records] == list(range(1, 101))
    assert (await verify(databases[1])).facts == 100
    assert len(await _totals(databases[2])) == 100
    for database in databases:
        await database.close()


async def test_processes_never_both_change_the_same_revision(postgres: PostgresServer, tmp_path: Path) -> None:
    url = postgres.new_database()
    databases = [await open_database(url, tmp_path) for _ in range(2)]
    await prepare(databases[0])
    logs = [make_log(database) for database in databases]

    async def add(log: Log, times: int) -> None:
        done = 0
        while done < times:
            row = await log.database.row("SELECT total, revision FROM boxes WHERE id = 'a'")
            assert row is not None
            try:
                await log.writer.commit(operation(put("a", 1, row[0] + 1), a=row[1]))
                done += 1
            except Stale:
                continue

    async with writing(logs[0]), writing(logs[1]):
        await logs[0].writer.commit(operation(make("a")))
        await asyncio.gather(*(add(log, 50) for log in logs for _ in range(2)))
    assert await _totals(databases[0]) == {"a": 200}
    for database in databases:
        await database.close()


async def test_an_operation_that_rests_on_nonsense_fails_alone(database: Database) -> None:
    async with open_log(database) as log:
        nonsense = Operation(events=(make("b"),), relies={"no-such-kind:1": 1})
        outcome = await _together(log, operation(make("a")), nonsense, operation(make("c")))
        assert [isinstance(one, KeyError) for one in outcome] == [False, True, False]
        assert await _totals(database) == {"a": 0, "c": 0}
