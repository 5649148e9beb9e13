"""Whatever octets the database holds, verifying the log names the first bad position, and raises nothing else."""

import asyncio
import random
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from blazon.cli.log import _verify
from blazon.clock import ManualClock
from blazon.errors import LogDamaged
from blazon.log import Verified, verify
from blazon.settings import load
from blazon.storage import Database, open_database
from blazon.testing.toy import look, make, make_log, operation, prepare, writing
from tests.servers import PostgresServer

_RECORDS = 40
_COLUMNS = "sequence, id, type, service, kind, subject, actor, time, traceparent, data, hash"


async def _fill(database: Database) -> None:
    """Facts and observations, some longer than a page."""
    await prepare(database)
    log = make_log(database, ManualClock())
    async with writing(log):
        for number in range(_RECORDS):
            if number % 4 == 3:
                log.writer.observe(operation(look(f"look {number}")))
                await log.writer.commit(operation())
            else:
                name = f"box {number} " + "ü" * (5000 if number == 12 else number * 5)
                await log.writer.commit(operation(make(name, f"{number}")))


async def _run(database: Database, sql: str, *parameters: object) -> None:
    async with database.transaction() as tx:
        await tx.run(sql, parameters)  # type: ignore[arg-type]


@pytest.fixture
async def loose(tmp_path: Path) -> Database:
    """A log whose tables take any value in any column, as a damaged page may have it."""
    database = await open_database("", tmp_path)
    await _fill(database)
    async with database.transaction() as tx:
        for table, columns, key in (
            ("events", _COLUMNS.partition(", ")[2], "sequence INTEGER PRIMARY KEY"),
            ("log_head", "sequence, time, hash, trimmed", "one INTEGER PRIMARY KEY"),
        ):
            await tx.run(f"CREATE TABLE loose ({key}, {columns})")
            await tx.run(f"INSERT INTO loose SELECT {key.split()[0]}, {columns} FROM {table}")
            await tx.run(f"DROP TABLE {table}")
            await tx.run(f"ALTER TABLE loose RENAME TO {table}")
    return database


VALUES = {
    "NULL": "NULL",
    "a blob": "CAST({0} AS BLOB)",
    "an empty blob": "x''",
    "a text": "CAST({0} AS TEXT)",
    "a text that is no UTF-8": "CAST(x'7bff7d' AS TEXT)",
    "a text with a NUL": "CAST(x'610062' AS TEXT)",
    "half a character": "CAST(x'c3' AS TEXT)",
    "a surrogate": "CAST(x'eda080' AS TEXT)",
    "a number": "7",
    "a fraction": "0.5",
    "a fraction that is whole": "{0} * 1.0",
    "infinity": "9e999",
    "a large number": "9223372036854775807",
    "a negative number": "-1",
    "a million octets": "zeroblob(1000000)",
}


async def _typed(database: Database, table: str, column: str, where: str) -> tuple[object, ...]:
    sql = f"SELECT typeof({column}), hex({column}) FROM {table} WHERE {where}"
    row = await database.row(sql)
    assert row is not None
    return tuple(row)


@pytest.mark.parametrize("column", _COLUMNS.split(", ")[1:])
@pytest.mark.parametrize("value", VALUES)
async def test_any_value_in_any_column_of_a_record_is_found(loose: Database, column: str, value: str) -> None:
    for sequence in (1, 8, 24):
        before = await loose.row(f"SELECT {column} FROM events WHERE sequence = ?", (sequence,))
        was = await _typed(loose, "events", column, f"sequence = {sequence}")
        await _run(loose, f"UPDATE events SET {column} = {VALUES[value].format(column)} WHERE sequence = ?", sequence)
        if await _typed(loose, "events", column, f"sequence = {sequence}") == was:
            assert (await verify(loose)).sequence == _RECORDS
            continue
        with pytest.raises(LogDamaged) as found:
            await verify(loose)
        assert found.value.position == sequence, found.value.reason
        assert before is not None
        await _run(loose, f"UPDATE events SET {column} = ? WHERE sequence = ?", before[0], sequence)
    await verify(loose)
    await loose.close()


@pytest.mark.parametrize("column", ["sequence", "time", "hash", "trimmed"])
@pytest.mark.parametrize("value", VALUES)
async def test_any_value_in_any_column_of_the_head_is_found(loose: Database, column: str, value: str) -> None:
    was = await _typed(loose, "log_head", column, "one = 1")
    await _run(loose, f"UPDATE log_head SET {column} = {VALUES[value].format(column)}")
    now = await _typed(loose, "log_head", column, "one = 1")
    # How far it was trimmed only says what may be missing, and nothing is.
    if now == was or (column == "trimmed" and value == "a number"):
        assert (await verify(loose)).sequence == _RECORDS
    else:
        with pytest.raises(LogDamaged) as found:
            await verify(loose)
        assert 0 <= found.value.position <= _RECORDS + 1
    await loose.close()


async def test_the_first_bad_record_is_named_though_a_later_one_cannot_be_read(loose: Database) -> None:
    await _run(loose, "UPDATE events SET data = CAST(x'ff' AS TEXT) WHERE sequence = 20")
    await _run(loose, "UPDATE events SET actor = 'somebody' WHERE sequence = 11")
    with pytest.raises(LogDamaged, match="the hash of record 11") as found:
        await verify(loose)
    assert found.value.position == 11
    await loose.close()


async def test_tables_and_columns_that_are_gone_are_said(loose: Database) -> None:
    await _run(loose, "ALTER TABLE events RENAME COLUMN actor TO other")
    with pytest.raises(LogDamaged, match="record 1 cannot be read"):
        await verify(loose)
    await _run(loose, "DROP TABLE log_head")
    with pytest.raises(LogDamaged, match="the head of the log cannot be read") as found:
        await verify(loose)
    assert found.value.position == 0
    await loose.close()


class _File:
    """A file with a log, to be damaged again and again, and what verifying it says as `blazon log verify` does."""

    def __init__(self, folder: Path) -> None:
        self._damaged = folder / "damaged"
        self._damaged.mkdir()
        self.raw = (folder / "blazon.db").read_bytes()
        self.whole = self.verify(self.raw)

    def verify(self, raw: bytes) -> Verified | int:
        """What was verified, or the bad position."""
        shutil.rmtree(self._damaged)
        self._damaged.mkdir()
        (self._damaged / "blazon.db").write_bytes(raw)
        try:
            return asyncio.run(_verify(load(flags={"data_dir": str(self._damaged)})))
        except LogDamaged as error:
            return error.position if "\n" not in error.reason else -1

    def flipped(self, place: int, bit: int) -> Verified | int:
        """As `verify`, of the file with one bit flipped."""
        raw = bytearray(self.raw)
        raw[place] ^= 1 << bit
        return self.verify(bytes(raw))

    def places(self, sequence: int) -> Iterator[int]:
        """Where the data of a record is in the file."""
        text = f'{{"id":"{sequence - 1}","name":"box {sequence - 1} '.encode()
        start = self.raw.index(text)
        assert self.raw.count(text) == 1
        yield from range(start, start + len(text))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> _File:
    folder = tmp_path_factory.mktemp("file")

    async def fill() -> None:
        database = await open_database("", folder)
        await _fill(database)
        await database.close()  # everything is in the file then

    asyncio.run(fill())
    connection = apsw.Connection(str(folder / "blazon.db"))
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("VACUUM")  # else pages have copies of records that were moved
    connection.close()
    return _File(folder)


def test_each_bit_of_a_record_counts_and_its_position_is_named(file: _File) -> None:
    for sequence in (1, 13, 30):
        for place in file.places(sequence):
            for bit in (0, 5, 7):  # another letter, another case, no UTF-8
                assert file.flipped(place, bit) == sequence


def test_a_bit_anywhere_in_the_file_is_found_or_changes_nothing_in_the_log(file: _File) -> None:
    chance = random.Random(7)
    outcomes = []
    for number in range(600):
        # Half of them in the first pages, which say what the others are, and at the beginnings of pages.
        place = chance.randrange(len(file.raw))
        if number % 4 == 0:
            place = chance.randrange(2 * 4096)
        elif number % 4 == 1:
            place = place // 4096 * 4096 + chance.randrange(32)
        found = file.flipped(place, chance.randrange(8))
        outcomes.append(found)
        assert found == file.whole or (isinstance(found, int) and 0 <= found <= _RECORDS + 1), (place, found)
    assert any(isinstance(found, int) and found > 0 for found in outcomes)
    assert file.whole in outcomes


def test_a_file_that_was_cut_off_or_is_none_is_said(file: _File) -> None:
    for raw in (file.raw[: len(file.raw) // 2], file.raw[:5000], b"nonsense" * 1000, bytes(len(file.raw))):
        assert isinstance(file.verify(raw), int)


def _stop(server: PostgresServer) -> None:
    """Ends the server in order: one that was killed has processes that still hold its memory."""
    assert server.process is not None
    server.process.send_signal(signal.SIGINT)
    server.process.wait(30)


async def test_damaged_pages_of_postgresql_are_named(tmp_path: Path) -> None:
    server = PostgresServer()
    try:
        url = server.new_database()
        database = await open_database(url, tmp_path)
        await _fill(database)
        row = await database.row("SELECT pg_relation_filepath('events')")
        assert row is not None
        async with database.transaction() as tx:
            await tx.run("CHECKPOINT")
        await database.close()
        path = server.folder / "data" / row[0]
        whole = path.read_bytes()
        start = whole.index(b'"name":"box 5 ')
        for octet in (b"x", b"\xff", b"\0"):
            _stop(server)
            path.write_bytes(whole[:start] + octet + whole[start + 1 :])
            server.start()
            database = await open_database(url, tmp_path)
            with pytest.raises(LogDamaged) as found:
                await verify(database)
            assert found.value.position == 6
            await database.close()
    finally:
        server.remove()
