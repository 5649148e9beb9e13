"""The `blazon` command as a person types it: a process of its own, with a home and data folders of its own."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from tests.servers import wait_for
from tests.servers.process import die_with_parent

PASSWORD = "a good password"
COMMAND = str(Path(sys.executable).parent / "blazon")


class Ended(msgspec.Struct, frozen=True):
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class Program:
    """Runs the command. Nothing of the tester's own home or environment is seen by it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(home),
            "LANG": "C.UTF-8",
        }

    def run(self, *words: str | Path, stdin: str = "", **environment: str) -> Ended:
        """Runs a command to its end."""
        ended = subprocess.run(
            [COMMAND, *map(str, words)],
            input=stdin,
            env=self.environment | environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in ended.stderr, ended.stderr
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def ok(self, *words: str | Path, **environment: str) -> Ended:
        """Runs a command that must succeed."""
        ended = self.run(*words, **environment)
        assert ended.code == 0, ended
        return ended

    def start(
        self, words: Sequence[str | Path], environment: Mapping[str, str], output: Path
    ) -> "subprocess.Popen[str]":
        """Starts a command; what it prints goes to a file."""
        with open(output, "a") as file:
            return subprocess.Popen(
                [COMMAND, *map(str, words)],
                env=self.environment | environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                text=True,
                preexec_fn=die_with_parent,
            )


class Up:
    """A `blazon up` that runs."""

    def __init__(self, program: Program, data_dir: Path, *words: str, **environment: str) -> None:
        self.program = program
        self.data_dir = data_dir
        self._log = program.home / f"{data_dir.name}.out"
        given = {"BLAZON_HTTP_LISTEN": "127.0.0.1:0", "BLAZON_REDIS_PORT": "0", "BLAZON_ADMIN_PASSWORD": PASSWORD}
        given |= environment
        self._start = self._log.stat().st_size if self._log.exists() else 0
        self.process = program.start(["up", "--data-dir", data_dir, *words], given, self._log)
        wait_for(lambda: "in another terminal" in self.output or self.process.poll() is not None, "blazon up")
        assert self.process.poll() is None, self.output

    @property
    def output(self) -> str:
        """What it has printed, since it was started."""
        with open(self._log) as file:
            file.seek(self._start)
            return file.read()

    def _found(self, pattern: str) -> str:
        found = re.search(pattern, self.output)
        assert found is not None, self.output
        return found[1]

    @property
    def url(self) -> str:
        return self._found(r"Blazon is up at (\S+)")

    @property
    def redis_port(self) -> int:
        return int(self._found(r"redis://127\.0\.0\.1:(\d+)"))

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Sends a signal and waits for the end; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(30)


@contextmanager
def up(program: Program, data_dir: Path, *words: str, **environment: str) -> Iterator[Up]:
    """Runs `blazon up` for as long as the block lasts."""
    started = Up(program, data_dir, *words, **environment)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.process.kill()
            started.process.wait()
