"""A room above lets several rooms act in one transaction: a certificate, and a thing that is connected.

The key of the CA is in a real PKCS#11 token (SoftHSM2), so that the signature has an intent.
"""

import base64
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from blazon import app
from blazon.access import Action
from blazon.ca import Issuance, SignDraft
from blazon.ca.service import certificates
from blazon.ca.x509 import read_csr
from blazon.caller import Caller
from blazon.errors import BlazonError, Conflict, Forbidden, Malformed, NotFound
from blazon.log import Basis, Decided, Decision, Procedure, Record, Stale, Steps, joined
from blazon.room import House, Parts
from blazon.things import Provisioning, ThingDraft
from tests.ca.support import API, csr, make_ca
from tests.faults.support import records_of
from tests.running import PASSWORD, Person, Running, running_rooms
from tests.servers.softhsm import SoftHsm
from tests.twice import pure_decisions


@pytest.fixture(scope="module")
def hsm() -> Iterator[SoftHsm]:
    server = SoftHsm()
    server.add_token("ca")
    yield server
    server.remove()


@pytest.fixture(autouse=True)
def _pure() -> Iterator[None]:
    """Every decision of these tests is made twice."""
    with pure_decisions():
        yield


class Above:
    """A room above things and CAs: it enrols a device, with a certificate and a thing, in one transaction."""

    def __init__(self, blazon: Running, house: House, ca: Any, channel: Any) -> None:
        self.blazon = blazon
        self.house = house
        self.ca = ca
        self.channel = channel
        self._issuance = house.offers.get(Issuance)
        self._provisioning = house.offers.get(Provisioning)

    async def enrol(
        self, caller: Caller, draft: ThingDraft, *more: Procedure, channel: str = "", ca: str = ""
    ) -> Sequence[Record]:
        new = self._provisioning.prepared(draft, (channel or self.channel["id"],), (Action.M_WRITE,))
        request = SignDraft(request=read_csr(base64.b64decode(csr("device"))))
        return await self._issuance.perform(
            caller,
            self._issuance.certificate(caller, ca or self.ca["id"], request),
            Decided(lambda: self._provisioning.thing(caller, new)),
            *more,
        )

    async def state(self) -> tuple[Any, Any, Any, Any]:
        """What there is of everything that enrolling makes."""
        tables = "certificates", "things", "thing_policies", "ca_intents"
        counts = [await self.house.database.row(f"SELECT count(*) FROM {table}", ()) for table in tables]
        return tuple(counts)  # type: ignore[return-value]


@asynccontextmanager
async def above(folder: Path, url: str, hsm: SoftHsm) -> AsyncIterator[tuple[Above, Caller]]:
    houses: list[House] = []
    last = app.ROOMS[-1]

    def build(house: House) -> Parts:
        houses.append(house)
        return last.build(house)

    rooms = (*app.ROOMS[:-1], msgspec.structs.replace(last, build=build))
    flags = {
        "database__url": url,
        "secrets__master_key": base64.b64encode(b"k" * 32).decode(),
        "redis__embedded": "no",
        "engines__pkcs11_module": hsm.module,
        "engines__pkcs11_token": "ca",
        "engines__pkcs11_pin": hsm.pin,
        "engines__default": "pkcs11",
    }
    async with running_rooms(rooms, folder, **flags) as blazon:
        found = Above(blazon, houses[0], await make_ca(blazon, "Devices"), await blazon.channel())
        yield found, caller_of(blazon.admin)


def caller_of(person: Person) -> Caller:
    """A caller with the token of a person."""
    body = person.token.split(".")[1]
    claims = msgspec.json.decode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return Caller(id=claims["sub"], session=claims["jti"], epoch=claims["epoch"])


def facts(records: Sequence[Record]) -> list[str]:
    return [record.type for record in records if record.is_fact]


async def test_a_certificate_and_a_connected_thing_in_one_commit(
    hsm: SoftHsm, database_url: str, tmp_path: Path
) -> None:
    async with above(tmp_path, database_url, hsm) as (room, caller):
        made = await room.enrol(caller, ThingDraft(name="device", key="its key"))
        kinds = ["ca.sign-certificate", "ca.intent.end", "thing.create", "policies.add"]
        assert [record.type for record in made] == kinds
        assert [record.sequence - made[0].sequence for record in made] == [0, 1, 2, 3]
        assert {record.actor for record in made} == {caller.id}
        await room.blazon.ok("GET", f"{API}/certificates/{made[0].key}")
        thing = made[2].key
        assert (await room.blazon.ok("GET", f"/things/{thing}"))["name"] == "device"
        path = f"/channels/{room.channel['id']}/access"
        # Who knows the key may do what the policy says, from the moment of the commit.
        answer = await room.blazon.call(
            "POST", path, {"subject": "its key", "action": "m_write", "entity_type": "thing"}, token=""
        )
        assert answer.status == 200, answer.body
    # The chain and every table, against the log.
    assert facts(await records_of(tmp_path, database_url))[-4:] == kinds


async def refused_and_nothing_left(
    room: Above, error: type[BlazonError], enrol: Callable[[], Any], *, signs: bool
) -> None:
    before, head = await room.state(), (await room.house.log.reader.head()).sequence
    with pytest.raises(error):
        await enrol()
    assert await room.state() == before
    behind = [record async for page in room.house.log.reader.all(2**62) for record in page]
    new = facts([record for record in behind if record.sequence > head])
    # An intent that was begun came to its end; without a signature there is not even that.
    assert [name for name in new if name not in ("ca.intent.begin", "ca.intent.end")] == []
    assert new.count("ca.intent.begin") == new.count("ca.intent.end") == int(signs)


async def test_a_refusal_of_one_leaves_nothing_of_the_other(hsm: SoftHsm, database_url: str, tmp_path: Path) -> None:
    async with above(tmp_path, database_url, hsm) as (room, caller):
        keys = hsm.keys("ca")
        taken = await room.blazon.thing()
        person = await room.blazon.person()
        theirs = caller_of(person)
        credentials = {"identity": "officer@example.com", "secret": PASSWORD}
        await room.blazon.ok("POST", "/users", {"credentials": credentials, "role": "pki"})
        officer = await room.blazon.sign_in("officer@example.com")
        gone = await make_ca(room.blazon, "Gone", engine_id="software")
        await room.blazon.ok("POST", f"{API}/cas/{gone['id']}/status", {"status": "REVOKED"})
        nowhere = "00000000-0000-4000-8000-000000000000"

        async def act(_: Decision) -> None:
            raise Conflict("no")

        async def nothing() -> Decision:
            return Decision(())

        late = Steps(check=nothing, act=act, record=lambda checked, _: checked)
        name = ThingDraft(name="device")
        for error, enrol, signs in (
            (Conflict, lambda: room.enrol(caller, ThingDraft(id=taken["id"])), False),
            (NotFound, lambda: room.enrol(caller, name, channel=nowhere), False),
            (NotFound, lambda: room.enrol(caller, name, ca=nowhere), False),
            (Malformed, lambda: room.enrol(caller, name, ca=gone["id"]), False),
            # With the rights of the caller in each room: a user may not issue, an officer of the PKI not connect.
            (Forbidden, lambda: room.enrol(theirs, name), False),
            (NotFound, lambda: room.enrol(caller_of(officer), name), False),
            # Refused once the engine has signed.
            (Conflict, lambda: room.enrol(caller, name, late), True),
        ):
            await refused_and_nothing_left(room, error, enrol, signs=signs)
        assert hsm.keys("ca") == [*keys]
        await room.enrol(caller, name)
    await records_of(tmp_path, database_url)


async def test_what_becomes_forbidden_while_the_engine_signs_is_refused(
    hsm: SoftHsm, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The id of the thing is taken between the check and the commit: all begins again with the checks."""
    async with above(tmp_path, database_url, hsm) as (room, caller):
        original = certificates.sign_draft
        signed = 0

        def counted(*arguments: Any) -> Any:
            nonlocal signed
            signed += 1
            return original(*arguments)

        monkeypatch.setattr(certificates, "sign_draft", counted)
        identifier = "10000000-0000-4000-8000-000000000001"

        async def takes_it(_: Decision) -> None:
            await room.blazon.thing(id=identifier)

        async def nothing() -> Decision:
            return Decision(())

        late = Steps(check=nothing, act=takes_it, record=lambda checked, _: checked)
        with pytest.raises(Conflict, match="there is a thing with this id"):
            await room.enrol(caller, ThingDraft(id=identifier), late)
        assert signed == 1
    kinds = facts(await records_of(tmp_path, database_url))
    assert "ca.sign-certificate" not in kinds
    assert "policies.add" not in kinds
    assert kinds.count("ca.intent.begin") == kinds.count("ca.intent.end")


def test_decisions_are_joined() -> None:
    one, two = Decision((), {"user:a": 1, "ca:b": 2}), Decision((), {"user:a": 1, "thing:c": 0})
    assert joined((one, two)) == Decision((), {"user:a": 1, "ca:b": 2, "thing:c": 0})
    older: Basis = {"user:a": 0}
    with pytest.raises(Stale):
        joined((one, Decision((), older)))


async def test_two_decisions_about_one_subject_are_refused(hsm: SoftHsm, tmp_path: Path) -> None:
    async with above(tmp_path, "", hsm) as (room, caller):
        provisioning = room.house.offers.get(Provisioning)
        new = provisioning.prepared(ThingDraft(name="twice"))
        made = await provisioning.thing(caller, new)
        with pytest.raises(Conflict, match="two parts of the request"):
            joined((made, made))
        with pytest.raises(Conflict, match="two parts of the request"):
            joined((Decision((), {made.events[0].subject: 0}), made))
