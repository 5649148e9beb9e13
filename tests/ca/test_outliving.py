"""A revocation outlives everything: the CA that was revoked, the CA that revoked it, and another import of both."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from blazon.app import ROOMS
from blazon.clock import ManualClock
from blazon.history import rebuild
from blazon.storage import open_database
from tests.ca.support import (
    API,
    bring,
    bring_ca,
    ca_body,
    crl_of,
    decoded,
    delete_ca,
    eventually,
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
    view_ca,
    write,
)
from tests.ca.test_revocation import ask, request_for
from tests.running import Running, running

DAY = 86400
START = 1_790_000_000
SHORT = {"ca_expiration": lasting("90d"), "issuance_expiration": lasting("1d")}
GOOD, REVOKED = ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED


async def told(blazon: Running, certificate: x509.Certificate, issuer: x509.Certificate) -> ocsp.OCSPResponse:
    """What OCSP says of a certificate."""
    der = request_for(certificate, issuer)
    answer = await blazon.call("POST", "/api/va/ocsp", data=der, token="")
    return ocsp.load_der_ocsp_response(answer.body)


async def listed(blazon: Running, ca: Any, serial: int) -> Any:
    """The entry on the CRL of a CA, waited for: within five seconds it is there."""
    async with asyncio.timeout(5):
        while (found := (await crl_of(blazon, ca)).get_revoked_certificate_by_serial_number(serial)) is None:
            await asyncio.sleep(0.05)
    return found


def reason_of(entry: x509.RevokedCertificate) -> x509.ReasonFlags:
    return entry.extensions.get_extension_for_class(x509.CRLReason).value.reason


async def test_a_revoked_ca_that_is_deleted_stays_revoked(blazon: Running) -> None:
    root = await make_ca(blazon, "Outlived")
    sub = await make_ca(blazon, "Short-lived", parent_id=root["id"], ca_expiration=lasting("5y"))
    await set_ca_status(blazon, sub, "REVOKED", "KeyCompromise")
    before = await ask(blazon, sub, root)
    await delete_ca(blazon, sub)
    refused(await blazon.call("GET", f"{API}/cas/{sub['id']}"), 404)
    after = await ask(blazon, sub, root)
    assert after.certificate_status is REVOKED
    assert after.revocation_reason is x509.ReasonFlags.key_compromise
    assert after.revocation_time_utc == before.revocation_time_utc
    # Another revocation makes another list.
    await revoke(blazon, await sign(blazon, root))
    entry = await listed(blazon, root, serial_of(sub))
    assert reason_of(entry) is x509.ReasonFlags.key_compromise
    assert entry.revocation_date_utc == before.revocation_time_utc


@pytest.mark.parametrize("with_key", [False, True])
async def test_a_revoked_ca_that_is_imported_again_is_revoked_still(blazon: Running, with_key: bool) -> None:
    """Below a CA here and above everything; with the date and the reason it had."""
    root, root_key = outside_ca(f"Revoked root {with_key}")
    sub, sub_key = outside_ca(f"Revoked sub {with_key}", above=(root, root_key))
    above = await bring_ca(blazon, root, root_key)
    below = await bring_ca(blazon, sub, sub_key)
    revoked = await set_ca_status(blazon, below, "REVOKED", "KeyCompromise")
    await delete_ca(blazon, below)
    again = await bring_ca(blazon, sub, sub_key if with_key else None)
    for name in ("status", "revocation_reason", "revocation_timestamp"):
        assert again[name] == revoked[name]
    assert again["id"] != below["id"]
    assert (await told(blazon, sub, root)).certificate_status is REVOKED
    entry = await listed(blazon, above, sub.serial_number)
    assert reason_of(entry) is x509.ReasonFlags.key_compromise
    serials = [each.serial_number for each in await crl_of(blazon, above)]
    assert len(serials) == len(set(serials)), "a serial number is on a list once"
    path = f"{API}/cas/{again['id']}/status"
    refused(await blazon.call("POST", path, {"status": "ACTIVE"}), 422, "final")
    # Once more, and the CA above as well.
    await delete_ca(blazon, again)
    assert (await bring_ca(blazon, sub))["status"] == "REVOKED"
    assert (await told(blazon, sub, root)).certificate_status is REVOKED
    await set_ca_status(blazon, above, "REVOKED", "CACompromise")
    for ca in (await blazon.ok("GET", f"{API}/cas/cn/{sub.subject.rfc4514_string()[3:].replace(' ', '%20')}"))["list"]:
        await delete_ca(blazon, ca)
    await delete_ca(blazon, above)
    assert (await told(blazon, sub, root)).response_status is ocsp.OCSPResponseStatus.UNAUTHORIZED
    back = await bring_ca(blazon, root, root_key)
    assert (back["status"], back["revocation_reason"]) == ("REVOKED", "CACompromise")
    assert (await told(blazon, sub, root)).revocation_reason is x509.ReasonFlags.key_compromise
    await listed(blazon, back, sub.serial_number)


async def test_what_a_deleted_ca_revoked_is_told_by_the_one_that_takes_its_place(blazon: Running) -> None:
    """A CA that is imported again has everything the first one revoked on its list, which goes on counting."""
    root, root_key = outside_ca("Comes back")
    first = await bring_ca(blazon, root, root_key)
    leaves = [outside_ca(f"leaf {number}", above=(root, root_key), is_ca=False)[0] for number in range(3)]
    await revoke(blazon, await bring(blazon, leaves[0]), "Superseded")
    await listed(blazon, first, leaves[0].serial_number)
    number = (await crl_of(blazon, first)).extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    await bring(blazon, leaves[1])
    await set_ca_status(blazon, first, "REVOKED", "CessationOfOperation")
    await delete_ca(blazon, first)
    # What it issued and is imported now is below a CA that was revoked for good.
    late = await bring(blazon, leaves[2])
    assert (late["status"], late["revocation_reason"]) == ("REVOKED", "CessationOfOperation")
    second = await bring_ca(blazon, root, root_key)
    reasons = ("superseded", "cessation_of_operation", "cessation_of_operation")
    for leaf, reason in zip(leaves, reasons, strict=True):
        answer = await told(blazon, leaf, root)
        assert answer.certificate_status is REVOKED
        assert answer.revocation_reason is x509.ReasonFlags[reason]
        assert reason_of(await listed(blazon, second, leaf.serial_number)) is x509.ReasonFlags[reason]
    crl = await crl_of(blazon, second)
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number > number
    # Its certificates name the list by the id of the first one.
    assert (await crl_of(blazon, first)).get_revoked_certificate_by_serial_number(leaves[0].serial_number) is not None


async def test_twins_share_one_list(blazon: Running, tmp_path: Path) -> None:
    """A root, and the same root certified anew: one name, one key, one list, whoever revoked what is on it."""
    old, root_key = outside_ca("Twin root")
    new, _ = outside_ca("Twin root", subject_key=root_key, days=4000)
    first = await bring_ca(blazon, old, root_key)
    leaf, later = (outside_ca(name, above=(old, root_key), is_ca=False)[0] for name in ("leaf", "later"))
    await revoke(blazon, await bring(blazon, leaf))
    held = await set_status(blazon, await bring(blazon, later), "REVOKED", "CertificateHold")
    second = await bring_ca(blazon, new, root_key)
    sub = await make_ca(blazon, "Below the twin", parent_id=second["id"], ca_expiration=lasting("5y"))
    await set_ca_status(blazon, sub, "REVOKED")
    serials = {leaf.serial_number, later.serial_number, serial_of(sub)}
    for ca in (first, second):
        for serial in serials:
            await listed(blazon, ca, serial)
    assert await crl_of(blazon, first) == await crl_of(blazon, second)
    for issuer in (old, new):
        for certificate in (leaf, later, decoded(sub)):
            assert (await told(blazon, certificate, issuer)).certificate_status is REVOKED
    await set_status(blazon, held, "ACTIVE")
    assert (await told(blazon, later, new)).certificate_status is GOOD
    # With either of them gone the other goes on.
    await set_ca_status(blazon, first, "REVOKED", "Superseded")

    async def fallen() -> bool:
        return bool((await blazon.ok("GET", f"{API}/certificates/{held['serial_number']}"))["status"] == "REVOKED")

    await eventually(fallen)
    await delete_ca(blazon, first)
    for serial in serials:
        await listed(blazon, second, serial)
        assert (await told(blazon, leaf, new)).certificate_status is REVOKED
    crls = tmp_path / "crls.pem"
    for ca in (first, second):  # also under the name certificates have of the one that is gone
        der = tmp_path / "crl.der"
        der.write_bytes((await crl_of(blazon, ca)).public_bytes(Encoding.DER))
        found = await openssl("crl", "-inform", "DER", "-in", der, "-out", crls)
        assert found.returncode == 0
        verify = ("verify", "-crl_check", "-CRLfile", crls, "-CAfile", write(tmp_path, "new.pem", second))
        said = await openssl(*verify, write(tmp_path, "leaf.pem", {"certificate": pem(leaf)}))
        assert "certificate revoked" in said.stdout + said.stderr


async def test_twins_with_other_key_identifiers_have_lists_that_say_the_same(blazon: Running) -> None:
    """The list says by its authority key identifier whose it is; what is on it and its number are shared."""
    one, root_key = outside_ca("Two names of a key")
    other, _ = outside_ca("Two names of a key", subject_key=root_key, key_id=b"another identifier")
    cas = [await bring_ca(blazon, one, root_key), await bring_ca(blazon, other)]
    leaf = await sign(blazon, cas[0])
    await revoke(blazon, leaf)
    numbers = []
    for ca, certificate in zip(cas, (one, other), strict=True):
        await listed(blazon, ca, serial_of(leaf))
        extensions = (await crl_of(blazon, ca)).extensions
        key_id = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
        assert extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier == key_id
        numbers.append(extensions.get_extension_for_class(x509.CRLNumber).value.crl_number)
    assert len(set(numbers)) == 2
    await revoke(blazon, later := await sign(blazon, cas[0]))
    for ca in cas:
        await listed(blazon, ca, serial_of(later))


@pytest.mark.parametrize("deleted", [False, True])
async def test_what_is_revoked_is_on_one_list_after_its_end(tmp_path: Path, deleted: bool) -> None:
    """RFC 5280 §3.3; also when nobody asked for a list for a long time, and of a CA that is no longer here."""
    clock = ManualClock(START * 10**9)
    flags = {"tokens__access": "36500d", "redis__embedded": "no", "pki__crl_time": "2d"}
    async with running(tmp_path, clock, **flags) as blazon:
        root = await make_ca(blazon)
        if deleted:
            gone = await make_ca(
                blazon, "Gone", parent_id=root["id"], ca_expiration=lasting("90d"), issuance_expiration=lasting("1d")
            )
            await set_ca_status(blazon, gone, "REVOKED")
            await delete_ca(blazon, gone)
        else:
            gone = await sign(blazon, root, valid_to="2026-12-20T00:00:00Z")
            await revoke(blazon, gone)
        await listed(blazon, root, serial_of(gone))
        clock.move(200 * DAY)
        assert (await crl_of(blazon, root)).get_revoked_certificate_by_serial_number(serial_of(gone)) is not None
        clock.move(3 * DAY)
        assert (await crl_of(blazon, root)).get_revoked_certificate_by_serial_number(serial_of(gone)) is None
        assert (await ask(blazon, gone, root)).certificate_status is REVOKED


async def test_a_database_from_before_knows_what_was_deleted(database_url: str, tmp_path: Path) -> None:
    """The table of deleted CAs is filled from the log when it is made, as a rebuild fills it."""
    flags = {"redis__embedded": "no", "database__url": database_url}
    async with running(tmp_path, **flags) as blazon:
        root = await make_ca(blazon, "Kept")
        subs = [
            await make_ca(blazon, f"Gone {number}", parent_id=root["id"], ca_expiration=lasting("5y"))
            for number in range(2)
        ]
        for sub, reason in zip(subs, ("KeyCompromise", "Unspecified"), strict=True):
            await set_ca_status(blazon, sub, "REVOKED", reason)
            await delete_ca(blazon, sub)
    database = await open_database(database_url, tmp_path)
    try:
        wanted = await database.rows("SELECT * FROM deleted_cas ORDER BY sequence")
        assert len(wanted) == 2
        async with database.transaction() as tx:  # as the version before left it
            await tx.script("DROP TABLE deleted_cas")
            await tx.script("DROP TABLE ca_responders")
            await tx.script("ALTER TABLE cas DROP COLUMN full_issuance_until")
            await tx.run("DELETE FROM schema_version WHERE owner = 'ca' AND number >= 5")
    finally:
        await database.close()
    async with running(tmp_path, **flags) as blazon:
        for sub in subs:
            assert (await ask(blazon, sub, root)).certificate_status is REVOKED
            await listed(blazon, root, serial_of(sub))
    database = await open_database(database_url, tmp_path)
    try:
        assert list(map(tuple, await database.rows("SELECT * FROM deleted_cas ORDER BY sequence"))) == list(
            map(tuple, wanted)
        )
        await rebuild(database, ROOMS)
        assert list(map(tuple, await database.rows("SELECT * FROM deleted_cas ORDER BY sequence"))) == list(
            map(tuple, wanted)
        )
    finally:
        await database.close()


async def test_a_ca_with_the_id_of_one_that_was_deleted_is_another_one(blazon: Running) -> None:
    """The id is free as nothing refers to it; the revocation is of the certificate and not of the id."""
    certificate, private_key = outside_ca("First with an id")
    first = await bring_ca(blazon, certificate, private_key, id="an-id-twice")
    await set_ca_status(blazon, first, "REVOKED", "KeyCompromise")
    await delete_ca(blazon, first)
    second = await make_ca(blazon, "Second with an id", id="an-id-twice")
    leaf = await sign(blazon, second)
    assert (await ask(blazon, leaf, second)).certificate_status is GOOD
    other, _ = outside_ca("leaf of the first", above=(certificate, private_key), is_ca=False)
    brought = await bring(blazon, other)
    assert brought["issuer_metadata"]["ca_id"] == "-"
    again = await bring_ca(blazon, certificate, private_key)
    assert again["status"] == "REVOKED"
    assert (await told(blazon, other, certificate)).certificate_status is REVOKED
    await listed(blazon, again, other.serial_number)
    assert len(await crl_of(blazon, second)) == 0
    assert (await view_ca(blazon, second))["status"] == "ACTIVE"


async def test_the_id_of_a_ca_that_revoked_another_one_is_not_free(blazon: Running) -> None:
    """Also when both were deleted: what the first one revoked would be taken for a revocation by the next one."""
    root, root_key = outside_ca("Id of a revoker")
    sub, _ = outside_ca("Revoked by an id", above=(root, root_key))
    above = await bring_ca(blazon, root, root_key, id="an-id-that-revoked")
    below = await bring_ca(blazon, sub)
    for ca in (below, above):
        await set_ca_status(blazon, ca, "REVOKED", "KeyCompromise")
        await delete_ca(blazon, ca)
    refused(await blazon.call("POST", f"{API}/cas", ca_body("Takes an id", id=above["id"])), 409, "CA already exists")
    again = await bring_ca(blazon, root, root_key)
    assert (await told(blazon, sub, root)).revocation_reason is x509.ReasonFlags.key_compromise
    await listed(blazon, again, sub.serial_number)


async def test_a_ca_that_is_marked_as_expired_is_not_deleted_while_somebody_must_hear_of_a_revocation(
    tmp_path: Path,
) -> None:
    """Others trust it until its real end, and without its key nobody tells them what it revoked."""
    clock = ManualClock(START * 10**9)
    flags = {"tokens__access": "36500d", "redis__embedded": "no"}
    root, root_key = outside_ca("Marked root", days=9000)
    async with running(tmp_path, clock, **flags) as blazon:
        for revoked in ("leaf", "held", "sub", "deleted sub", "nothing"):
            ca = await make_ca(blazon, f"Marked {revoked}")
            if "sub" in revoked:
                sub = await make_ca(blazon, f"Sub of {revoked}", parent_id=ca["id"], **SHORT)
                await set_ca_status(blazon, sub, "REVOKED")
                if "deleted" in revoked:
                    await delete_ca(blazon, sub)
            elif revoked != "nothing":
                leaf = await sign(blazon, ca, valid_to="2026-12-20T00:00:00Z")
                await set_status(blazon, leaf, "REVOKED", "CertificateHold" if revoked == "held" else "KeyCompromise")
            await set_ca_status(blazon, ca, "EXPIRED")
            answer = await blazon.call("DELETE", f"{API}/cas/{ca['id']}")
            if revoked == "nothing":
                assert answer.status == 200
            elif revoked == "sub":
                refused(answer, 409, "CAs below")
            else:
                refused(answer, 409, "that have not ended")
        clock.move(200 * DAY)
        for revoked in ("leaf", "held", "deleted sub"):
            await delete_ca(blazon, await blazon.ok("GET", f"{API}/cas/Marked%20{revoked.replace(' ', '%20')}"))
        # Another CA with its key tells of everything.
        ca = await bring_ca(blazon, root, root_key)
        anew, _ = outside_ca("Marked root", subject_key=root_key, days=9001)
        twin = await bring_ca(blazon, anew, root_key)
        leaf = await sign(blazon, ca)
        await revoke(blazon, leaf)
        await set_ca_status(blazon, ca, "EXPIRED")
        await delete_ca(blazon, ca)
        assert (await told(blazon, decoded(leaf), root)).certificate_status is REVOKED
        await listed(blazon, twin, serial_of(leaf))
