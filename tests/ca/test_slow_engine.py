"""An engine that takes longer than a request may: what was begun comes to its end, and nothing is left behind.

The engine is a real PKCS#11 token (SoftHSM2) whose answers are held back.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from blazon.ca.service import authorities, certificates, responders
from blazon.engines import EngineUnavailable, KeySpec, Pkcs11Engine
from tests.ca.support import API, ca_body, csr, decoded, encoded, eventually, key_pem, make_ca, outside_ca, pem, refused
from tests.ca.test_intents import events_of, settings
from tests.ca.test_revocation import request_for
from tests.faults.support import records_of
from tests.running import running
from tests.servers.softhsm import SoftHsm

FLAGS = {"http__request_time": "500ms"}


class Gate:
    """Holds calls back, in their threads, before they are made or after."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self.reached = 0

    def after(self, owner: Any, name: str, patch: pytest.MonkeyPatch) -> None:
        original = getattr(owner, name)

        def held(*arguments: Any, **named: Any) -> Any:
            result = original(*arguments, **named)
            self.reached += 1
            assert self._open.wait(20)
            return result

        patch.setattr(owner, name, held)

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def hsm() -> Iterator[SoftHsm]:
    server = SoftHsm()
    server.add_token("ca")
    yield server
    server.remove()


@pytest.fixture
def gate() -> Iterator[Gate]:
    found = Gate()
    yield found
    found.open()


def in_token(hsm: SoftHsm, ca_id: str) -> bool:
    """Whether a key is there that was made for this CA."""
    return any(name.partition(".")[0] == ca_id for name in hsm.keys("ca"))


async def intents_of(folder: Path) -> list[Any]:
    """The intents that are open."""
    import apsw

    connection = apsw.Connection(str(next(folder.glob("*.db"))), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return list(connection.execute("SELECT kind FROM ca_intents"))
    finally:
        connection.close()


def nothing_open(folder: Path) -> Callable[[], Any]:
    async def check() -> bool:
        return not await intents_of(folder)

    return check


async def test_a_ca_whose_key_takes_long_is_made(
    hsm: SoftHsm, tmp_path: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate.after(Pkcs11Engine, "create", monkeypatch)
    async with running(tmp_path, **settings(hsm), **FLAGS) as blazon:
        answer = await blazon.call("POST", f"{API}/cas", ca_body(id="slow"))
        refused(answer, 503, "may still happen")
        assert gate.reached == 1
        assert len(await intents_of(tmp_path)) == 1
        refused(await blazon.call("POST", f"{API}/cas", ca_body(id="slow")), 409)
        gate.open()
        await eventually(nothing_open(tmp_path))
        ca = await blazon.ok("GET", f"{API}/cas/slow")
        body = {"csr": csr(), "sign_verbatim": True}
        await blazon.ok("POST", f"{API}/cas/{ca['id']}/certificates/sign", body)
    names = events_of(await records_of(tmp_path, ""))
    assert names[:3] == ["ca.intent.begin", "ca.create", "ca.intent.end"]


async def test_a_ca_that_cannot_be_made_after_all_leaves_no_key(
    hsm: SoftHsm, tmp_path: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key is there when its parent is revoked, and who asked is long gone."""
    async with running(tmp_path, **settings(hsm), **FLAGS) as blazon:
        parent = await make_ca(blazon, "Parent", engine_id="software")
        gate.after(Pkcs11Engine, "create", monkeypatch)
        body = ca_body(id="orphan", parent_id=parent["id"], ca_expiration={"type": "Duration", "duration": "5y"})
        refused(await blazon.call("POST", f"{API}/cas", body), 503)
        await blazon.ok("POST", f"{API}/cas/{parent['id']}/status", {"status": "REVOKED"})
        assert await asyncio.to_thread(in_token, hsm, "orphan")
        gate.open()
        await eventually(nothing_open(tmp_path))
        refused(await blazon.call("GET", f"{API}/cas/orphan"), 404)
        assert not await asyncio.to_thread(in_token, hsm, "orphan")
    names = events_of(await records_of(tmp_path, ""))
    assert names.count("ca.create") == 1
    assert names.count("ca.intent.begin") == names.count("ca.intent.end")


async def test_what_else_takes_long(hsm: SoftHsm, tmp_path: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Imports, requests, deletions, certificates, delegated keys: all at once."""
    async with running(tmp_path, **settings(hsm), **FLAGS) as blazon:
        ca = await make_ca(blazon, "Signs slowly")
        leaf = await blazon.ok("POST", f"{API}/cas/{ca['id']}/certificates/sign", {"csr": csr(), "sign_verbatim": True})
        over = await make_ca(blazon, "Goes", id="goes")
        await blazon.ok("POST", f"{API}/cas/{over['id']}/status", {"status": "REVOKED"})
        for owner, name in (
            (Pkcs11Engine, "create"),
            (Pkcs11Engine, "import_key"),
            (Pkcs11Engine, "delete"),
            (authorities, "sign_draft"),
            (certificates, "sign_draft"),
            (responders, "sign_draft"),
        ):
            gate.after(owner, name, monkeypatch)
        certificate, private_key = outside_ca("Brought")
        brought = {
            "ca": pem(certificate),
            "private_key": encoded(key_pem(private_key)),
            "issuance_expiration": {"type": "Duration", "duration": "9d"},
            "id": "brought",
        }
        pending = {name: value for name, value in ca_body("Pending", id="p").items() if name != "ca_expiration"}
        asked = [
            blazon.call("POST", f"{API}/cas/import", brought),
            blazon.call("POST", f"{API}/requests", pending),
            blazon.call("DELETE", f"{API}/cas/goes"),
            blazon.call("POST", f"{API}/cas/{ca['id']}/certificates/sign", {"csr": csr("late"), "sign_verbatim": True}),
        ]
        der = request_for(decoded(leaf), decoded(ca))
        told, *answers = await asyncio.gather(blazon.call("POST", "/api/va/ocsp", data=der, token=""), *asked)
        assert {answer.status for answer in answers} == {503}
        assert told.status == 503
        assert gate.reached == 5
        assert len(await intents_of(tmp_path)) == 5
        gate.open()
        await eventually(nothing_open(tmp_path))
        assert (await blazon.call("POST", "/api/va/ocsp", data=der, token="")).status == 200
        refused(await blazon.call("GET", f"{API}/cas/goes"), 404)
        found = (await blazon.ok("GET", f"{API}/cas/{ca['id']}/certificates"))["list"]
        assert {each["subject"]["common_name"] for each in found} >= {"device", "late"}
    for name, there in (("goes", False), ("brought", True), ("p", True)):
        assert await asyncio.to_thread(in_token, hsm, name) is there
    names = events_of(await records_of(tmp_path, ""))
    assert names.count("ca.intent.begin") == names.count("ca.intent.end")
    # One delegated key, although the one who asked for it first was gone before it was there.
    assert names.count("ca.sign-certificate") == 3


async def test_a_stop_while_an_engine_works_leaves_it_to_the_next_start(
    hsm: SoftHsm, tmp_path: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate.after(Pkcs11Engine, "create", monkeypatch)
    async with running(tmp_path, **settings(hsm), http__stop_time="1s") as blazon:
        asking = asyncio.create_task(blazon.call("POST", f"{API}/cas", ca_body(id="stopped")))

        async def is_reached() -> bool:
            return gate.reached == 1

        await eventually(is_reached)
        asyncio.get_running_loop().call_later(2, gate.open)
    await asyncio.gather(asking, return_exceptions=True)
    monkeypatch.undo()
    async with running(tmp_path, **settings(hsm)) as blazon:
        assert not await intents_of(tmp_path)
        there = (await blazon.call("GET", f"{API}/cas/stopped")).status == 200
        assert await asyncio.to_thread(in_token, hsm, "stopped") is there


async def test_an_engine_that_comes_back_is_cleaned_without_a_start(
    hsm: SoftHsm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key was made, the engine went away before it signed, and nobody could destroy the key then."""
    monkeypatch.setattr("blazon.ca.service.intents._SWEEP_EVERY", 0.2)
    away = threading.Event()

    def goes(self: Pkcs11Engine, name: str, spec: KeySpec) -> Any:
        made = create(self, name, spec)
        away.set()
        return made

    def answers(original: Callable[..., Any]) -> Callable[..., Any]:
        def answer(self: Pkcs11Engine, what: Any) -> Any:
            if away.is_set():
                raise EngineUnavailable("the token is away")
            return original(self, what)

        return answer

    create = Pkcs11Engine.create
    monkeypatch.setattr(Pkcs11Engine, "create", goes)
    for name in ("open", "find", "delete"):
        monkeypatch.setattr(Pkcs11Engine, name, answers(getattr(Pkcs11Engine, name)))
    async with running(tmp_path, **settings(hsm)) as blazon:
        refused(await blazon.call("POST", f"{API}/cas", ca_body(id="left")), 503)
        await asyncio.sleep(0.5)
        assert len(await intents_of(tmp_path)) == 1
        away.clear()
        await eventually(nothing_open(tmp_path))
        assert not await asyncio.to_thread(in_token, hsm, "left")
