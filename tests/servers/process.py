"""Child processes that do not outlive us."""

import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

_libc = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Has the kernel kill this process when the thread that started it ends: a `preexec_fn`."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def free_port() -> int:
    """A TCP port on loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(ready: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    """Waits until `ready` says so."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} was not ready within {seconds} s")
        time.sleep(0.01)


def answers(port: int, send: bytes = b"", expect: bytes = b"") -> bool:
    """Whether something listens on a port and, when `send` is given, answers with `expect`."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            if not send:
                return True
            connection.sendall(send)
            return expect in connection.recv(1024)
    except OSError:
        return False


class Server:
    """A server process with a folder of its own. As a context manager it is removed at the end of the block."""

    name = "server"

    def __init__(self, user: str | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"blazon-{self.name}-", dir="/tmp"))
        self.process: subprocess.Popen[bytes] | None = None
        self._identity: dict[str, Any] = {}
        if user is not None and os.geteuid() == 0:
            entry = pwd.getpwnam(user)
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
            self._identity = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def call(self, command: Sequence[str | Path]) -> None:
        """Runs a command of the server to its end, as its user."""
        subprocess.run(command, check=True, cwd=self.folder, stdout=subprocess.DEVNULL, **self._identity)

    def spawn(self, command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> None:
        """Starts the server's process."""
        with open(self.folder / "output.log", "ab") as output:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=None if environment is None else dict(environment),
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent,
                **self._identity,
            )

    def running(self) -> bool:
        """Whether the process lives. Raises with its output when it ended by itself."""
        assert self.process is not None
        if self.process.poll() is not None:
            output = (self.folder / "output.log").read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{self.name} ended with {self.process.returncode}: {output}")
        return True

    def kill(self) -> None:
        """Ends the process at once, as kill -9 does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def remove(self) -> None:
        """Ends the process and removes its data."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
