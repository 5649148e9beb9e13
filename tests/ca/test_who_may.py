"""Who may manage the PKI: an admin and a user with the role `pki`; for validation nobody needs to sign in (C13)."""

from typing import Any

import pytest

from tests.ca.support import API, ca_body, csr, make_ca, refused, revoke, sign
from tests.running import Person, Running


@pytest.fixture(scope="module")
async def ca(blazon: Running) -> Any:
    return await make_ca(blazon, "Guarded")


async def routes_of(blazon: Running) -> list[tuple[str, str, dict[str, Any]]]:
    """Every route of the CA API with its declaration."""
    document = (await blazon.call("GET", "/openapi.json")).json
    return [
        (method.upper(), path, declared)
        for path, methods in document["paths"].items()
        for method, declared in methods.items()
        if path.startswith(API)
    ]


def well_formed(ca: Any, method: str, path: str) -> Any:
    """A body that can be read, so that the answer is about the caller."""
    bodies: dict[str, Any] = {
        f"{API}/cas": ca_body(),
        f"{API}/cas/import": {"ca": ca["certificate"]},
        f"{API}/cas/{{id}}/status": {"status": "REVOKED"},
        f"{API}/cas/{{id}}/metadata": {"metadata": {}},
        f"{API}/cas/{{id}}/certificates": {"subject": {"common_name": "x"}, "key_metadata": ca["key_metadata"]},
        f"{API}/cas/{{id}}/certificates/sign": {"csr": csr(), "sign_verbatim": True},
        f"{API}/certificates/import": {"certificate": ca["certificate"]},
        f"{API}/certificates/{{sn}}/status": {"status": "REVOKED"},
        f"{API}/certificates/{{sn}}/metadata": {"metadata": {}},
        f"{API}/requests": {k: v for k, v in ca_body().items() if k != "ca_expiration"},
        f"{API}/requests/{{id}}/certificate": {"certificate": ca["certificate"]},
        f"{API}/profiles": {"name": "p", "profile": {}},
        f"{API}/profiles/{{id}}": {"name": "p", "profile": {}},
    }
    signature = {"message": "YQ==", "message_type": "raw", "signature_algorithm": "ECDSA_SHA_256"}
    if path.endswith("/signature/sign"):
        return signature
    if path.endswith("/signature/verify"):
        return {**signature, "signature": "YQ=="}
    return None if method in ("GET", "DELETE") else bodies[path]


async def ask_everything(blazon: Running, ca: Any, token: str, status: int) -> None:
    routes = await routes_of(blazon)
    assert len(routes) > 30
    before = await blazon.ok("GET", f"{API}/stats")
    for method, path, _ in routes:
        target = path.replace("{id}", ca["id"]).replace("{sn}", ca["serial_number"]).replace("{status}", "ACTIVE")
        answer = await blazon.call(method, target.replace("{cn}", "x"), well_formed(ca, method, path), token=token)
        refused(answer, status)
    assert await blazon.ok("GET", f"{API}/stats") == before


async def test_nobody_may_anything(blazon: Running, ca: Any) -> None:
    await ask_everything(blazon, ca, "", 401)


async def test_a_user_may_nothing(blazon: Running, ca: Any) -> None:
    await ask_everything(blazon, ca, (await blazon.person("plain")).token, 403)


async def pki_person(blazon: Running) -> Person:
    """A user whom an admin made one who manages the PKI."""
    identity = "pki@example.com"
    body = {"name": "pki", "credentials": {"identity": identity, "secret": "12345678"}, "role": "pki"}
    await blazon.ok("POST", "/users", body)
    return await blazon.sign_in(identity)


async def test_the_role_pki_may(blazon: Running) -> None:
    person = await pki_person(blazon)
    ca = await blazon.ok("POST", f"{API}/cas", ca_body("By the role"), token=person.token)
    body = {"csr": csr(), "sign_verbatim": True}
    path = f"{API}/cas/{ca['id']}/certificates/sign"
    assert (await blazon.call("POST", path, body, token=person.token)).status == 201
    await blazon.ok("POST", f"/users/{person.id}/disable")
    refused(await blazon.call("POST", path, body, token=person.token), 401)


async def test_validation_needs_no_token(blazon: Running, ca: Any) -> None:
    certificate = await sign(blazon, ca)
    await revoke(blazon, certificate)
    for path, kind in (
        (f"/api/va/crl/{ca['id']}", "application/pkix-crl"),
        (f"/api/va/ca/{ca['id']}", "application/pkix-cert"),
    ):
        answer = await blazon.call("GET", path, token="")
        assert (answer.status, answer.headers["Content-Type"]) == (200, kind)
    answer = await blazon.call("POST", "/api/va/ocsp", data=b"\x30\x00", token="")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/ocsp-response")
    refused(await blazon.call("GET", "/api/va/crl/nobody", token=""), 404, "CA not found")
