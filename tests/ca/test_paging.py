"""Lists go through an index, as the database itself says; those that do not are known, and hold nobody up."""

import asyncio
import itertools
from pathlib import Path
from typing import Any

import pytest

from blazon.app import ROOMS
from blazon.ca.api.shapes import bodies_of
from blazon.ca.listing import AUTHORITY_FIELDS, CERTIFICATE_FIELDS, LARGEST_PAGE, Condition, Listing
from blazon.ca.paging import AUTHORITY_LIST, CERTIFICATE_LIST, List, page_query
from blazon.ca.store import Store
from blazon.log import MIGRATIONS
from blazon.storage import Database, migrate
from tests.ca.support import API, make_ca, revoke, sign
from tests.ca.test_long_lists import fill
from tests.running import running

SCANS = {
    "cas": {"type", "status", "engine_id", "valid_from", "valid_to", "revoked_at", "reason", "level", "issuer_id"},
    "certificates": {"type", "engine_id", "valid_from", "revoked_at", "reason"},
}
"""The fields a list can be sorted by through no index; the document says so."""

LISTS = {"cas": (AUTHORITY_LIST, AUTHORITY_FIELDS), "certificates": (CERTIFICATE_LIST, CERTIFICATE_FIELDS)}


async def plan_of(database: Database, of: List, listing: Listing, conditions: Any) -> tuple[str, bool]:
    """How SQLite makes a page, and whether we take it for indexed."""
    query = page_query(of, listing, conditions, database.dialect)
    rows = await database.rows(f"EXPLAIN QUERY PLAN {query.sql}", query.values)
    return "; ".join(row[3] for row in rows), query.is_indexed


def is_ordered(plan: str) -> bool:
    """Whether the rows come in order out of an index, however many there are."""
    return "TEMP B-TREE" not in plan and "USING INDEX" in plan


@pytest.fixture(params=[""])
def database_url(request: pytest.FixtureRequest) -> str:
    """SQLite: how PostgreSQL goes about it depends on how much there is."""
    return str(request.param)


@pytest.fixture
async def tables(database: Database) -> Database:
    await migrate(database, (MIGRATIONS, *(room.migrations for room in ROOMS)))
    return database


@pytest.mark.parametrize("table", LISTS)
async def test_every_field_is_sorted_through_an_index_or_known_not_to_be(tables: Database, table: str) -> None:
    of, fields = LISTS[table]
    found = set()
    for column in {"", *(field.column for field in fields.values())}:
        for descending, after in itertools.product((False, True), ((), ("x", "y"))):
            listing = Listing(sort=column, descending=descending, after=after)
            plan, is_indexed = await plan_of(tables, of, listing, {})
            assert is_ordered(plan) == is_indexed, (column, plan)
            if not is_indexed:
                found.add(column)
            elif after:
                assert "SEARCH" in plan, "a later page begins where the one before ended"
    assert found == SCANS[table]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(
    ("conditions", "filters", "sort"),
    [
        ({"issuer_id = ?": "ca"}, (), ""),
        ({"issuer_id = ?": "ca"}, (), "created_at"),
        ({"status = ?": "ACTIVE"}, (), ""),
        ({"issuer_id = ?": "ca", "status = ?": "ACTIVE"}, (), ""),
        ({"issuer_id = ?": "ca"}, (Condition("status", "= ?", "ACTIVE"),), ""),
        ({}, (Condition("common_name", "= ?", "x"),), ""),
        ({}, (Condition("serial", "= ?", "x"),), "type"),
        ({"due > ?": 0, "valid_to >= ?": 5}, (Condition("valid_to", "< ?", 9),), "valid_to"),
    ],
    ids=str,
)
async def test_what_is_asked_for_often(
    tables: Database, conditions: Any, filters: tuple[Condition, ...], sort: str, descending: bool
) -> None:
    for after in ((), (5, 5)):
        listing = Listing(sort=sort, descending=descending, conditions=filters, after=after)
        plan, is_indexed = await plan_of(tables, CERTIFICATE_LIST, listing, conditions)
        assert is_indexed
        assert "SEARCH" in plan
        if not any(each.column == "serial" for each in filters):  # of which there is one
            assert is_ordered(plan), plan


async def test_what_looks_at_every_row_is_taken_for_a_scan(tables: Database) -> None:
    for conditions, filters, sort in (
        ({}, (Condition("common_name", "contains", "x"),), ""),
        ({}, (Condition("common_name", "contains", "x"),), "common_name"),
        ({}, (Condition("engine_id", "= ?", "x"),), ""),
        ({}, (Condition("status", "<> ?", "ACTIVE"),), "status"),
        ({"issuer_id = ?": "ca"}, (), "common_name"),
        ({"due > ?": 0}, (Condition("valid_to", "< ?", 9),), "created_at"),
    ):
        listing = Listing(sort=sort, conditions=filters)
        assert not page_query(CERTIFICATE_LIST, listing, conditions, tables.dialect).is_indexed, (filters, sort)


async def test_scans_leave_room_for_the_other_lists(tables: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are asked for at once, one runs at a time, and what goes through an index does not wait for it."""
    running_now, most = 0, 0
    go_on = asyncio.Event()
    original = tables.rows_aside

    async def slow(sql: str, parameters: Any = ()) -> Any:
        nonlocal running_now, most
        running_now += 1
        most = max(most, running_now)
        if "ORDER BY type" in sql:
            await go_on.wait()
        running_now -= 1
        return await original(sql, parameters)

    monkeypatch.setattr(tables, "rows_aside", slow)
    store = Store(tables)
    scans = [asyncio.create_task(store.page_of_certificates(Listing(sort="type"), {})) for _ in range(5)]
    await asyncio.sleep(0.05)
    assert most == 1
    await asyncio.wait_for(store.page_of_certificates(Listing(), {}), 1)
    go_on.set()
    await asyncio.gather(*scans)
    assert most == 2


async def test_others_are_served_while_a_long_page_is_made() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    waiting = asyncio.create_task(others())
    assert await bodies_of(range(LARGEST_PAGE), str) == [str(number) for number in range(LARGEST_PAGE)]
    waiting.cancel()
    assert turns >= 9


async def test_the_longest_page(tmp_path: Path) -> None:
    async with running(tmp_path, redis__embedded="no") as blazon:
        ca = await make_ca(blazon)
        await sign(blazon, ca, "leaf")
    fill(tmp_path, LARGEST_PAGE)
    async with running(tmp_path, redis__embedded="no") as blazon:
        for query in ("", "&sort_by=serial_number", "&filter=engine_id[ct]soft"):
            page = await blazon.ok("GET", f"{API}/certificates?page_size={LARGEST_PAGE}{query}")
            rest = await blazon.ok("GET", f"{API}/certificates?bookmark={page['next']}")
            assert (len(page["list"]), len(rest["list"]), rest["next"]) == (LARGEST_PAGE, 1, "")
            assert len({each["serial_number"] for each in (*page["list"], *rest["list"])}) == LARGEST_PAGE + 1


async def test_the_living_are_found_among_the_dead(tmp_path: Path) -> None:
    """What ends in a window is looked for from the first that lives on, and there may be none."""
    async with running(tmp_path, redis__embedded="no") as blazon:
        ca = await make_ca(blazon)
        leaves = [await sign(blazon, ca, f"leaf {number}") for number in range(3)]
        await revoke(blazon, leaves[0])
        found = await blazon.ok("GET", f"{API}/certificates/expiration")
        assert {each["subject"]["common_name"] for each in found["list"]} == {"leaf 1", "leaf 2"}
        for leaf in leaves[1:]:
            await revoke(blazon, leaf)
        assert (await blazon.ok("GET", f"{API}/certificates/expiration"))["list"] == []


async def test_every_page_of_every_order(tmp_path: Path) -> None:
    """Each certificate is on one page, once, in order, whatever it is sorted by."""
    async with running(tmp_path, redis__embedded="no") as blazon:
        ca = await make_ca(blazon)
        await revoke(blazon, await sign(blazon, ca, "leaf"))
    fill(tmp_path, 30)
    async with running(tmp_path, redis__embedded="no") as blazon:
        await asyncio.gather(*(sign(blazon, ca, f"leaf {number % 3}") for number in range(9)))
        fields = {field.column: name for name, field in CERTIFICATE_FIELDS.items()}
        for name, mode in itertools.product(fields.values(), ("asc", "desc")):
            serials, path = [], f"{API}/certificates?sort_by={name}&sort_mode={mode}&page_size=7"
            while path:
                page = await blazon.ok("GET", path)
                serials += [each["serial_number"] for each in page["list"]]
                path = f"{API}/certificates?bookmark={page['next']}" if page["next"] else ""
            assert len(serials) == len(set(serials)) == 40, name
            if name == "serial_number":
                assert serials == sorted(serials, reverse=mode == "desc")
