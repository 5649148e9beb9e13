"""Issuing, revoking and answering without HTTP and log, beside the bare signature of `openssl speed`."""

import re
import sys
import threading
import time
from collections.abc import Callable

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID

from bench.children import output_of
from bench.report import Figure, Report
from blazon.ca.x509 import (
    DEFAULT_PROFILE,
    CertState,
    CertStatus,
    Expiration,
    ExpirationType,
    Issuer,
    Reason,
    Responder,
    Subject,
    Urls,
    build_crl,
    crl_entry,
    draft_leaf,
    draft_root,
    new_serial,
    pem_of,
    read_csr,
    read_ocsp_request,
    sign_draft,
    sign_ocsp,
)
from blazon.engines import KeySpec, KeyType, PrivateKey, SoftwareEngine
from blazon.storage import Sealer

_SECONDS = 1.0
_ENTRIES = 100_000
_NOW = int(time.time())
_YEAR = 364 * 86400
_A_YEAR = Expiration(ExpirationType.DURATION, duration=_YEAR * 10**9)


def run(report: Report) -> None:
    signs, verifies = _openssl_speed()
    ca, key = _ca()
    csr = _csr()
    issued = _rate(lambda: pem_of(_issue(ca, key, csr)))
    limit = 1 / (1 / signs + 1 / verifies)
    report.add(Figure("issue from a P-256 CSR: read, check, sign, PEM", issued, "/s", limit, "openssl sign + verify"))
    request = read_csr(csr)
    drafted = _rate(lambda: _draft(ca, request))
    report.add(Figure("draft and check of it alone", drafted, "/s"))
    leaf = _issue(ca, key, csr)
    assert isinstance(ca.certificate, x509.Certificate)
    asked = ocsp.OCSPRequestBuilder().add_certificate(leaf, ca.certificate, SHA1()).build().public_bytes(Encoding.DER)
    responder = Responder.of(ca, key)
    answered = _rate(lambda: _answer(responder, asked))
    report.add(
        Figure("OCSP: read the request, sign the answer, P-256", answered, "/s", signs, "openssl sign", 5_000, 12_000)
    )
    _report_crl(report, ca, key)


def _report_crl(report: Report, ca: Issuer, key: PrivateKey) -> None:
    serials = [new_serial() for _ in range(_ENTRIES)]
    began = time.perf_counter()
    entries = [crl_entry(serial, _NOW - index % 5000, Reason.SUPERSEDED) for index, serial in enumerate(serials)]
    encoded = time.perf_counter()
    waited, der = _longest_wait(
        lambda: build_crl(ca, key, number=1, this_update=_NOW, next_update=_NOW + 86400, entries=entries)
    )
    built = time.perf_counter()
    name = f"CRL with {_ENTRIES:,} entries"
    report.add(Figure(f"{name}, entries and all", built - began, "s", lead=2.0, stretch=0.5, lower_is_better=True))
    report.add(Figure(f"{name}, from kept entries", (built - encoded) * 1000, "ms", lower_is_better=True))
    report.add(Figure(f"{name}, longest wait of another thread", waited * 1000, "ms", lower_is_better=True))
    report.add(Figure(f"{name}, size", len(der) / 1e6, "MB", lower_is_better=True))


def _longest_wait(work: Callable[[], bytes]) -> tuple[float, bytes]:
    """How long a thread that wants to run all the time is kept from it while `work` runs in another."""
    made: list[bytes] = []
    thread = threading.Thread(target=lambda: made.append(work()))
    longest, last = 0.0, time.perf_counter()
    thread.start()
    while thread.is_alive():
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
        time.sleep(0)
    thread.join()
    return max(longest, time.perf_counter() - last), made[0]


def _ca() -> tuple[Issuer, PrivateKey]:
    engine = SoftwareEngine("bench", Sealer(bytes(32)))
    key = engine.open(engine.create("ca", KeySpec(KeyType.ECDSA, 256)))
    draft = draft_root(key.public_key(), Subject("Bench"), serial=new_serial(), now=_NOW, valid_to=_NOW + 10 * _YEAR)
    urls = Urls(("http://va.example.com/crl/1",), ("http://va.example.com/ocsp",), ("http://va.example.com/ca/1",))
    return Issuer.of(sign_draft(draft, key), (), urls), key


def _csr() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "device-1")])
    names = x509.SubjectAlternativeName([x509.DNSName("device-1.example.com")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name).add_extension(names, critical=False)
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM)


def _draft(ca: Issuer, request: object) -> object:
    return draft_leaf(
        ca,
        request,  # type: ignore[arg-type]
        DEFAULT_PROFILE,
        serial=new_serial(),
        now=_NOW,
        default_validity=_A_YEAR,
    )


def _issue(ca: Issuer, key: PrivateKey, csr: bytes) -> x509.Certificate:
    return sign_draft(_draft(ca, read_csr(csr)), key)  # type: ignore[arg-type]


def _answer(responder: Responder, asked: bytes) -> bytes:
    request = read_ocsp_request(asked)
    statuses = [CertStatus(each, CertState.GOOD, _NOW, _NOW + 86400) for each in request.cert_ids]
    return sign_ocsp(responder, statuses, produced_at=_NOW, nonce=request.nonce)


def _rate(work: Callable[[], object]) -> float:
    work()
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < _SECONDS:
        work()
        count += 1
    return count / (time.perf_counter() - began)


def _openssl_speed() -> tuple[float, float]:
    """Signatures and verifications a second of P-256, on one core."""
    command = ["openssl", "speed", "-seconds", "1", "ecdsap256"]
    printed = output_of(command)
    found = re.search(r"ecdsa \(nistp256\)\s+\S+\s+\S+\s+([\d.]+)\s+([\d.]+)", printed)
    if found is None:
        sys.exit(f"openssl speed printed something else:\n{printed}")
    return float(found[1]), float(found[2])
