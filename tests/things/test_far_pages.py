"""Pages far from the beginning of a list: what stands there is what the list says, whatever happens to it meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.running import Person, Running, running

MANY = 1500
"""More than `blazon.things.order.FAR`."""


@pytest.fixture(scope="module")
async def blazon(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with running(tmp_path_factory.mktemp("far")) as started:
        yield started


async def make(blazon: Running, number: int, by: Person | None = None) -> list[str]:
    """Ids of new things, in the order they were made."""
    made: list[str] = []
    while len(made) < number:
        drafts = [{"name": f"thing {len(made) + each}"} for each in range(min(500, number - len(made)))]
        answer = await blazon.ok("POST", "/things/bulk", drafts, token=by.token if by else None)
        made += [thing["id"] for thing in answer["things"]]
    return made


async def page(blazon: Running, offset: int, query: str = "", by: Person | None = None) -> Any:
    return await blazon.ok("GET", f"/things?limit=100&offset={offset}{query}", token=by.token if by else None)


async def ids_at(blazon: Running, offset: int, query: str = "", by: Person | None = None) -> list[str]:
    return [thing["id"] for thing in (await page(blazon, offset, query, by))["things"]]


async def test_far_pages(blazon: Running) -> None:
    """The whole life of a list: read far into by several at once, then changed, and read far into again."""
    other = await blazon.person()
    wanted = await make(blazon, MANY)
    await make(blazon, 20, other)
    wanted += await make(blazon, 30)
    mine = f"&owner_id={blazon.admin.id}"

    async def agrees() -> None:
        for offset in (999, 1000, 1001, len(wanted) - 101, len(wanted) - 100, len(wanted) - 7, len(wanted) - 1):
            assert await ids_at(blazon, offset, mine) == wanted[offset : offset + 100], offset
        for offset in (len(wanted), len(wanted) + 1, 2**62):
            assert await ids_at(blazon, offset, mine) == [], offset
        assert (await page(blazon, 1200, mine))["total"] == len(wanted)

    first = await asyncio.gather(*(ids_at(blazon, 1000 + 100 * (number % 5), mine) for number in range(20)))
    assert first == [wanted[1000 + 100 * (number % 5) :][:100] for number in range(20)]
    await agrees()

    for gone in (wanted[0], wanted[700], wanted[1100], wanted[-1]):
        await blazon.ok("POST", f"/things/{gone}/disable")
        wanted.remove(gone)
    await agrees()

    wanted += await make(blazon, 5)
    await agrees()

    given = wanted.pop(1050)
    await blazon.ok("PATCH", f"/things/{given}/owner", {"owner": other.id})
    await agrees()

    both = await ids_at(blazon, 1000, "&status=all")
    assert len(both) == 100
    assert await ids_at(blazon, 1000, "", other) == []
    assert (await page(blazon, 0, "", other))["total"] == 21


async def test_who_asks_far_while_things_are_made_misses_none(blazon: Running) -> None:
    owner = await blazon.person()
    wanted = await make(blazon, MANY, owner)
    answers = await asyncio.gather(
        ids_at(blazon, 1400, "", owner),
        make(blazon, 40, owner),
        ids_at(blazon, 1410, "", owner),
        make(blazon, 40, owner),
    )
    made = sorted(answers[1] + answers[3])
    assert answers[0][:100] == wanted[1400:]
    assert sorted(await ids_at(blazon, MANY, "", owner)) == made
