"""A child process that does not outlive us, also when we are killed."""

import ctypes
import fcntl
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Final

from blazon.errors import StartError

__all__ = ["die_with_parent", "free_port", "is_free", "lock", "spawn", "stop"]

_PR_SET_PDEATHSIG: Final = 1


def spawn(command: Sequence[str], folder: Path, output: IO[bytes], held: IO[bytes]) -> "subprocess.Popen[bytes]":
    """Starts a program in a folder, its output appended to `output`. The kernel kills it when we die.

    It inherits `held`: a lock on that file lasts as long as it lives. Raises StartError.
    """
    try:
        return subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(held.fileno(),),
            start_new_session=True,  # Ctrl-C is for us; we end our children in order
            preexec_fn=_die_with(os.getpid()),
        )
    except OSError as error:
        raise StartError(f"cannot start {command[0]}: {error.strerror}") from None


def _die_with(parent: int) -> Callable[[], None]:
    libc = ctypes.CDLL(None)

    def before_exec() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the line above
            os.kill(os.getpid(), signal.SIGKILL)

    return before_exec


def die_with_parent() -> None:
    """Lets the kernel send this process SIGTERM when the one that started it dies."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def stop(process: "subprocess.Popen[bytes]", seconds: float) -> None:
    """Ends a child: politely, then not."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def lock(path: Path) -> IO[bytes] | None:
    """Takes the lock of a folder, for a child to inherit; None while a child of an earlier run still has it.

    Raises OSError when the file cannot be opened.
    """
    file = open(path, "ab")  # noqa: SIM115 - held open until the child has it
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def is_free(port: int) -> bool:
    """Whether a port of loopback can be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_port(wanted: int) -> int:
    """The wanted port of loopback, or a free one when something listens there."""
    if wanted and is_free(wanted):
        return wanted
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
