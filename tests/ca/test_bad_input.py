"""What must be refused, with the reason, and without a trace."""

import base64
import warnings
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.ca.support import API, ca_body, csr, decoded, encoded, key, lasting, make_ca, pem, refused, sign
from tests.running import Running


@pytest.fixture(scope="module")
async def ca(blazon: Running) -> Any:
    return await make_ca(blazon, "Strict")


def der_of(text: str) -> bytes:
    return x509.load_pem_x509_csr(base64.b64decode(text)).public_bytes(Encoding.DER)


def raw(data: bytes) -> str:
    return base64.b64encode(data).decode()


def rsa_csr(bits: int, exponent: int = 65537) -> str:
    private_key = rsa.generate_private_key(exponent, bits)
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return encoded(builder.sign(private_key, SHA256()).public_bytes(Encoding.PEM))


def forged() -> str:
    """A request whose signature is not by its key."""
    der = bytearray(der_of(csr("forged")))
    der[-3] ^= 1
    return raw(bytes(der))


def subject_csr(oid: x509.ObjectIdentifier, text: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is too long is what is to be tested
        name = x509.Name([x509.NameAttribute(oid, text, _validate=False)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    return encoded(builder.sign(key(), SHA256()).public_bytes(Encoding.PEM))


BAD_REQUESTS = {
    "not base64": ("%%%", 400),
    "empty": ("", 400),
    "not PEM": (raw(b"hello"), 400),
    "broken PEM": (raw(b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"), 400),
    "PEM without an end": (raw(b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n"), 400),
    "two requests": (encoded(base64.b64decode(csr()) * 2), 400),
    "trailing bytes": (raw(der_of(csr()) + b"\0\1"), 400),
    "cut short": (raw(der_of(csr())[:-1]), 400),
    "a wrong signature": (forged(), 422),
    "RSA of 1024 bits": (rsa_csr(1024), 422),
    "exponent 3": (rsa_csr(2048, 3), 422),
    "an over-long subject": (subject_csr(NameOID.COMMON_NAME, "x" * 65), 422),
    "a country of three letters": (subject_csr(NameOID.COUNTRY_NAME, "ESP"), 422),
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
async def test_bad_requests(blazon: Running, ca: Any, name: str) -> None:
    request, status = BAD_REQUESTS[name]
    before = await blazon.ok("GET", f"{API}/stats")
    body = {"csr": request, "sign_verbatim": True}
    refused(await blazon.call("POST", f"{API}/cas/{ca['id']}/certificates/sign", body), status)
    assert await blazon.ok("GET", f"{API}/stats") == before


async def test_a_request_to_be_a_ca(blazon: Running, ca: Any) -> None:
    body = {"csr": csr("ambitious", x509.BasicConstraints(ca=True, path_length=None)), "sign_verbatim": True}
    refused(await blazon.call("POST", f"{API}/cas/{ca['id']}/certificates/sign", body), 422, "asks for a CA")


async def test_huge_lists_of_names(blazon: Running, ca: Any) -> None:
    names = [x509.DNSName(f"n{number}.example.com") for number in range(101)]
    body = {"csr": csr("many", x509.SubjectAlternativeName(names)), "sign_verbatim": True}
    refused(await blazon.call("POST", f"{API}/cas/{ca['id']}/certificates/sign", body), 422, "100")


async def test_name_constraints(blazon: Running) -> None:
    ca = await make_ca(blazon, "Constrained", name_constraints={"permitted_dns": ["example.com"]})
    good = csr("good", x509.SubjectAlternativeName([x509.DNSName("a.example.com")]))
    await sign(blazon, ca, csr=good)
    bad = csr("bad", x509.SubjectAlternativeName([x509.DNSName("example.org")]))
    body = {"csr": bad, "sign_verbatim": True}
    refused(await blazon.call("POST", f"{API}/cas/{ca['id']}/certificates/sign", body), 422, "example.org")
    refused(await blazon.call("POST", f"{API}/cas", ca_body(name_constraints={"permitted_dns": ["a b"]})), 422)


async def test_subjects_beyond_ascii(blazon: Running) -> None:
    ca = await make_ca(blazon, "Autoridad de Certificación 日本")
    assert (await blazon.ok("GET", f"{API}/cas/{ca['id']}"))["subject"]["common_name"].endswith("日本")
    for wrong in ({"common_name": "a\u0007b"}, {"common_name": "x" * 65}, {"common_name": "x", "country": "es"}):
        refused(await blazon.call("POST", f"{API}/cas", ca_body(subject=wrong)), 422)
    refused(await blazon.call("POST", f"{API}/cas", ca_body(subject={})), 400, "common_name")


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"key_metadata": {"type": "RSA", "bits": 1024}}, 422),
        ({"key_metadata": {"type": "DSA", "bits": 1024}}, 400),
        ({"key_metadata": {"type": "ECDSA", "bits": 224}}, 422),
        ({"ca_expiration": lasting("-1d")}, 400),
        ({"ca_expiration": lasting("0s")}, 400),
        ({"ca_expiration": lasting("soon")}, 400),
        ({"ca_expiration": {"type": "Time", "time": "2020-01-01T00:00:00Z"}}, 400),
        ({"parent_id": "nobody"}, 404),
        ({"profile_id": "none"}, 404),
        ({"path_length": -1}, 400),
        ({"path_length": 256}, 400),
        ({"near_expiration": "soon"}, 400),
        ({"metadata": {"x": "y" * 70_000}}, 422),
    ],
)
async def test_bad_cas(blazon: Running, more: dict[str, Any], status: int) -> None:
    before = await blazon.ok("GET", f"{API}/stats")
    refused(await blazon.call("POST", f"{API}/cas", ca_body(**more)), status)
    assert await blazon.ok("GET", f"{API}/stats") == before


async def test_bad_imports(blazon: Running, ca: Any) -> None:
    certificate = base64.b64decode(ca["certificate"])
    broken_key = raw(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    for body in (
        {"ca": ""},
        {"ca": raw(certificate[:-30])},
        {"ca": raw(decoded(ca).public_bytes(Encoding.DER) + b"\0\1")},
        {
            "ca": ca["certificate"],
            "private_key": broken_key,
        },
    ):
        answer = await blazon.call("POST", f"{API}/cas/import", body)
        refused(answer, 400)
        assert "PRIVATE KEY-----\\nAAAA" not in answer.body.decode()
    refused(await blazon.call("POST", f"{API}/cas/import", {"ca": ca["certificate"]}), 409, ca["id"])
    leaf = decoded(await sign(blazon, ca))
    refused(await blazon.call("POST", f"{API}/cas/import", {"ca": pem(leaf)}), 422)


@pytest.mark.parametrize(
    "request_",
    [b"", b"\x30", b"\x30\x00", b"\x30\x03\x02\x01\x01", b"hello", bytes(20_000), b"\x30\x84\xff\xff\xff\xff"],
)
async def test_malformed_ocsp_requests(blazon: Running, request_: bytes) -> None:
    malformed = bytes.fromhex("30030a0101")
    answer = await blazon.call("POST", "/api/va/ocsp", data=request_, token="")
    assert (answer.status, answer.body) == (200, malformed)
    path = base64.b64encode(request_).decode().replace("/", "%2F").replace("+", "%2B")
    if request_ and len(path) < 8000:
        answer = await blazon.call("GET", f"/api/va/ocsp/{path}", token="")
        assert (answer.status, answer.body) == (200, malformed)


async def test_paths_that_are_none(blazon: Running) -> None:
    refused(await blazon.call("GET", "/api/va/nothing", token=""), 404)
    refused(await blazon.call("PUT", "/api/va/ocsp", token=""), 405)
    refused(await blazon.call("GET", f"{API}/nothing"), 404)
    problem = await blazon.call("GET", f"{API}/cas/none", headers={"Accept": "application/problem+json"})
    assert (problem.status, problem.json["detail"]) == (404, "CA not found")
