"""Certificates: issued, imported, listed, changed."""

import asyncio
import base64
import threading
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from blazon.ca.service import certificates as service
from tests.ca.support import (
    API,
    csr,
    decoded,
    key,
    lasting,
    make_ca,
    outside_ca,
    pem,
    refused,
    revoke,
    set_status,
    sign,
    until,
)
from tests.running import Running, running


@pytest.fixture(scope="module")
async def ca(blazon: Running) -> Any:
    return await make_ca(blazon, "Issuer")


def names(certificate: x509.Certificate) -> list[str]:
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return found.get_values_for_type(x509.DNSName)


async def test_verbatim_takes_the_subject_of_the_request(blazon: Running, ca: Any) -> None:
    made = await sign(blazon, ca, "device-1")
    assert made["subject"]["common_name"] == "device-1"
    assert decoded(made).public_key() == key().public_key()
    assert len(made["serial_number"]) == 59
    assert made["status"] == "ACTIVE"


async def test_a_given_subject_replaces_that_of_the_request(blazon: Running, ca: Any) -> None:
    subject = {"common_name": "given", "organization": "Ikerlan", "country": "ES"}
    made = await sign(blazon, ca, "device-2", sign_verbatim=False, subject=subject)
    assert {name: value for name, value in made["subject"].items() if value} == subject
    assert not decoded(made).subject.get_attributes_for_oid(NameOID.LOCALITY_NAME)
    answer = await blazon.call("POST", f"{API}/cas/{ca['id']}/certificates/sign", {"csr": csr()})
    refused(answer, 400, "subject")


async def test_alternative_names_are_honoured(blazon: Running, ca: Any) -> None:
    request = csr("named", x509.SubjectAlternativeName([x509.DNSName("a.example.com"), x509.DNSName("b.example.com")]))
    assert names(decoded(await sign(blazon, ca, csr=request))) == ["a.example.com", "b.example.com"]


async def test_where_to_ask_stands_in_it(tmp_path: Path) -> None:
    flags = {"redis__embedded": "no", "pki__url": "http://pki.example.com/"}
    async with running(tmp_path, **flags) as blazon:
        ca = await make_ca(blazon)
        found = decoded(await sign(blazon, ca)).extensions
    access = found.get_extension_for_class(x509.AuthorityInformationAccess).value
    assert [each.access_location.value for each in access] == [
        "http://pki.example.com/api/va/ocsp",
        f"http://pki.example.com/api/va/ca/{ca['id']}",
    ]
    (point,) = found.get_extension_for_class(x509.CRLDistributionPoints).value
    assert point.full_name is not None
    assert point.full_name[0].value == f"http://pki.example.com/api/va/crl/{ca['id']}"


async def test_profiles(blazon: Running, ca: Any) -> None:
    profile = {
        "validity": lasting("1h"),
        "extended_key_usage": ["clientAuth"],
        "honour_extensions": [],
        "subject": {"organization": "Always"},
        "allowed_keys": [{"type": "ECDSA", "least": 256, "most": 256}],
    }
    stored = await blazon.ok("POST", f"{API}/profiles", {"name": "short", "profile": profile})
    request = csr("profiled", x509.SubjectAlternativeName([x509.DNSName("a.example.com")]))
    made = await sign(blazon, ca, csr=request, profile_id="short")
    certificate = decoded(made)
    lasts = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert 3600 <= lasts.total_seconds() <= 3700
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    with pytest.raises(x509.ExtensionNotFound):
        names(certificate)
    assert made["subject"]["organization"] == "Always"
    by_default = await make_ca(blazon, "By default", profile_id=stored["id"])
    assert (await sign(blazon, by_default))["subject"]["organization"] == "Always"
    refused(await blazon.call("DELETE", f"{API}/profiles/short"), 409, "issues by this profile")
    changed = {**profile, "subject": {"organization": "Changed"}}
    await blazon.ok("PUT", f"{API}/profiles/{stored['id']}", {"name": "short", "profile": changed})
    assert (await sign(blazon, by_default))["subject"]["organization"] == "Changed"
    unused = await blazon.ok("POST", f"{API}/profiles", {"name": "unused", "profile": {}})
    stale = {"If-Match": '"1"'}
    refused(await blazon.call("DELETE", f"{API}/profiles/{unused['id']}", headers=stale), 412)
    await blazon.ok("DELETE", f"{API}/profiles/{unused['id']}")
    wrong = {"name": "w", "profile": {"key_usage": ["keyCertSign"]}}
    refused(await blazon.call("POST", f"{API}/profiles", wrong), 422, "for CAs")
    refused(await blazon.call("POST", f"{API}/profiles", {"name": "short", "profile": {}}), 409)
    unknown = {"csr": csr(), "sign_verbatim": True, "profile_id": "none"}
    path = f"{API}/cas/{ca['id']}/certificates/sign"
    refused(await blazon.call("POST", path, unknown), 404, "issuance profile not found")


@pytest.mark.parametrize("named", [True, False])
async def test_nothing_is_issued_by_a_profile_that_was_changed(
    blazon: Running, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    """The profile changes while the CA signs: what was signed is thrown away, and what is issued is as it says now."""
    body = {"name": f"changing {named}", "profile": {"subject": {"organization": "Old"}}}
    profile = await blazon.ok("POST", f"{API}/profiles", body)
    by_default = {} if named else {"profile_id": profile["id"]}
    slow = await make_ca(blazon, f"Slow {named}", key_metadata={"type": "RSA", "bits": 3072}, **by_default)
    signing, changed = asyncio.Event(), threading.Event()
    loop, original = asyncio.get_running_loop(), service.sign_draft

    def waiting(*arguments: Any) -> x509.Certificate:
        loop.call_soon_threadsafe(signing.set)
        assert changed.wait(10)
        return original(*arguments)

    monkeypatch.setattr(service, "sign_draft", waiting)
    issued = asyncio.create_task(sign(blazon, slow, **({"profile_id": profile["id"]} if named else {})))
    await signing.wait()
    body["profile"] = {"subject": {"organization": "New"}}
    await blazon.ok("PUT", f"{API}/profiles/{profile['id']}", body)
    changed.set()
    assert (await issued)["subject"]["organization"] == "New"


async def test_the_validity_of_a_profile_is_given_as_that_of_a_ca(blazon: Running, ca: Any) -> None:
    for number, validity in enumerate((lasting("1w3d"), until("2035-01-31T12:00:00Z"))):
        body = {"name": f"valid {number}", "profile": {"validity": validity, "beyond_ca": "clip"}}
        stored = await blazon.ok("POST", f"{API}/profiles", body)
        assert stored["profile"]["validity"] == validity
        assert (await blazon.ok("GET", f"{API}/profiles/{stored['id']}"))["profile"]["validity"] == validity
    made = decoded(await sign(blazon, ca, profile_id="valid 0"))
    assert (made.not_valid_after_utc - made.not_valid_before_utc).days == 10
    for wrong, status in (
        ({"type": "Duration"}, 400),
        ({"type": "Time"}, 400),
        (lasting("-1d"), 400),
        (lasting("0s"), 400),
        (lasting("300y"), 400),
        ({"type": "Duration", "duration": 3600}, 400),
        (until("0001-01-01T00:00:00Z"), 400),
    ):
        answer = await blazon.call("POST", f"{API}/profiles", {"name": "w", "profile": {"validity": wrong}})
        refused(answer, status)


async def test_a_policy_no_certificate_can_hold_is_refused(blazon: Running) -> None:
    for oid in ("2.5." + "1234567890." * 20 + "1", "1.40.1", "1"):
        answer = await blazon.call("POST", f"{API}/profiles", {"name": "w", "profile": {"policies": [oid]}})
        refused(answer, 422, "object identifiers")


async def test_a_key_made_by_the_server_is_handed_out_once(blazon: Running, ca: Any) -> None:
    body = {
        "subject": {"common_name": "keyed"},
        "key_metadata": {"type": "Ed25519", "bits": 256},
        "dns_names": ["keyed.example.com"],
        "ip_addresses": ["192.0.2.1"],
    }
    headers = {"Idempotency-Key": "keyed"}
    made = await blazon.ok("POST", f"{API}/cas/{ca['id']}/certificates", body, headers=headers)
    private_key = load_pem_private_key(base64.b64decode(made["private_key"]), None)
    assert decoded(made).public_key() == private_key.public_key()
    assert (names(decoded(made)), made["type"]) == (["keyed.example.com"], "MANAGED")
    again = await blazon.ok("POST", f"{API}/cas/{ca['id']}/certificates", body, headers=headers)
    assert again == {name: value for name, value in made.items() if name != "private_key"}
    wrong = {**body, "key_metadata": {"type": "RSA", "bits": 1024}}
    refused(await blazon.call("POST", f"{API}/cas/{ca['id']}/certificates", wrong), 422, "RSA-1024")
    wrong = {**body, "ip_addresses": ["x"]}
    refused(await blazon.call("POST", f"{API}/cas/{ca['id']}/certificates", wrong), 400, "alternative name")


async def test_import(blazon: Running, ca: Any) -> None:
    certificate, _ = outside_ca("Imported leaf", is_ca=False)
    body = {"certificate": pem(certificate), "metadata": {"from": "elsewhere"}}
    made = await blazon.ok("POST", f"{API}/certificates/import", body)
    assert (made["type"], made["metadata"]) == ("EXTERNAL", {"from": "elsewhere"})
    refused(await blazon.call("POST", f"{API}/certificates/import", body), 409, "certificate already exists")
    other, _ = outside_ca("Counted alike", is_ca=False, serial=certificate.serial_number)
    answer = await blazon.call("POST", f"{API}/certificates/import", {"certificate": pem(other)})
    refused(answer, 409, "of another issuer, has this serial number")


async def test_the_certificate_of_a_ca_is_not_imported_as_any_other(blazon: Running, ca: Any) -> None:
    """It would have two statuses, and OCSP would say good of a CA that is revoked."""
    below = await make_ca(blazon, "Below", parent_id=ca["id"], ca_expiration=lasting("5y"))
    for each in (ca["certificate"], below["certificate"], pem(outside_ca("A CA elsewhere")[0])):
        answer = await blazon.call("POST", f"{API}/certificates/import", {"certificate": each})
        refused(answer, 422, "POST /cas/import")


async def test_metadata_and_status(blazon: Running, ca: Any) -> None:
    made = await sign(blazon, ca, metadata={"a": 1})
    path = f"{API}/certificates/{made['serial_number']}"
    assert (await blazon.ok("PUT", f"{path}/metadata", {"metadata": {"b": 2}}))["metadata"] == {"b": 2}
    for wrong in ("ACTIVE", "NEARING_EXPIRATION", "CRITICAL_EXPIRATION"):
        refused(await blazon.call("PUT", f"{path}/status", {"status": wrong}), 400, "transition not allowed")
    held = await set_status(blazon, made, "REVOKED", "CertificateHold")
    released = await set_status(blazon, made, "ACTIVE")
    assert (held["status"], released["status"]) == ("REVOKED", "ACTIVE")
    await set_status(blazon, made, "REVOKED", "CertificateHold")
    final = await set_status(blazon, made, "REVOKED", "KeyCompromise")
    assert final["revocation_reason"] == "KeyCompromise"
    refused(await blazon.call("PUT", f"{path}/status", {"status": "ACTIVE"}), 400, "final")
    body = {"status": "REVOKED", "revocation_reason": "Superseded"}
    refused(await blazon.call("PUT", f"{path}/status", body), 400, "certificate already revoked")
    body["revocation_reason"] = "RemoveFromCRL"
    refused(await blazon.call("PUT", f"{path}/status", body), 400, "RemoveFromCRL")


@pytest.mark.parametrize(
    "reason",
    ["Unspecified", "KeyCompromise", "CACompromise", "AffiliationChanged", "Superseded", "CessationOfOperation",
     "CertificateHold", "PrivilegeWithdrawn", "AACompromise"],
)  # fmt: skip
async def test_every_reason_in_any_case(blazon: Running, ca: Any, reason: str) -> None:
    made = await sign(blazon, ca)
    assert (await revoke(blazon, made, reason.upper()))["revocation_reason"] == reason


async def walk(blazon: Running, path: str) -> list[Any]:
    """Every page of a list, by its bookmarks."""
    found, bookmark = [], ""
    while True:
        separator = "&" if "?" in path else "?"
        page = await blazon.ok("GET", path if not bookmark else f"{path}{separator}bookmark={quote(bookmark)}")
        found += page["list"]
        bookmark = page["next"]
        if not bookmark:
            return found


async def test_lists(blazon: Running) -> None:
    ca = await make_ca(blazon, "Listed")
    made = [await sign(blazon, ca, f"d{number}") for number in range(7)]
    for certificate in made[:3]:
        await revoke(blazon, certificate)
    path = f"{API}/cas/{ca['id']}/certificates"
    serials = [certificate["serial_number"] for certificate in made]

    def of(found: list[Any]) -> list[str]:
        return [certificate["serial_number"] for certificate in found]

    for size in (1, 2, 3, 7, 100):
        assert of(await walk(blazon, f"{path}?page_size={size}")) == serials
        assert of(await walk(blazon, f"{path}?page_size={size}&sort_mode=desc")) == serials[::-1]
        by_serial = await walk(blazon, f"{path}?page_size={size}&sort_by=serial_number&sort_mode=desc")
        assert of(by_serial) == sorted(serials, reverse=True)
        by_status = await walk(blazon, f"{path}?page_size={size}&sort_by=status")
        assert of(by_status) == serials[3:] + serials[:3]
    assert of(await walk(blazon, f"{path}/status/revoked?page_size=2")) == serials[:3]
    for query, wanted in (
        ("status[eq]REVOKED", serials[:3]),
        ("status[ne]revoked", serials[3:]),
        ("subject.common_name[eq]d4", serials[4:5]),
        ("subject.common_name[ct]d", serials),
        ("subject.common_name[nc]d5", serials[:5] + serials[6:]),
        (f"serial_number[eq]{serials[2]}", serials[2:3]),
        ("valid_to[bf]2020-01-01T00:00:00Z", []),
        ("valid_to[af]2020-01-01T00:00:00Z", serials),
        ("revocation_reason[eq]keycompromise", serials[:3]),
    ):
        assert of(await walk(blazon, f"{path}?page_size=2&filter={quote(query)}")) == wanted, query
    both = f"{path}?filter={quote('status[eq]REVOKED')}&filter={quote('subject.common_name[eq]d1')}"
    assert of(await walk(blazon, both)) == serials[1:2]


async def test_what_is_added_does_not_shift_a_list(blazon: Running) -> None:
    ca = await make_ca(blazon, "Growing")
    first = [await sign(blazon, ca, f"g{number}") for number in range(4)]
    page = await blazon.ok("GET", f"{API}/cas/{ca['id']}/certificates?page_size=2&sort_mode=desc")
    await sign(blazon, ca, "g4")
    path = f"{API}/cas/{ca['id']}/certificates?bookmark={quote(page['next'])}"
    shown = [certificate["serial_number"] for certificate in (await blazon.ok("GET", path))["list"]]
    assert shown == [first[1]["serial_number"], first[0]["serial_number"]]


async def test_bad_lists(blazon: Running, ca: Any) -> None:
    for query in (
        "sort_by=nothing",
        "filter=status",
        "filter=" + quote("status[eq]NOTHING"),
        "filter=" + quote("valid_to[bf]yesterday"),
        "bookmark=x",
        "bookmark=" + base64.urlsafe_b64encode(b'["serial; DROP",false,5,[],["a",1]]').decode(),
        "bookmark=" + base64.urlsafe_b64encode(b'["",false,5,[["status","= 1 OR 1=",1]],["a",1]]').decode(),
        "bookmark=" + base64.urlsafe_b64encode(b'["valid_to",false,5,[],["a",1]]').decode(),
        "page_size=0",
        "page_size=1001",
        "bookmark=" + base64.urlsafe_b64encode(b'["",false,1001,[],[1,1]]').decode(),
    ):
        refused(await blazon.call("GET", f"{API}/certificates?{query}"), 400, "invalid query parameters")
    refused(await blazon.call("GET", f"{API}/certificates/status/nothing"), 404)
    refused(await blazon.call("GET", f"{API}/certificates/nothing"), 400, "serial number")
    refused(await blazon.call("GET", f"{API}/certificates/00-11"), 404, "certificate not found")
    refused(await blazon.call("GET", f"{API}/certificates/expiration?expires_after=now"), 400)


async def test_the_window_of_expiration(blazon: Running) -> None:
    ca = await make_ca(blazon, "Window", ca_expiration=until("2040-01-01T00:00:00Z"), issuance_expiration=lasting("9y"))
    ends = ["2031-01-01T00:00:00Z", "2030-01-01T00:00:00Z", "2032-01-01T00:00:00Z", "2030-06-01T00:00:00Z"]
    made = [await sign(blazon, ca, f"w{number}", valid_to=end) for number, end in enumerate(ends)]
    await revoke(blazon, made[3])
    path = f"{API}/certificates/expiration?expires_after=2029-12-31T00:00:00Z&expires_before=2031-12-31T00:00:00Z"
    for size in (1, 25):
        found = await walk(blazon, f"{path}&page_size={size}")
        assert [certificate["valid_to"] for certificate in found] == [ends[1], ends[0]]
