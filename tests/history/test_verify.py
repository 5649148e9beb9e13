"""A live table that differs from the log is found, with the first row and column in which it does."""

from pathlib import Path

import pytest

from blazon.app import ROOMS
from blazon.history import Difference, rebuild, verify_tables
from blazon.storage import Database, open_database
from tests.running import running
from tests.servers import PostgresServer


async def _fill(folder: Path, url: str) -> None:
    async with running(folder, redis__embedded="no", database__url=url) as blazon:
        people = [await blazon.person(f"p{number}") for number in range(4)]
        for number in range(30):
            group = await blazon.group(name=f"{number:02}")
            body = {"subject": people[number % 4].id, "object": group["id"], "actions": ["c_list"]}
            await blazon.ok("POST", "/users/policies", body)


@pytest.fixture(params=["sqlite", "postgresql"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    found = ""
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        found = server.new_database()
    await _fill(tmp_path, found)
    return found


async def _difference(database: Database) -> Difference | None:
    async with database.scratch() as scratch, database.snapshot() as snapshot:
        _, difference = await verify_tables(snapshot, scratch, ROOMS)
        return difference


async def _change(database: Database, sql: str, *parameters: str | int) -> None:
    async with database.transaction() as tx:
        await tx.run(sql, parameters)


async def test_every_difference_is_found_and_a_rebuild_mends_it(url: str, tmp_path: Path) -> None:
    database = await open_database(url, tmp_path)
    try:
        assert await _difference(database) is None
        ids = sorted(row[0] for row in await database.rows("SELECT id FROM groups"))

        await _change(database, "UPDATE groups SET description = ? WHERE id IN (?, ?)", "forged", ids[7], ids[3])
        found = await _difference(database)
        assert found is not None
        assert (found.table, found.key) == ("groups", (ids[3],))
        assert str(found) == f"groups {ids[3]}: description differs: live 'forged', from the log ''"

        await _change(database, "DELETE FROM groups WHERE id = ?", ids[0])
        assert str(await _difference(database)) == (
            f"groups {ids[0]}: the log makes this row, the live table does not have it"
        )

        await _change(
            database,
            "INSERT INTO groups SELECT ?, owner, 'another', description, parent, metadata, status, created_at,"
            " updated_at, updated_by, revision FROM groups WHERE id = ?",
            "00000000-0000-0000-0000-000000000000",
            ids[1],
        )
        assert str(await _difference(database)) == (
            "groups 00000000-0000-0000-0000-000000000000: the live table has this row, the log does not make it"
        )

        await _change(database, "UPDATE users SET secret = ? WHERE identity = ?", "stolen", "admin@example.com")
        shown = str(await _difference(database))
        assert "secret differs" in shown
        assert "stolen" not in shown

        folded = await rebuild(database, ROOMS)
        assert folded.records > 60
        assert await _difference(database) is None
    finally:
        await database.close()


async def test_a_rebuilt_blazon_goes_on(url: str, tmp_path: Path) -> None:
    database = await open_database(url, tmp_path)
    await rebuild(database, ROOMS)
    await database.close()
    async with running(tmp_path, redis__embedded="no", database__url=url) as blazon:
        total = (await blazon.ok("GET", "/groups"))["total"]
        await blazon.group(name="one more")
        assert (await blazon.ok("GET", "/groups"))["total"] == total + 1 == 31
        assert (await blazon.call("POST", "/groups", {"name": "00"})).status == 409
