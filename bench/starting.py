"""Starting: the time to the first answer, memory when idle, and the time of `blazon --help`."""

import os
import signal
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil

from bench import children
from bench.report import Figure, Report, median
from tests.servers import free_port

_RUNS = 5


def run(report: Report) -> None:
    with tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as name:
        folder = Path(name)
        first, _ = _start(["make", "up"], folder)
        report.add(Figure("`make up` to the first 200, new data folder", first, "s", lower_is_better=True))
        runs = [_start(["make", "up"], folder) for _ in range(_RUNS)]
        seconds = median(seconds for seconds, _ in runs)
        report.add(Figure("`make up` to the first 200, warm", seconds, "s", lead=4, stretch=2, lower_is_better=True))
        memory = median(megabytes for _, megabytes in runs)
        report.add(Figure("memory of `blazon up`, idle", memory, "MB", lead=150, stretch=100, lower_is_better=True))
    report.add(Figure("`blazon --help`", _help(), "s", lead=0.3, lower_is_better=True))


def _start(command: list[str], folder: Path) -> tuple[float, float]:
    """Seconds to the first answer, and memory (RSS, MB) of the process itself two seconds later."""
    port = free_port()
    began = time.perf_counter()
    process = children.start(
        command, BLAZON_DATA_DIR=str(folder), BLAZON_HTTP_LISTEN=f"127.0.0.1:{port}", BLAZON_REDIS_PORT="0"
    )
    try:
        while not _healthy(port):
            time.sleep(0.01)
        seconds = time.perf_counter() - began
        time.sleep(2)
        return seconds, _memory(process.pid)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        time.sleep(0.5)


def _healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1) as answer:
            return int(answer.status) == 200
    except (urllib.error.URLError, OSError):
        return False


def _memory(root: int) -> float:
    """The RSS of the process that serves, without the servers it started."""
    processes = [psutil.Process(root), *psutil.Process(root).children(recursive=True)]
    serving = [each for each in processes if "bin/blazon up" in " ".join(each.cmdline())]
    return max(each.memory_info().rss for each in serving) / 1e6


def _help() -> float:
    program = Path(sys.executable).parent / "blazon"

    def once() -> float:
        began = time.perf_counter()
        children.output_of([program, "--help"])
        return time.perf_counter() - began

    return median(once() for _ in range(2 * _RUNS))
