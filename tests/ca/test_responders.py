"""Who signs OCSP responses and CRLs, for how long they are good, and what goes on while the engine of a CA is away.

The engine is a real PKCS#11 token (SoftHSM2) that is taken away while Blazon runs, and before it starts.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from blazon.ca.service import crls, pauses, responders
from blazon.clock import ManualClock
from tests.ca.support import (
    API,
    bring_ca,
    crl_of,
    decoded,
    eventually,
    lasting,
    make_ca,
    outside_ca,
    refused,
    revoke,
    serial_of,
    set_ca_status,
    set_status,
    sign,
)
from tests.ca.test_intents import events_of, settings
from tests.ca.test_judges import ROOT_USAGE
from tests.ca.test_outliving import told
from tests.ca.test_revocation import RSA3072, request_for
from tests.faults.support import records_of
from tests.running import Running, running
from tests.servers import PostgresServer, SoftHsm

DAY = 86400
HOUR = 3600
KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
FLAGS = {"redis__embedded": "no", "tokens__access": "36500d"}
GOOD, REVOKED = ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED
SUCCESSFUL, TRY_LATER = ocsp.OCSPResponseStatus.SUCCESSFUL, ocsp.OCSPResponseStatus.TRY_LATER
UNAUTHORIZED = ocsp.OCSPResponseStatus.UNAUTHORIZED


@pytest.fixture
def hsm() -> Iterator[SoftHsm]:
    server = SoftHsm()
    server.add_token("ca")
    yield server
    server.remove()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pauses, "_PAUSE", 0.1)


async def asked(blazon: Running, certificate: Any, ca: Any) -> ocsp.OCSPResponse:
    """The answer about a certificate; not a kept one."""
    der = request_for(decoded(certificate), decoded(ca), time.time_ns().to_bytes(8, "big"))
    return ocsp.load_der_ocsp_response((await blazon.call("POST", "/api/va/ocsp", data=der, token="")).body)


async def delegated(blazon: Running, ca: Any) -> list[Any]:
    """The certificates of the responders of a CA."""
    found = (await blazon.ok("GET", f"{API}/cas/{ca['id']}/certificates"))["list"]
    return [each for each in found if each["metadata"] == {"blazon.io/purpose": "ocsp-responder"}]


@pytest.mark.parametrize("kind", ["root", "delegating root", "below", "imported"])
async def test_nothing_outlives_the_certificate_of_who_signed_it(tmp_path: Path, kind: str) -> None:
    """Of a CA that ends in an hour, where answers are good for a day and lists for two: also of who signs itself."""
    clock = ManualClock(time.time_ns())
    short = {"ca_expiration": lasting("1h"), "issuance_expiration": lasting("30m")}
    async with running(tmp_path, clock, **FLAGS) as blazon:
        if kind == "imported":
            certificate, private_key = outside_ca("Ends", days=1)
            ca = await bring_ca(blazon, certificate, private_key, issuance_expiration=lasting("30m"))
            clock.move(23 * HOUR)
        elif kind == "below":
            root = await make_ca(blazon)
            ca = await make_ca(blazon, "Ends", parent_id=root["id"], **short)
        else:
            ca = await make_ca(blazon, "Ends", **short, **({"key_metadata": RSA3072} if "delegating" in kind else {}))
        leaf = await sign(blazon, ca)
        ends = decoded(ca).not_valid_after_utc
        for moved in (0, 1800, 1700, 90):
            clock.move(moved)
            answer = await asked(blazon, leaf, ca)
            assert answer.next_update_utc is not None
            assert answer.this_update_utc < answer.next_update_utc <= ends
            der = request_for(decoded(leaf), decoded(ca))
            kept = ocsp.load_der_ocsp_response((await blazon.call("POST", "/api/va/ocsp", data=der, token="")).body)
            assert kept.next_update_utc is not None
            assert kept.next_update_utc <= ends
            crl = await crl_of(blazon, ca)
            assert crl.next_update_utc is not None
            assert crl.last_update_utc < crl.next_update_utc <= ends
        clock.move(HOUR)
        assert (await asked(blazon, leaf, ca)).response_status is UNAUTHORIZED
        answer = await blazon.call("GET", f"/api/va/crl/{ca['id']}", token="")
        refused(answer, 404, "its certificate ended")


async def test_a_twin_that_ends_later_lets_both_go_on(tmp_path: Path) -> None:
    """A root and the same key certified anew: what is signed is good as long as one of the two is."""
    clock = ManualClock(time.time_ns())
    old, private_key = outside_ca("Renewed", days=2)
    new, _ = outside_ca("Renewed", subject_key=private_key, days=400)
    async with running(tmp_path, clock, **FLAGS) as blazon:
        ca = await bring_ca(blazon, old, private_key, issuance_expiration=lasting("1d"))
        leaf = await sign(blazon, ca)
        await bring_ca(blazon, new)
        answer = await asked(blazon, leaf, ca)
        assert answer.next_update_utc == answer.this_update_utc + timedelta(days=1)
        clock.move(3 * DAY)
        assert (await told(blazon, decoded(leaf), new)).response_status is SUCCESSFUL
        assert (await crl_of(blazon, ca)).next_update_utc is not None


async def test_a_ca_without_digital_signature_delegates(blazon: Running) -> None:
    """RFC 5280 §4.2.1.3: its key signs certificates and lists alone. With the bit, or without key usage, it signs."""
    with_it = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    for usage, delegates in ((ROOT_USAGE, True), (with_it, False), (None, False)):
        certificate, private_key = outside_ca(f"Usage {usage is None} {delegates}", usage=usage)
        ca = await bring_ca(blazon, certificate, private_key)
        leaf = await sign(blazon, ca)
        answer = await asked(blazon, leaf, ca)
        assert len(answer.certificates) == len(await delegated(blazon, ca)) == int(delegates)
        if delegates:
            (signer,) = answer.certificates
            signer.verify_directly_issued_by(certificate)
            assert signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
        # One that may issue nothing any more is the only one that can speak.
        await set_ca_status(blazon, ca, "REVOKED")
        assert (await asked(blazon, leaf, ca)).certificate_status is REVOKED


async def test_a_ca_without_crl_sign_and_digital_signature_is_told_of_by_ocsp(blazon: Running) -> None:
    certificate, private_key = outside_ca(
        "Signs certificates", usage=x509.KeyUsage(False, False, False, False, False, True, False, False, False)
    )
    ca = await bring_ca(blazon, certificate, private_key)
    leaf = await sign(blazon, ca)
    assert "revocation_notice" not in await revoke(blazon, leaf)
    assert (await asked(blazon, leaf, ca)).certificate_status is REVOKED
    refused(await blazon.call("GET", f"/api/va/crl/{ca['id']}", token=""), 404, "cRLSign")


async def test_a_responder_outlives_a_restart(hsm: SoftHsm, tmp_path: Path) -> None:
    """And the engine being away when Blazon starts again; no event tells of it again."""
    async with running(tmp_path, **settings(hsm)) as blazon:
        ca = await make_ca(blazon, "Restarted")
        leaf, other = await sign(blazon, ca), await sign(blazon, ca, "other")
        (first,) = (await asked(blazon, leaf, ca)).certificates
        list_before = await crl_of(blazon, ca)
    before = events_of(await records_of(tmp_path, ""))
    async with running(tmp_path, **settings(hsm)) as blazon:
        (second,) = (await asked(blazon, leaf, ca)).certificates
        assert second == first
    hsm.take_away()
    async with running(tmp_path, **settings(hsm)) as blazon:
        answer = await asked(blazon, leaf, ca)
        assert answer.certificates == [first]
        assert answer.certificate_status is GOOD
        await revoke(blazon, other)
        assert (await asked(blazon, other, ca)).certificate_status is REVOKED
        # The list from before is good still, though it does not have the last revocation.
        assert await crl_of(blazon, ca) == list_before
    grown = events_of(await records_of(tmp_path, ""))[len(before) :]
    assert grown == ["certificate.update.status"]
    hsm.give_back()
    async with running(tmp_path, **settings(hsm)) as blazon:
        assert (await crl_of(blazon, ca)).get_revoked_certificate_by_serial_number(serial_of(other)) is not None
        assert (await asked(blazon, leaf, ca)).certificates == [first]
        assert len(await delegated(blazon, ca)) == 1


async def test_processes_share_a_responder(tmp_path: Path, postgres: PostgresServer) -> None:
    given = {**FLAGS, "database__url": postgres.new_database(), "secrets__master_key": KEY}
    async with AsyncExitStack() as stack:
        both = [await stack.enter_async_context(running(tmp_path / name, **given)) for name in ("here", "there")]
        ca = await make_ca(both[0], "Shared", key_metadata=RSA3072)
        leaf = await sign(both[0], ca)

        async def is_known() -> bool:
            return (await asked(both[1], leaf, ca)).response_status is SUCCESSFUL

        # Both in the same moment, and one after the other.
        await asyncio.gather(*(asked(each, leaf, ca) for each in both for _ in range(5)))
        await eventually(is_known)
        signers = {(await asked(each, leaf, ca)).certificates[0] for each in both}
        assert len(signers) == 1
        assert len(await delegated(both[0], ca)) == 1


async def test_a_responder_is_renewed_ahead_and_used_to_its_end(
    hsm: SoftHsm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two weeks: renewed when half is over; the engine may be away for all of the other half."""
    clock = ManualClock(time.time_ns())
    monkeypatch.setattr(responders, "_PATIENCE", 0.2)
    async with running(tmp_path, clock, **settings(hsm), tokens__access="36500d") as blazon:
        ca = await make_ca(blazon, "Away")
        leaf = await sign(blazon, ca)
        (first,) = (await asked(blazon, leaf, ca)).certificates
        clock.move(7 * DAY - 60)
        assert (await asked(blazon, leaf, ca)).certificates == [first]
        hsm.take_away()
        for _ in range(7):
            clock.move(DAY - 60)
            answer = await asked(blazon, leaf, ca)
            assert answer.certificates == [first]
            assert answer.next_update_utc is not None
            assert answer.next_update_utc <= first.not_valid_after_utc
            await asyncio.sleep(0.15)  # the engine is asked again and again
        clock.move(HOUR)
        assert (await asked(blazon, leaf, ca)).response_status is TRY_LATER
        hsm.give_back()

        async def answers() -> bool:
            return (await asked(blazon, leaf, ca)).response_status is SUCCESSFUL

        await eventually(answers)
        (second,) = (await asked(blazon, leaf, ca)).certificates
        assert second != first
        # With the engine there it is another one when half of its time is over.
        clock.move(8 * DAY)

        async def is_another() -> bool:
            return (await asked(blazon, leaf, ca)).certificates != [second]

        await eventually(is_another)
        assert len(await delegated(blazon, ca)) == 3


async def test_a_responder_is_renewed_though_nobody_asks(
    hsm: SoftHsm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responders, "_LOOK", 0.05)
    clock = ManualClock(time.time_ns())
    async with running(tmp_path, clock, **settings(hsm), tokens__access="36500d") as blazon:
        ca, gone, never = [await make_ca(blazon, name) for name in ("Asked once", "Gone", "Never asked")]
        leaf = await sign(blazon, ca)
        for each in (ca, gone):
            await asked(blazon, await sign(blazon, each), each)
        await set_ca_status(blazon, gone, "REVOKED")
        clock.move(8 * DAY)

        async def is_renewed() -> bool:
            return len(await delegated(blazon, ca)) == 2

        await eventually(is_renewed)
        hsm.take_away()
        clock.move(13 * DAY)
        assert (await asked(blazon, leaf, ca)).certificate_status is GOOD
        assert [len(await delegated(blazon, each)) for each in (gone, never)] == [1, 0]


async def test_a_responder_that_ends_with_its_ca_is_the_last(hsm: SoftHsm, tmp_path: Path) -> None:
    clock = ManualClock(time.time_ns())
    async with running(tmp_path, clock, **settings(hsm), tokens__access="36500d") as blazon:
        ca = await make_ca(blazon, "Ends", ca_expiration=lasting("10d"), issuance_expiration=lasting("9d"))
        leaf = await sign(blazon, ca)
        for _ in range(9):
            await asked(blazon, leaf, ca)
            clock.move(DAY)
        assert len(await delegated(blazon, ca)) == 1


async def test_a_responder_that_is_revoked_signs_no_more(blazon: Running) -> None:
    ca = await make_ca(blazon, "Lost its responder", key_metadata=RSA3072)
    leaf = await sign(blazon, ca)
    (first,) = (await asked(blazon, leaf, ca)).certificates
    await revoke(blazon, (await delegated(blazon, ca))[0], "KeyCompromise")
    (second,) = (await asked(blazon, leaf, ca)).certificates
    assert second != first
    assert (await told(blazon, first, decoded(ca))).certificate_status is REVOKED


@pytest.mark.parametrize("reason", ["KeyCompromise", "CertificateHold"])
async def test_what_a_revoked_responder_signed_is_kept_no_longer(blazon: Running, reason: str) -> None:
    """Whoever has the key could have signed it."""
    ca = await make_ca(blazon, f"Kept by {reason}", key_metadata=RSA3072)
    leaf = decoded(await sign(blazon, ca))
    before = [await told(blazon, leaf, decoded(ca)) for _ in range(2)]
    assert before[0].public_bytes(Encoding.DER) == before[1].public_bytes(Encoding.DER), "it is kept"
    await set_status(blazon, (await delegated(blazon, ca))[0], "REVOKED", reason)
    after = await told(blazon, leaf, decoded(ca))
    assert after.certificate_status is GOOD
    assert after.certificates != before[0].certificates


async def test_a_ca_that_is_revoked_while_its_engine_is_away_is_told_of(hsm: SoftHsm, tmp_path: Path) -> None:
    """Its responder was revoked with it, and is all there is to say so."""
    async with running(tmp_path, **settings(hsm)) as blazon:
        ca = await make_ca(blazon, "Stolen")
        leaf = await sign(blazon, ca)
        await asked(blazon, leaf, ca)
        hsm.take_away()
        await set_ca_status(blazon, ca, "REVOKED", "KeyCompromise")

        async def fallen() -> bool:
            return {each["status"] for each in await delegated(blazon, ca)} == {"REVOKED"}

        await eventually(fallen)
        assert (await asked(blazon, leaf, ca)).certificate_status is REVOKED
    async with running(tmp_path, **settings(hsm)) as blazon:
        assert (await asked(blazon, leaf, ca)).certificate_status is REVOKED


async def test_a_ca_on_hold_speaks_for_itself_and_delegates_again_after(blazon: Running) -> None:
    ca = await make_ca(blazon, "On hold", key_metadata=RSA3072)
    leaf = await sign(blazon, ca)
    await set_ca_status(blazon, ca, "REVOKED", "CertificateHold")
    answer = await asked(blazon, leaf, ca)
    assert (answer.certificates, answer.certificate_status) == ([], GOOD)
    await set_ca_status(blazon, ca, "ACTIVE")
    assert len((await asked(blazon, leaf, ca)).certificates) == 1


async def test_a_twin_that_is_not_revoked_speaks_for_one_that_is(blazon: Running) -> None:
    """It can delegate, which the revoked one cannot any more."""
    old, private_key = outside_ca("Twin speaks", usage=ROOT_USAGE)
    new, _ = outside_ca("Twin speaks", subject_key=private_key, days=4000, usage=ROOT_USAGE)
    first = await bring_ca(blazon, old, private_key)
    leaf = await sign(blazon, first)
    second = await bring_ca(blazon, new, private_key)
    await set_ca_status(blazon, first, "REVOKED", "Superseded")
    answer = await asked(blazon, leaf, first)
    assert answer.certificate_status is REVOKED
    assert [len(await delegated(blazon, each)) for each in (first, second)] == [0, 1]
    assert [decoded(each) for each in await delegated(blazon, second)] == answer.certificates


async def test_a_list_that_is_good_is_served_while_the_engine_is_away(
    hsm: SoftHsm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after a revocation it does not tell of, up to its next update and not longer."""
    monkeypatch.setattr(crls, "_STALE", 0.0)
    monkeypatch.setattr(crls, "_PAUSE", 0.0)
    clock = ManualClock(time.time_ns())
    async with running(tmp_path, clock, **settings(hsm), tokens__access="36500d") as blazon:
        ca = await make_ca(blazon, "Lists")
        leaf = await sign(blazon, ca)
        first = await crl_of(blazon, ca)
        hsm.take_away()
        await revoke(blazon, leaf)
        for moved in (0, 10, 24 * HOUR, 23 * HOUR):
            clock.move(moved)
            assert await crl_of(blazon, ca) == first
        clock.move(HOUR)
        assert (await blazon.call("GET", f"/api/va/crl/{ca['id']}", token="")).status == 503
        hsm.give_back()

        async def is_new() -> bool:
            return (await blazon.call("GET", f"/api/va/crl/{ca['id']}", token="")).status == 200

        await eventually(is_new)
        second = await crl_of(blazon, ca)
        assert second.get_revoked_certificate_by_serial_number(serial_of(leaf)) is not None
        number = x509.CRLNumber
        before, after = (each.extensions.get_extension_for_class(number).value.crl_number for each in (first, second))
        assert after == before + 1, "a list nobody could sign took no number"


@pytest.mark.parametrize("critical", [False, True])
async def test_a_critical_extension_nobody_knows_is_an_error_over_http(blazon: Running, critical: bool) -> None:
    ca = await make_ca(blazon, f"Critical {critical}")
    builder = ocsp.OCSPRequestBuilder().add_certificate(decoded(ca), decoded(ca), SHA256())
    builder = builder.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), critical)
    der = builder.build().public_bytes(Encoding.DER)
    answer = await blazon.call("POST", "/api/va/ocsp", data=der, token="")
    wanted = ocsp.OCSPResponseStatus.MALFORMED_REQUEST if critical else SUCCESSFUL
    assert ocsp.load_der_ocsp_response(answer.body).response_status is wanted


async def test_no_key_of_a_responder_is_told(hsm: SoftHsm, tmp_path: Path) -> None:
    async with running(tmp_path, **settings(hsm)) as blazon:
        ca = await make_ca(blazon, "Sealed")
        await asked(blazon, await sign(blazon, ca), ca)
        shown = (await delegated(blazon, ca))[0]
        assert "PRIVATE" not in str(shown)
        assert "v1." not in str(shown)
    (record,) = [each for each in await records_of(tmp_path, "") if each.type == "ca.responder.create"]
    assert "PRIVATE" not in record.data
