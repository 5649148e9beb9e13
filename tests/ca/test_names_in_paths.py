"""CAs in paths: those whose name has a slash can be called by it, and none has an id that the paths have a word for."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.ca.support import API, ca_body, csr, encoded, key_pem, lasting, make_ca, outside_ca, pem, refused
from tests.running import Running
from tests.web.support import request, wire

NAMES = [
    "Plant/1",
    "/",
    "//",
    "a/b/c",
    "/Plant",
    "Plant/",
    "50%",
    "%2F",
    "a%2Fb",
    "a b/ü日本",
    "?",
    "a#b",
    "a;b=c",
    "a+b",
]


def step(name: str) -> str:
    """A name as one step of a path (RFC 3986 §2.1)."""
    return quote(name, safe="")


@pytest.mark.parametrize("name", NAMES)
async def test_a_ca_is_called_by_any_name_it_may_have(blazon: Running, name: str) -> None:
    made = await make_ca(blazon, name)
    path = f"{API}/cas/{step(name)}"
    assert (await blazon.ok("GET", path))["id"] == made["id"]
    (listed,) = (await blazon.ok("GET", f"{API}/cas/cn/{step(name)}"))["list"]
    assert listed["id"] == made["id"]
    assert (await blazon.ok("GET", f"{path}/chain"))["chain"] == [made["certificate"]]
    for method in ("PUT", "POST"):
        changed = await blazon.ok(method, f"{path}/metadata", {"metadata": {"by": method}})
        assert (changed["id"], changed["metadata"]) == (made["id"], {"by": method})
    leaf = await blazon.ok("POST", f"{path}/certificates/sign", {"csr": csr(), "sign_verbatim": True})
    assert leaf["issuer_metadata"]["ca_id"] == made["id"]
    subject = {"subject": {"common_name": "keyed"}, "key_metadata": {"type": "ECDSA", "bits": 256}}
    await blazon.ok("POST", f"{path}/certificates", subject)
    assert len((await blazon.ok("GET", f"{path}/certificates"))["list"]) == 2
    assert len((await blazon.ok("GET", f"{path}/certificates/status/ACTIVE"))["list"]) == 2
    assert await blazon.ok("GET", f"{path}/certificates/{leaf['serial_number']}") == leaf
    assert (await blazon.ok("GET", f"{API}/stats/{step(name)}"))["ACTIVE"] == 2
    message = {"message": "aGVsbG8=", "message_type": "raw", "signature_algorithm": "ECDSA_SHA_256"}
    signed = await blazon.ok("POST", f"{path}/signature/sign", message)
    verified = {**message, "signature": signed["signed_data"]}
    assert await blazon.ok("POST", f"{path}/signature/verify", verified) == {"valid": True}
    below = await make_ca(blazon, f"Below {name}", parent_id=name, ca_expiration=lasting("5y"))
    assert below["issuer_metadata"]["ca_id"] == made["id"]
    await blazon.ok("POST", f"{API}/cas/{step(below['subject']['common_name'])}/status", {"status": "EXPIRED"})
    await blazon.ok("DELETE", f"{API}/cas/{below['id']}")
    await blazon.ok("POST", f"{path}/status", {"status": "EXPIRED"})
    await blazon.ok("DELETE", path)
    refused(await blazon.call("GET", path), 404, "CA not found")


async def test_a_name_in_pieces_is_another_path(blazon: Running) -> None:
    """What is not encoded ends a step, also where the request comes in pieces."""
    made = await make_ca(blazon, "cn/piece")
    refused(await blazon.call("GET", f"{API}/cas/cn%2Fpiece/nothing"), 404, "nothing at this path")
    assert (await blazon.ok("GET", f"{API}/cas/cn/piece"))["list"] == []  # the list of those with that name
    head = request("GET", f"{API}/cas/cn%2Fpiece", token=blazon.admin.token)
    async with wire(blazon) as connection:
        await connection.send(head[:60])
        await connection.send(head[60:])
        assert (await connection.answer()).json["id"] == made["id"]
        # One that says Expect is served by way of ASGI.
        body = b'{"metadata":{}}'
        slow = request(
            "PUT",
            f"{API}/cas/cn%2Fpiece/metadata",
            ("Content-Type", "application/json"),
            ("Transfer-Encoding", "chunked"),
            token=blazon.admin.token,
        )
        await connection.send(slow)
        await connection.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        assert (await connection.answer()).json["id"] == made["id"]


async def test_a_profile_is_called_by_any_name(blazon: Running) -> None:
    made = await blazon.ok("POST", f"{API}/profiles", {"name": "a/b", "profile": {}})
    assert (await blazon.ok("GET", f"{API}/profiles/a%2Fb"))["id"] == made["id"]


def words_of_paths(document: Any) -> set[str]:
    """What stands in a path where the id of a CA may stand, or after it."""
    found = set()
    for path in document["paths"]:
        for root in (f"{API}/cas/", f"{API}/stats/", f"{API}/requests/"):
            if path.startswith(root):
                found |= {word for word in path.removeprefix(root).split("/") if not word.startswith("{")}
    return found


async def test_no_ca_has_a_word_of_a_path_for_its_id(blazon: Running) -> None:
    words = words_of_paths((await blazon.call("GET", "/openapi.json")).json)
    assert {"cn", "sn", "import", "certificates", "status"} <= words
    certificate, private_key = outside_ca("Called badly")
    brought = {"ca": pem(certificate), "private_key": encoded(key_pem(private_key))}
    asked = {name: value for name, value in ca_body("Called badly").items() if name != "ca_expiration"}
    for word in sorted(
        words | {"simpleenroll", "simplereenroll", "cacerts", "serverkeygen", "csrattrs", "crl", "ocsp"}
    ):
        for path, body in (("cas", ca_body("Called badly")), ("cas/import", brought), ("requests", asked)):
            refused(await blazon.call("POST", f"{API}/{path}", {**body, "id": word}), 400, "word of the paths")
    assert (await blazon.ok("GET", f"{API}/cas/cn/Called%20badly"))["list"] == []


@pytest.mark.parametrize("identifier", ["-", ".", "..", "a.crl", "a.cer", ".crl", "a/b", "ü", "a b", "x" * 65])
async def test_no_ca_has_an_id_by_which_it_cannot_be_reached(blazon: Running, identifier: str) -> None:
    """The addresses of CRLs and certificates may end in .crl and .cer, and `-` is the CA that is not known."""
    refused(await blazon.call("POST", f"{API}/cas", ca_body("Unreached", id=identifier)), 400, "the id of a CA")


@pytest.mark.parametrize("identifier", ["CN", "Import", "cas", "cn1", "-a", "a.crl.b", "x" * 64])
async def test_what_an_id_may_be(blazon: Running, identifier: str) -> None:
    made = await make_ca(blazon, f"Reached {identifier[:8]}", id=identifier)
    assert await blazon.ok("GET", f"{API}/cas/{identifier}") == made
    assert (await blazon.call("GET", f"/api/va/crl/{identifier}.crl", token="")).status == 200
    assert (await blazon.call("GET", f"/api/va/ca/{identifier}.cer", token="")).status == 200
