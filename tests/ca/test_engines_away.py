"""An engine that is away is told of: by `/health`, `/metrics`, the log and `blazon up`; and when it is back."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from blazon.engines import watch
from tests.ca.support import API, eventually, make_ca
from tests.ca.test_hanging_engine import Silence, kms_at
from tests.ca.test_intents import settings
from tests.faults.process import BlazonProcess
from tests.running import Running, running
from tests.servers import MotoServer, SoftHsm


@pytest.fixture
def hsm() -> Iterator[SoftHsm]:
    server = SoftHsm()
    server.add_token("ca")
    yield server
    server.remove()


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_EVERY", 0.1)


async def trouble(blazon: Running, part: str = "engine:pkcs11") -> str:
    """What `/health` says of an engine; empty when it is well. `/metrics` says the same."""
    while True:
        health = await health_of(blazon)
        metrics = (await blazon.call("GET", "/metrics", token="")).body.decode()
        if health == await health_of(blazon):  # it did not change in between
            break
    found = [each["output"] for each in health.get("checks", {}).get(part, [])]
    gauge = re.search(rf'blazon_part_degraded{{part="{part}"}} ([01])', metrics)
    assert (gauge is not None and gauge[1] == "1") is bool(found)
    assert health["status"] == ("warn" if found else "pass")
    return found[0] if found else ""


async def health_of(blazon: Running) -> Any:
    return (await blazon.call("GET", "/health", token="")).json


WRONG = {
    "pin": ({"engines__pkcs11_pin": "9999"}, "PIN"),
    "label": ({"engines__pkcs11_token": "other"}, "other"),
    "module": ({"engines__pkcs11_module": "/nowhere/module.so"}, "/nowhere/module.so"),
    "no module": ({"engines__pkcs11_module": "/etc/hostname"}, "/etc/hostname"),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_token_that_cannot_be_used_is_told_of_from_the_start(
    hsm: SoftHsm, tmp_path: Path, wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    flags, word = WRONG[wrong]
    async with running(tmp_path, **{**settings(hsm), **flags}) as blazon:
        said = await trouble(blazon)
        assert "pkcs11" in said
        assert word in said
        assert "9999" not in said
        assert blazon.notes["Engine"] == said
        assert (await blazon.call("POST", f"{API}/cas", {})).status == 400, "requests are answered"
        await make_ca(blazon, "In software", engine_id="software")
    assert "degraded" in capsys.readouterr().out


async def test_a_token_that_goes_and_comes_is_told_of(hsm: SoftHsm, tmp_path: Path) -> None:
    async with running(tmp_path, **settings(hsm)) as blazon:
        assert await trouble(blazon) == ""
        assert "Engine" not in blazon.notes
        ca = await make_ca(blazon, "Stays")
        for _ in range(2):
            hsm.take_away()

            async def is_away() -> bool:
                return "does not answer" in await trouble(blazon)

            await eventually(is_away)
            hsm.give_back()

            async def is_back() -> bool:
                return not await trouble(blazon)

            await eventually(is_back)
            body = {"subject": {"common_name": "leaf"}, "key_metadata": {"type": "ECDSA", "bits": 256}}
            await blazon.ok("POST", f"{API}/cas/{ca['id']}/certificates", body)


async def test_a_token_that_was_away_for_a_moment_has_its_keys(hsm: SoftHsm, tmp_path: Path) -> None:
    """Shorter than between two looks: a session that lived through it knows no keys it has not met before."""
    async with running(tmp_path, **settings(hsm)) as blazon:
        ca = await make_ca(blazon, "Unmet")
    async with running(tmp_path, **settings(hsm)) as blazon:
        await blazon.ok("GET", f"{API}/engines")
        hsm.take_away()
        hsm.give_back()
        body = {"subject": {"common_name": "leaf"}, "key_metadata": {"type": "ECDSA", "bits": 256}}
        await blazon.ok("POST", f"{API}/cas/{ca['id']}/certificates", body)


async def test_a_token_that_is_made_later_is_found(hsm: SoftHsm, tmp_path: Path) -> None:
    async with running(tmp_path, **{**settings(hsm), "engines__pkcs11_token": "later"}) as blazon:
        assert "later" in await trouble(blazon)
        hsm.add_token("later")

        async def is_there() -> bool:
            return not await trouble(blazon)

        await eventually(is_there)
        await make_ca(blazon, "In the token")


async def test_kms_that_is_away_is_told_of(tmp_path: Path) -> None:
    """A service that refuses, one that hangs, and one that answers."""
    async with running(tmp_path / "refuses", **kms_at("http://127.0.0.1:9")) as blazon:
        assert "does not answer" in await trouble(blazon, "engine:kms")
    silence = Silence()
    await silence.start()
    async with running(tmp_path / "hangs", **kms_at(silence.url)) as blazon:
        assert "did not answer within" in await trouble(blazon, "engine:kms")
        silence.end()

        async def refuses() -> bool:
            return "AWS KMS does not answer" in await trouble(blazon, "engine:kms")

        await eventually(refuses)


async def test_kms_that_comes_back_is_told_of(tmp_path: Path) -> None:
    server = MotoServer()
    try:
        async with running(tmp_path, **kms_at(server.url)) as blazon:
            assert await trouble(blazon, "engine:kms") == ""
            server.kill()

            async def is_away() -> bool:
                return bool(await trouble(blazon, "engine:kms"))

            await eventually(is_away)
            server.start()

            async def is_back() -> bool:
                return not await trouble(blazon, "engine:kms")

            await eventually(is_back)
    finally:
        server.remove()


async def test_up_says_that_an_engine_is_away(hsm: SoftHsm, tmp_path: Path) -> None:
    """The module is installed while Blazon runs: in a process of its own, as this one has loaded it."""
    module = tmp_path / "later.so"
    given = {**settings(hsm), "engines__pkcs11_module": str(module)}
    blazon = BlazonProcess(tmp_path, **{name.replace("__", "_"): value for name, value in given.items()})
    await blazon.start()
    try:

        async def is_up() -> bool:
            return "Blazon is up" in blazon.output()

        await eventually(is_up)
        assert re.search(rf"^ +Engine +.*pkcs11.*{re.escape(str(module))}", blazon.output(), re.MULTILINE)
        assert '"event":"degraded"' in blazon.output().replace(" ", "")
        module.symlink_to(hsm.module)
        async with aiohttp.ClientSession() as session:

            async def is_well() -> bool:
                async with session.get(f"{blazon.url}/health") as answer:
                    return bool((await answer.json(content_type=None))["status"] == "pass")

            await eventually(is_well)
    finally:
        blazon.stop()
