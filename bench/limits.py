"""What the machine can do: tools written in C, and the disk itself."""

import os
import re
import tempfile
import time
from pathlib import Path

from bench.children import output_of
from bench.report import OUT
from tests.servers import PostgresServer, RedisServer

_SOURCE = Path(__file__).parent / "slow_fsync.c"


def slow_fsync() -> dict[str, str]:
    """The environment in which every fsync takes a millisecond longer."""
    OUT.mkdir(exist_ok=True)
    library = OUT / "slow_fsync.so"
    if not library.exists() or library.stat().st_mtime < _SOURCE.stat().st_mtime:
        output_of(["cc", "-shared", "-fPIC", "-O2", "-o", library, _SOURCE, "-ldl"])
    return {"LD_PRELOAD": str(library.resolve())}


def fsync_rate(seconds: float = 1.0) -> float:
    """Fdatasync calls a second, each after a page was written."""
    with tempfile.NamedTemporaryFile(dir=".") as file:
        descriptor, page, count = file.fileno(), b"x" * 4096, 0
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            os.pwrite(descriptor, page, 0)
            os.fdatasync(descriptor)
            count += 1
        return count / (time.perf_counter() - began)


def pgbench(server: PostgresServer, clients: int = 64, seconds: int = 4) -> float:
    """Transactions a second of pgbench: one insert of some 300 bytes each, many clients."""
    url = server.new_database()
    script = OUT / "insert.sql"
    OUT.mkdir(exist_ok=True)
    script.write_text("INSERT INTO bench (doc) VALUES (repeat('x', 300));\n")
    output_of(["psql", "-q", url, "-c", "CREATE TABLE bench (id bigserial PRIMARY KEY, doc text)"])
    options = ["-n", "-M", "prepared", "-c", str(clients), "-j", "1", "-T", str(seconds)]
    printed = output_of(["pgbench", *options, "-f", script, url])
    return float(re.search(r"tps = ([\d.]+)", printed)[1])  # type: ignore[index]


def redis_benchmark(server: RedisServer, pipeline: int) -> float:
    """XADD commands a second of redis-benchmark over one connection, some 220 bytes each."""
    fields = " ".join(f"field{number} {'x' * 20}" for number in range(8)).split()
    command = ["redis-benchmark", "-p", str(server.port), "-c", "1", "-P", str(pipeline), "-n", "300000", "-q"]
    printed = output_of([*command, "XADD", "limit", "MAXLEN", "~", "1000000", "*", *fields])
    return float(re.findall(r"([\d.]+) requests per second", printed)[-1])


def sqlite_inserts(rows: int = 200_000) -> float:
    """Rows a second into a table of the log's shape, in one transaction: what SQLite itself takes for a rebuild."""
    import apsw

    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE t (id TEXT PRIMARY KEY, owner TEXT, name TEXT, doc TEXT, created INTEGER)")
    values = [(f"{number:036}", "o" * 36, f"name {number}", "{}", number) for number in range(rows)]
    began = time.perf_counter()
    with connection:
        connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?)", values)
    return rows / (time.perf_counter() - began)
