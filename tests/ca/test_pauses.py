"""An engine that is away, and people who ask all the time without signing in: neither it nor the log works for them.

The engine is a real PKCS#11 token (SoftHSM2) that is taken away while Blazon runs.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.x509 import CRLNumber, ocsp

from blazon.ca.service import pauses
from blazon.ca.service.pauses import Pauses
from blazon.engines import EngineUnavailable, Pkcs11Engine
from tests.ca.support import crl_of, decoded, eventually, make_ca, revoke, sign
from tests.ca.test_intents import events_of, settings
from tests.ca.test_revocation import request_for
from tests.faults.support import records_of
from tests.running import Running, running
from tests.servers import SoftHsm

TIMES = 20


@pytest.fixture
def hsm() -> Iterator[SoftHsm]:
    server = SoftHsm()
    server.add_token("ca")
    yield server
    server.remove()


async def asked(blazon: Running, der: bytes) -> ocsp.OCSPResponse:
    return ocsp.load_der_ocsp_response((await blazon.call("POST", "/api/va/ocsp", data=der, token="")).body)


async def test_nobody_makes_the_log_grow_while_an_engine_is_away(
    hsm: SoftHsm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pauses, "_PAUSE", 60.0)
    async with running(tmp_path, **settings(hsm)) as blazon:
        cas = [await make_ca(blazon, f"Token {number}") for number in range(3)]
        ders = [request_for(decoded(await sign(blazon, ca)), decoded(ca)) for ca in cas]
        await asked(blazon, ders[2])
        hsm.take_away()
        before = events_of(await records_of(tmp_path, ""))
        # One after the other, and all at once.
        for _ in range(TIMES):
            assert (await asked(blazon, ders[0])).response_status is ocsp.OCSPResponseStatus.TRY_LATER
        for answer in await asyncio.gather(*(asked(blazon, ders[0]) for _ in range(TIMES))):
            assert answer.response_status is ocsp.OCSPResponseStatus.TRY_LATER
        path = f"/api/va/crl/{cas[1]['id']}"
        for _ in range(TIMES):
            assert (await blazon.call("GET", path, token="")).status == 503
        answers = await asyncio.gather(*(blazon.call("GET", path, token="") for _ in range(TIMES)))
        assert {answer.status for answer in answers} == {503}
        grown = events_of(await records_of(tmp_path, ""))[len(before) :]
        assert grown == ["ca.intent.begin"] or grown == ["ca.intent.begin", "ca.intent.end"]
        # Who answers without the engine goes on, also when its CA has no CRL for now.
        assert (await blazon.call("GET", f"/api/va/crl/{cas[2]['id']}", token="")).status == 503
        assert (await asked(blazon, ders[2])).certificate_status is ocsp.OCSPCertStatus.GOOD


async def test_an_engine_that_is_back_is_asked_again(
    hsm: SoftHsm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pauses, "_PAUSE", 0.5)
    async with running(tmp_path, **settings(hsm)) as blazon:
        ca = await make_ca(blazon, "Token")
        certificate = await sign(blazon, ca)
        der = request_for(decoded(certificate), decoded(ca))
        hsm.take_away()
        assert (await asked(blazon, der)).response_status is ocsp.OCSPResponseStatus.TRY_LATER
        assert (await blazon.call("GET", f"/api/va/crl/{ca['id']}", token="")).status == 503
        hsm.give_back()
        await revoke(blazon, certificate)

        async def answers() -> bool:
            return (await asked(blazon, der)).response_status is ocsp.OCSPResponseStatus.SUCCESSFUL

        await eventually(answers)  # although somebody asks all the time
        assert (await asked(blazon, der)).certificate_status is ocsp.OCSPCertStatus.REVOKED
        number = (await crl_of(blazon, ca)).extensions.get_extension_for_class(CRLNumber).value.crl_number
        assert number == 1, "no number was taken for a list that nobody could sign"


async def test_a_ca_that_was_never_opened_is_not_looked_for_again_and_again(
    hsm: SoftHsm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pauses, "_PAUSE", 60.0)
    async with running(tmp_path, **settings(hsm)) as blazon:
        ca = await make_ca(blazon, "Token")
        der = request_for(decoded(await sign(blazon, ca)), decoded(ca))
    opened = list[Any]()
    original = Pkcs11Engine.open

    def counted(self: Pkcs11Engine, key: Any) -> Any:
        opened.append(key)
        return original(self, key)

    monkeypatch.setattr(Pkcs11Engine, "open", counted)
    hsm.take_away()
    async with running(tmp_path, **settings(hsm)) as blazon:
        for _ in range(TIMES):
            assert (await asked(blazon, der)).response_status is ocsp.OCSPResponseStatus.TRY_LATER
        assert len(opened) == 1


def test_a_pause_ends_however_often_somebody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(pauses.time, "monotonic", lambda: now[0])
    found = Pauses()

    def ask() -> bool:
        """Whether the engine was asked: by one block within another, as it is."""
        called = False
        with pytest.raises(EngineUnavailable, match="gone"), found.of("ca"), found.of("ca"):
            called = True
            raise EngineUnavailable("gone")
        return called

    assert ask()
    for now[0] in (0.1, 2.0, 4.9):
        assert not ask()
    with found.of("another"):
        pass
    now[0] = 5.1
    assert ask()
    assert not ask()
