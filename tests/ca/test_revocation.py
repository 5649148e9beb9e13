"""Revocation as others see it: OCSP at once, the CRL within seconds, judged by OpenSSL."""

import asyncio
import base64
from datetime import timedelta
from hashlib import sha256 as SHA256Hash  # noqa: N812 - beside the SHA256 of cryptography
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp

from blazon.ca.settings import PkiSettings
from blazon.clock import ManualClock
from tests.ca.support import (
    API,
    crl_of,
    csr,
    decoded,
    encoded,
    eventually,
    key,
    key_pem,
    lasting,
    make_ca,
    openssl,
    outside_ca,
    pem,
    refused,
    revoke,
    serial_of,
    set_ca_status,
    set_status,
    sign,
    write,
)
from tests.ca.x509.support import lint_certificate, lint_crl, lint_ocsp
from tests.running import Running, running

RSA3072 = {"type": "RSA", "bits": 3072}
"""A key that does not sign in a moment: its CA answers OCSP by a delegated key."""


def request_for(certificate: x509.Certificate, issuer: x509.Certificate, nonce: bytes = b"") -> bytes:
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, SHA256())
    if nonce:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


async def ask(blazon: Running, certificate: Any, ca: Any, nonce: bytes = b"") -> ocsp.OCSPResponse:
    """The answer about a certificate, by POST and, when there is no nonce, by GET alike."""
    der = request_for(decoded(certificate), decoded(ca), nonce)
    answer = await blazon.call("POST", "/api/va/ocsp", data=der, token="")
    assert answer.status == 200
    if not nonce:
        path = quote(base64.b64encode(der).decode(), safe="")
        got = ocsp.load_der_ocsp_response((await blazon.call("GET", f"/api/va/ocsp/{path}", token="")).body)
        posted = ocsp.load_der_ocsp_response(answer.body)
        assert (got.certificate_status, got.serial_number) == (posted.certificate_status, posted.serial_number)
    return ocsp.load_der_ocsp_response(answer.body)


async def test_ocsp_is_true_the_moment_a_revocation_is_answered(blazon: Running) -> None:
    ca = await make_ca(blazon, "Prompt")
    for number in range(10):
        certificate = await sign(blazon, ca, f"p{number}")
        for _ in range(2):  # the second answer is a kept one
            assert (await ask(blazon, certificate, ca)).certificate_status is ocsp.OCSPCertStatus.GOOD
        revoked = await revoke(blazon, certificate, "Superseded")
        answer = await ask(blazon, certificate, ca)
        assert answer.certificate_status is ocsp.OCSPCertStatus.REVOKED
        assert answer.revocation_reason is x509.ReasonFlags.superseded
        assert answer.revocation_time_utc is not None
        assert revoked["revocation_timestamp"].startswith(answer.revocation_time_utc.strftime("%Y-%m-%dT%H:%M:%S"))


async def test_a_hold_and_its_end(blazon: Running) -> None:
    ca = await make_ca(blazon, "Hold")
    certificate = await sign(blazon, ca)
    await set_status(blazon, certificate, "REVOKED", "CertificateHold")
    assert (await ask(blazon, certificate, ca)).revocation_reason is x509.ReasonFlags.certificate_hold
    await on_crl(blazon, ca, certificate, x509.ReasonFlags.certificate_hold)
    await set_status(blazon, certificate, "ACTIVE")
    assert (await ask(blazon, certificate, ca)).certificate_status is ocsp.OCSPCertStatus.GOOD

    async def gone() -> bool:
        return (await crl_of(blazon, ca)).get_revoked_certificate_by_serial_number(serial_of(certificate)) is None

    await eventually(gone)


async def on_crl(blazon: Running, ca: Any, certificate: Any, reason: x509.ReasonFlags) -> None:
    """Waits until a certificate is on the CRL: five seconds at most."""
    async with asyncio.timeout(5):
        while True:
            entry = (await crl_of(blazon, ca)).get_revoked_certificate_by_serial_number(serial_of(certificate))
            if entry is not None:
                assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason is reason
                return
            await asyncio.sleep(0.05)


async def test_unknown_certificates_are_unknown(blazon: Running) -> None:
    ca, other = await make_ca(blazon, "Known"), await make_ca(blazon, "Other")
    # By its name of the CA, with a serial number the CA never used.
    stranger, _ = outside_ca("Stranger", is_ca=False, above=(decoded(ca), key()))
    der = request_for(stranger, decoded(ca))
    response = ocsp.load_der_ocsp_response((await blazon.call("POST", "/api/va/ocsp", data=der, token="")).body)
    assert response.response_status is ocsp.OCSPResponseStatus.SUCCESSFUL
    assert response.certificate_status is ocsp.OCSPCertStatus.UNKNOWN
    # A serial of one CA is unknown to another.
    certificate = await sign(blazon, ca)
    name = SHA256Hash(decoded(other).subject.public_bytes()).digest()
    public_key: Any = decoded(other).public_key()
    point = SHA256Hash(public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)).digest()
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(name, point, serial_of(certificate), SHA256())
    der = builder.build().public_bytes(Encoding.DER)
    response = ocsp.load_der_ocsp_response((await blazon.call("POST", "/api/va/ocsp", data=der, token="")).body)
    assert response.certificate_status is ocsp.OCSPCertStatus.UNKNOWN
    # For a CA that is none of ours there is no signed answer at all.
    foreign, _ = outside_ca("Foreign")
    der = request_for(stranger, foreign)
    response = ocsp.load_der_ocsp_response((await blazon.call("POST", "/api/va/ocsp", data=der, token="")).body)
    assert response.response_status is ocsp.OCSPResponseStatus.UNAUTHORIZED


async def test_an_unknown_certificate_that_is_issued_later_is_good(blazon: Running) -> None:
    ca = await make_ca(blazon, "Later")
    certificate = await sign(blazon, ca)
    der = request_for(decoded(certificate), decoded(ca))
    response = await blazon.call("POST", "/api/va/ocsp", data=der, token="")
    assert ocsp.load_der_ocsp_response(response.body).certificate_status is ocsp.OCSPCertStatus.GOOD


async def test_a_nonce_comes_back(blazon: Running) -> None:
    ca = await make_ca(blazon, "Nonce")
    certificate = await sign(blazon, ca)
    response = await ask(blazon, certificate, ca, b"a nonce of some length")
    assert response.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == b"a nonce of some length"


async def test_a_delegated_responder(blazon: Running) -> None:
    ca = await make_ca(blazon, "Slow", key_metadata=RSA3072)
    certificate = await sign(blazon, ca)
    response = await ask(blazon, certificate, ca)
    (delegated,) = response.certificates
    delegated.verify_directly_issued_by(decoded(ca))
    usages = delegated.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [x509.oid.ExtendedKeyUsageOID.OCSP_SIGNING]
    assert delegated.extensions.get_extension_for_class(x509.OCSPNoCheck)
    # What a CA signs is recorded, this too.
    page = await blazon.ok("GET", f"{API}/cas/{ca['id']}/certificates")
    assert [each["metadata"] for each in page["list"]] == [{}, {"blazon.io/purpose": "ocsp-responder"}]
    await ask(blazon, certificate, ca, b"again, by the same one")
    assert len((await blazon.ok("GET", f"{API}/cas/{ca['id']}/certificates"))["list"]) == 2


async def test_what_is_published_passes_lint(tmp_path: Path) -> None:
    flags = {"redis__embedded": "no", "pki__url": "http://pki.example.com"}
    async with running(tmp_path, **flags) as blazon:
        for spec in (RSA3072, {"type": "ECDSA", "bits": 256}):
            ca = await make_ca(blazon, "Linted", key_metadata=spec)
            certificate = await sign(blazon, ca)
            await revoke(blazon, certificate)
            assert lint_certificate(decoded(ca)) == []
            assert lint_certificate(decoded(certificate)) == []
            assert lint_crl((await blazon.call("GET", f"/api/va/crl/{ca['id']}", token="")).body) == []
            der = request_for(decoded(certificate), decoded(ca))
            assert lint_ocsp((await blazon.call("POST", "/api/va/ocsp", data=der, token="")).body) == []


async def test_openssl_agrees(blazon: Running, tmp_path: Path) -> None:
    root = await make_ca(blazon, "OpenSSL root")
    ca = await make_ca(blazon, "OpenSSL", parent_id=root["id"], ca_expiration=lasting("5y"), key_metadata=RSA3072)
    good, bad = await sign(blazon, ca, "good"), await sign(blazon, ca, "bad")
    await revoke(blazon, bad, "KeyCompromise")
    root_file, ca_file = write(tmp_path, "root.pem", root), write(tmp_path, "ca.pem", ca)
    files = [write(tmp_path, f"{name}.pem", body) for name, body in (("good", good), ("bad", bad))]
    certificates = [part for file in files for part in ("-cert", file)]
    found = await openssl(
        "ocsp", "-issuer", ca_file, *certificates, "-url", f"{blazon.url}/api/va/ocsp", "-CAfile", root_file,
        "-verify_other", ca_file,
    )  # fmt: skip
    assert "Response verify OK" in found.stderr, found.stdout + found.stderr
    assert f"{files[0]}: good" in found.stdout
    assert f"{files[1]}: revoked" in found.stdout
    assert "Reason: keyCompromise" in found.stdout
    crls = []
    for authority, name in ((ca, "ca"), (root, "root")):
        der = tmp_path / f"{name}.der"
        der.write_bytes((await blazon.call("GET", f"/api/va/crl/{authority['id']}", token="")).body)
        path = tmp_path / f"{name}.crl"
        issuer = ca_file if authority is ca else root_file
        found = await openssl("crl", "-inform", "DER", "-in", der, "-CAfile", issuer, "-out", path)
        assert "verify OK" in found.stderr, found.stderr
        crls.append(path)
    together = tmp_path / "crls.pem"
    together.write_bytes(b"".join(path.read_bytes() for path in crls))
    verify = ("verify", "-crl_check_all", "-CRLfile", together, "-CAfile", root_file, "-untrusted", ca_file)
    assert (await openssl(*verify, files[0])).returncode == 0
    refused_by = await openssl(*verify, files[1])
    assert "certificate revoked" in refused_by.stdout + refused_by.stderr


async def test_the_crl_says_when_and_why(blazon: Running) -> None:
    ca = await make_ca(blazon, "List")
    empty = await crl_of(blazon, ca)
    assert len(empty) == 0
    assert empty.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 1
    assert empty.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    lasts = int(blazon.settings.of(PkiSettings).crl_time)
    assert empty.next_update_utc == empty.last_update_utc + timedelta(seconds=lasts)
    assert await crl_of(blazon, ca) == empty, "nothing changed: the same list"
    certificate = await sign(blazon, ca)
    revoked = await revoke(blazon, certificate, "PrivilegeWithdrawn")
    await on_crl(blazon, ca, certificate, x509.ReasonFlags.privilege_withdrawn)
    later = await crl_of(blazon, ca)
    assert later.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 2
    entry = later.get_revoked_certificate_by_serial_number(serial_of(certificate))
    assert entry is not None
    assert revoked["revocation_timestamp"].startswith(entry.revocation_date_utc.strftime("%Y-%m-%dT%H:%M:%S"))
    assert later.is_signature_valid(decoded(ca).public_key())  # type: ignore[arg-type]
    key_id = decoded(ca).extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex()
    assert (await blazon.call("GET", f"/api/va/crl/{key_id}", token="")).status == 200


async def test_how_long_a_crl_is_good(tmp_path: Path) -> None:
    """For as long as it is set: it is handed out for half of that time, and then comes a new one."""
    clock = ManualClock(1_790_000_000_000_000_000)
    flags = {"tokens__access": "36500d", "redis__embedded": "no", "pki__crl_time": "6h"}
    async with running(tmp_path, clock, **flags) as blazon:
        ca = await make_ca(blazon)
        first = await crl_of(blazon, ca)
        assert first.last_update_utc.timestamp() == clock.now() // 10**9
        assert first.next_update_utc is not None
        assert first.next_update_utc - first.last_update_utc == timedelta(hours=6)
        clock.move(3 * 3600 - 1)
        assert await crl_of(blazon, ca) == first
        clock.move(1)
        second = await crl_of(blazon, ca)
        assert second.last_update_utc - first.last_update_utc == timedelta(hours=3)


async def test_revocation_goes_down(blazon: Running) -> None:
    """Decision B13: what stands below a revoked CA is revoked, one event each, and OCSP says so at once."""
    root = await make_ca(blazon, "Top")
    middle = await make_ca(blazon, "Middle", parent_id=root["id"], ca_expiration=lasting("5y"))
    leaves = [await sign(blazon, middle, f"below {number}") for number in range(3)]
    await revoke(blazon, leaves[0], "Superseded")
    await set_ca_status(blazon, middle, "REVOKED", "KeyCompromise")
    answer = await ask(blazon, leaves[1], middle)
    assert answer.certificate_status is ocsp.OCSPCertStatus.REVOKED
    assert answer.revocation_reason is x509.ReasonFlags.cessation_of_operation
    assert (await ask(blazon, middle, root)).revocation_reason is x509.ReasonFlags.key_compromise

    async def all_revoked() -> bool:
        found = (await blazon.ok("GET", f"{API}/cas/{middle['id']}/certificates"))["list"]
        return {each["status"] for each in found} == {"REVOKED"}

    await eventually(all_revoked)
    found = (await blazon.ok("GET", f"{API}/cas/{middle['id']}/certificates"))["list"]
    reasons = [each["revocation_reason"] for each in found]
    assert reasons == ["Superseded", "CessationOfOperation", "CessationOfOperation"]
    await on_crl(blazon, root, middle, x509.ReasonFlags.key_compromise)


async def test_what_is_held_goes_down_too_and_stays_down(blazon: Running) -> None:
    root = await make_ca(blazon, "Fallen root")
    middle = await make_ca(blazon, "Held middle", parent_id=root["id"], ca_expiration=lasting("5y"))
    below = await make_ca(blazon, "Below held", parent_id=middle["id"], ca_expiration=lasting("4y"))
    leaves = [await sign(blazon, below, f"far below {number}") for number in range(2)]
    held = await set_status(blazon, leaves[0], "REVOKED", "CertificateHold")
    await set_ca_status(blazon, middle, "REVOKED", "CertificateHold")
    assert (await ask(blazon, leaves[1], below)).certificate_status is ocsp.OCSPCertStatus.GOOD
    await set_ca_status(blazon, root, "REVOKED", "KeyCompromise")
    # At once, and before the events of what follows have come.
    assert (await ask(blazon, leaves[1], below)).certificate_status is ocsp.OCSPCertStatus.REVOKED
    assert (await ask(blazon, below, middle)).certificate_status is ocsp.OCSPCertStatus.REVOKED
    body = {"csr": csr(), "sign_verbatim": True}
    answer = await blazon.call("POST", f"{API}/cas/{below['id']}/certificates/sign", body)
    refused(answer, 400, "CA Status inconsistent")
    path = f"{API}/certificates/{leaves[0]['serial_number']}"
    refused(await blazon.call("PUT", f"{path}/status", {"status": "ACTIVE"}), 400, "transition not allowed")
    refused(await blazon.call("POST", f"{API}/cas/{middle['id']}/status", {"status": "ACTIVE"}), 422, "not allowed")

    async def all_fallen() -> bool:
        found = [await blazon.ok("GET", f"{API}/cas/{ca['id']}") for ca in (middle, below)]
        found += (await blazon.ok("GET", f"{API}/cas/{below['id']}/certificates"))["list"]
        return all(each.get("revocation_reason") == "CessationOfOperation" for each in found)

    await eventually(all_fallen)
    fallen = await blazon.ok("GET", path)
    assert fallen["revocation_timestamp"] == held["revocation_timestamp"], "the doubt began with the hold"
    await on_crl(blazon, below, leaves[0], x509.ReasonFlags.cessation_of_operation)


async def test_an_end_by_hand_is_no_revocation_and_saves_nothing_from_one(blazon: Running) -> None:
    root = await make_ca(blazon, "Ending root")
    middle = await make_ca(blazon, "Ending middle", parent_id=root["id"], ca_expiration=lasting("5y"))
    leaves = [await sign(blazon, middle, f"ending {number}") for number in range(3)]
    ended = await set_status(blazon, leaves[0], "EXPIRED", "KeyCompromise")
    assert (ended["status"], ended["revocation_timestamp"]) == ("EXPIRED", "0001-01-01T00:00:00Z")
    assert "revocation_reason" not in ended
    assert (await ask(blazon, leaves[0], middle)).certificate_status is ocsp.OCSPCertStatus.UNKNOWN
    assert (await crl_of(blazon, middle)).get_revoked_certificate_by_serial_number(serial_of(leaves[0])) is None
    held = await set_status(blazon, leaves[1], "REVOKED", "CertificateHold")
    path = f"{API}/certificates/{held['serial_number']}/status"
    refused(await blazon.call("PUT", path, {"status": "EXPIRED"}), 400, "it is held")
    await set_ca_status(blazon, root, "REVOKED", "KeyCompromise")
    # Also in the moment before what follows has come: nothing gets off the list any more.
    refused(await blazon.call("POST", f"{API}/cas/{middle['id']}/status", {"status": "EXPIRED"}), 422, "not allowed")
    for leaf in leaves[1:]:
        path = f"{API}/certificates/{leaf['serial_number']}/status"
        refused(await blazon.call("PUT", path, {"status": "EXPIRED"}), 400, "not allowed")
    for leaf in leaves[1:]:
        await on_crl(blazon, middle, leaf, x509.ReasonFlags.cessation_of_operation)


async def test_a_ca_is_not_deleted_before_what_is_below_it_is_revoked(blazon: Running) -> None:
    ca = await make_ca(blazon, "Hasty")
    leaves = [await sign(blazon, ca, f"hasty {number}") for number in range(3)]
    await set_status(blazon, leaves[0], "REVOKED", "CertificateHold")
    await set_ca_status(blazon, ca, "REVOKED", "KeyCompromise")
    await blazon.ok("DELETE", f"{API}/cas/{ca['id']}")
    for leaf in leaves:
        found = await blazon.ok("GET", f"{API}/certificates/{leaf['serial_number']}")
        assert (found["status"], found["revocation_reason"]) == ("REVOKED", "CessationOfOperation")


async def test_what_is_imported_below_a_revoked_ca_is_revoked(blazon: Running) -> None:
    certificate, private_key = outside_ca("Revoked and brought")
    body = {"ca": pem(certificate), "private_key": encoded(key_pem(private_key)), "issuance_expiration": lasting("9d")}
    ca = await blazon.ok("POST", f"{API}/cas/import", body)
    await set_ca_status(blazon, ca, "REVOKED", "KeyCompromise")
    leaf, _ = outside_ca("Older", above=(certificate, private_key), is_ca=False, days=30)
    made = await blazon.ok("POST", f"{API}/certificates/import", {"certificate": pem(leaf)})
    assert (made["status"], made["revocation_reason"]) == ("REVOKED", "CessationOfOperation")


async def test_the_paths_of_an_older_generation_answer(blazon: Running) -> None:
    ca = await make_ca(blazon, "Older paths")
    leaf = await sign(blazon, ca)
    assert (await blazon.call("GET", f"/api/va/v1/crl/{ca['id']}", token="")).body == (
        await crl_of(blazon, ca)
    ).public_bytes(Encoding.DER)
    der = request_for(decoded(leaf), decoded(ca))
    path = f"/api/va/v1/ocsp/{quote(base64.b64encode(der).decode(), safe='')}"
    for answer in (
        await blazon.call("POST", "/api/va/v1/ocsp", data=der, token=""),
        await blazon.call("GET", path, token=""),
    ):
        assert ocsp.load_der_ocsp_response(answer.body).certificate_status is ocsp.OCSPCertStatus.GOOD
    health = await blazon.call("GET", "/api/ca/health", token="")
    assert (health.status, list(health.json), health.json["health"]) == (
        200,
        ["health", "version", "build", "build_time"],
        True,
    )


async def test_a_hold_of_a_ca_stops_issuing_and_nothing_else(blazon: Running) -> None:
    ca = await make_ca(blazon, "Paused")
    leaf = await sign(blazon, ca)
    await set_ca_status(blazon, ca, "REVOKED", "CertificateHold")
    await asyncio.sleep(1)
    assert (await blazon.ok("GET", f"{API}/certificates/{leaf['serial_number']}"))["status"] == "ACTIVE"
    assert (await ask(blazon, leaf, ca)).certificate_status is ocsp.OCSPCertStatus.GOOD
    await set_ca_status(blazon, ca, "ACTIVE")
    await sign(blazon, ca)


async def test_a_ca_that_may_sign_no_crl_has_none(tmp_path: Path) -> None:
    """Nobody would take it (RFC 5280 §6.3.3 (f)). Its certificates name none, and OCSP tells of them."""
    usage = x509.KeyUsage(False, False, False, False, False, True, False, False, False)
    certificate, private_key = outside_ca("Signs no CRL", usage=usage)
    brought = {
        "ca": pem(certificate),
        "private_key": encoded(key_pem(private_key)),
        "issuance_expiration": lasting("1d"),
    }
    async with running(tmp_path, redis__embedded="no", pki__url="http://pki.example.com") as blazon:
        ca = await blazon.ok("POST", f"{API}/cas/import", brought)
        leaf, usual = await sign(blazon, ca), await sign(blazon, await make_ca(blazon))
        points = [
            any(isinstance(each.value, x509.CRLDistributionPoints) for each in decoded(body).extensions)
            for body in (leaf, usual)
        ]
        assert points == [False, True]
        access = decoded(leaf).extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
        assert "http://pki.example.com/api/va/ocsp" in {each.access_location.value for each in access}
        await revoke(blazon, leaf)
        for name in (
            ca["id"],
            certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex(),
        ):
            refused(await blazon.call("GET", f"/api/va/crl/{name}", token=""), 404, "cRLSign")
        ca_file, leaf_file = write(tmp_path, "ca.pem", ca), write(tmp_path, "leaf.pem", leaf)
        found = await openssl(
            "ocsp", "-issuer", ca_file, "-cert", leaf_file, "-url", f"{blazon.url}/api/va/ocsp", "-CAfile", ca_file
        )
        assert "Response verify OK" in found.stderr
        assert "leaf.pem: revoked" in found.stdout


async def test_a_ca_whose_key_is_elsewhere_is_not_spoken_for(blazon: Running) -> None:
    certificate, _ = outside_ca("Elsewhere")
    ca = await blazon.ok("POST", f"{API}/cas/import", {"ca": pem(certificate)})
    refused(await blazon.call("GET", f"/api/va/crl/{ca['id']}", token=""), 404, "EXTERNAL")
    stranger, _ = outside_ca("Stranger", is_ca=False)
    builder = ocsp.OCSPRequestBuilder().add_certificate(stranger, certificate, SHA1())
    der = builder.build().public_bytes(Encoding.DER)
    response = ocsp.load_der_ocsp_response((await blazon.call("POST", "/api/va/ocsp", data=der, token="")).body)
    assert response.response_status is ocsp.OCSPResponseStatus.UNAUTHORIZED
