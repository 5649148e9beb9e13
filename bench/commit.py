"""Commits with event and apply, without HTTP: the group create of the users room, many waiting at once."""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import uvloop
from prometheus_client import CollectorRegistry

from bench import limits
from bench.children import output_of
from bench.report import Figure, Report, median
from blazon.app import ROOMS, make_log
from blazon.clock import SystemClock
from blazon.entity import Status
from blazon.grouping import GroupState
from blazon.log import MIGRATIONS, Operation
from blazon.storage import migrate, open_database
from blazon.users.events import GROUPING
from blazon.users.models import GROUP
from tests.servers import PostgresServer

_RUNS = 3


def run(report: Report) -> None:
    fsyncs = limits.fsync_rate()
    for waiting, lead, stretch in ((8, None, None), (64, 20_000, 40_000), (256, None, None)):
        rate = _measured("", waiting)
        report.add(
            Figure(
                f"commit, SQLite synchronous=FULL, {waiting} waiting",
                rate,
                "ops/s",
                fsyncs,
                "fdatasync/s",
                lead,
                stretch,
            )
        )
    report.add(Figure("commit, SQLite, 64 waiting, fsync + 1 ms", _measured("", 64, slow=True), "ops/s"))
    with PostgresServer(durable=True) as server:
        limit = limits.pgbench(server)
        for waiting, lead in ((8, None), (64, 10_000), (256, None)):
            rate = _measured(server.new_database(), waiting)
            report.add(Figure(f"commit, PostgreSQL, {waiting} waiting", rate, "ops/s", limit, "pgbench insert/s", lead))
    with PostgresServer(durable=True, environment=limits.slow_fsync()) as slow:
        rate = _measured(slow.new_database(), 64)
        report.add(Figure("commit, PostgreSQL, 64 waiting, fsync + 1 ms", rate, "ops/s"))


def _measured(url: str, waiting: int, *, slow: bool = False) -> float:
    """In a process of its own, so that each run begins alike; the median of some runs."""
    environment = limits.slow_fsync() if slow else {}
    command = [sys.executable, "-m", "bench.commit", url, str(waiting)]
    return median(float(output_of(command, environment)) for _ in range(_RUNS if not url else 1))


async def _rate(url: str, waiting: int, seconds: float = 3.0) -> float:
    with tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as folder:
        database = await open_database(url, Path(folder))
        await migrate(database, (MIGRATIONS, *(room.migrations for room in ROOMS)))
        log = make_log(database, SystemClock(), CollectorRegistry())
        writing = asyncio.create_task(log.writer.run())
        done = 0
        began = time.perf_counter()
        end = began + seconds

        async def client() -> None:
            nonlocal done
            while time.perf_counter() < end:
                identifier = log.new_id()
                state = GroupState(
                    id=identifier,
                    owner="5b7d0b3e-6f3c-4f5e-9a55-0a8d6d1d3c1e",
                    name=f"group {identifier}",
                    description="made by a benchmark",
                    parent="",
                    metadata=msgspec.Raw(b"{}"),
                    status=Status.ENABLED,
                )
                event = GROUPING.create.event(GROUP.of(identifier), state)
                await log.writer.commit(Operation(events=(event,), actor=state.owner))
                done += 1

        await asyncio.gather(*(client() for _ in range(waiting)))
        rate = done / (time.perf_counter() - began)
        log.writer.stop()
        await writing
        await database.close()
        return rate


if __name__ == "__main__":
    print(uvloop.run(_rate(sys.argv[1], int(sys.argv[2]))))
