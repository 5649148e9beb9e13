"""Decisions: made again when stale, once for a key."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from blazon.caller import ANONYMOUS, Caller, Once
from blazon.clock import NANOSECONDS, ManualClock
from blazon.errors import Conflict, RuleBroken
from blazon.log import Decision, Log, trim
from blazon.log.once import KEPT_SECONDS
from blazon.storage import Database
from blazon.testing.toy import BOX, look, make, open_log, put


def _add(log: Log, identifier: str, amount: int) -> Callable[[], Awaitable[Decision]]:
    """Decides to put something into a box, on what is in it now."""

    async def decide() -> Decision:
        row = await log.database.row("SELECT total, revision FROM boxes WHERE id = ?", (identifier,))
        if row is None:
            return Decision((make(identifier),), {BOX.of(identifier): 0})
        return Decision((put(identifier, amount, row[0] + amount),), {BOX.of(identifier): row[1]})

    return decide


def _once(key: str, digest: str = "digest", scope: str = "somebody") -> Caller:
    return Caller(id=scope, once=Once(scope, key, digest))


async def test_a_stale_decision_is_made_again(database: Database) -> None:
    async with open_log(database) as log:
        await log.commit(ANONYMOUS, _add(log, "a", 0))
        await asyncio.gather(*(log.commit(ANONYMOUS, _add(log, "a", 1)) for _ in range(40)))
        row = await database.row("SELECT total FROM boxes")
        assert row is not None
        assert row[0] == 40


async def test_deciding_that_nothing_happens_records_nothing(database: Database) -> None:
    async with open_log(database) as log:

        async def decide() -> Decision:
            return Decision(())

        assert await log.commit(ANONYMOUS, decide) == ()
        assert (await log.reader.head()).sequence == 0


async def test_an_error_of_a_decision_reaches_the_caller(database: Database) -> None:
    async with open_log(database) as log:

        async def decide() -> Decision:
            raise RuleBroken("no")

        with pytest.raises(RuleBroken):
            await log.commit(ANONYMOUS, decide)


async def test_a_constraint_that_a_decision_cannot_see_ends_as_a_conflict(database: Database) -> None:
    async with open_log(database) as log:
        await log.commit(ANONYMOUS, _add(log, "a", 0))
        tries = 0

        async def decide() -> Decision:
            nonlocal tries
            tries += 1
            return Decision((make("a", "another id"),))

        with pytest.raises(Conflict):
            await log.commit(ANONYMOUS, decide)
        assert tries == 3


async def test_a_key_gives_the_first_records_again(database: Database) -> None:
    async with open_log(database) as log:
        await log.commit(ANONYMOUS, _add(log, "a", 0))
        first = await log.commit(_once("k"), _add(log, "a", 5))
        again = await log.commit(_once("k"), _add(log, "a", 5))
        assert list(again) == list(first)
        other = await log.commit(_once("k", scope="somebody else"), _add(log, "a", 5))
        assert other[0].sequence == first[0].sequence + 1


async def test_requests_with_one_key_at_the_same_time_have_one_effect(database: Database) -> None:
    async with open_log(database) as log:
        await log.commit(ANONYMOUS, _add(log, "a", 0))
        made = await asyncio.gather(*(log.commit(_once("k"), _add(log, "a", 5)) for _ in range(20)))
        assert len({records[0].id for records in made}) == 1
        row = await database.row("SELECT total FROM boxes")
        assert row is not None
        assert row[0] == 5


async def test_a_key_of_another_request_is_refused(database: Database) -> None:
    async with open_log(database) as log:
        await log.commit(_once("k"), _add(log, "a", 5))
        with pytest.raises(RuleBroken, match="Idempotency-Key"):
            await log.commit(_once("k", digest="other"), _add(log, "a", 5))


async def test_a_key_whose_request_failed_is_free(database: Database) -> None:
    async with open_log(database) as log:

        async def refuse() -> Decision:
            raise RuleBroken("no")

        with pytest.raises(RuleBroken):
            await log.commit(_once("k"), refuse)
        assert len(await log.commit(_once("k"), _add(log, "a", 5))) == 1


async def test_a_key_is_forgotten_after_a_day(database: Database) -> None:
    clock = ManualClock()
    async with open_log(database, clock) as log:
        first = await log.commit(_once("k"), _add(log, "a", 5))
        clock.move(KEPT_SECONDS + 1)
        await trim(log, seconds=10**6, count=100, relayed=0)
        second = await log.commit(_once("k"), _add(log, "a", 5))
        assert second[0].time - first[0].time >= KEPT_SECONDS * NANOSECONDS


async def test_who_asked_and_why_is_recorded(database: Database) -> None:
    async with open_log(database) as log:
        caller = Caller(id="me", traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        (record,) = await log.commit(caller, _add(log, "a", 5))
        log.observe(caller, look("a"))
        await log.commit(msgspec.structs.replace(caller, id="you"), _add(log, "a", 5))
        records = await log.reader.after(record.sequence, 10)
        (seen,) = (each for each in records if each.type == "box.view")
        assert (record.actor, record.traceparent) == (seen.actor, seen.traceparent) == ("me", caller.traceparent)
