"""A CA that soon cannot issue for its usual time says so long before it is near its own end."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio

from blazon.clock import ManualClock, rfc3339
from tests.ca.support import (
    API,
    bring_ca,
    ca_body,
    csr,
    decoded,
    eventually,
    lasting,
    make_ca,
    outside_ca,
    refused,
    sign,
    view_ca,
)
from tests.running import Running, running

DAY = 86400
YEAR = 364 * DAY
LONG_TOKENS = {"tokens__access": "36500d", "tokens__refresh": "36500d"}
WARNED = "full_issuance_until"


async def warned(blazon: Running) -> list[dict[str, Any]]:
    """What was told on the stream of CAs that cannot issue for their usual time."""
    client = redis.asyncio.Redis.from_url(blazon.redis_url, decode_responses=True)
    entries = await client.xrange("mainflux.ca")
    await client.aclose()
    return [fields for _, fields in entries if fields["operation"] == "ca.update.issuance"]


def is_warned_of(blazon: Running, ca: Any) -> Any:
    async def check() -> bool:
        return WARNED in await view_ca(blazon, ca)

    return check


async def test_a_ca_in_its_last_year_says_that_it_issues_for_less(tmp_path: Path) -> None:
    """Ten years, certificates of one: the warning comes as long before nine as the CA is near its end before ten."""
    start = time.time_ns()
    clock = ManualClock(start)
    async with running(tmp_path, clock, **LONG_TOKENS) as blazon:
        ca = await make_ca(blazon, "Of ten years")
        assert WARNED not in ca
        clock.move(9 * YEAR - 31 * DAY)
        leaf = await sign(blazon, ca)
        assert await warned(blazon) == []
        clock.move(2 * DAY)
        await eventually(is_warned_of(blazon, ca))
        found = await view_ca(blazon, ca)
        assert found["status"] == "ACTIVE"
        assert found[WARNED] == rfc3339((start // 10**9 + 9 * YEAR) * 10**9)
        assert (await blazon.ok("GET", f"{API}/cas"))["list"][0][WARNED] == found[WARNED]

        async def is_told() -> bool:
            return len(await warned(blazon)) == 1

        await eventually(is_told)
        (told,) = await warned(blazon)
        assert (told["id"], told[WARNED], told["status"]) == (ca["id"], found[WARNED], "ACTIVE")
        assert json.loads(told["subject"])["common_name"] == "Of ten years"
        # It is told once, and issues for as long as it can.
        assert decoded(leaf).not_valid_after_utc < decoded(ca).not_valid_after_utc
        clock.move(40 * DAY)
        late = await sign(blazon, ca, "late")
        assert decoded(late).not_valid_after_utc == decoded(ca).not_valid_after_utc
        clock.move(200 * DAY)
        await sign(blazon, ca, "later")
        assert len(await warned(blazon)) == 1
        assert (await view_ca(blazon, ca))[WARNED] == found[WARNED]


async def test_a_profile_says_what_is_usual(tmp_path: Path) -> None:
    """That of the CA counts, and when it is changed the warning comes, or goes."""
    clock = ManualClock(time.time_ns())
    async with running(tmp_path, clock, redis__embedded="no", **LONG_TOKENS) as blazon:
        two_years = {"validity": {"type": "Duration", "duration": "2y"}}
        profile = await blazon.ok("POST", f"{API}/profiles", {"name": "long", "profile": two_years})
        by_profile = await make_ca(blazon, "By profile", profile_id=profile["id"])
        plain = await make_ca(blazon, "Plain")
        clock.move(8 * YEAR - 29 * DAY)
        await eventually(is_warned_of(blazon, by_profile))
        assert WARNED not in await view_ca(blazon, plain)
        path = f"{API}/profiles/{profile['id']}"
        a_month = {"validity": {"type": "Duration", "duration": "30d"}}
        await blazon.ok("PUT", path, {"name": "long", "profile": a_month})
        clock.move(10)

        async def is_taken_back() -> bool:
            return WARNED not in await view_ca(blazon, by_profile)

        await eventually(is_taken_back)
        await blazon.ok("PUT", path, {"name": "long", "profile": two_years})
        clock.move(10)
        await eventually(is_warned_of(blazon, by_profile))
        # This profile refuses what would outlive the CA.
        clock.move(40 * DAY)
        body = {"csr": csr(), "sign_verbatim": True}
        answer = await blazon.call("POST", f"{API}/cas/{by_profile['id']}/certificates/sign", body)
        refused(answer, 422, "would outlive its CA")


@pytest.mark.parametrize("kind", ["fixed end", "external", "revoked"])
async def test_who_is_not_warned_of(tmp_path: Path, kind: str) -> None:
    """Who issues up to a day that stays, who does not issue here, and who issues no more."""
    clock = ManualClock(time.time_ns())
    async with running(tmp_path, clock, redis__embedded="no", **LONG_TOKENS) as blazon:
        warned_of = await make_ca(blazon, "Warned of", ca_expiration=lasting("400d"))
        if kind == "external":
            ca = await bring_ca(blazon, outside_ca("External", days=400)[0])
        else:
            until = {"type": "Time", "time": rfc3339(clock.now() + 300 * DAY * 10**9)}
            expiration = until if kind == "fixed end" else lasting("1y")
            ca = await blazon.ok(
                "POST",
                f"{API}/cas",
                ca_body("Not", ca_expiration=lasting("400d"), issuance_expiration=expiration),
            )
            if kind == "revoked":
                await blazon.ok("POST", f"{API}/cas/{ca['id']}/status", {"status": "REVOKED"})
        clock.move(50 * DAY)
        await eventually(is_warned_of(blazon, warned_of))
        assert WARNED not in await view_ca(blazon, ca)


async def test_a_ca_that_lives_as_long_as_what_it_issues_says_so_at_once(blazon: Running) -> None:
    ca = await make_ca(blazon, "As long", ca_expiration=lasting("364d"), issuance_expiration=lasting("364d"))
    await eventually(is_warned_of(blazon, ca))
    leaf = await sign(blazon, ca)
    assert decoded(leaf).not_valid_after_utc <= decoded(ca).not_valid_after_utc
