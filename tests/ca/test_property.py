"""Any changes of CAs and certificates, several at once: folding the log gives every table as it is.

The changes are asked for through the API, over SQLite, with a clock that is moved; some are refused, which is part of
the play.
"""

import asyncio
import base64
import itertools
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop
from cryptography import x509
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blazon.app import ROOMS
from blazon.ca.events import SIGNATURE_SIGN, TYPES
from blazon.ca.store import Store
from blazon.clock import ManualClock
from blazon.history import rebuild, verify_tables
from blazon.log import Reader, verify
from blazon.storage import Database, open_database
from tests.ca.support import API, ca_body, csr, decoded, encoded, key_pem, lasting, outside_ca, pem
from tests.ca.test_judges import ROOT_USAGE
from tests.ca.test_revocation import request_for
from tests.running import Running, running

DAY = 86400
FLAGS = {"redis__embedded": "no", "tokens__access": "36500d", "tokens__refresh": "36500d"}

_pick = st.integers(0, 4)
_text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=6)
_metadata = st.dictionaries(_text, st.integers(0, 9) | _text | st.lists(_text, max_size=2), max_size=2)
_status = st.sampled_from(["REVOKED", "REVOKED", "ACTIVE", "EXPIRED"])
_reason = st.sampled_from(["KeyCompromise", "CertificateHold", "CertificateHold", "Superseded", None])

_steps = st.one_of(
    st.tuples(st.just("ca"), _pick, _pick, _metadata),
    st.tuples(st.just("ca"), _pick, _pick, _metadata),
    st.tuples(st.just("import ca"), st.booleans(), _pick),
    st.tuples(st.just("request"), _pick, _metadata),
    st.tuples(st.just("complete"), _pick),
    st.tuples(st.just("give up"), _pick),
    st.tuples(st.just("issue"), _pick, _pick, _metadata),
    st.tuples(st.just("issue"), _pick, _pick, _metadata),
    st.tuples(st.just("issue with key"), _pick, _text),
    st.tuples(st.just("import"), _pick, _metadata),
    st.tuples(st.just("status"), _pick, _status, _reason),
    st.tuples(st.just("status"), _pick, _status, _reason),
    st.tuples(st.just("ca status"), _pick, _status, _reason),
    st.tuples(st.just("metadata"), _pick, _metadata),
    st.tuples(st.just("ca metadata"), _pick, _metadata),
    st.tuples(st.just("delete ca"), _pick),
    st.tuples(st.just("profile"), _pick, _pick),
    st.tuples(st.just("change profile"), _pick, _pick),
    st.tuples(st.just("drop profile"), _pick),
    st.tuples(st.just("crl"), _pick),
    st.tuples(st.just("raw"), _pick),
    st.tuples(st.just("ocsp"), _pick),
    st.tuples(st.just("pki"), st.permutations(range(3)), st.booleans()),
    st.tuples(st.just("time"), st.sampled_from([1, 20, 200, 1000])),
)
PLAYS = st.lists(st.lists(_steps, min_size=1, max_size=8), min_size=2, max_size=6)
"""Each inner list is played at once, so that the changes race; then comes the next."""


class Player:
    """Plays steps on a Blazon."""

    def __init__(self, blazon: Running, clock: ManualClock) -> None:
        self._blazon = blazon
        self._clock = clock
        self._numbers = itertools.count(1)
        self._cas: list[Any] = []
        self._leaves: list[Any] = []
        self._requests: list[Any] = []
        self._profiles: list[str] = []

    async def play(self, moves: list[list[Any]]) -> None:
        # A root at first, so that short plays have something to play with.
        await self._ca(0, 0, {})
        for steps in moves:
            await asyncio.gather(*(self._step(*step) for step in steps))

    async def _step(self, kind: str, *rest: Any) -> None:
        await getattr(self, "_" + kind.replace(" ", "_"))(*rest)

    async def _ask(self, method: str, path: str, body: Any = None, made: list[Any] | None = None) -> Any:
        answer = await self._blazon.call(method, path if path.startswith("/api") else f"{API}/{path}", body)
        assert answer.status < 500, (method, path, body, answer.body)
        if answer.status < 300 and made is not None:
            made.append(answer.json)
        return answer

    def _id(self, of: list[Any], number: int) -> str:
        return str(of[number % len(of)]["id"]) if of else "nobody"

    def _leaf(self, number: int) -> str:
        return str(self._leaves[number % len(self._leaves)]["serial_number"]) if self._leaves else "01"

    def _profile_named(self, number: int) -> dict[str, Any]:
        return {"profile_id": self._profiles[number % len(self._profiles)]} if number and self._profiles else {}

    async def _ca(self, parent: int, profile: int, metadata: Any) -> None:
        body = ca_body(f"CA {next(self._numbers)} é", metadata=metadata, **self._profile_named(profile))
        if parent:
            body |= {"parent_id": self._id(self._cas, parent), "ca_expiration": lasting("5y")}
        await self._ask("POST", "cas", body, self._cas)

    async def _import_ca(self, with_key: bool, near: int) -> None:
        certificate, private_key = outside_ca(f"Brought {next(self._numbers)}")
        body: dict[str, Any] = {"ca": pem(certificate), "near_expiration": f"{near + 1}d"}
        if with_key:
            body |= {"private_key": encoded(key_pem(private_key)), "issuance_expiration": lasting("9d")}
        await self._ask("POST", "cas/import", body, self._cas)

    async def _request(self, number: int, metadata: Any) -> None:
        body = ca_body(f"Asks {number}", metadata=metadata)
        del body["ca_expiration"]
        await self._ask("POST", "requests", body, self._requests)

    async def _complete(self, number: int) -> None:
        if not self._requests:
            return
        pending = self._requests[number % len(self._requests)]
        asked = x509.load_pem_x509_csr(base64.b64decode(pending["csr"]))
        certificate, _ = outside_ca("Certified", subject_key=asked.public_key(), above=outside_ca("Parent"))
        body = {"certificate": pem(certificate)}
        await self._ask("POST", f"requests/{pending['id']}/certificate", body, self._cas)

    async def _give_up(self, number: int) -> None:
        await self._ask("DELETE", f"requests/{self._id(self._requests, number)}")

    async def _issue(self, ca: int, profile: int, metadata: Any) -> None:
        name = f"device {next(self._numbers)}"
        body = {"csr": csr(name), "sign_verbatim": True, "metadata": metadata, **self._profile_named(profile)}
        await self._ask("POST", f"cas/{self._id(self._cas, ca)}/certificates/sign", body, self._leaves)

    async def _issue_with_key(self, ca: int, name: str) -> None:
        body = {"subject": {"common_name": name}, "key_metadata": {"type": "ECDSA", "bits": 256}}
        await self._ask("POST", f"cas/{self._id(self._cas, ca)}/certificates", body, self._leaves)

    async def _import(self, number: int, metadata: Any) -> None:
        certificate, _ = outside_ca(f"Imported {number}", is_ca=False)
        await self._ask(
            "POST", "certificates/import", {"certificate": pem(certificate), "metadata": metadata}, self._leaves
        )

    async def _status(self, leaf: int, status: str, reason: str | None) -> None:
        body = {"status": status, "revocation_reason": reason}
        await self._ask("PUT", f"certificates/{self._leaf(leaf)}/status", body)

    async def _ca_status(self, ca: int, status: str, reason: str | None) -> None:
        body = {"status": status, "revocation_reason": reason}
        await self._ask("POST", f"cas/{self._id(self._cas, ca)}/status", body)

    async def _metadata(self, leaf: int, metadata: Any) -> None:
        await self._ask("PUT", f"certificates/{self._leaf(leaf)}/metadata", {"metadata": metadata})

    async def _ca_metadata(self, ca: int, metadata: Any) -> None:
        await self._ask("PUT", f"cas/{self._id(self._cas, ca)}/metadata", {"metadata": metadata})

    async def _delete_ca(self, ca: int) -> None:
        await self._ask("DELETE", f"cas/{self._id(self._cas, ca)}")

    async def _profile(self, name: int, backdate: int) -> None:
        answer = await self._ask("POST", "profiles", {"name": f"p{name}", "profile": {"backdate": backdate}})
        if answer.status < 300:
            self._profiles.append(answer.json["id"])

    async def _change_profile(self, name: int, backdate: int) -> None:
        body = {"name": f"p{name + 1}", "profile": {"backdate": backdate}}
        await self._ask("PUT", f"profiles/p{name}", body)

    async def _drop_profile(self, name: int) -> None:
        await self._ask("DELETE", f"profiles/p{name}")

    async def _crl(self, ca: int) -> None:
        await self._ask("GET", f"/api/va/crl/{self._id(self._cas, ca)}")

    async def _raw(self, ca: int) -> None:
        body = {"message": "YQ==", "message_type": "raw", "signature_algorithm": "ECDSA_SHA_256"}
        await self._ask("POST", f"cas/{self._id(self._cas, ca)}/signature/sign", body)

    async def _ocsp(self, ca: int) -> None:
        if not self._cas:
            return
        certificate = decoded(self._cas[ca % len(self._cas)])
        der = request_for(certificate, certificate)
        answer = await self._blazon.call("POST", "/api/va/ocsp", data=der, token="")
        assert answer.status == 200

    async def _pki(self, order: list[int], with_key: bool) -> None:
        """A root that delegates its OCSP responses, a CA below it and a certificate, imported in any order."""
        number = next(self._numbers)
        root, root_key = outside_ca(f"Root {number}", usage=ROOT_USAGE)
        sub, _ = outside_ca(f"Sub {number}", above=(root, root_key))
        leaf, _ = outside_ca(f"Leaf {number}", above=(root, root_key), is_ca=False)
        key = {"private_key": encoded(key_pem(root_key)), "issuance_expiration": lasting("9d")} if with_key else {}
        bodies: list[tuple[str, Any, list[Any]]] = [
            ("cas/import", {"ca": pem(root), **key}, self._cas),
            ("cas/import", {"ca": pem(sub)}, self._cas),
            ("certificates/import", {"certificate": pem(leaf)}, self._leaves),
        ]
        for place in order:
            path, body, made = bodies[place]
            await self._ask("POST", path, body, made)

    async def _time(self, days: int) -> None:
        self._clock.move(days * DAY)
        await asyncio.sleep(0.05)


async def check(folder: Path) -> set[str]:
    """The tables are what the log says, now and after a rebuild; the types of events there were."""
    database = await open_database("", folder)
    try:
        async with database.snapshot() as snapshot:
            await verify(snapshot)
        await _same(database)
        assert await database.rows("SELECT id FROM ca_intents") == [], "nothing is left half-done"
        await _as_told(database)
        await rebuild(database, ROOMS)
        await _same(database)
        return {row[0] for row in await database.rows("SELECT DISTINCT type FROM events WHERE service = 'ca'")}
    finally:
        await database.close()


async def _as_told(database: Database) -> None:
    """Each row is what the last fact about it says, in every field; what was deleted is gone."""
    store = Store(database)
    rows: dict[str, Callable[[str], Awaitable[Any]]] = {
        "ca": store.authority,
        "certificate": store.certificate,
        "ca-request": store.request,
        "ca-profile": store.profile,
    }
    types = {each.name: each for each in TYPES}
    last = {}
    for record in await Reader(database).after(0, 1_000_000):
        if record.service == "ca" and record.type != SIGNATURE_SIGN.name:
            last[record.subject] = record
    for subject, record in last.items():
        kind = subject.partition(":")[0]
        if kind not in rows:
            continue
        row, told = await rows[kind](record.key), types[record.type].read(record)
        if record.type.endswith(".delete"):
            assert row is None, subject
            continue
        assert row is not None, subject
        found = {name: getattr(row, name) for name in told.__struct_fields__}
        assert found == msgspec.structs.asdict(told), subject


async def _same(database: Database) -> None:
    async with database.scratch() as scratch, database.snapshot() as snapshot:
        _, difference = await verify_tables(snapshot, scratch, ROOMS)
        assert difference is None, str(difference)


def run(work: Callable[[Path], Coroutine[Any, Any, set[str]]]) -> set[str]:
    """Runs with an empty folder, on a loop of its own."""
    with (
        tempfile.TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as patch,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        patch.setattr("blazon.ca.service.life._TICK", 0.005)
        return runner.run(work(Path(folder)))


def played(moves: list[list[Any]]) -> set[str]:
    """Plays on a new Blazon, and checks what is left."""

    async def work(folder: Path) -> set[str]:
        clock = ManualClock(time.time_ns())  # that of the certificates made outside
        async with running(folder, clock, **FLAGS) as blazon:
            await Player(blazon, clock).play(moves)
        return await check(folder)

    return run(work)


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(PLAYS)
def test_any_changes_and_the_log_makes_them_again(moves: list[list[Any]]) -> None:
    played(moves)


def test_a_play_comes_to_every_kind_of_change() -> None:
    """What the steps are for: each of them can succeed."""
    moves = [
        [("pki", [2, 1, 0], True), ("profile", 1, 1), ("import ca", True, 1), ("import ca", False, 1)],
        [*(("ocsp", number) for number in range(6)), ("request", 1, {}), ("request", 2, {})],
        [("change profile", 1, 2), ("complete", 0), ("ca", 0, 1, {"é": 1}), ("issue", 0, 0, {}), ("import", 1, {})],
        [("give up", 1), ("issue with key", 0, "x"), ("ca metadata", 0, {"a": 1}), ("crl", 0), ("raw", 0)],
        [("metadata", 0, {"b": 2}), ("status", 0, "REVOKED", "CertificateHold"), ("time", 340)],
        [("status", 0, "ACTIVE", None), ("profile", 4, 1)],
        [("drop profile", 4), ("ca status", 0, "REVOKED", "KeyCompromise"), ("time", 1)],
        [("delete ca", 0), ("time", 1000), ("time", 1000), ("time", 1000)],
    ]
    found = played([[("ca", 0, 0, {})], *moves])
    assert found == {each.name for each in TYPES}
