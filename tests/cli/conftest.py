"""Fixtures of the command line's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.program import PASSWORD, Program, Up, up


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """The command, with an empty home."""
    return Program(tmp_path)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A `blazon up` for all tests of a module, where its admin is signed in."""
    program = Program(tmp_path_factory.mktemp("home"))
    with up(program, program.home / "data") as started:
        program.ok("token", "--data-dir", started.data_dir, "--password", PASSWORD)
        yield started
