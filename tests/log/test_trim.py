"""Observations are trimmed by age and by count, never before they were relayed; facts never are."""

import asyncio

from blazon.clock import ManualClock
from blazon.log import Log, trim
from blazon.storage import Database
from blazon.testing.toy import look, make, open_log, operation


async def _fill(log: Log, clock: ManualClock, rounds: int) -> None:
    for number in range(rounds):
        clock.move(1)
        log.writer.observe(operation(look(f"{number}")))
        await log.writer.commit(operation(make(f"{number}")))


async def _kinds(log: Log) -> tuple[int, int]:
    records = await log.reader.after(0, 10_000)
    facts = sum(record.is_fact for record in records)
    return facts, len(records) - facts


async def test_by_age(database: Database) -> None:
    clock = ManualClock()
    async with open_log(database, clock) as log:
        await _fill(log, clock, 20)
        await trim(log, seconds=5, count=1000, relayed=10**9)
        facts, observations = await _kinds(log)
        assert facts == 20
        assert observations in (5, 6)


async def test_by_count(database: Database) -> None:
    clock = ManualClock()
    async with open_log(database, clock) as log:
        await _fill(log, clock, 20)
        await trim(log, seconds=1000, count=7, relayed=10**9)
        assert await _kinds(log) == (20, 7)
        await trim(log, seconds=1000, count=7, relayed=10**9)
        assert await _kinds(log) == (20, 7)


async def test_not_before_they_were_relayed(database: Database) -> None:
    clock = ManualClock()
    async with open_log(database, clock) as log:
        await _fill(log, clock, 20)
        # The record a relay stands behind stays: by its id the relay sees that the log is the one it knows.
        assert await trim(log, seconds=0, count=0, relayed=11) == 10
        assert all(record.is_fact or record.sequence > 10 for record in await log.reader.after(0, 1000))
        assert await trim(log, seconds=0, count=0, relayed=11) == 0
        assert (await log.reader.head()).trimmed == 10


async def test_a_long_log_is_trimmed_in_steps(database: Database) -> None:
    clock = ManualClock()
    async with open_log(database, clock) as log:
        for _ in range(12):
            log.writer.observe(operation(*(look(f"{number}") for number in range(1000))))
        await log.writer.commit(operation(make("a")))
        async with asyncio.timeout(30):
            while (await log.reader.head()).sequence < 12_001:
                await asyncio.sleep(0.01)
        await trim(log, seconds=1000, count=10, relayed=10**9)
        assert await _kinds(log) == (1, 10)
