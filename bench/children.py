"""Programs that a benchmark starts. None of them outlives it, also when it is killed."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from blazon.embedded.child import die_with_parent

__all__ = ["output_of", "start"]


def start(command: Sequence[str | Path], **environment: str) -> "subprocess.Popen[bytes]":
    """Starts a program in a session of its own, and throws away what it prints.

    The kernel sends the program SIGTERM when the benchmark dies; `make` hands the signal on to what it runs.
    """
    return subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=die_with_parent,
    )


def output_of(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> str:
    """Runs a program to its end and returns what it prints.

    Raises CalledProcessError when it fails, and shows what it wrote to stderr.
    """
    done = subprocess.run(
        command,
        env={**os.environ, **(environment or {})},
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=die_with_parent,
    )
    if done.returncode != 0:
        sys.stderr.write(done.stderr)
    done.check_returncode()
    return done.stdout
