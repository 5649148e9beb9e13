"""What is served beside the routes: health and metrics; and that a request's trace goes on in its event."""

import asyncio
import re
from pathlib import Path
from uuid import UUID

from prometheus_client.parser import text_string_to_metric_families

import blazon as package
from blazon.storage import open_database
from tests.running import Running, running
from tests.servers import PostgresServer
from tests.web.support import PATIENCE, Operation

UNITS = ("_total", "_seconds", "_bytes", "_events", "_operations", "_sequence", "_connected", "_degraded")
"""What a name ends in: what only grows, base units, what is counted, a position in the log, a truth."""

VALIDATION = [
    "/api/ca/health",
    "/api/va/ca/{id}",
    *(f"/api/va/{version}{rest}" for version in ("", "v1/") for rest in ("ocsp", "ocsp/{request*}", "crl/{id}")),
]
PAGES = ["/health", "/metrics", "/openapi.json", "/docs"]
NOT_DESCRIBED = [*VALIDATION, *PAGES]
"""Paths that are not in the document."""

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


async def test_health(blazon: Running) -> None:
    answer = await blazon.call("GET", "/health", token="")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/health+json"
    health = answer.json
    assert set(health) == {"status", "version", "commit", "description", "build_time", "instance_id"}
    assert health["status"] == "pass"
    assert health["version"] == package.__version__
    assert str(UUID(health["instance_id"])) == health["instance_id"]
    assert (await blazon.call("GET", "/health")).json["instance_id"] == health["instance_id"]


async def test_health_names_a_part_in_trouble(tmp_path: Path) -> None:
    async with running(tmp_path, redis__embedded="false") as blazon:
        blazon.app.health.degrade("redis", "Redis ended; see redis.log")
        answer = await blazon.call("GET", "/health", token="")
        assert (answer.status, answer.json["status"]) == (200, "warn")
        assert answer.json["checks"] == {"redis": [{"status": "warn", "output": "Redis ended; see redis.log"}]}
        blazon.app.health.recover("redis")
        assert "checks" not in (await blazon.call("GET", "/health", token="")).json


async def test_health_without_its_database(tmp_path: Path) -> None:
    server = PostgresServer()
    try:
        flags = {"database__url": server.new_database(), "redis__embedded": "false"}
        async with running(tmp_path, **flags) as blazon:
            server.kill()
            answer = await blazon.call("GET", "/health")
            assert (answer.status, answer.json["status"]) == (503, "fail")
            answer = await blazon.call("POST", "/groups", {"name": "never"})
            assert answer.status == 503
            assert answer.reason
            assert int(answer.headers["Retry-After"]) >= 1
            server.start()
            async with asyncio.timeout(PATIENCE):
                while (await blazon.call("GET", "/health")).status != 200:
                    pass
            assert (await blazon.ok("GET", "/groups"))["total"] == 0
    finally:
        server.remove()


async def test_metrics(blazon: Running, routes: list[Operation]) -> None:
    paths = {operation.path for operation in routes}
    for hostile in ("nobody", "x" * 3000, "%22%7D%0a", "%5C"):
        await blazon.call("GET", f"/users/{hostile}")
        await blazon.call("GET", f"/nowhere/{hostile}")
        await blazon.call("BREW", f"/users/{hostile}")
    answer = await blazon.call("GET", "/metrics", token="")
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    families = list(text_string_to_metric_families(answer.body.decode()))
    assert {family.name for family in families} >= {"blazon_http_requests", "blazon_http_request_seconds"}
    samples = [sample for family in families for sample in family.samples]
    for sample in samples:
        if "path" in sample.labels:
            assert sample.labels["path"] in {*paths, *NOT_DESCRIBED, ""}
            assert sample.labels["method"] in {"GET", "POST", "PUT", "PATCH", "DELETE", ""}
        if "status" in sample.labels:
            assert re.fullmatch("[2-5][0-9][0-9]", sample.labels["status"])
    counted = {
        (sample.labels["method"], sample.labels["path"], sample.labels["status"]): sample.value
        for sample in samples
        if sample.name == "blazon_http_requests_total"
    }
    assert counted["GET", "/users/{id}", "404"] >= 4
    assert counted["", "", "404"] >= 4


async def test_names_of_metrics_end_in_their_unit(blazon: Running) -> None:
    families = list(text_string_to_metric_families((await blazon.call("GET", "/metrics")).body.decode()))
    ours = [family for family in families if family.name.startswith("blazon_")]
    assert len(ours) > 5
    for family in ours:
        assert family.documentation.endswith(".")
        assert re.fullmatch(r"[a-z_]+", family.name)
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert name.endswith(UNITS), name


async def test_the_trace_of_a_request_goes_on_in_its_event(tmp_path: Path) -> None:
    sent = f"00-{TRACE}-00f067aa0ba902b7-00"
    async with running(tmp_path, redis__embedded="false") as blazon:
        await blazon.ok("POST", "/groups", {"name": "traced"}, headers={"traceparent": sent})
        await blazon.ok("POST", "/groups", {"name": "not traced"})
    database = await open_database("", tmp_path)
    try:
        rows = await database.rows("SELECT traceparent FROM events WHERE type = 'group.create' ORDER BY sequence")
    finally:
        await database.close()
    (traced,), (other,) = rows
    assert re.fullmatch(rf"00-{TRACE}-[0-9a-f]{{16}}-00", traced)
    assert "00f067aa0ba902b7" not in traced
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", other)
    assert TRACE not in other
