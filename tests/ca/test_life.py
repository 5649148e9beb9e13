"""The life of certificates by the clock (decision B9), with a clock that is moved."""

from pathlib import Path
from typing import Any

import redis.asyncio

from blazon.clock import ManualClock
from tests.ca.support import API, eventually, lasting, make_ca, refused, revoke, set_status, sign
from tests.running import Running, running

DAY = 86400
START = 1_790_000_000_000_000_000
LONG_TOKENS = {"tokens__access": "36500d", "tokens__refresh": "36500d"}


async def status_of(blazon: Running, certificate: Any) -> str:
    return str((await blazon.ok("GET", f"{API}/certificates/{certificate['serial_number']}"))["status"])


async def ca_status_of(blazon: Running, ca: Any) -> str:
    return str((await blazon.ok("GET", f"{API}/cas/{ca['id']}"))["status"])


async def told(blazon: Running) -> list[tuple[str, str, str]]:
    """The changes of status on the stream: operation, common name, status."""
    import json

    client = redis.asyncio.Redis.from_url(blazon.redis_url, decode_responses=True)
    entries = await client.xrange("mainflux.ca")
    await client.aclose()
    return [
        (fields["operation"], json.loads(fields["subject"])["common_name"], fields["status"])
        for _, fields in entries
        if fields["operation"].endswith("update.status")
    ]


async def test_a_certificate_grows_old(tmp_path: Path) -> None:
    clock = ManualClock(START)
    async with running(tmp_path, clock, **LONG_TOKENS) as blazon:
        ca = await make_ca(blazon, issuance_expiration=lasting("364d"))
        certificate = await sign(blazon, ca)

        async def becomes(wanted: str) -> None:
            async def is_so() -> bool:
                return await status_of(blazon, certificate) == wanted

            await eventually(is_so)

        for days, before, after in (
            (334, "ACTIVE", "NEARING_EXPIRATION"),
            (23, "NEARING_EXPIRATION", "CRITICAL_EXPIRATION"),
            (7, "CRITICAL_EXPIRATION", "EXPIRED"),
        ):
            clock.move(days * DAY - 3600)
            assert await status_of(blazon, certificate) == before
            clock.move(3600 + 1)
            await becomes(after)
            clock.move(-1)
        path = f"{API}/certificates/{certificate['serial_number']}/status"
        refused(await blazon.call("PUT", path, {"status": "REVOKED"}), 400, "EXPIRED")
        assert [status for _, _, status in await told(blazon)] == [
            "NEARING_EXPIRATION",
            "CRITICAL_EXPIRATION",
            "EXPIRED",
        ]
        assert await ca_status_of(blazon, ca) == "ACTIVE"


async def test_a_short_life_is_clipped_and_a_ca_has_its_own_deltas(tmp_path: Path) -> None:
    clock = ManualClock(START)
    async with running(tmp_path, clock, redis__embedded="no", **LONG_TOKENS) as blazon:
        short = await make_ca(blazon, "Short", issuance_expiration=lasting("30h"))
        own = await make_ca(
            blazon,
            "Own",
            issuance_expiration=lasting("100d"),
            near_expiration="20d",
            critical_expiration="3d",
        )
        brief, longer = await sign(blazon, short), await sign(blazon, own)
        clock.move(19 * 3600)  # a third of 30 h is 10 h
        assert await status_of(blazon, brief) == "ACTIVE"
        clock.move(3600 + 120)

        async def brief_is_near() -> bool:
            return await status_of(blazon, brief) == "NEARING_EXPIRATION"

        await eventually(brief_is_near)
        clock.move(78 * DAY)
        assert await status_of(blazon, longer) == "ACTIVE"
        clock.move(2 * DAY)

        async def longer_is_near() -> bool:
            return await status_of(blazon, longer) == "NEARING_EXPIRATION"

        await eventually(longer_is_near)


async def test_a_ca_grows_old_and_stops_issuing(tmp_path: Path) -> None:
    clock = ManualClock(START)
    async with running(tmp_path, clock, redis__embedded="no", **LONG_TOKENS) as blazon:
        ca = await make_ca(blazon, ca_expiration=lasting("100d"), issuance_expiration=lasting("1d"))
        clock.move(95 * DAY)

        async def critical() -> bool:
            return await ca_status_of(blazon, ca) == "CRITICAL_EXPIRATION"

        await eventually(critical)
        await sign(blazon, ca)
        clock.move(6 * DAY)

        async def expired() -> bool:
            return await ca_status_of(blazon, ca) == "EXPIRED"

        await eventually(expired)
        from tests.ca.support import csr

        body = {"csr": csr(), "sign_verbatim": True}
        refused(await blazon.call("POST", f"{API}/cas/{ca['id']}/certificates/sign", body), 400, "EXPIRED")
        assert await blazon.ok("DELETE", f"{API}/cas/{ca['id']}") == {}


async def test_what_was_missed_is_caught_up_in_order(tmp_path: Path) -> None:
    """The process is down while certificates pass several states: each is told, in the order it would have been."""
    clock = ManualClock(START)
    async with running(tmp_path, clock, **LONG_TOKENS) as blazon:
        ca = await make_ca(blazon, ca_expiration=lasting("10y"), issuance_expiration=lasting("1y"))
        for name, end in (("b", 60), ("a", 50), ("c", 200)):
            from blazon.clock import rfc3339

            await sign(blazon, ca, name, valid_to=rfc3339(START + end * DAY * 10**9))
        held = await sign(blazon, ca, "held", valid_to=rfc3339(START + 55 * DAY * 10**9))
        await set_status(blazon, held, "REVOKED", "CertificateHold")
        gone = await sign(blazon, ca, "gone", valid_to=rfc3339(START + 55 * DAY * 10**9))
        await revoke(blazon, gone)
        before = await told(blazon)
    clock.move(190 * DAY)
    async with running(tmp_path, clock, **LONG_TOKENS) as blazon:

        async def all_told() -> bool:
            return len(await told(blazon)) == len(before) + 7

        await eventually(all_told)
        # a: 50 d, near at 33⅓, critical at 45; b: 60 d, near at 40, critical at 54; c: 200 d, near at 170.
        assert [(name, status) for _, name, status in (await told(blazon))[len(before) :]] == [
            ("a", "NEARING_EXPIRATION"),
            ("b", "NEARING_EXPIRATION"),
            ("a", "CRITICAL_EXPIRATION"),
            ("a", "EXPIRED"),
            ("b", "CRITICAL_EXPIRATION"),
            ("b", "EXPIRED"),
            ("c", "NEARING_EXPIRATION"),
        ]
        released = await blazon.call("PUT", f"{API}/certificates/{held['serial_number']}/status", {"status": "ACTIVE"})
        assert released.json["status"] == "EXPIRED"


async def test_more_than_a_page_is_caught_up_in_order(tmp_path: Path) -> None:
    """Pages of what is due must not let a later state of one overtake an earlier state of another."""
    from blazon.ca.service import life

    assert life._BATCH > 3
    original = life._BATCH
    life._BATCH = 3  # type: ignore[misc]
    try:
        clock = ManualClock(START)
        async with running(tmp_path, clock, **LONG_TOKENS) as blazon:
            ca = await make_ca(blazon, ca_expiration=lasting("10y"), issuance_expiration=lasting("1y"))
            from blazon.clock import rfc3339

            for number in range(10):
                await sign(blazon, ca, f"n{number}", valid_to=rfc3339(START + (30 + number) * DAY * 10**9))
        clock.move(100 * DAY)
        async with running(tmp_path, clock, **LONG_TOKENS) as blazon:

            async def all_told() -> bool:
                return len(await told(blazon)) == 30

            await eventually(all_told)
            due = {"NEARING_EXPIRATION": 2 / 3, "CRITICAL_EXPIRATION": 9 / 10, "EXPIRED": 1}
            times = [(30 + int(name[1:])) * due[status] for _, name, status in await told(blazon)]
            assert times == sorted(times)
    finally:
        life._BATCH = original  # type: ignore[misc]
