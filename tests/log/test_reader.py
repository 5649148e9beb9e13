"""Reading by position, by time and by id; waiting for more."""

import asyncio

import pytest

from blazon.clock import NANOSECONDS, ManualClock
from blazon.log import Pulse, trim
from blazon.storage import Database
from blazon.testing.toy import look, make, open_log, operation


async def test_pages_follow_each_other(database: Database) -> None:
    async with open_log(database) as log:
        await log.writer.commit(operation(*(make(f"{number}") for number in range(25))))
        assert [record.sequence for record in await log.reader.after(0, 10)] == list(range(1, 11))
        assert [record.sequence for record in await log.reader.after(20, 10)] == list(range(21, 26))
        assert await log.reader.after(25, 10) == []
        assert [record.sequence for record in await log.reader.between(3, 5)] == [3, 4, 5]
        pages = [[record.sequence for record in page] async for page in log.reader.all(22, page=10)]
        assert pages == [list(range(1, 11)), list(range(11, 21)), [21, 22]]


async def test_records_of_some_types(database: Database) -> None:
    async with open_log(database) as log:
        log.writer.observe(operation(look("x"), look("y")))
        await log.writer.commit(operation(make("a")))
        log.writer.observe(operation(look("z")))
        await log.writer.commit(operation(make("b")))
        found = await log.reader.of_types(1, 4, {("toy", "box.view")}, 10)
        assert all(record.type == "box.view" and 1 < record.sequence <= 4 for record in found)
        both = await log.reader.of_types(0, 5, {("toy", "box.view"), ("toy", "box.make")}, 3)
        assert [record.sequence for record in both] == [1, 2, 3]


async def test_a_position_is_found_by_time_also_where_observations_were_trimmed(database: Database) -> None:
    clock = ManualClock()
    async with open_log(database, clock) as log:
        times = []
        for number in range(40):
            clock.move(1)
            if number % 3:
                log.writer.observe(operation(look(f"{number}")))
            times.append(clock.now())
            await log.writer.commit(operation(make(f"{number}")))
        await trim(log, seconds=15, count=1000, relayed=10**9)
        records = await log.reader.after(0, 1000)
        for moment in (times[0] - 1, times[0], times[7] + 5, times[20], times[-1], times[-1] + NANOSECONDS):
            position = await log.reader.position_at(moment)
            expected = [record.sequence for record in records if record.time >= moment]
            following = [record.sequence for record in await log.reader.after(position, 1000)]
            assert following == expected


async def test_a_record_is_found_by_its_id(database: Database) -> None:
    async with open_log(database) as log:
        records = await log.writer.commit(operation(*(make(f"{number}") for number in range(500))))
        for record in (records[0], records[250], records[-1]):
            assert await log.reader.find(record.id) == record
        absent = records[250].id[:-4] + "0000"
        assert await log.reader.find(absent) is None or absent == records[250].id
        with pytest.raises(ValueError, match="not the id of an event"):
            await log.reader.find("nonsense")


async def test_a_pulse_wakes_those_who_wait() -> None:
    pulse = Pulse()
    waiting = [asyncio.ensure_future(pulse.beyond(5, 30)) for _ in range(3)]
    await asyncio.sleep(0)
    pulse.beat(6)
    await asyncio.wait_for(asyncio.gather(*waiting), 5)
    await asyncio.wait_for(pulse.beyond(5, 30), 5)  # it is beyond already
    await asyncio.wait_for(pulse.beyond(6, 0.01), 5)  # or enough time has passed


async def test_the_writer_beats_the_pulse(database: Database) -> None:
    async with open_log(database) as log:
        waiting = asyncio.ensure_future(log.pulse.beyond(0, 30))
        await asyncio.sleep(0)
        await log.writer.commit(operation(make("a")))
        await asyncio.wait_for(waiting, 5)
        assert log.pulse.sequence == 1
