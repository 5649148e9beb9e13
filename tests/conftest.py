"""Fixtures for every test: real servers, databases of both kinds, a running Blazon.

A server is started once for each test worker, when the first test asks for it.
"""

import base64
import secrets
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from blazon.storage import Database, open_database
from tests.running import Running, running
from tests.servers import MotoServer, PostgresServer, RabbitServer, RedisServer, SmtpServer, SoftHsm

# How long an example takes says nothing on a machine that others use too.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


_left_open: list[str] = []
"""Tests after which a transport was still open."""


def pytest_warning_recorded(warning_message: warnings.WarningMessage, nodeid: str) -> None:
    """Notes a transport that was left open: uvloop warns of it, and the filters let it: an error would hang there."""
    if "unclosed resource <" in str(warning_message.message):
        _left_open.append(nodeid or "some test")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A transport that was left open fails the run."""
    if _left_open and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Names those tests."""
    for nodeid in _left_open:
        terminalreporter.write_line(f"FAILED {nodeid} - left a transport open")


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The loop Blazon runs on."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server."""
    server = PostgresServer()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitServer]:
    """A RabbitMQ server. Tests name exchanges of their own."""
    server = RabbitServer()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def smtp() -> Iterator[SmtpServer]:
    """An SMTP server."""
    server = SmtpServer()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def softhsm() -> Iterator[SoftHsm]:
    """SoftHSM, a PKCS#11 module, with a token `blazon`."""
    tokens = SoftHsm()
    tokens.add_token("blazon")
    yield tokens
    tokens.remove()


@pytest.fixture(scope="session")
def moto() -> Iterator[MotoServer]:
    """A server that speaks as AWS does."""
    server = MotoServer()
    yield server
    server.remove()


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A Redis server, empty, for one test."""
    server = RedisServer()
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database, of each kind in turn; empty for SQLite in the data folder."""
    if request.param == "sqlite":
        return ""
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
async def database(database_url: str, tmp_path: Path) -> AsyncIterator[Database]:
    """An empty database, of each kind in turn."""
    opened = await open_database(database_url, tmp_path)
    yield opened
    await opened.close()


@pytest.fixture(scope="module")
async def blazon(tmp_path_factory: pytest.TempPathFactory, anyio_backend: object) -> AsyncIterator[Running]:
    """A running Blazon over SQLite with a Redis of its own, for all tests of a module."""
    async with running(tmp_path_factory.mktemp("blazon")) as started:
        yield started


@pytest.fixture
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    """A running Blazon over an empty database, of each kind in turn, without a Redis."""
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    flags = {"redis__embedded": "false", "secrets__master_key": key}
    async with running(tmp_path, database__url=database_url, **flags) as started:
        yield started
