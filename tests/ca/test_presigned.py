"""OCSP answers that are kept: signed again before their time is over, dropped the moment they are no longer true."""

import asyncio
import base64
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from blazon.ca.service.answers import Answer, Answers
from blazon.ca.service.ocsp import Ocsp
from blazon.clock import ManualClock
from blazon.engines import EngineUnavailable
from tests.ca.support import API, decoded, eventually, key, make_ca, outside_ca, revoke, set_status, sign
from tests.ca.test_revocation import RSA3072, request_for
from tests.running import Answer as HttpAnswer
from tests.running import Running, running

HOUR = 3600
START = 1_790_000_000_000_000_000
FLAGS = {"tokens__access": "36500d", "tokens__refresh": "36500d", "redis__embedded": "no", "pki__ocsp_time": "24h"}
EC = {"type": "ECDSA", "bits": 256}


@pytest.fixture
def signed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The requests answers were signed for, ahead or not."""
    made: list[bytes] = []
    produce = Ocsp._produce

    async def counted(self: Ocsp, der: bytes, *rest: Any) -> Answer:
        answer = await produce(self, der, *rest)
        made.append(der)
        return answer

    monkeypatch.setattr(Ocsp, "_produce", counted)
    return made


async def post(blazon: Running, der: bytes) -> ocsp.OCSPResponse:
    return ocsp.load_der_ocsp_response((await blazon.call("POST", "/api/va/ocsp", data=der, token="")).body)


def unknown_of(ca: Any) -> bytes:
    """A request for a certificate a CA never issued, whatever stands in it."""
    return request_for(outside_ca("Never issued", is_ca=False, above=(decoded(ca), key()))[0], decoded(ca))


async def get(blazon: Running, der: bytes, **headers: str) -> HttpAnswer:
    path = quote(base64.b64encode(der).decode(), safe="")
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return await blazon.call("GET", f"/api/va/ocsp/{path}", token="", headers=sent)


async def test_what_is_asked_for_is_signed_again_before_its_time_is_over(tmp_path: Path, signed: list[bytes]) -> None:
    clock = ManualClock(START)
    async with running(tmp_path, clock, **FLAGS) as blazon:
        ca = await make_ca(blazon)
        asked, not_asked = [
            request_for(decoded(await sign(blazon, ca, name)), decoded(ca)) for name in ("asked", "not asked")
        ]
        first = await post(blazon, asked)
        assert (await post(blazon, asked)).signature == first.signature, "a kept one"
        await post(blazon, not_asked)
        assert signed == [asked, not_asked]
        clock.move(8 * HOUR)
        assert (await post(blazon, asked)).signature == first.signature, (
            "two thirds of its time are left, and nothing changed"
        )
        clock.move(1 * HOUR)
        await eventually(is_signed_times(signed, 3))
        later = await post(blazon, asked)
        assert signed == [asked, not_asked, asked], "nobody waited for it; what nobody asks for is not signed"
        assert later.this_update_utc > first.this_update_utc
        assert first.next_update_utc is not None
        assert later.this_update_utc < first.next_update_utc
        # Asked for once in its first time, which was a while ago: it is given up.
        clock.move(9 * HOUR)
        await eventually(is_signed_times(signed, 4))
        clock.move(9 * HOUR)
        await post(blazon, not_asked)
        assert signed == [asked, not_asked, asked, asked, not_asked]


@pytest.mark.parametrize("days", [1, 10, 30])
async def test_no_answer_outlives_the_certificate_of_who_signed_it(tmp_path: Path, days: int) -> None:
    """That of a delegated key is good for two weeks; answers may be set to be good for longer."""
    clock = ManualClock(START)
    flags = {**FLAGS, "pki__ocsp_time": f"{days}d"}
    async with running(tmp_path, clock, **flags) as blazon:
        ca = await make_ca(blazon, key_metadata=RSA3072)
        certificate = await sign(blazon, ca)
        signers = set()
        for day in range(16):
            der = request_for(decoded(certificate), decoded(ca), b"of day %d" % day)
            response = await post(blazon, der)
            (signer,) = response.certificates
            signers.add(signer)
            assert response.next_update_utc is not None
            assert response.next_update_utc <= signer.not_valid_after_utc
            lasts = response.next_update_utc - response.this_update_utc
            assert lasts == timedelta(days=days) or lasts >= timedelta(days=10) < timedelta(days=days)
            clock.move(24 * HOUR)
        assert len(signers) <= 5


def is_signed_times(signed: list[bytes], times: int) -> Any:
    async def check() -> bool:
        return len(signed) == times

    return check


@pytest.mark.parametrize(("spec", "rounds"), [(EC, 2), ({"type": "RSA", "bits": 3072}, 20)])
async def test_a_revocation_is_true_at_once_also_of_what_is_signed_ahead(
    tmp_path: Path, signed: list[bytes], spec: dict[str, Any], rounds: int
) -> None:
    """By the CA itself and by a delegated key, whose certificate is renewed meanwhile: within seven and a half days."""
    clock = ManualClock(START)
    async with running(tmp_path, clock, **FLAGS) as blazon:
        ca = await make_ca(blazon, key_metadata=spec)
        certificate = await sign(blazon, ca)
        der = request_for(decoded(certificate), decoded(ca))
        for _ in range(rounds):
            await post(blazon, der)
            await post(blazon, der)
            before = len(signed)
            clock.move(9 * HOUR)
            await eventually(is_signed_times(signed, before + 1))
            assert (await post(blazon, der)).this_update_utc.timestamp() == clock.now() // 10**9
            assert len(signed) == before + 1
        await set_status(blazon, certificate, "REVOKED", "CertificateHold")
        assert (await post(blazon, der)).certificate_status is ocsp.OCSPCertStatus.REVOKED
        await set_status(blazon, certificate, "ACTIVE")
        assert (await post(blazon, der)).certificate_status is ocsp.OCSPCertStatus.GOOD
        await revoke(blazon, certificate)
        assert (await post(blazon, der)).certificate_status is ocsp.OCSPCertStatus.REVOKED
        # What no answer tells of drops none.
        count = len(signed)
        await blazon.ok("PUT", f"{API}/cas/{ca['id']}/metadata", {"metadata": {"a": 1}})
        path = f"{API}/certificates/{certificate['serial_number']}/metadata"
        await blazon.ok("PUT", path, {"metadata": {"a": 1}})
        await post(blazon, der)
        assert len(signed) == count


async def test_what_changes_while_it_is_signed_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path, redis__embedded="no") as blazon:
        ca = await make_ca(blazon)
        certificate, other = await sign(blazon, ca, "one"), await sign(blazon, ca, "other")
        ders = [request_for(decoded(each), decoded(ca)) for each in (certificate, other)]
        begun, go_on = list[bytes](), asyncio.Event()

        async def begun_twice() -> bool:
            return len(begun) == 2

        original = Ocsp._signed

        async def slow(self: Ocsp, *arguments: Any) -> bytes | None:
            response = await original(self, *arguments)
            begun.append(response or b"")
            await go_on.wait()
            return response

        monkeypatch.setattr(Ocsp, "_signed", slow)
        # Both are the first to ask of any CA, and at once: neither is told that it is none of ours.
        asking = [asyncio.create_task(post(blazon, der)) for der in ders]
        await eventually(begun_twice)
        await revoke(blazon, certificate)
        go_on.set()
        before = [await each for each in asking]
        monkeypatch.undo()
        after = [await post(blazon, der) for der in ders]
        assert after[0].certificate_status is ocsp.OCSPCertStatus.REVOKED
        assert after[1].signature == before[1].signature, "the other one was kept"


async def test_what_caches_are_told(tmp_path: Path) -> None:
    """RFC 5019 §6.2."""
    async with running(tmp_path, redis__embedded="no", pki__ocsp_max_age="1h") as blazon:
        ca = await make_ca(blazon)
        certificate = await sign(blazon, ca)
        der = request_for(decoded(certificate), decoded(ca))
        answer = await get(blazon, der)
        response = ocsp.load_der_ocsp_response(answer.body)
        assert answer.headers["Cache-Control"] == "max-age=3600, public, no-transform, must-revalidate"
        assert parsedate_to_datetime(answer.headers["Last-Modified"]) == response.this_update_utc
        assert parsedate_to_datetime(answer.headers["Expires"]) == response.next_update_utc
        tag = answer.headers["ETag"]
        for sent in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            again = await get(blazon, der, If_None_Match=sent)
            assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
            assert "Content-Type" not in again.headers
        assert (await get(blazon, der, If_None_Match='"other"')).status == 200
        await revoke(blazon, certificate)
        later = await get(blazon, der, If_None_Match=tag)
        assert later.status == 200
        assert later.headers["ETag"] != tag
        # What is for one only, what may change any moment, and what is no answer is kept by nobody.
        stranger = request_for(decoded(ca), decoded(certificate))
        unknown = unknown_of(ca)
        assert (await post(blazon, unknown)).certificate_status is ocsp.OCSPCertStatus.UNKNOWN
        for other in (request_for(decoded(certificate), decoded(ca), b"a nonce"), b"junk", stranger, unknown, unknown):
            answer = await get(blazon, other)
            assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-cache")
            assert "ETag" not in answer.headers
        posted = await blazon.call("POST", "/api/va/ocsp", data=der, token="")
        assert posted.headers["Cache-Control"] == "no-cache"
        crl = await blazon.call("GET", f"/api/va/crl/{ca['id']}", token="")
        headers = {"If-None-Match": crl.headers["ETag"]}
        assert (await blazon.call("GET", f"/api/va/crl/{ca['id']}", token="", headers=headers)).status == 304


async def test_what_is_unknown_is_not_kept(tmp_path: Path, signed: list[bytes]) -> None:
    """There are as many serial numbers as anybody likes, and each may be issued any moment."""
    async with running(tmp_path, redis__embedded="no") as blazon:
        ca = await make_ca(blazon)
        unknown = unknown_of(ca)
        for _ in range(3):
            assert (await post(blazon, unknown)).certificate_status is ocsp.OCSPCertStatus.UNKNOWN
        assert signed == [unknown] * 3


async def test_an_answer_that_cannot_be_signed_again_is_kept_on_only_while_it_is_true(
    tmp_path: Path, signed: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock(START)
    async with running(tmp_path, clock, **FLAGS) as blazon:
        ca = await make_ca(blazon)
        certificates = [await sign(blazon, ca, name) for name in ("revoked", "good")]
        ders = [request_for(decoded(each), decoded(ca)) for each in certificates]
        first = [await post(blazon, der) for der in ders for _ in range(2)][::2]
        begun, go_on = list[bytes](), asyncio.Event()

        async def fails(*arguments: Any) -> Any:
            begun.append(b"")
            await go_on.wait()
            raise EngineUnavailable("away")

        monkeypatch.setattr(Ocsp, "_signed", fails)
        clock.move(9 * HOUR)

        async def is_begun() -> bool:
            return len(begun) == 1

        await eventually(is_begun)
        await revoke(blazon, certificates[0])
        go_on.set()
        await eventually(is_signed_times(signed, 4))
        monkeypatch.undo()
        assert (await post(blazon, ders[0])).certificate_status is ocsp.OCSPCertStatus.REVOKED
        assert (await post(blazon, ders[1])).signature == first[1].signature, "it is good for three hours more"


async def test_caches_ask_again_unless_they_are_told_otherwise(tmp_path: Path) -> None:
    async with running(tmp_path, redis__embedded="no") as blazon:
        ca = await make_ca(blazon)
        der = request_for(decoded(await sign(blazon, ca)), decoded(ca))
        assert (await get(blazon, der)).headers["Cache-Control"].startswith("max-age=0, ")
    async with running(tmp_path, redis__embedded="no", pki__ocsp_max_age="48h") as blazon:
        assert (await get(blazon, der)).headers["Cache-Control"].startswith("max-age=43200, ")


async def test_a_request_with_much_besides_is_answered_and_not_kept(tmp_path: Path, signed: list[bytes]) -> None:
    """Anybody can make any number of them."""
    async with running(tmp_path, redis__embedded="no") as blazon:
        ca = await make_ca(blazon)
        certificate = decoded(await sign(blazon, ca))
        builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, decoded(ca), SHA512())
        for length, kept in ((0, True), (64, True), (15 * 1024, False)):
            junk = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), bytes(length))
            der = builder.add_extension(junk, critical=False).build().public_bytes(Encoding.DER)
            first, second = [await post(blazon, der) for _ in range(2)]
            assert first.certificate_status is second.certificate_status is ocsp.OCSPCertStatus.GOOD
            assert signed.count(der) == (1 if kept else 2)


def test_what_is_kept_is_bounded() -> None:
    answers = Answers()
    for number in range(1000):
        answers.keep(number.to_bytes(2, "big"), Answer(bytes(1024 * 1024), str(number), 0, 1000))
        assert len(answers) <= 64
    assert answers.get((999).to_bytes(2, "big"), 1) is not None
    assert answers.get((0).to_bytes(2, "big"), 1) is None, "the oldest goes"
    answers.clear()
    for number in range(100):
        answers.keep(number.to_bytes(2, "big"), Answer(b"", "one certificate in many words", 0, 1000))
        assert len(answers) <= 8
    answers.keep(bytes(513), Answer(b"", "a long story", 0, 1000))
    assert answers.get(bytes(513), 1) is None
    answers.forget("one certificate in many words")
    assert len(answers) == 0
    assert answers._bytes == 0
    assert not answers._requests


def test_the_oldest_is_renewed_first_and_only_when_it_was_asked_for() -> None:
    answers = Answers()
    for number in range(4):
        answers.keep(bytes((number,)), Answer(b"", str(number), number, 800))
    for number in (1, 2, 3):
        answers.get(bytes((number,)), 10)
    assert answers.take_due(299) is None
    taken = answers.take_due(302)
    assert taken is not None
    assert taken[0] == b"\x01", "the one before it was not asked for"
    assert answers.get(b"\x00", 302) is None
    taken = answers.take_due(302)
    assert taken is not None
    assert taken[0] == b"\x02"
    assert answers.take_due(302) is None
    assert answers.take_due(500) is None, "its time is over: whoever asks has a new one signed"
