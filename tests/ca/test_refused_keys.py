"""A key an engine does not make or take is refused before anything is recorded: the log and both buses hear nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ca.support import API, ca_body, encoded, key_pem, outside_ca, pem, refused
from tests.ca.test_intents import settings
from tests.faults.support import records_of
from tests.running import Running, running
from tests.servers import MotoServer, SoftHsm


@pytest.fixture
def hsm() -> Iterator[SoftHsm]:
    server = SoftHsm()
    server.add_token("ca")
    yield server
    server.remove()


def key_body(kind: str, bits: int, engine: str) -> dict[str, Any]:
    return ca_body("Refused", key_metadata={"type": kind, "bits": bits}, engine_id=engine)


async def refuse(blazon: Running, engine: str, keys: list[tuple[str, int]]) -> None:
    """Asks for a CA and for a request with each of these keys."""
    for kind, bits in keys:
        body = key_body(kind, bits, engine)
        asked = {name: value for name, value in body.items() if name != "ca_expiration"}
        for path, given in (("cas", body), ("requests", asked)):
            answer = await blazon.call("POST", f"{API}/{path}", given)
            refused(answer, 422, f"does not make keys of type {kind}-{bits}")


async def nothing_was_told(folder: Path) -> None:
    assert [record.type for record in await records_of(folder, "") if record.service == "ca"] == []


async def test_sizes_the_software_engine_lacks(tmp_path: Path) -> None:
    async with running(tmp_path, redis__embedded="no") as blazon:
        keys = [("RSA", 1024), ("RSA", 2047), ("ECDSA", 224), ("ECDSA", 512), ("Ed25519", 255), ("ML-DSA", 45)]
        await refuse(blazon, "software", keys)
    await nothing_was_told(tmp_path)


async def test_kinds_a_token_lacks(hsm: SoftHsm, tmp_path: Path) -> None:
    async with running(tmp_path, **settings(hsm)) as blazon:
        await refuse(blazon, "pkcs11", [("RSA", 1024), ("ML-DSA", 65)])
    await nothing_was_told(tmp_path)


async def test_what_kms_lacks_and_does_not_take(moto: MotoServer, tmp_path: Path) -> None:
    given = {
        "engines__kms_region": "eu-west-1",
        "engines__kms_endpoint": moto.url,
        "engines__kms_access_key": "a",
        "engines__kms_secret_key": "b",
    }
    async with running(tmp_path, redis__embedded="no", **given) as blazon:
        await refuse(blazon, "kms", [("RSA", 1024), ("ECDSA", 224), ("Ed25519", 256), ("ML-DSA", 44)])
        certificate, private_key = outside_ca("Refused")
        body = {"ca": pem(certificate), "private_key": encoded(key_pem(private_key)), "engine_id": "kms"}
        refused(await blazon.call("POST", f"{API}/cas/import", body), 422, "does not take keys")
    await nothing_was_told(tmp_path)


async def test_a_key_that_is_taken_is_told(tmp_path: Path) -> None:
    """So that nothing told above is no accident of how it is looked for."""
    async with running(tmp_path, redis__embedded="no") as blazon:
        certificate, private_key = outside_ca("Taken")
        body = {"ca": pem(certificate), "private_key": encoded(key_pem(private_key))}
        await blazon.ok("POST", f"{API}/cas/import", body)
    told = [record.type for record in await records_of(tmp_path, "") if record.service == "ca"]
    assert told == ["ca.intent.begin", "ca.import", "ca.intent.end"]
