"""Several processes over one PostgreSQL: one that dies leaves nothing half-issued, two never both win, news comes soon.

Who is killed is the real `blazon up`; a process whose clock is moved runs in the test. The engine is a real PKCS#11
token.
"""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.x509 import ocsp

from blazon.ca.service import authorities
from blazon.clock import NANOSECONDS, SystemClock
from blazon.engines import Pkcs11Engine
from blazon.storage import open_database
from tests.ca.support import API, ca_body, csr, decoded, eventually, make_ca, refused, revoke, serial_of, sign
from tests.ca.test_intents import events_of, settings
from tests.ca.test_revocation import request_for
from tests.faults.process import BlazonProcess
from tests.faults.support import records_of
from tests.running import running
from tests.servers import PostgresServer, SoftHsm
from tests.servers.proxy import Proxy

pytestmark = pytest.mark.faults

KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
MINUTE = 60


class AheadClock(SystemClock):
    """The clock of the machine, and so many seconds more."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> int:
        return super().now() + round(self.ahead * NANOSECONDS)


@pytest.fixture
def hsm() -> Iterator[SoftHsm]:
    server = SoftHsm()
    server.add_token("ca")
    yield server
    server.remove()


class Client:
    """One who asks a process, signed in as the admin."""

    def __init__(self, blazon: BlazonProcess, session: aiohttp.ClientSession) -> None:
        self.blazon = blazon
        self._session = session
        self._headers: dict[str, str] = {}

    async def sign_in(self) -> None:
        self._headers = {"Authorization": f"Bearer {await self.blazon.token(self._session)}"}

    async def call(self, method: str, path: str, body: Any = None, data: bytes | None = None) -> tuple[int, bytes]:
        url = self.blazon.url + path
        async with self._session.request(method, url, json=body, data=data, headers=self._headers) as answer:
            return answer.status, await answer.read()

    async def revoke(self, certificate: Any) -> int:
        path = f"{API}/certificates/{certificate['serial_number']}/status"
        body = {"status": "REVOKED", "revocation_reason": "KeyCompromise"}
        return (await self.call("PUT", path, body))[0]


@asynccontextmanager
async def process(folder: Path, name: str, url: str) -> AsyncIterator[Client]:
    """A process over a database that others use, too."""
    (folder / name).mkdir()
    blazon = BlazonProcess(folder / name, database_url=url, secrets_master_key=KEY, redis_embedded="no")
    await blazon.start()
    async with aiohttp.ClientSession() as session:
        client = Client(blazon, session)
        try:
            await client.sign_in()
            yield client
        finally:
            assert blazon.stop() == 0


def in_token(hsm: SoftHsm, ca_id: str) -> bool:
    """Whether a key is there that was made for this CA."""
    return any(name.partition(".")[0] == ca_id for name in hsm.keys("ca"))


async def open_intents(url: str, folder: Path) -> list[str]:
    database = await open_database(url, folder, writable=False)
    try:
        return [row[0] for row in await database.rows("SELECT kind FROM ca_intents ORDER BY kind")]
    finally:
        await database.close()


async def all_cancelled(url: str, folder: Path) -> None:
    """Waits until no intent is open."""

    async def cancelled() -> bool:
        return not await open_intents(url, folder)

    await eventually(cancelled)


@pytest.mark.parametrize("step", ["key made", "signed"])
async def test_what_a_killed_process_left_is_cancelled_after_ten_minutes(
    hsm: SoftHsm, tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setattr("blazon.ca.service.intents._SWEEP_EVERY", 0.1)
    url, clock = postgres.new_database(), AheadClock()
    given = {**settings(hsm), "database__url": url, "secrets__master_key": KEY}
    (tmp_path / "dies").mkdir()
    dies = BlazonProcess(tmp_path / "dies", **{name.replace("__", "_"): value for name, value in given.items()})
    async with running(tmp_path / "lives", clock, tokens__access="36500d", **given) as lives:
        await dies.start(("-m", "tests.ca.dying", step))
        async with aiohttp.ClientSession() as session:
            headers = {"Authorization": f"Bearer {await dies.token(session)}"}
            with pytest.raises(aiohttp.ClientError):
                await session.post(f"{dies.url}{API}/cas", json=ca_body("Killed", id="killed"), headers=headers)
        assert dies.wait() == -9, "it was to die"
        clock.ahead = 9 * MINUTE
        await asyncio.sleep(0.5)
        assert await open_intents(url, tmp_path) == ["create"], "it might be slow, for all the others know"
        assert await asyncio.to_thread(in_token, hsm, "killed")
        refused(await lives.call("POST", f"{API}/cas", ca_body("Again", id="killed")), 409)
        clock.ahead = 10 * MINUTE + 5
        await all_cancelled(url, tmp_path)
        assert not await asyncio.to_thread(in_token, hsm, "killed")
        refused(await lives.call("GET", f"{API}/cas/killed"), 404)
        await sign(lives, await make_ca(lives, "Again", id="killed"))
    records = await records_of(tmp_path, url)
    names = events_of(records)
    assert names.count("ca.create") == 1
    assert names.count("ca.intent.begin") == names.count("ca.intent.end")


async def test_a_certificate_a_killed_process_signed_was_never_issued(
    hsm: SoftHsm, tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blazon.ca.service.intents._SWEEP_EVERY", 0.1)
    url, clock = postgres.new_database(), AheadClock()
    given = {**settings(hsm), "database__url": url, "secrets__master_key": KEY}
    (tmp_path / "dies").mkdir()
    dies = BlazonProcess(tmp_path / "dies", **{name.replace("__", "_"): value for name, value in given.items()})
    async with running(tmp_path / "lives", clock, tokens__access="36500d", **given) as lives:
        ca = await make_ca(lives)
        await dies.start(("-m", "tests.ca.dying", "signed"))
        async with aiohttp.ClientSession() as session:
            headers = {"Authorization": f"Bearer {await dies.token(session)}"}
            body = {"csr": csr(), "sign_verbatim": True}
            with pytest.raises(aiohttp.ClientError):
                await session.post(f"{dies.url}{API}/cas/{ca['id']}/certificates/sign", json=body, headers=headers)
        assert dies.wait() == -9, "it was to die"
        assert await open_intents(url, tmp_path) == ["sign"]
        clock.ahead = 10 * MINUTE + 5
        await all_cancelled(url, tmp_path)
        assert (await lives.ok("GET", f"{API}/certificates"))["list"] == []
        assert await asyncio.to_thread(in_token, hsm, ca["id"]), "the key of the CA stays"
        await sign(lives, ca)


async def test_a_process_that_is_slow_and_not_dead_does_not_record_a_ca_without_its_key(
    hsm: SoftHsm, tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its engine takes eleven minutes, and is done in the moment when another process has just destroyed the key."""
    monkeypatch.setattr("blazon.ca.service.intents._SWEEP_EVERY", 0.1)
    url, clock = postgres.new_database(), AheadClock()
    given = {**settings(hsm), "database__url": url, "secrets__master_key": KEY, "tokens__access": "36500d"}
    original, signed, go_on = authorities.sign_draft, threading.Event(), threading.Event()

    def slow(*arguments: Any) -> x509.Certificate:
        certificate = original(*arguments)
        signed.set()
        assert go_on.wait(30)
        return certificate

    delete = Pkcs11Engine.delete

    def destroys(*arguments: Any) -> None:
        delete(*arguments)
        go_on.set()
        time.sleep(1)  # the slow one would record its CA now

    monkeypatch.setattr(authorities, "sign_draft", slow)
    monkeypatch.setattr(Pkcs11Engine, "delete", destroys)
    async with AsyncExitStack() as stack:
        is_slow = await stack.enter_async_context(running(tmp_path / "slow", **given))
        await stack.enter_async_context(running(tmp_path / "other", clock, **given))
        asking = asyncio.create_task(is_slow.call("POST", f"{API}/cas", ca_body(id="slow")))
        assert await asyncio.to_thread(signed.wait, 10)
        clock.ahead = 11 * MINUTE
        refused(await asking, 409)
        clock.ahead = 0
        await all_cancelled(url, tmp_path)
        assert not await asyncio.to_thread(in_token, hsm, "slow")
        await sign(is_slow, await make_ca(is_slow, id="slow"))
    names = events_of(await records_of(tmp_path, url))
    assert names.count("ca.create") == 1
    assert names.count("ca.intent.begin") == names.count("ca.intent.end")


async def test_two_never_both_win(tmp_path: Path, postgres: PostgresServer) -> None:
    """They revoke the same certificates, make CAs of one id, and issue while the other revokes the CA."""
    url = postgres.new_database()
    async with process(tmp_path, "here", url) as here, process(tmp_path, "there", url) as there:
        both = (here, there)
        made = await asyncio.gather(*(each.call("POST", f"{API}/cas", ca_body(id="one")) for each in both))
        assert sorted(status for status, _ in made) == [201, 409]
        path, body = f"{API}/cas/one/certificates/sign", {"csr": csr(), "sign_verbatim": True}
        issued = [json.loads((await here.call("POST", path, body))[1]) for _ in range(20)]
        for certificate in issued:
            assert sorted(await asyncio.gather(*(each.revoke(certificate) for each in both))) == [200, 400]
        asked = [asyncio.create_task(each.call("POST", path, body)) for _ in range(30) for each in both]
        await asyncio.sleep(0.02)
        status, _ = await there.call("POST", f"{API}/cas/one/status", {"status": "REVOKED"})
        assert status < 300
        for each in both:
            assert (await each.call("POST", path, body))[0] == 400
        answers = [(await each)[0] for each in asked]
        assert set(answers) <= {201, 400}
    records = await records_of(tmp_path, url)
    (revoked,) = [record.sequence for record in records if record.type == "ca.update.status"]
    signed = [record.sequence for record in records if record.type == "ca.sign-certificate"]
    assert all(sequence < revoked for sequence in signed)
    assert len(signed) == 20 + answers.count(201)


async def test_a_process_that_is_cut_off_says_no_more_that_all_is_good(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    """It keeps an answer for hours, and cannot hear that another process revoked what it tells of."""
    url = postgres.new_database()
    given = {"redis__embedded": "no", "database__url": url, "secrets__master_key": KEY}
    async with running(tmp_path / "here", **given) as here, Proxy(postgres.port) as proxy:
        ca = await make_ca(here)
        certificate = await sign(here, ca)
        der = request_for(decoded(certificate), decoded(ca))
        async with process(tmp_path, "there", url.replace(str(postgres.port), str(proxy.port))) as there:

            async def answer() -> ocsp.OCSPResponse:
                async with asyncio.timeout(1):
                    return ocsp.load_der_ocsp_response((await there.call("POST", "/api/va/ocsp", data=der))[1])

            async def cut() -> None:
                while True:
                    proxy.drop(b"")
                    await asyncio.sleep(0.01)

            kept = await answer()
            await asyncio.sleep(6)
            assert (await answer()).signature == kept.signature, "it hears that nothing happens"
            cutting = asyncio.create_task(cut())
            await asyncio.sleep(0.1)
            await revoke(here, certificate)
            await asyncio.sleep(6)
            with contextlib.suppress(TimeoutError):  # it asks a database that does not answer
                response = await answer()
                assert response.response_status is ocsp.OCSPResponseStatus.TRY_LATER
            cutting.cancel()

            async def is_back() -> bool:
                with contextlib.suppress(TimeoutError, ValueError):
                    return (await answer()).certificate_status is ocsp.OCSPCertStatus.REVOKED
                return False

            await eventually(is_back)


async def test_a_revocation_is_soon_true_in_the_other_process(tmp_path: Path, postgres: PostgresServer) -> None:
    """Also where an answer that says otherwise is kept: it is dropped when the news comes."""
    url = postgres.new_database()
    given = {"redis__embedded": "no", "database__url": url, "secrets__master_key": KEY}
    async with running(tmp_path / "here", **given) as here, process(tmp_path, "there", url) as there:
        ca = await make_ca(here)
        times = []
        for number in range(20):
            certificate = await sign(here, ca, f"leaf {number}")
            der = request_for(decoded(certificate), decoded(ca))

            async def status(der: bytes = der) -> ocsp.OCSPCertStatus:
                _, body = await there.call("POST", "/api/va/ocsp", data=der)
                return ocsp.load_der_ocsp_response(body).certificate_status

            for _ in range(2):
                assert await status() is ocsp.OCSPCertStatus.GOOD
            await revoke(here, certificate)
            started = time.perf_counter()
            async with asyncio.timeout(1):
                while await status() is not ocsp.OCSPCertStatus.REVOKED:
                    pass
            times.append(time.perf_counter() - started)
        assert sorted(times)[len(times) // 2] < 0.05, times

        async def shown() -> bool:
            _, body = await there.call("GET", f"/api/va/crl/{ca['id']}")
            entry = x509.load_der_x509_crl(body).get_revoked_certificate_by_serial_number(serial_of(certificate))
            return entry is not None

        async with asyncio.timeout(5):
            while not await shown():
                await asyncio.sleep(0.05)
        # The lists of both have numbers of their own.
        numbers = []
        for fetch in (here.call("GET", f"/api/va/crl/{ca['id']}"), there.call("GET", f"/api/va/crl/{ca['id']}")):
            answer = await fetch
            crl = x509.load_der_x509_crl(answer[1] if isinstance(answer, tuple) else answer.body)
            numbers.append(crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number)
        assert numbers[0] != numbers[1]
