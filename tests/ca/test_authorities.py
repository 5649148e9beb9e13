"""CAs: made, imported, requested, read, changed, deleted."""

import base64
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.ca.support import (
    API,
    ca_body,
    csr,
    decoded,
    encoded,
    eventually,
    key_pem,
    lasting,
    make_ca,
    openssl,
    outside_ca,
    pem,
    refused,
    set_ca_status,
    sign,
    until,
    write,
)
from tests.running import Running

KEYS = [
    *(("RSA", bits) for bits in (2048, 3072, 4096)),
    *(("ECDSA", bits) for bits in (256, 384, 521)),
    ("Ed25519", 256),
    *(("ML-DSA", bits) for bits in (44, 65, 87)),
]


@pytest.mark.parametrize(("kind", "bits"), KEYS)
async def test_every_kind_of_key(blazon: Running, tmp_path: Path, kind: str, bits: int) -> None:
    root = await make_ca(blazon, f"Root {kind} {bits}", key_metadata={"type": kind, "bits": bits})
    sub = await make_ca(blazon, f"Sub {kind} {bits}", parent_id=root["id"], ca_expiration=lasting("5y"))
    assert root["key_metadata"]["bits"] == bits
    assert (root["level"], sub["level"]) == (0, 1)
    issuer = {"serial_number": root["serial_number"], "ca_id": root["id"], "id": root["id"]}
    assert root["issuer_metadata"] == sub["issuer_metadata"] == {**issuer, "level": 0}
    leaf = await sign(blazon, sub)
    if kind == "ML-DSA":  # Debian's OpenSSL does not know it yet
        decoded(leaf).verify_directly_issued_by(decoded(sub))
        decoded(sub).verify_directly_issued_by(decoded(root))
        return
    named = (("root", root), ("sub", sub), ("leaf", leaf))
    root_file, sub_file, leaf_file = (write(tmp_path, f"{name}.pem", body) for name, body in named)
    found = await openssl("verify", "-x509_strict", "-CAfile", root_file, "-untrusted", sub_file, leaf_file)
    assert found.returncode == 0, found.stdout + found.stderr


async def test_strength_is_by_the_size(blazon: Running) -> None:
    strengths = {}
    for kind, bits in (("RSA", 2048), ("RSA", 3072), ("ECDSA", 256), ("Ed25519", 256), ("ML-DSA", 44)):
        ca = await make_ca(blazon, "Strong", key_metadata={"type": kind, "bits": bits})
        strengths[kind, bits] = ca["key_metadata"]["strength"]
    assert strengths.pop(("RSA", 2048)) == "MEDIUM"
    assert set(strengths.values()) == {"HIGH"}


async def test_an_id_may_be_chosen_once(blazon: Running) -> None:
    made = await make_ca(blazon, "Chosen", id="my-ca.1")
    assert made["id"] == "my-ca.1"
    refused(await blazon.call("POST", f"{API}/cas", ca_body("Again", id="my-ca.1")), 409, "CA already exists")
    for wrong in ("no/slash", ".", ".."):
        refused(await blazon.call("POST", f"{API}/cas", ca_body(id=wrong)), 400, "the id of a CA")


async def test_a_name_that_says_two_is_an_error(blazon: Running) -> None:
    await make_ca(blazon, "A.name", id="an.id")
    refused(await blazon.call("POST", f"{API}/cas", ca_body("Another", id="A.name")), 409, "choose another id")
    refused(await blazon.call("POST", f"{API}/cas", ca_body("an.id")), 409, "choose another name")
    certificate, _ = outside_ca("an.id")
    refused(await blazon.call("POST", f"{API}/cas/import", {"ca": pem(certificate)}), 409, "choose another name")
    await make_ca(blazon, "same.twice", id="same.twice")
    for name in ("One of three", "Two of three", "Three of three"):
        certificate, _ = outside_ca(name, serial=7)
        await blazon.ok("POST", f"{API}/cas/import", {"ca": pem(certificate)})
    refused(await blazon.call("POST", f"{API}/cas/import", {"ca": pem(certificate)}), 409, "is that of the CA")
    refused(await blazon.call("GET", f"{API}/cas/sn/07"), 409, "several CAs")


async def test_a_ca_is_found_by_id_name_and_serial(blazon: Running) -> None:
    made = await make_ca(blazon, "Only one")
    for path in (made["id"], "Only%20one", f"sn/{made['serial_number']}"):
        assert (await blazon.ok("GET", f"{API}/cas/{path}"))["id"] == made["id"]
    page = await blazon.ok("GET", f"{API}/cas/cn/Only%20one")
    assert [ca["id"] for ca in page["list"]] == [made["id"]]
    refused(await blazon.call("GET", f"{API}/cas/nobody"), 404, "CA not found")
    refused(await blazon.call("GET", f"{API}/cas/sn/00-11"), 404, "CA not found")
    other = await make_ca(blazon, "Only one")
    refused(await blazon.call("GET", f"{API}/cas/Only%20one"), 409, "several CAs")
    assert len((await blazon.ok("GET", f"{API}/cas/cn/Only%20one"))["list"]) == 2
    assert (await blazon.ok("GET", f"{API}/cas/{other['id']}"))["id"] == other["id"]


async def test_expirations(blazon: Running) -> None:
    made = await make_ca(
        blazon, ca_expiration=until("9999-12-31T23:59:59Z"), issuance_expiration=lasting("1y2w3d4h5m6s")
    )
    assert made["valid_to"] == "9999-12-31T23:59:59Z"
    # Clients of the API read `time` as a time (RFC 3339) wherever it is.
    assert made["issuance_expiration"] == lasting("1y2w3d4h5m6s")
    timed = await make_ca(blazon, "Timed", issuance_expiration=until("2030-01-01T00:00:00Z"))
    assert timed["issuance_expiration"] == until("2030-01-01T00:00:00Z")
    for wrong in (
        {"type": "Time", "duration": "1y"},
        {"type": "Duration", "time": "2030-01-01T00:00:00Z"},
        {"type": ""},
    ):
        answer = await blazon.call("POST", f"{API}/cas", ca_body(issuance_expiration=wrong))
        refused(answer, 400, "incompatible expiration time ref")
    answer = await blazon.call("POST", f"{API}/cas", ca_body(issuance_expiration=lasting("11y")))
    refused(answer, 400, "issuance expiration greater than CA expiration")


async def test_a_child_must_not_outlive_its_parent(blazon: Running) -> None:
    root = await make_ca(blazon, "Short", ca_expiration=lasting("1y"), issuance_expiration=lasting("1d"))
    body = ca_body("Long", parent_id=root["id"], ca_expiration=lasting("2y"))
    refused(await blazon.call("POST", f"{API}/cas", body), 422, "outlive")
    assert (await blazon.ok("GET", f"{API}/cas/cn/Long"))["list"] == []


async def test_path_length_is_heeded(blazon: Running) -> None:
    root = await make_ca(blazon, "Path", path_length=1)
    below = await make_ca(blazon, "Below", parent_id=root["id"], ca_expiration=lasting("5y"))
    assert decoded(below).extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0
    body = ca_body("Too deep", parent_id=below["id"], ca_expiration=lasting("4y"))
    refused(await blazon.call("POST", f"{API}/cas", body), 422, "path length")


async def test_import_with_a_key(blazon: Running) -> None:
    certificate, private_key = outside_ca("Brought")
    body = {"ca": pem(certificate), "private_key": encoded(key_pem(private_key)), "issuance_expiration": lasting("30d")}
    body |= {"ca_chain": None, "ca_type": ""}  # as clients in Go send what they do not say
    made = await blazon.ok("POST", f"{API}/cas/import", body)
    assert (made["type"], made["engine_id"], made["metadata"]) == (
        "IMPORTED",
        "software",
        {"lamassu.io/name": "Brought"},
    )
    leaf = decoded(await sign(blazon, made))
    leaf.verify_directly_issued_by(certificate)
    refused(await blazon.call("POST", f"{API}/cas/import", body), 409, "CA already exists")
    other = {**body, "ca": pem(outside_ca("Other")[0])}
    refused(await blazon.call("POST", f"{API}/cas/import", other), 400, "CA and the provided key don't match")
    wrong = {**body, "ca_type": "MANAGED"}
    refused(await blazon.call("POST", f"{API}/cas/import", wrong), 400, "CA type inconsistent")


async def test_import_of_a_certificate_only(blazon: Running) -> None:
    above = outside_ca("Foreign root")
    certificate, _ = outside_ca("Foreign", above=above)
    body = {"ca": pem(certificate), "ca_chain": [pem(above[0])], "ca_type": "EXTERNAL"}
    made = await blazon.ok("POST", f"{API}/cas/import", body)
    assert (made["type"], made["level"], made["issuer_metadata"]["ca_id"]) == ("EXTERNAL", -1, "-")
    assert len((await blazon.ok("GET", f"{API}/cas/{made['id']}/chain"))["chain"]) == 2
    answer = await blazon.call(
        "POST", f"{API}/cas/{made['id']}/certificates/sign", {"csr": csr(), "sign_verbatim": True}
    )
    refused(answer, 400, "CA type inconsistent")
    wrong = {**body, "ca": pem(outside_ca("Alone")[0])}
    refused(await blazon.call("POST", f"{API}/cas/import", wrong), 422, "not signed by")
    leaf = pem(outside_ca("Leaf", above=above, is_ca=False)[0])
    refused(await blazon.call("POST", f"{API}/cas/import", {"ca": leaf}), 422, "not that of a CA")


async def test_a_request_for_an_outside_parent(blazon: Running) -> None:
    body = {name: value for name, value in ca_body("Requested").items() if name != "ca_expiration"}
    pending = await blazon.ok("POST", f"{API}/requests", body)
    request = x509.load_pem_x509_csr(base64.b64decode(pending["csr"]))
    assert request.is_signature_valid
    above = outside_ca("Corporate root")
    foreign, _ = outside_ca("Requested", above=above)
    path = f"{API}/requests/{pending['id']}/certificate"
    refused(await blazon.call("POST", path, {"certificate": pem(foreign)}), 400, "don't match")
    certificate, _ = outside_ca("Requested", above=above, subject_key=_Public(request.public_key()))
    made = await blazon.ok("POST", path, {"certificate": pem(certificate), "ca_chain": [pem(above[0])]})
    assert (made["id"], made["type"]) == (pending["id"], "MANAGED")
    refused(await blazon.call("GET", f"{API}/requests/{pending['id']}"), 404)
    decoded(await sign(blazon, made)).verify_directly_issued_by(certificate)


async def test_a_requested_ca_issues_as_was_asked_or_as_its_certificate_allows(blazon: Running) -> None:
    profile = {"name": "of a request", "profile": {"subject": {"organization": "By profile"}}}
    stored = await blazon.ok("POST", f"{API}/profiles", profile)
    body = {name: value for name, value in ca_body("Short-lived").items() if name != "ca_expiration"}
    body |= {"profile_id": "of a request", "near_expiration": "3d", "critical_expiration": "2d"}
    above = outside_ca("Strict root")
    for given in ({}, {"profile_id": "", "near_expiration": "5d"}):
        pending = await blazon.ok("POST", f"{API}/requests", body)
        refused(await blazon.call("DELETE", f"{API}/profiles/{stored['id']}"), 409, "issues by this profile")
        request = x509.load_pem_x509_csr(base64.b64decode(pending["csr"]))
        certificate, _ = outside_ca("Short-lived", above=above, subject_key=_Public(request.public_key()), days=90)
        path, complete = f"{API}/requests/{pending['id']}/certificate", {"certificate": pem(certificate), **given}
        answer = await blazon.call("POST", path, complete)
        refused(answer, 400, "issuance expiration greater than CA expiration")
        made = await blazon.ok("POST", path, {**complete, "issuance_expiration": lasting("30d")})
        assert made["issuance_expiration"] == lasting("4w2d")
        assert made["profile_id"] == ("" if given else stored["id"])
        leaf = await sign(blazon, made)
        assert leaf["subject"]["organization"] == ("" if given else "By profile")


class _Public:
    """A key of which only the public half is known."""

    def __init__(self, key: Any) -> None:
        self._key = key

    def public_key(self) -> Any:
        return self._key


async def test_a_request_can_be_given_up(blazon: Running) -> None:
    body = {name: value for name, value in ca_body("Given up").items() if name != "ca_expiration"}
    pending = await blazon.ok("POST", f"{API}/requests", body)
    assert pending["id"] in {each["id"] for each in (await blazon.ok("GET", f"{API}/requests"))["list"]}
    await blazon.ok("DELETE", f"{API}/requests/{pending['id']}")
    refused(await blazon.call("GET", f"{API}/requests/{pending['id']}"), 404)


async def test_status_goes_only_where_it_may(blazon: Running) -> None:
    ca = await make_ca(blazon, "Status")
    path = f"{API}/cas/{ca['id']}/status"
    for wrong in ("ACTIVE", "NEARING_EXPIRATION"):
        refused(await blazon.call("POST", path, {"status": wrong}), 422, "status transition not allowed for CA")
    held = await blazon.call("POST", path, {"status": "REVOKED", "revocation_reason": "certificatehold"})
    assert (held.status, held.json["revocation_reason"]) == (201, "CertificateHold")
    refused(
        await blazon.call("POST", f"{API}/cas/{ca['id']}/certificates/sign", {"csr": "", "sign_verbatim": True}), 400
    )
    released = await set_ca_status(blazon, ca, "ACTIVE")
    assert (released["status"], released["revocation_timestamp"]) == ("ACTIVE", "0001-01-01T00:00:00Z")
    assert "revocation_reason" not in released
    await set_ca_status(blazon, ca, "REVOKED", "CACompromise")
    refused(await blazon.call("POST", path, {"status": "REVOKED"}), 400, "CA already revoked")
    refused(await blazon.call("POST", path, {"status": "ACTIVE"}), 422, "final")


async def test_delete_has_its_rules(blazon: Running) -> None:
    root = await make_ca(blazon, "Doomed")
    below = await make_ca(blazon, "Doomed too", parent_id=root["id"], ca_expiration=lasting("5y"))
    refused(await blazon.call("DELETE", f"{API}/cas/{root['id']}"), 400, "CA Status inconsistent")
    await set_ca_status(blazon, root, "REVOKED")
    refused(await blazon.call("DELETE", f"{API}/cas/{root['id']}"), 409, "below")

    async def followed() -> bool:
        return bool((await blazon.ok("GET", f"{API}/cas/{below['id']}"))["status"] == "REVOKED")

    await eventually(followed)
    assert await blazon.ok("DELETE", f"{API}/cas/{below['id']}") == {}
    assert await blazon.ok("DELETE", f"{API}/cas/{root['id']}") == {}
    refused(await blazon.call("GET", f"{API}/cas/{root['id']}"), 404)


async def test_metadata_is_replaced(blazon: Running) -> None:
    ca = await make_ca(blazon, "Meta", metadata={"a": 1})
    assert ca["metadata"] == {"a": 1}
    changed = await blazon.ok("PUT", f"{API}/cas/{ca['id']}/metadata", {"metadata": {"b": {"c": [1, None]}}})
    assert changed["metadata"] == {"b": {"c": [1, None]}}
    answer = await blazon.call("GET", f"{API}/cas/{ca['id']}")
    stale = {"If-Match": '"1"'}
    refused(await blazon.call("PUT", f"{API}/cas/{ca['id']}/metadata", {"metadata": {}}, headers=stale), 412)
    fresh = {"If-Match": answer.headers["ETag"]}
    assert (await blazon.call("PUT", f"{API}/cas/{ca['id']}/metadata", {"metadata": {}}, headers=fresh)).status == 200


async def test_a_repeated_request_makes_one_ca(blazon: Running) -> None:
    key = {"Idempotency-Key": "one-ca"}
    first = await blazon.ok("POST", f"{API}/cas", ca_body("Once"), headers=key)
    again = await blazon.ok("POST", f"{API}/cas", ca_body("Once"), headers=key)
    assert first == again
    assert len((await blazon.ok("GET", f"{API}/cas/cn/Once"))["list"]) == 1


async def test_engines_and_counts(blazon: Running) -> None:
    (engine,) = await blazon.ok("GET", f"{API}/engines")
    assert list(engine) == [
        "type",
        "security_level",
        "provider",
        "name",
        "metadata",
        "supported_key_types",
        "additional_key_types",
        "id",
        "default",
    ]
    assert engine["default"] is True
    before = await blazon.ok("GET", f"{API}/stats")
    ca = await make_ca(blazon, "Counted")
    await sign(blazon, ca)
    after = await blazon.ok("GET", f"{API}/stats")
    assert after["cas"]["total"] == before["cas"]["total"] + 1
    assert after["certificates"]["ca_distribution"][ca["id"]] == 1
    none = dict.fromkeys(("NEARING_EXPIRATION", "CRITICAL_EXPIRATION", "EXPIRED", "REVOKED"), 0)
    assert await blazon.ok("GET", f"{API}/stats/{ca['id']}") == {"ACTIVE": 1, **none}
    refused(await blazon.call("POST", f"{API}/cas", ca_body(engine_id="nowhere")), 404, "crypto engine not found")


async def test_raw_signatures(blazon: Running) -> None:
    ca = await make_ca(blazon, "Raw")
    path = f"{API}/cas/{ca['id']}/signature"
    body = {"message": "aGVsbG8=", "message_type": "raw", "signature_algorithm": "ECDSA_SHA_256"}
    signed = (await blazon.ok("POST", f"{path}/sign", body))["signed_data"]
    assert await blazon.ok("POST", f"{path}/verify", {**body, "signature": signed}) == {"valid": True}
    other = {**body, "message": "aGVsbG8h", "signature": signed}
    assert await blazon.ok("POST", f"{path}/verify", other) == {"valid": False}
    wrong = {**body, "signature_algorithm": "RSASSA_PSS_SHA_256"}
    refused(await blazon.call("POST", f"{path}/sign", wrong), 422, "signing algorithm not supported")
    refused(await blazon.call("POST", f"{path}/sign", {**body, "message_type": "hash"}), 400, "inconsistency")
    refused(await blazon.call("POST", f"{path}/sign", {**body, "message": "%"}), 400, "base64")
