"""Verifying the log finds every change, at its first position."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blazon.clock import ManualClock
from blazon.errors import LogDamaged
from blazon.log import Log, trim, verify
from blazon.storage import Database, open_database
from blazon.testing.toy import look, make, make_log, operation, prepare, writing

_FACTS, _OBSERVATIONS = 12, 6


async def _filled(database: Database) -> Log:
    """A log of facts with an observation after every second one."""
    await prepare(database)
    log = make_log(database, ManualClock())
    async with writing(log):
        for number in range(_FACTS):
            if number % 2:
                log.writer.observe(operation(look(f"{number}")))
            await log.writer.commit(operation(make(f"{number}")))
    return log


async def _change(database: Database, sql: str, *parameters: str | int | bytes) -> None:
    async with database.transaction() as tx:
        await tx.run(sql, parameters)


async def test_a_whole_log_is_whole(database: Database) -> None:
    await _filled(database)
    found = await verify(database)
    assert (found.sequence, found.facts, found.observations) == (18, _FACTS, _OBSERVATIONS)


async def test_an_empty_log_is_whole(database: Database) -> None:
    await prepare(database)
    assert (await verify(database)).sequence == 0


@pytest.mark.parametrize(
    ("column", "value"),
    [("data", '{"id":"1","name":"forged"}'), ("actor", "somebody"), ("time", 5), ("hash", bytes(32))],
)
async def test_a_changed_record_is_found(database: Database, column: str, value: str | int | bytes) -> None:
    await _filled(database)
    await _change(database, f"UPDATE events SET {column} = ? WHERE sequence = ?", value, 7)
    with pytest.raises(LogDamaged) as found:
        await verify(database)
    assert found.value.position == 7


async def test_a_removed_record_is_found(database: Database) -> None:
    await _filled(database)
    await _change(database, "DELETE FROM events WHERE sequence = ?", 5)
    with pytest.raises(LogDamaged, match="record 5 is missing"):
        await verify(database)


async def test_a_log_that_was_cut_off_is_found(database: Database) -> None:
    await _filled(database)
    await _change(database, "DELETE FROM events WHERE sequence > ?", 15)
    with pytest.raises(LogDamaged, match="record 16 is missing"):
        await verify(database)


async def test_a_forged_end_is_found(database: Database) -> None:
    """Cut off, and the head set back: the hash of the head still tells."""
    await _filled(database)
    await _change(database, "DELETE FROM events WHERE sequence > ?", 15)
    await _change(database, "UPDATE log_head SET sequence = ? WHERE one = 1", 15)
    with pytest.raises(LogDamaged):
        await verify(database)


async def test_records_behind_the_head_are_found(database: Database) -> None:
    await _filled(database)
    await _change(
        database,
        "INSERT INTO events SELECT sequence + 1, id, type, service, kind, subject, actor, time, traceparent, data, hash"
        " FROM events WHERE sequence = ?",
        18,
    )
    with pytest.raises(LogDamaged, match="behind the head"):
        await verify(database)


async def test_trimmed_observations_are_no_damage_and_lost_facts_among_them_are(database: Database) -> None:
    log = await _filled(database)
    async with writing(make_log(database, log.clock)) as again:
        assert await trim(again, seconds=0, count=0, relayed=10) == 9
    found = await verify(database)
    assert found.facts == _FACTS
    assert 0 < found.observations < _OBSERVATIONS
    await _change(database, "DELETE FROM events WHERE sequence = ?", 1)
    with pytest.raises(LogDamaged):
        await verify(database)


async def test_any_flipped_byte_is_found(tmp_path: Path) -> None:
    database = await open_database("", tmp_path)
    await _filled(database)
    rows = [tuple(row) for row in await database.rows("SELECT sequence, data FROM events ORDER BY sequence")]
    damaged: list[tuple[int, str, str]] = []

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, len(rows) - 1), st.integers(0, 1000), st.characters(codec="ascii", exclude_characters="\0"))
    def draw(row: int, place: int, character: str) -> None:
        sequence, data = rows[row]
        place %= len(data)
        if data[place] != character:
            damaged.append((sequence, data[:place] + character + data[place + 1 :], data))

    draw()
    assert damaged
    for sequence, forged, real in damaged:
        await _change(database, "UPDATE events SET data = ? WHERE sequence = ?", forged, sequence)
        with pytest.raises(LogDamaged) as found:
            await verify(database)
        assert found.value.position == sequence
        await _change(database, "UPDATE events SET data = ? WHERE sequence = ?", real, sequence)
    await verify(database)
    await database.close()
