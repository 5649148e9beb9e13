"""On a terminal: tables with headers, passwords that are asked for and not shown, a quiet Ctrl-C."""

import contextlib
import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization.pkcs12 import load_key_and_certificates

from tests.cli.program import COMMAND, PASSWORD, Program, Up


class Terminal:
    """A command that runs on a terminal of 80 columns."""

    def __init__(self, program: Program, words: Sequence[str | Path], columns: int = 80) -> None:
        self._master, slave = pty.openpty()
        environment = program.environment | {"COLUMNS": str(columns), "TERM": "xterm"}
        self.process = subprocess.Popen(
            [COMMAND, *map(str, words)],
            env=environment,
            cwd=program.home,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),  # it becomes the controlling terminal
        )
        os.close(slave)
        self.shown = ""

    def until(self, pattern: str, seconds: float = 10) -> None:
        """Reads what is shown until a pattern is in it."""
        deadline = time.monotonic() + seconds
        while not re.search(pattern, self.shown):
            left = deadline - time.monotonic()
            assert left > 0, self.shown
            ready, _, _ = select.select([self._master], [], [], left)
            if ready:
                self.shown += os.read(self._master, 4096).decode()

    def type(self, text: str) -> None:
        """Types on the keyboard."""
        os.write(self._master, text.encode())

    def end(self) -> int:
        """Reads to the end; the exit code."""
        with contextlib.suppress(OSError):  # Linux says EIO when the other side is closed
            while part := os.read(self._master, 4096):
                self.shown += part.decode()
        os.close(self._master)
        return self.process.wait(10)

    @property
    def lines(self) -> list[str]:
        return [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in self.shown.splitlines()]


def test_a_list_is_a_table_that_fits(running: Up) -> None:
    for number in range(3):
        running.program.ok("groups", "create", f"a group with a name that is not short at all {number}")
    terminal = Terminal(running.program, ["groups", "list", "--limit", "2"])
    assert terminal.end() == 0
    assert terminal.lines[0].split() == ["ID", "NAME", "PARENT", "STATUS"]
    assert max(map(len, terminal.lines)) <= 80
    assert terminal.lines[-1] == "2 of 3 groups; for the next: --offset 2"
    # The id is on one line: it is there to be copied.
    assert re.match(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12} ", terminal.lines[1])


@pytest.mark.parametrize("words", [["log", "status"], ["events", "tail"]], ids="-".join)
def test_the_log_is_shown_with_colours_and_without_control_characters(running: Up, words: list[str]) -> None:
    terminal = Terminal(running.program, [*words, "--data-dir", running.data_dir], columns=120)
    assert terminal.end() == 0
    left = "\n".join(terminal.lines)
    assert "\x1b" not in left


def test_a_list_of_certificates_that_goes_on_says_how(running: Up) -> None:
    running.program.ok("ca", "create", "Listed")
    for name in ("one", "two"):
        running.program.ok("cert", "create", "Listed", name)
    terminal = Terminal(running.program, ["cert", "list", "--ca", "Listed", "--limit", "1"], columns=200)
    assert terminal.end() == 0
    assert terminal.lines[0].split() == ["SERIAL", "NAME", "STATUS", "CA", "UNTIL"]
    assert terminal.lines[-1] == "1 certificate; there are more: add --all, or narrow it down"


@pytest.mark.parametrize(("answer", "code", "status"), [("n", 130, "ACTIVE"), ("y", 0, "REVOKED")])
def test_before_a_ca_is_revoked_for_good_somebody_is_asked(running: Up, answer: str, code: int, status: str) -> None:
    program, name = running.program, f"Asked {answer}"
    ca = program.ok("ca", "create", name, "--json").json
    program.ok("ca", "create", f"Below {answer}", "--parent", name, "--valid", "5y")
    program.ok("cert", "create", name, "lamp")
    terminal = Terminal(program, ["ca", "revoke", name], columns=200)
    wanted = f"Revoke the CA '{name}' ({ca['id']}) for good, and with it 1 certificate and 1 CA that it issued? "
    terminal.until(re.escape(wanted))
    terminal.type(f"{answer}\n")
    assert terminal.end() == code
    assert program.ok("ca", "show", name, "--json").json["status"] == status


def test_a_ca_is_deleted_after_a_yes(running: Up) -> None:
    program = running.program
    program.ok("ca", "create", "Gone")
    assert Terminal(program, ["ca", "revoke", "Gone", "--yes"]).end() == 0
    terminal = Terminal(program, ["ca", "delete", "Gone"])
    terminal.until(r"Delete the CA 'Gone'.* and destroy its key\?")
    terminal.type("y\n")
    assert terminal.end() == 0
    assert program.run("ca", "show", "Gone").code == 1


def test_a_hold_is_not_asked_about(running: Up) -> None:
    running.program.ok("ca", "create", "Held")
    assert Terminal(running.program, ["ca", "hold", "Held"]).end() == 0
    assert Terminal(running.program, ["ca", "release", "Held"]).end() == 0


def test_the_password_of_a_pkcs12_file_is_asked_for_twice(running: Up) -> None:
    running.program.ok("ca", "create", "Packs")
    terminal = Terminal(running.program, ["cert", "create", "Packs", "laptop", "--p12", "asked.p12"])
    terminal.until("Password of the PKCS #12 file: ")
    terminal.type("a secret word\n")
    terminal.until("Repeat for confirmation: ")
    terminal.type("a secret word\n")
    assert terminal.end() == 0
    assert "secret word" not in terminal.shown
    packed = (running.program.home / "asked.p12").read_bytes()
    assert load_key_and_certificates(packed, b"a secret word")[0] is not None


def test_a_password_is_asked_for_twice_and_not_shown(running: Up) -> None:
    terminal = Terminal(running.program, ["users", "create", "asked@example.com"])
    terminal.until("Password for asked@example.com: ")
    terminal.type("a secret word\n")
    terminal.until("Repeat for confirmation: ")
    terminal.type("a secret word\n")
    assert terminal.end() == 0
    assert "asked@example.com" in terminal.lines[-1]
    assert "secret word" not in terminal.shown


def test_the_password_of_a_sign_in_is_asked_for(running: Up) -> None:
    terminal = Terminal(running.program, ["token", "--url", running.url, "--email", "admin@example.com"])
    terminal.until(f"Password of admin@example.com at {running.url}: ")
    terminal.type(f"{PASSWORD}\n")
    assert terminal.end() == 0
    assert f"Signed in as admin@example.com at {running.url}" in terminal.lines[-1]
    assert PASSWORD not in terminal.shown


def test_ctrl_c_at_a_prompt_is_quiet(running: Up) -> None:
    terminal = Terminal(running.program, ["users", "password"])
    terminal.until("Your password: ")
    terminal.type("\x03")
    assert terminal.end() == 130
    assert "Traceback" not in terminal.shown
    assert "Aborted" not in terminal.shown


def test_ctrl_c_ends_following_quietly(running: Up) -> None:
    terminal = Terminal(running.program, ["events", "tail", "--follow", "--data-dir", running.data_dir])
    terminal.until("user.create")
    terminal.type("\x03")
    assert terminal.end() == 130
    assert "Traceback" not in terminal.shown
