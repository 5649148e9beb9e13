"""What a benchmark starts ends with the benchmark, however it ends."""

import contextlib
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.servers import wait_for

ROOT = Path(__file__).parent.parent

_BENCHMARK = """
import sys, time
from bench import children
children.start(sys.argv[1:])
time.sleep(600)
"""


def _grandchildren(root: int) -> list[psutil.Process]:
    """What runs below a process, once the program that was to be started has started."""
    found: list[psutil.Process] = []

    def started() -> bool:
        nonlocal found
        found = psutil.Process(root).children(recursive=True)
        with contextlib.suppress(psutil.Error):
            return any(each.name() == "sleep" for each in found)
        return False

    wait_for(started, "the program of the benchmark")
    return found


def _lives(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        # A process that has ended is a zombie until process 1 asks for its exit code.
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("through", ["the program itself", "make"])
def test_a_benchmark_that_is_ended_leaves_nothing_behind(tmp_path: Path, number: signal.Signals, through: str) -> None:
    (tmp_path / "Makefile").write_text("up:\n\t@exec sleep 500\n")
    command = ["make", "-C", tmp_path, "up"] if through == "make" else ["sleep", "500"]
    with subprocess.Popen([sys.executable, "-c", _BENCHMARK, *command], cwd=ROOT, stderr=subprocess.DEVNULL) as bench:
        started = _grandchildren(bench.pid)
        bench.send_signal(number)
    try:
        wait_for(lambda: not any(_lives(each) for each in started), "the end of what the benchmark started")
    finally:
        for each in started:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()


def test_a_program_that_fails_fails_the_benchmark() -> None:
    from bench.children import output_of

    assert output_of(["sh", "-c", "echo $LIMIT"], {"LIMIT": "high"}) == "high\n"
    with pytest.raises(subprocess.CalledProcessError):
        output_of(["sh", "-c", "exit 3"])
