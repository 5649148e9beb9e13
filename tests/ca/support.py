"""What the tests of this room share: a PKI over HTTP, requests of every kind, and OpenSSL's opinion."""

import asyncio
import base64
import subprocess
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.running import Answer, Running

API = "/api/ca/v1"
PATIENCE = 15.0
"""Seconds a test waits for what must happen."""

SUBJECT = {
    "common_name": "BootstrapCA",
    "organization": "Ikerlan",
    "organization_unit": "ZPD",
    "country": "ES",
    "state": "Gipuzkoa",
    "locality": "Arrasate",
}
P256 = {"type": "ECDSA", "bits": 256}


def lasting(duration: str) -> dict[str, str]:
    """An expiration after a duration."""
    return {"type": "Duration", "duration": duration}


def until(time: str) -> dict[str, str]:
    """An expiration at a time."""
    return {"type": "Time", "time": time}


def ca_body(name: str = "CA", **more: Any) -> dict[str, Any]:
    """A CA to make."""
    return {
        "subject": {"common_name": name},
        "key_metadata": P256,
        "ca_expiration": lasting("10y"),
        "issuance_expiration": lasting("1y"),
        **more,
    }


async def make_ca(blazon: Running, name: str = "CA", **more: Any) -> Any:
    """Makes a CA."""
    return await blazon.ok("POST", f"{API}/cas", ca_body(name, **more))


def encoded(pem: bytes | str) -> str:
    """Base64 of PEM, as the API has it."""
    return base64.b64encode(pem if isinstance(pem, bytes) else pem.encode()).decode()


def decoded(body: Any) -> x509.Certificate:
    """The certificate in an answer."""
    return x509.load_pem_x509_certificate(base64.b64decode(body["certificate"]))


def key(number: int = 0) -> ec.EllipticCurvePrivateKey:
    """A key of a client; the same number is the same key."""
    return _key(number)


@cache
def _key(_: int) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(private_key: Any) -> bytes:
    """A private key in PKCS #8."""
    return private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())  # type: ignore[no-any-return]


def csr(name: str = "device", *extensions: x509.ExtensionType, number: int = 0) -> str:
    """A request as the API takes it."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return encoded(builder.sign(key(number), SHA256()).public_bytes(Encoding.PEM))


def outside_ca(
    name: str = "Outside",
    *,
    subject_key: Any = None,
    above: tuple[x509.Certificate, Any] | None = None,
    days: int = 3650,
    is_ca: bool = True,
    path_length: int | None = None,
    serial: int = 0,
    usage: x509.KeyUsage | None = None,
    key_id: bytes | None = b"",
) -> tuple[x509.Certificate, Any]:
    """A CA made elsewhere, and its key: a root, or below another one. `subject_key` may be a public key alone.

    `key_id` is the subject key identifier; an empty one is the SHA-1 of the key, None is none.
    """
    private_key = subject_key or ec.generate_private_key(ec.SECP256R1())
    public_key = private_key.public_key() if hasattr(private_key, "public_key") else private_key
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC).replace(microsecond=0)
    issuer, signer = (subject, private_key) if above is None else (above[0].subject, above[1])
    own_id = x509.SubjectKeyIdentifier(key_id) if key_id else x509.SubjectKeyIdentifier.from_public_key(public_key)
    above_id = own_id if above is None else _key_id_of(above[0])
    builder = (
        x509.CertificateBuilder(issuer, subject, public_key)
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(is_ca, path_length), critical=True)
    )
    if key_id is not None:
        builder = builder.add_extension(own_id, critical=False)
    if above is not None or key_id is not None:
        authority_id = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(above_id)
        builder = builder.add_extension(authority_id, critical=False)
    if usage is not None:
        builder = builder.add_extension(usage, critical=True)
    return builder.sign(signer, SHA256()), private_key


def _key_id_of(certificate: x509.Certificate) -> x509.SubjectKeyIdentifier:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.SubjectKeyIdentifier.from_public_key(certificate.public_key())  # type: ignore[arg-type]


def pem(certificate: x509.Certificate) -> str:
    """A certificate as the API takes it."""
    return encoded(certificate.public_bytes(Encoding.PEM))


async def bring_ca(blazon: Running, certificate: x509.Certificate, private_key: Any = None, **more: Any) -> Any:
    """Imports a CA: with its key, for certificates of nine days, or without."""
    if private_key is not None:
        more = {"private_key": encoded(key_pem(private_key)), "issuance_expiration": lasting("9d"), **more}
    return await blazon.ok("POST", f"{API}/cas/import", {"ca": pem(certificate), **more})


async def bring(blazon: Running, certificate: x509.Certificate) -> Any:
    """Imports a certificate."""
    return await blazon.ok("POST", f"{API}/certificates/import", {"certificate": pem(certificate)})


async def delete_ca(blazon: Running, ca: Any) -> None:
    """Deletes a CA."""
    await blazon.ok("DELETE", f"{API}/cas/{ca['id']}")


async def view_ca(blazon: Running, ca: Any) -> Any:
    """A CA as it is now."""
    return await blazon.ok("GET", f"{API}/cas/{ca['id']}")


async def sign(blazon: Running, ca: Any, name: str = "device", **more: Any) -> Any:
    """Issues a certificate for a request with its own subject."""
    body = {"csr": csr(name), "sign_verbatim": True, **more}
    return await blazon.ok("POST", f"{API}/cas/{ca['id']}/certificates/sign", body)


async def revoke(blazon: Running, certificate: Any, reason: str = "KeyCompromise") -> Any:
    """Revokes a certificate."""
    return await set_status(blazon, certificate, "REVOKED", reason)


async def set_status(blazon: Running, certificate: Any, status: str, reason: str | None = None) -> Any:
    """Sets the status of a certificate."""
    body = {"status": status, **({} if reason is None else {"revocation_reason": reason})}
    return await blazon.ok("PUT", f"{API}/certificates/{certificate['serial_number']}/status", body)


async def set_ca_status(blazon: Running, ca: Any, status: str, reason: str | None = None) -> Any:
    """Sets the status of a CA."""
    body = {"status": status, **({} if reason is None else {"revocation_reason": reason})}
    return await blazon.ok("POST", f"{API}/cas/{ca['id']}/status", body)


def refused(answer: Answer, status: int, reason: str = "") -> None:
    """The answer is an error of the CA API with this status, and what it says holds these words."""
    assert answer.status == status, (answer.status, answer.body)
    assert set(answer.json) in ({"err"}, {"err", "detail"})
    assert all(answer.json.values())
    assert reason in answer.reason, answer.json


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    """Waits until something is so."""
    async with asyncio.timeout(PATIENCE):
        while not await check():
            await asyncio.sleep(0.02)


async def crl_of(blazon: Running, ca: Any) -> x509.CertificateRevocationList:
    """The CRL of a CA."""
    answer = await blazon.call("GET", f"/api/va/crl/{ca['id']}", token="")
    assert answer.status == 200, answer.body
    assert answer.headers["Content-Type"] == "application/pkix-crl"
    return x509.load_der_x509_crl(answer.body)


def serial_of(body: Any) -> int:
    """The serial number in an answer."""
    return int(body["serial_number"].replace("-", ""), 16)


def write(folder: Path, name: str, *bodies: Any) -> Path:
    """Writes certificates of answers into one PEM file."""
    path = folder / name
    path.write_bytes(b"".join(base64.b64decode(body["certificate"]) for body in bodies))
    return path


async def openssl(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs OpenSSL."""
    command = ["openssl", *map(str, arguments)]
    return await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False, timeout=30)
