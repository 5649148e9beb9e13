"""Nothing is half-issued: an engine that is away, and a process that is killed while an engine works.

The engine is a real PKCS#11 token (SoftHSM2); the process is the real `blazon up`.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from blazon.ca.events import INTENT_BEGIN
from blazon.ca.models import Intent
from blazon.ca.service import Intents
from blazon.engines import Pkcs11Engine
from tests.ca.support import (
    API,
    P256,
    ca_body,
    crl_of,
    csr,
    decoded,
    encoded,
    key_pem,
    lasting,
    make_ca,
    outside_ca,
    pem,
    refused,
    sign,
)
from tests.faults.process import BlazonProcess
from tests.faults.support import records_of
from tests.running import running
from tests.servers import MotoServer
from tests.servers.softhsm import SoftHsm


@pytest.fixture
def hsm() -> Iterator[SoftHsm]:
    server = SoftHsm()
    server.add_token("ca")
    yield server
    server.remove()


def settings(hsm: SoftHsm) -> dict[str, str]:
    return {
        "engines__pkcs11_module": hsm.module,
        "engines__pkcs11_token": "ca",
        "engines__pkcs11_pin": hsm.pin,
        "engines__default": "pkcs11",
        "redis__embedded": "no",
    }


def events_of(records: Any) -> list[str]:
    return [record.type for record in records if record.service == "ca"]


async def test_a_ca_in_a_token(hsm: SoftHsm, tmp_path: Path) -> None:
    async with running(tmp_path, **settings(hsm)) as blazon:
        ca = await make_ca(blazon, "In a token", id="in-a-token")
        assert ca["engine_id"] == "pkcs11"
        await sign(blazon, ca)
        await blazon.ok("POST", f"{API}/cas/{ca['id']}/status", {"status": "REVOKED"})
        await blazon.ok("DELETE", f"{API}/cas/{ca['id']}")
    names = events_of(await records_of(tmp_path, ""))
    assert names[:2] == ["ca.intent.begin", "ca.create"]
    # Each intent came to its end, and the key of the CA that was deleted is gone.
    assert names.count("ca.intent.begin") == names.count("ca.intent.end") == 3
    assert hsm.keys("ca") == []


async def test_of_many_who_want_an_id_at_once_one_gets_it_and_keeps_its_key(hsm: SoftHsm, tmp_path: Path) -> None:
    certificate, private_key = outside_ca("Wanted")
    brought = {
        "ca": pem(certificate),
        "private_key": encoded(key_pem(private_key)),
        "issuance_expiration": lasting("9d"),
    }
    requested = {name: value for name, value in ca_body("Wanted").items() if name != "ca_expiration"}
    wanted = {"cas": ca_body("Wanted"), "cas/import": brought, "requests": requested}
    async with running(tmp_path, **settings(hsm)) as blazon:
        for path, body in wanted.items():
            each = {**body, "id": path.replace("/", "-")}
            answers = await asyncio.gather(*(blazon.call("POST", f"{API}/{path}", each) for _ in range(6)))
            assert sorted(answer.status for answer in answers) == [201, 409, 409, 409, 409, 409], path
        for made in ("cas", "cas-import"):
            await sign(blazon, {"id": made})
        mixed = [blazon.call("POST", f"{API}/{path}", {**body, "id": "mixed"}) for path, body in wanted.items()]
        assert sorted(answer.status for answer in await asyncio.gather(*mixed)) == [201, 409, 409]
        assert sorted(name.partition(".")[0] for name in hsm.keys("ca")) == ["cas", "cas-import", "mixed", "requests"]
    names = events_of(await records_of(tmp_path, ""))
    assert names.count("ca.intent.begin") == names.count("ca.intent.end")


async def test_a_key_in_use_outlives_an_intent_that_is_taken_for_open(
    hsm: SoftHsm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep may have read an intent just before its end was recorded; then its CA is there, and keeps its key."""
    from blazon.ca import setup

    built: list[Intents] = []

    def build(*arguments: Any) -> Intents:
        built.append(Intents(*arguments))
        return built[-1]

    monkeypatch.setattr(setup, "Intents", build)
    requested = {name: value for name, value in ca_body("Waits", id="waits").items() if name != "ca_expiration"}
    async with running(tmp_path, **settings(hsm)) as blazon:
        await make_ca(blazon, "Stays", id="stays")
        await blazon.ok("POST", f"{API}/requests", requested)
        kept = hsm.keys("ca")
        assert len(kept) == 2
        for record in await records_of(tmp_path, ""):
            if record.type == "ca.intent.begin":
                begun = msgspec.structs.asdict(INTENT_BEGIN.read(record))
                await built[0].cancel(Intent(**begun, revision=record.sequence))
        assert hsm.keys("ca") == kept
        await sign(blazon, {"id": "stays"})


async def test_a_ca_in_the_kms(moto: MotoServer, tmp_path: Path) -> None:
    flags = {
        "engines__kms_region": "eu-west-1",
        "engines__kms_endpoint": moto.url,
        "engines__kms_access_key": "test",
        "engines__kms_secret_key": "test",
        "redis__embedded": "no",
    }
    async with running(tmp_path, **flags) as blazon:
        ca = await make_ca(blazon, "In the KMS", id="in.the-kms", engine_id="kms")
        certificate = await sign(blazon, ca)
        decoded(certificate).verify_directly_issued_by(decoded(ca))
        assert (ca["engine_id"], certificate["engine_id"]) == ("kms", "kms")
        assert (await crl_of(blazon, ca)).is_signature_valid(decoded(ca).public_key())  # type: ignore[arg-type]
        outside, private_key = outside_ca("Not for the KMS")
        body = {"ca": pem(outside), "private_key": encoded(key_pem(private_key)), "engine_id": "kms"}
        refused(await blazon.call("POST", f"{API}/cas/import", body), 422)
        assert (await blazon.ok("GET", f"{API}/stats"))["cas"]["total"] == 1
    names = events_of(await records_of(tmp_path, ""))
    assert names.count("ca.intent.begin") == names.count("ca.intent.end")


async def test_a_key_of_somebody_else_is_left_alone(hsm: SoftHsm, tmp_path: Path) -> None:
    engine = Pkcs11Engine("pkcs11", module=hsm.module, token="ca", pin=hsm.pin)
    from blazon.engines import KeySpec, KeyType

    theirs = await asyncio.to_thread(engine.create, "theirs", KeySpec(KeyType.ECDSA, 256))
    async with running(tmp_path, **settings(hsm)) as blazon:
        ca = await make_ca(blazon, id="theirs")
        assert decoded(ca).public_key() != theirs.load_public_key()
        await blazon.ok("POST", f"{API}/cas/theirs/status", {"status": "REVOKED"})
        await blazon.ok("DELETE", f"{API}/cas/theirs")
    assert hsm.keys("ca") == ["theirs"]
    found = engine.find("theirs")
    assert found is not None
    assert found.public_key == theirs.public_key
    engine.close()


async def test_an_engine_that_is_away(hsm: SoftHsm, tmp_path: Path) -> None:
    async with running(tmp_path, **settings(hsm)) as blazon:
        software = await make_ca(blazon, "Software", engine_id="software")
        ca = await make_ca(blazon, "Token")
        await sign(blazon, ca)
    hsm.take_away()
    async with running(tmp_path, **settings(hsm)) as blazon:
        body = {"csr": csr(), "sign_verbatim": True}
        for path, wanted in ((f"{API}/cas", ca_body()), (f"{API}/cas/{ca['id']}/certificates/sign", body)):
            answer = await blazon.call("POST", path, wanted)
            refused(answer, 503)
            assert answer.headers["Retry-After"]
        await sign(blazon, software)  # the other engine goes on
        assert {each["id"] for each in await blazon.ok("GET", f"{API}/engines")} == {"software", "pkcs11"}
    hsm.give_back()
    async with running(tmp_path, **settings(hsm)) as blazon:
        await sign(blazon, ca)
        assert (await blazon.ok("GET", f"{API}/stats"))["cas"]["total"] == 2
    names = events_of(await records_of(tmp_path, ""))
    assert names.count("ca.intent.begin") == names.count("ca.intent.end")


@pytest.mark.faults
@pytest.mark.parametrize("step", ["key made", "signed", "recorded"])
async def test_a_death_while_a_ca_is_made(hsm: SoftHsm, tmp_path: Path, step: str) -> None:
    given = {name.replace("__", "_"): value for name, value in settings(hsm).items()}
    blazon = BlazonProcess(tmp_path, **given)
    await blazon.start(("-m", "tests.ca.dying", step))
    async with aiohttp.ClientSession() as client:
        headers = {"Authorization": f"Bearer {await blazon.token(client)}"}
        with pytest.raises(aiohttp.ClientError):
            await client.post(f"{blazon.url}{API}/cas", json=ca_body("Killed", id="killed"), headers=headers)
    assert blazon.wait() == -9, "it was to die"

    await blazon.start()
    async with aiohttp.ClientSession() as client:
        headers = {"Authorization": f"Bearer {await blazon.token(client)}"}
        async with client.get(f"{blazon.url}{API}/cas/killed", headers=headers) as answer:
            there = answer.status == 200
        async with client.post(
            f"{blazon.url}{API}/cas", json=ca_body("Killed", id="killed"), headers=headers
        ) as answer:
            assert answer.status == (409 if there else 201), await answer.text()
        path = f"{blazon.url}{API}/cas/killed/certificates/sign"
        body = {"csr": csr(), "sign_verbatim": True}
        async with client.post(path, json=body, headers=headers) as answer:
            assert answer.status == 201, await answer.text()
    assert blazon.stop() == 0

    assert there == (step == "recorded")
    records = await records_of(tmp_path, "")
    names = events_of(records)
    assert names.count("ca.create") == 1
    assert names.count("ca.intent.begin") == names.count("ca.intent.end")
    # One CA, one key: what the kill left in the token was cleaned away.
    assert len(hsm.keys("ca")) == 1


@pytest.mark.faults
async def test_a_death_while_a_certificate_is_signed(hsm: SoftHsm, tmp_path: Path) -> None:
    given = {name.replace("__", "_"): value for name, value in settings(hsm).items()}
    blazon = BlazonProcess(tmp_path, **given)
    await blazon.start(("-m", "tests.ca.dying", "signed", "2"))
    async with aiohttp.ClientSession() as client:
        headers = {"Authorization": f"Bearer {await blazon.token(client)}"}
        async with client.post(f"{blazon.url}{API}/cas", json=ca_body("CA", id="ca-1"), headers=headers) as answer:
            assert answer.status == 201, await answer.text()
        body = {"csr": csr(), "sign_verbatim": True}
        with pytest.raises(aiohttp.ClientError):
            await client.post(f"{blazon.url}{API}/cas/ca-1/certificates/sign", json=body, headers=headers)
    assert blazon.wait() == -9, "it was to die"
    await blazon.start()
    assert blazon.stop() == 0
    names = events_of(await records_of(tmp_path, ""))
    assert "ca.sign-certificate" not in names
    assert names == ["ca.intent.begin", "ca.create", "ca.intent.end", "ca.intent.begin", "ca.intent.end"]


async def test_what_a_rule_forbids_is_refused_before_a_key_is_made(tmp_path: Path) -> None:
    async with running(tmp_path, redis__embedded="no") as blazon:
        within = {"permitted_dns": ["example.com"], "permitted_directory": [{"organization": "Ours"}]}
        options = {"ca_expiration": lasting("5y"), "path_length": 1, "name_constraints": within}
        subject = {"common_name": "Root", "organization": "Ours"}
        root = await make_ca(blazon, subject=subject, **options)
        for wrong, said in (
            ({"ca_expiration": lasting("6y")}, "outlive"),
            ({"path_length": 1}, "path length"),
            ({"subject": {"common_name": "Below", "organization": "Theirs"}}, "name constraints"),
            ({"name_constraints": {"permitted_dns": ["*"]}}, "not a domain"),
        ):
            body = ca_body(parent_id=root["id"], ca_expiration=lasting("4y"))
            body |= {"subject": {**subject, "common_name": "Below"}, **wrong}
            refused(await blazon.call("POST", f"{API}/cas", body), 422, said)
    assert events_of(await records_of(tmp_path, "")).count("ca.intent.begin") == 1


async def test_keys_in_this_process_sign_without_an_intent(tmp_path: Path) -> None:
    async with running(tmp_path, redis__embedded="no") as blazon:
        ca = await make_ca(blazon, key_metadata=P256)
        await sign(blazon, ca)
    names = events_of(await records_of(tmp_path, ""))
    assert names == ["ca.intent.begin", "ca.create", "ca.intent.end", "ca.sign-certificate"]
