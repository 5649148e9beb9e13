"""Requests through HTTP: one process on one core, the load generator on the other."""

import asyncio
import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path

from bench import limits
from bench.children import output_of
from bench.report import OUT, Figure, Report
from tests.faults.process import ADMIN, PASSWORD, BlazonProcess
from tests.servers import PostgresServer, RabbitServer, RedisServer, free_port, wait_for
from tests.servers.process import Server, answers

_SECONDS = 5
_ROUNDS = 3
"""Of which the best counts: on a machine that is shared, the others say what the neighbours did."""
_CONNECTIONS = 64
_RAW = """
import asyncio, sys, httptools, uvloop

BODY = b'{"id":"5b7d0b3e-6f3c-4f5e-9a55-0a8d6d1d3c1e"}'
HEAD = b"HTTP/1.1 201 Created\\r\\ncontent-type: application/json\\r\\ncontent-length: %d\\r\\n\\r\\n"
ANSWER = HEAD % len(BODY) + BODY

class Raw(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.parser = transport, httptools.HttpRequestParser(self)

    def data_received(self, data):
        self.parser.feed_data(data)

    def on_message_complete(self):
        self.transport.write(ANSWER)

async def main():
    server = await asyncio.get_running_loop().create_server(Raw, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()

uvloop.run(main())
"""


def run(report: Report) -> None:
    nginx, raw = _nginx(), raw_http()
    report.add(Figure("limit: nginx, a fixed JSON answer", nginx, "req/s"))
    report.add(Figure("limit: httptools on uvloop, a fixed answer to the same POST", raw, "req/s"))
    rate, p99 = _create({})
    report.add(Figure("create a group, SQLite, with Redis", rate, "req/s", raw, "raw HTTP", 4000, 8000))
    report.add(Figure("create a group, SQLite, with Redis: p99", p99, "ms", lead=40, lower_is_better=True))
    rate, p99 = _create(limits.slow_fsync())
    report.add(Figure("create a group, SQLite, fsync + 1 ms", rate, "req/s", raw, "raw HTTP"))
    report.add(Figure("create a group, SQLite, fsync + 1 ms: p99", p99, "ms", lower_is_better=True))
    rate, _ = _create({}, mode="view")
    report.add(Figure("view a group, SQLite, with Redis", rate, "req/s", raw, "raw HTTP"))
    _with_servers(report, raw)


def _with_servers(report: Report, raw: float) -> None:
    with PostgresServer(durable=True) as postgres, RabbitServer() as rabbitmq:
        rate, p99 = _create({}, database_url=postgres.new_database())
        report.add(Figure("create a group, PostgreSQL, with Redis", rate, "req/s", raw, "raw HTTP"))
        report.add(Figure("create a group, PostgreSQL, with Redis: p99", p99, "ms", lower_is_better=True))
        rate, p99 = _create({}, amqp_url=rabbitmq.url)
        report.add(Figure("create a group, SQLite, with Redis and RabbitMQ", rate, "req/s", raw, "raw HTTP"))


def _create(environment: dict[str, str], mode: str = "create", **settings: str) -> tuple[float, float]:
    """Requests a second and the 99th percentile of their time in ms."""
    with RedisServer() as redis, tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as folder:
        blazon = BlazonProcess(Path(folder), redis_url=redis.url, **settings)
        blazon.environment.update(environment)
        asyncio.run(blazon.start())
        try:
            blazon.command("token", "--email", ADMIN, "--password", PASSWORD, "--url", blazon.url)
            token = json.loads(
                blazon.command("token", "--json", "--email", ADMIN, "--password", PASSWORD, "--url", blazon.url)
            )["access_token"]
            group = _group(blazon.url, token)
            return wrk(f"{blazon.url}/", mode, token, group)
        finally:
            blazon.stop()


def _group(url: str, token: str) -> str:
    import urllib.request

    request = urllib.request.Request(
        f"{url}/groups",
        b'{"name":"to be viewed"}',
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        identifier: str = json.load(answer)["id"]
        return identifier


def wrk(url: str, *arguments: str, connections: int = _CONNECTIONS) -> tuple[float, float]:
    """Requests a second and the 99th percentile of their time in ms, of the best of some rounds.

    `arguments` are those of `requests.lua`.
    """
    script = Path(__file__).parent / "requests.lua"
    command = ["wrk", "-t1", f"-c{connections}", f"-d{_SECONDS}", "-s", str(script), url, "--", *arguments]
    return max(_round(command) for _ in range(_ROUNDS))


def _round(command: list[str]) -> tuple[float, float]:
    printed = output_of(command)
    found = re.search(r"RESULT ([\d.]+) ([\d.]+) (\d+)", printed)
    assert found, printed
    assert found[3] == "0", f"{found[3]} requests were refused"
    return float(found[1]), float(found[2])


def _nginx() -> float:
    port = free_port()
    server = Server()
    (server.folder / "nginx.conf").write_text(
        f"daemon off; worker_processes 1; pid {server.folder}/pid; error_log stderr;"
        f" events {{}} http {{ access_log off; server {{ listen 127.0.0.1:{port};"
        ' location / { default_type application/json; return 201 \'{"id":"5b7d0b3e"}\'; } } }'
    )
    server.spawn(["/usr/sbin/nginx", "-p", str(server.folder), "-c", str(server.folder / "nginx.conf")])
    try:
        wait_for(lambda: server.running() and answers(port), "nginx")
        return wrk(f"http://127.0.0.1:{port}/", "create", "token", "")[0]
    finally:
        server.remove()


def raw_http() -> float:
    """What the parser and the event loop do with an application that does nothing."""
    OUT.mkdir(exist_ok=True)
    (OUT / "raw_http.py").write_text(_RAW)
    port = free_port()
    server = Server()
    server.spawn([sys.executable, str(OUT / "raw_http.py"), str(port)], dict(os.environ))
    try:
        wait_for(lambda: server.running() and answers(port), "the raw server")
        time.sleep(0.2)
        return wrk(f"http://127.0.0.1:{port}/", "create", "token", "")[0]
    finally:
        server.remove()
