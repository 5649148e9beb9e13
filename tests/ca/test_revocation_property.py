"""No revocation is ever taken back, whatever is imported, revoked, held, released, deleted and imported again.

A small PKI from elsewhere is imported in random order: two roots, one of them certified anew with the same key, a CA
that both roots certified, a CA below that one, and certificates of three of them. After each step OCSP and the CRLs
agree with the API, and what was revoked for good stays revoked wherever a CA here can publish that.
"""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop
from cryptography import x509
from cryptography.x509 import ocsp
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from blazon.ca.service import crls
from blazon.ca.x509 import format_serial
from tests.ca.support import API, encoded, eventually, key_pem, lasting, outside_ca, pem
from tests.ca.test_outliving import told
from tests.running import Running, running

GOOD, REVOKED, UNKNOWN = ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED, ocsp.OCSPCertStatus.UNKNOWN
FLAGS = {"redis__embedded": "no"}


class Pki:
    """Certificates from elsewhere. A certificate has its name, an issuer its name and its key, in one letter."""

    def __init__(self) -> None:
        root, root_key = outside_ca("R")
        other, other_key = outside_ca("Q")
        anew, _ = outside_ca("R", subject_key=root_key, days=4000)
        middle, middle_key = outside_ca("M", above=(root, root_key))
        crossed, _ = outside_ca("M", subject_key=middle_key, above=(other, other_key))
        low, low_key = outside_ca("L", above=(middle, middle_key))
        self.keys = {"R": root_key, "Q": other_key, "M": middle_key, "L": low_key}
        self.cas = {"R": root, "R anew": anew, "Q": other, "M": middle, "M crossed": crossed, "L": low}
        above = {"R": (root, root_key), "M": (middle, middle_key), "L": (low, low_key)}
        self.leaves = {f"{name} leaf": outside_ca(f"{name} leaf", above=above[name], is_ca=False)[0] for name in above}
        self.all = self.cas | self.leaves
        self.issuer_of = {name: issuer_of(certificate) for name, certificate in self.all.items()}


def issuer_of(certificate: x509.Certificate) -> str:
    return certificate.issuer.rfc4514_string().removeprefix("CN=")


PKI = Pki()
STATUSES = ("KeyCompromise", "CertificateHold", "ACTIVE")
_steps = st.one_of(
    st.tuples(st.just("bring ca"), st.sampled_from(sorted(PKI.cas)), st.booleans()),
    st.tuples(st.just("bring"), st.sampled_from(sorted(PKI.leaves))),
    st.tuples(st.just("set"), st.sampled_from(sorted(PKI.all)), st.sampled_from(STATUSES)),
    st.tuples(st.just("delete"), st.sampled_from(sorted(PKI.cas))),
    st.tuples(st.just("drop"), st.sampled_from(sorted(PKI.cas))),
)
PLAYS = st.lists(_steps, min_size=4, max_size=14)
ANEW = (("bring ca", "R anew", True), ("bring ca", "R", True))
FALL = (("set", "R", "KeyCompromise"), ("delete", "L"), ("bring ca", "L", False))


class Play:
    """A Blazon with this PKI, and what was revoked for good so far."""

    def __init__(self, blazon: Running) -> None:
        self._blazon = blazon
        self._revoked: set[str] = set()

    async def step(self, what: str, name: str, *rest: Any) -> None:
        """Does something, or is refused, and looks at what is told then."""
        await getattr(self, "_" + what.replace(" ", "_"))(name, *rest)
        await self._see()
        for each in self._revoked:  # in the same moment
            if await self._speaker(each):
                assert await self._ocsp(each) is REVOKED, each
        await eventually(self._agrees)

    async def _bring_ca(self, name: str, with_key: bool) -> None:
        body: dict[str, Any] = {"ca": pem(PKI.cas[name])}
        if with_key:
            body |= {"private_key": encoded(key_pem(PKI.keys[name[0]])), "issuance_expiration": lasting("9d")}
        answer = await self._blazon.call("POST", f"{API}/cas/import", body)
        assert answer.status in (201, 409), answer.body
        if answer.status == 201 and name in self._revoked:
            assert answer.json["status"] == "REVOKED", "importing it again does not make it good"

    async def _bring(self, name: str) -> None:
        body = {"certificate": pem(PKI.leaves[name])}
        answer = await self._blazon.call("POST", f"{API}/certificates/import", body)
        assert answer.status in (201, 409), answer.body

    async def _set(self, name: str, wanted: str) -> None:
        body = {"status": "ACTIVE"} if wanted == "ACTIVE" else {"status": "REVOKED", "revocation_reason": wanted}
        found = (await self._entities()).get(name)
        if found is None:
            return
        if name in PKI.cas:
            answer = await self._blazon.call("POST", f"{API}/cas/{found['id']}/status", body)
        else:
            answer = await self._blazon.call("PUT", f"{API}/certificates/{found['serial_number']}/status", body)
        if answer.status in (200, 201) and wanted != "ACTIVE":
            assert ("revocation_notice" in answer.json) is not await self._speaker(name)
            if wanted == "KeyCompromise":
                self._revoked.add(name)

    async def _delete(self, name: str) -> None:
        found = (await self._entities()).get(name)
        if found is not None:
            answer = await self._blazon.call("DELETE", f"{API}/cas/{found['id']}")
            assert answer.status in (200, 400, 409), answer.body

    async def _drop(self, name: str) -> None:
        """Revokes and deletes: chance alone seldom does."""
        await self._set(name, "KeyCompromise")
        await self._delete(name)

    async def _entities(self) -> dict[str, Any]:
        """What the API has of each certificate."""
        found = {}
        for path in ("cas", "certificates"):
            for each in (await self._blazon.ok("GET", f"{API}/{path}?page_size=100"))["list"]:
                found[each["serial_number"]] = each
        serials = {name: format_serial(each.serial_number) for name, each in PKI.all.items()}
        return {name: found[serial] for name, serial in serials.items() if serial in found}

    async def _see(self) -> None:
        for name, each in (await self._entities()).items():
            if _final(each):
                self._revoked.add(name)

    async def _speaker(self, name: str) -> bool:
        """Whether somebody here can tell of a certificate: a CA with the name of its issuer and its key."""
        return bool(await self._lists(name))

    async def _lists(self, name: str) -> list[Any]:
        entities = await self._entities()
        issuer = PKI.issuer_of[name]
        keyed = any(each["type"] != "EXTERNAL" for ca, each in entities.items() if ca in PKI.cas and ca[0] == issuer)
        return [entities[ca] for ca in PKI.cas if ca in entities and ca[0] == issuer] if keyed else []

    async def _ocsp(self, name: str) -> Any:
        issuer = next(each for ca, each in PKI.cas.items() if ca == PKI.issuer_of[name])
        return (await told(self._blazon, PKI.all[name], issuer)).certificate_status

    async def _agrees(self) -> bool:
        """Whether OCSP and every CRL say of each certificate what the API says."""
        await self._see()
        entities = await self._entities()
        for name, certificate in PKI.all.items():
            lists = await self._lists(name)
            if not lists:
                continue
            revoked = name in self._revoked or (name in entities and entities[name]["status"] == "REVOKED")
            wanted = REVOKED if revoked else GOOD if name in entities else UNKNOWN
            if await self._ocsp(name) is not wanted:
                return False
            for ca in lists:
                answer = await self._blazon.call("GET", f"/api/va/crl/{ca['id']}", token="")
                crl = x509.load_der_x509_crl(answer.body)
                entry = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
                if (entry is not None) is not (revoked and name[0] != PKI.issuer_of[name]) and " leaf" not in name:
                    return False
                if (entry is not None) is not revoked and " leaf" in name:
                    return False
                serials = [each.serial_number for each in crl]
                assert len(serials) == len(set(serials)), "each serial number is on a list once"
        return True


def _final(entity: Any) -> bool:
    return bool(entity["status"] == "REVOKED" and entity["revocation_reason"] != "CertificateHold")


def play(steps: list[Any]) -> None:
    """Plays on a new Blazon."""

    async def work(folder: Path) -> None:
        async with running(folder, **FLAGS) as blazon:
            player = Play(blazon)
            for step in steps:
                await player.step(*step)

    with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work(Path(folder)))


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("blazon.ca.service.life._TICK", 0.005)
        patch.setattr(crls, "_STALE", 0.0)
        patch.setattr(crls, "_PAUSE", 0.0)
        yield


@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(PLAYS)
# A revoked CA is deleted and imported again.
@example([("bring ca", "R", True), ("bring ca", "M", True), ("drop", "M"), ("bring ca", "M", True)])
# What was revoked before its issuer came is on the issuer's list.
@example([("bring", "R leaf"), ("set", "R leaf", "KeyCompromise"), ("bring ca", "R", False), ("bring ca", "R", True)])
# The CA that revoked is deleted, and another one with its name and key takes over.
@example([("bring ca", "R", True), ("bring", "R leaf"), ("set", "R leaf", "KeyCompromise"), ("drop", "R"), *ANEW])
# A CA is revoked and deleted before its issuer comes.
@example([("bring ca", "L", False), ("bring", "L leaf"), ("drop", "L"), ("bring ca", "M", True)])
# What is above comes last.
@example([("bring", "L leaf"), ("bring ca", "L", True), ("bring ca", "M", True), ("bring ca", "R", True), *FALL])
def test_no_revocation_is_ever_taken_back(steps: list[Any]) -> None:
    play(steps)
