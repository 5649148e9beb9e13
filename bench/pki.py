"""A PKI through HTTP, beside the bare signature of `openssl speed`: issue, OCSP, CRL, revocation, lists.

The many certificates are put into the table directly: a million of them through the API would take a quarter of an
hour, and what is measured is what comes after.
"""

import asyncio
import base64
import json
import os
import re
import sqlite3
import statistics
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID

from bench.children import output_of, start
from bench.report import Figure, Report
from tests.faults.process import ADMIN, PASSWORD, BlazonProcess
from tests.servers import RedisServer

_SECONDS = 6
_CONNECTIONS = 64
_API = "/api/ca/v1"
_MANY = int(os.environ.get("BENCH_CERTIFICATES", "1000000"))
_ENTRIES = 100_000


def run(report: Report) -> None:
    signs, verifies = _openssl_speed()
    limit = 1 / (1 / signs + 1 / verifies)
    with RedisServer() as redis, tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as folder:
        blazon = BlazonProcess(Path(folder), redis_url=redis.url)
        asyncio.run(blazon.start())
        try:
            pki = _Pki(blazon, Path(folder))
            _issue(report, pki, limit)
            _answer(report, pki, signs)
            _revoke(report, pki, "nothing revoked")
            _lists(report, pki)
        finally:
            blazon.stop()


class _Pki:
    """A CA of a running Blazon, and what is asked of it."""

    def __init__(self, blazon: BlazonProcess, folder: Path) -> None:
        self.blazon = blazon
        self.folder = folder
        self.sign_in()
        self.ca = self.call(
            "POST",
            f"{_API}/cas",
            {
                "subject": {"common_name": "Bench"},
                "key_metadata": {"type": "ECDSA", "bits": 256},
                "ca_expiration": {"type": "Duration", "duration": "10y"},
                "issuance_expiration": {"type": "Duration", "duration": "1y"},
            },
        )
        self.sign = {"csr": _csr(), "sign_verbatim": True}
        self.sign_path = f"{_API}/cas/{self.ca['id']}/certificates/sign"

    def sign_in(self) -> None:
        words = ("token", "--json", "--email", ADMIN, "--password", PASSWORD, "--url", self.blazon.url)
        self.token = json.loads(self.blazon.command(*words))["access_token"]

    def call(self, method: str, path: str, body: Any = None) -> Any:
        return json.loads(self.fetch(method, path, None if body is None else json.dumps(body).encode()))

    def fetch(self, method: str, path: str, data: bytes | None = None) -> bytes:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.blazon.url + path, data, headers, method=method)
        with urllib.request.urlopen(request) as answer:
            read: bytes = answer.read()
            return read

    def wrk(
        self, mode: str, path: str, body: bytes | None = None, connections: int = _CONNECTIONS
    ) -> tuple[float, float]:
        """Requests a second and the 99th percentile of their time in ms."""
        script = Path(__file__).parent / "pki.lua"
        words = [mode, self.token, path]
        if body is not None:
            (self.folder / "body").write_bytes(body)
            words.append(str(self.folder / "body"))
        command = ["wrk", "-t1", f"-c{connections}", f"-d{_SECONDS}", "-s", str(script), self.blazon.url, "--", *words]
        printed = output_of(command)
        found = re.search(r"RESULT ([\d.]+) ([\d.]+) (\d+)", printed)
        assert found, printed
        assert found[3] == "0", f"{found[3]} requests were refused"
        return float(found[1]), float(found[2])


def _issue(report: Report, pki: _Pki, limit: float) -> None:
    rate, p99 = pki.wrk("sign", pki.sign_path, json.dumps(pki.sign).encode())
    name = "issue from a P-256 CSR through HTTP, durable, with event"
    report.add(Figure(name, rate, "/s", limit, "openssl sign + verify", 1000, 2500))
    report.add(Figure("issue: p99", p99, "ms", lower_is_better=True))


def _answer(report: Report, pki: _Pki, signs: float) -> None:
    leaf = pki.call("POST", pki.sign_path, pki.sign)
    certificate, issuer = (
        x509.load_pem_x509_certificate(base64.b64decode(each["certificate"])) for each in (leaf, pki.ca)
    )
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, SHA256())
    plain = builder.build().public_bytes(Encoding.DER)
    nonce = builder.add_extension(x509.OCSPNonce(bytes(16)), critical=False).build().public_bytes(Encoding.DER)
    rate, _ = pki.wrk("ocsp", "/api/va/ocsp", nonce)
    report.add(Figure("OCSP through HTTP, signed each time (nonce)", rate, "/s", signs, "openssl sign", 5000, 12000))
    rate, _ = pki.wrk("ocsp", "/api/va/ocsp", plain)
    report.add(Figure("OCSP through HTTP, kept", rate, "/s", None, "", 10000, 25000))


def _revoke(report: Report, pki: _Pki, what: str) -> None:
    leaves = [pki.call("POST", pki.sign_path, pki.sign)["serial_number"] for _ in range(200)]
    times = []
    for serial in leaves:
        started = time.perf_counter()
        pki.call("PUT", f"{_API}/certificates/{serial}/status", {"status": "REVOKED"})
        times.append((time.perf_counter() - started) * 1000)
    report.add(Figure(f"revoke, {what}: median", statistics.median(times), "ms", lower_is_better=True))


def _lists(report: Report, pki: _Pki) -> None:
    _fill(pki, _ENTRIES)
    started = time.perf_counter()
    slowest = _beside(pki, f"/api/va/crl/{pki.ca['id']}")
    name = f"CRL with {_ENTRIES:,} entries, built and fetched"
    report.add(Figure(name, time.perf_counter() - started, "s", lead=2, lower_is_better=True))
    report.add(Figure("another request while it is built: slowest", slowest, "ms", lower_is_better=True))
    _fill(pki, _MANY)
    _revoke(report, pki, f"{_MANY:,} revoked")
    for name, path in (
        ("list certificates", f"{_API}/certificates"),
        ("list those of a CA, the newest first", f"{_API}/cas/{pki.ca['id']}/certificates?sort_mode=desc"),
        ("list by status", f"{_API}/certificates/status/REVOKED"),
    ):
        _, p99 = pki.wrk("list", path, connections=4)
        report.add(Figure(f"{name}, {_MANY:,} certificates: p99", p99, "ms", lead=20, lower_is_better=True))


def _beside(pki: _Pki, path: str) -> float:
    """Fetches a path, in a process of its own, while another one is asked for again and again; the slowest in ms."""
    script = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1]).read()"
    fetching = start([sys.executable, "-c", script, pki.blazon.url + path])
    slowest = 0.0
    while fetching.poll() is None:
        started = time.perf_counter()
        pki.fetch("GET", "/health")
        slowest = max(slowest, (time.perf_counter() - started) * 1000)
    assert fetching.returncode == 0
    return slowest


def _fill(pki: _Pki, count: int) -> None:
    """Puts revoked certificates into the table until there are so many."""
    pki.blazon.stop()
    database = sqlite3.connect(next(pki.folder.glob("*.db")))
    columns = [row[1] for row in database.execute("PRAGMA table_info(certificates)")]
    place = {name: number for number, name in enumerate(columns)}
    sample = list(database.execute("SELECT * FROM certificates LIMIT 1").fetchone())
    have, last = database.execute("SELECT count(*), max(created) FROM certificates").fetchone()
    sample[place["status"]], sample[place["reason"]], sample[place["due"]] = "REVOKED", "KeyCompromise", 0
    sample[place["revoked_at"]] = time.time_ns()

    def rows() -> Any:
        for number in range(count - have):
            row = list(sample)
            row[place["serial"]] = os.urandom(20).hex("-")
            row[place["created"]] = row[place["revision"]] = 10**9 + last + number
            row[place["common_name"]] = f"device-{number}"
            yield row

    marks = ", ".join("?" * len(columns))
    database.executemany(f"INSERT INTO certificates VALUES ({marks})", rows())
    database.commit()
    database.close()
    asyncio.run(pki.blazon.start())
    pki.sign_in()


def _csr() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "device")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, SHA256())
    return base64.b64encode(request.public_bytes(Encoding.PEM)).decode()


def _openssl_speed() -> tuple[float, float]:
    """Signatures and verifications a second."""
    command = ["openssl", "speed", "-seconds", "1", "ecdsap256"]
    printed = output_of(command)
    found = re.search(r"nistp256\)\s+[\d.]+s\s+[\d.]+s\s+([\d.]+)\s+([\d.]+)", printed)
    assert found, printed
    return float(found[1]), float(found[2])
