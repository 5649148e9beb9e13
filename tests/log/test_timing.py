"""Clocks that are wrong: a process goes by the database's, the log of others is not moved, and it is said."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from blazon.clock import NANOSECONDS, TOLERANCE, ComparedClock, ManualClock, SystemClock
from blazon.health import Health
from blazon.log import Log, Record
from blazon.storage import open_database
from blazon.testing.toy import make, make_log, operation, prepare, writing
from tests.running import running
from tests.servers import PostgresServer

DAY = 86400 * NANOSECONDS
KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


class Machine(SystemClock):
    """The clock of a machine that may be wrong."""

    def __init__(self, ahead: int = 0) -> None:
        self.ahead = ahead

    def now(self) -> int:
        return super().now() + self.ahead


class Process:
    """A process with a log and a clock of its machine."""

    def __init__(self, log: Log, machine: Machine) -> None:
        self.log = log
        self.machine = machine
        self._health = Health(CollectorRegistry())
        self._made = 0

    async def make(self) -> Record:
        """Records something."""
        self._made += 1
        (record,) = await self.log.writer.commit(operation(make(f"box {id(self)} {self._made}")))
        return record

    @property
    def troubles(self) -> dict[str, str]:
        self.log.writer.timing.report(self._health)
        return dict(self._health.troubles)


@asynccontextmanager
async def process(url: str, folder: Path, ahead: int = 0) -> AsyncIterator[Process]:
    """A process over a database that has its tables."""
    database = await open_database(url, folder)
    machine = Machine(ahead)
    async with writing(make_log(database, ComparedClock(machine))) as log:
        await log.begin()
        yield Process(log, machine)
    await database.close()


@pytest.fixture
async def url(postgres: PostgresServer, tmp_path: Path) -> str:
    url = postgres.new_database()
    database = await open_database(url, tmp_path)
    await prepare(database)
    await database.close()
    return url


def is_now(nanoseconds: int) -> bool:
    return abs(nanoseconds - time.time_ns()) < 2 * TOLERANCE


@pytest.mark.parametrize("ahead", [DAY, -DAY, 365 * DAY, 10 * NANOSECONDS])
async def test_a_process_with_a_wrong_clock_does_not_move_the_log(url: str, tmp_path: Path, ahead: int) -> None:
    async with process(url, tmp_path, ahead) as wrong, process(url, tmp_path) as right:
        assert is_now(wrong.log.clock.now())  # from the start on
        for one in (wrong, right, wrong):
            assert is_now((await one.make()).time)
        direction = "ahead of" if ahead > 0 else "behind"
        assert direction in wrong.troubles["clock"]
        assert right.troubles == {}
        assert set(wrong.troubles) == {"clock"}


async def test_a_clock_that_jumps_while_the_process_runs_does_not_move_the_log(url: str, tmp_path: Path) -> None:
    async with process(url, tmp_path) as one:
        for ahead in (DAY, 0, -DAY, 400 * DAY, 0):
            one.machine.ahead = ahead
            # The next batch notices it before it records anything.
            assert is_now((await one.make()).time)
            assert is_now(one.log.clock.now())
            assert set(one.troubles) == ({"clock"} if ahead else set())


async def test_how_far_it_is_off_is_said_once(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with process(url, tmp_path, DAY) as one:
        for _ in range(20):
            await one.make()
            assert "the clock of this machine is 1 day, 0:00:00 ahead of that of the database" in one.troubles["clock"]
        assert capsys.readouterr().out.count("degraded") == 1
        one.machine.ahead = 2 * DAY
        await one.make()
        assert "2 days, 0:00:00 ahead" in one.troubles["clock"]


async def test_a_clock_within_the_tolerance_is_left_alone(url: str, tmp_path: Path) -> None:
    async with process(url, tmp_path, NANOSECONDS) as one:
        assert (await one.make()).time > time.time_ns() + NANOSECONDS // 2
        assert one.troubles == {}


async def test_a_database_that_is_slow_to_answer_makes_no_clock_wrong(url: str, tmp_path: Path) -> None:
    """Who waits for another process's transaction gets a time that was told before."""
    async with process(url, tmp_path) as waits, process(url, tmp_path) as holds:
        async with holds.log.database.transaction() as tx:
            await tx.row("SELECT sequence FROM log_head WHERE one = 1 FOR UPDATE")
            making = asyncio.create_task(waits.make())
            await asyncio.sleep(2.5)
        assert is_now((await making).time)
        assert waits.troubles == {}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_log_that_is_ahead_is_said_until_the_clock_has_come_there(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """As a machine leaves it whose clock was ahead while there was nothing to compare it with."""
    url = "" if kind == "sqlite" else request.getfixturevalue("postgres").new_database()
    database = await open_database(url, tmp_path)
    await prepare(database)
    clock = ManualClock(time.time_ns() + DAY)
    async with writing(make_log(database, clock)) as log:
        await log.writer.commit(operation(make("from tomorrow")))
    await database.close()
    async with process(url, tmp_path) as one:
        said = one.troubles["log-time"]
        assert "1 day, 0:00:00 ahead of the clock" in said
        first = await one.make()
        assert first.time == clock.now() + 1
        assert one.troubles == {"log-time": said}
        if kind == "sqlite":
            one.machine.ahead = DAY + 5 * NANOSECONDS
            assert (await one.make()).time > first.time + NANOSECONDS
            assert one.troubles == {}


async def test_a_process_with_a_wrong_clock_says_so_and_works_all_the_same(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    url = postgres.new_database()
    given = {"database__url": url, "secrets__master_key": KEY, "redis__embedded": "false"}
    (tmp_path / "wrong").mkdir()
    clock = ComparedClock(Machine(400 * DAY))
    async with running(tmp_path / "wrong", clock, **given) as wrong, running(tmp_path / "right", **given) as right:
        async with asyncio.timeout(20):
            while "clock" not in (health := await wrong.ok("GET", "/health")).get("checks", {}):
                await asyncio.sleep(0.1)
        assert health["status"] == "warn"
        made = await wrong.group()
        year = time.strftime("%Y-%m-%dT", time.gmtime())
        assert made["created_at"].startswith(year)
        assert (await right.group())["created_at"].startswith(year)
        assert (await right.ok("GET", "/health"))["status"] == "pass"
        # Each takes the tokens of the other, which end at the right time.
        await right.ok("GET", "/users/profile", token=wrong.admin.token)
        await wrong.ok("GET", "/users/profile", token=right.admin.token)
        metrics = (await wrong.call("GET", "/metrics")).body.decode()
        (line,) = [line for line in metrics.splitlines() if line.startswith("blazon_clock_ahead_seconds")]
        assert round(float(line.split()[1]) / 86400) == 400
