"""Rebuilding tables from the log, verifying them, and verifying the chain."""

import asyncio
import tempfile
import time
from pathlib import Path

import uvloop
from prometheus_client import CollectorRegistry

from bench import limits
from bench.relays import _event
from bench.report import Figure, Report
from blazon.app import ROOMS, make_log
from blazon.clock import SystemClock
from blazon.history import rebuild, verify_tables
from blazon.log import MIGRATIONS, Operation, verify
from blazon.storage import migrate, open_database
from tests.servers import PostgresServer

_EVENTS = 300_000


def run(report: Report) -> None:
    limit = limits.sqlite_inserts()
    _report(report, "SQLite", "", limit, 60_000, 140_000)
    server = PostgresServer(durable=True)
    try:
        _report(report, "PostgreSQL", server.new_database(), None, None, None)
    finally:
        server.remove()


def _report(
    report: Report, name: str, url: str, limit: float | None, lead: float | None, stretch: float | None
) -> None:
    rebuilt, folded, chain = uvloop.run(_rates(url))
    limit_name = "SQLite inserts/s" if limit else ""
    report.add(Figure(f"rebuild every table, {name}", rebuilt, "events/s", limit, limit_name, lead, stretch))
    report.add(Figure(f"rebuild beside and compare, {name}", folded, "events/s"))
    report.add(Figure(f"verify the chain, {name}", chain, "events/s"))


async def _rates(url: str) -> tuple[float, float, float]:
    with tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as folder:
        database = await open_database(url, Path(folder))
        await migrate(database, (MIGRATIONS, *(room.migrations for room in ROOMS)))
        log = make_log(database, SystemClock(), CollectorRegistry())
        writing = asyncio.create_task(log.writer.run())
        for _ in range(0, _EVENTS, 1000):
            await log.writer.commit(Operation(events=tuple(_event() for _ in range(1000)), actor="somebody"))
        log.writer.stop()
        await writing
        began = time.perf_counter()
        await rebuild(database, ROOMS)
        rebuilt = time.perf_counter()
        async with database.scratch() as scratch, database.snapshot() as snapshot:
            _, difference = await verify_tables(snapshot, scratch, ROOMS)
            assert difference is None
        compared = time.perf_counter()
        await verify(database)
        verified = time.perf_counter()
        await database.close()
        return _EVENTS / (rebuilt - began), _EVENTS / (compared - rebuilt), _EVENTS / (verified - compared)
