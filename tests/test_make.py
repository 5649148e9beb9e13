"""The developer's commands: they are listed, and what keeps them from working is said in words."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPTS = ("environment", "servers", "debian", "lock")


def _run(*command: str | Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    # `make test` runs us: what it tells a make below it is not for ours.
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        command, cwd=ROOT, env=ours | environment, capture_output=True, text=True, check=False, timeout=60
    )


def test_every_target_is_listed_with_what_it_does() -> None:
    shown = _run("make", "help").stdout
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {line.split()[1] for line in shown.splitlines()} == targets
    assert {"up", "test", "lint", "bench", "docs"} <= targets


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_plain_shell_and_say_what_they_do(name: str) -> None:
    path = ROOT / "scripts" / name
    assert _run("sh", "-n", path).returncode == 0
    assert os.access(path, os.X_OK)
    first, second, *_ = path.read_text().splitlines()
    assert first == "#!/bin/sh"
    assert second.startswith("# ")


def test_a_python_that_is_too_old_is_said_to_be_so(tmp_path: Path) -> None:
    ended = _run("scripts/environment", "false", tmp_path / "venv", "requirements.lock")
    assert ended.returncode == 1
    assert ended.stderr.startswith("Blazon needs Python 3.11 or newer")
    assert "make up PYTHON=" in ended.stderr


def test_packages_that_cannot_be_fetched_are_said_to_be_so(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("no-such-package-anywhere==1 --hash=sha256:" + "0" * 64 + "\n")
    ended = _run(
        "scripts/environment", sys.executable, tmp_path / "venv", lock, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path)
    )
    assert ended.returncode == 1
    assert "Making the environment" in ended.stdout
    assert "pip could not install what Blazon needs" in ended.stderr


def test_an_unknown_server_is_code_2() -> None:
    ended = _run("scripts/servers", "mysql")
    assert ended.returncode == 2
    assert "unknown server mysql" in ended.stderr


def test_servers_that_are_there_are_not_installed_again() -> None:
    ended = _run("scripts/servers", "postgresql", "redis", "rabbitmq", "softhsm", "gnutls", "nss")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_an_environment_that_was_moved_here_is_made_anew(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "scripts"):
        (tmp_path / name).symlink_to(ROOT / name)
    ready = tmp_path / ".venv" / ".ready"
    ready.parent.mkdir()
    ready.touch()
    for place, remade in ((tmp_path, False), (tmp_path / "elsewhere", True)):
        (ready.parent / ".place").write_text(f"{place}\n")
        planned = subprocess.run(["make", "-n", "up"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        assert ("scripts/environment" in planned) == remade
        assert "exec .venv/bin/blazon up" in planned


def test_the_unit_starts_what_there_is() -> None:
    unit = (ROOT / "deploy" / "systemd" / "blazon.service").read_text()
    (command,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    program, *words = command.split()
    assert program.endswith("/.venv/bin/blazon")
    shown = _run(Path(sys.executable).parent / "blazon", words[0], "--help").stdout
    assert all(word in shown for word in words if word.startswith("--"))


def test_the_unit_is_good_and_never_gives_up(tmp_path: Path) -> None:
    text = (ROOT / "deploy" / "systemd" / "blazon.service").read_text()
    unit, _, service = text.partition("[Service]")
    # Five starts that fail in ten seconds would else be the last ones.
    assert "\nStartLimitIntervalSec=0\n" in unit
    assert "\nRestart=always\n" in service
    if shutil.which("systemd-analyze") is None:  # a machine, or a container, without systemd
        return
    copy = tmp_path / "blazon.service"
    copy.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE))
    checked = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
