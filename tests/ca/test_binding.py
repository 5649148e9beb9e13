"""What is imported before its issuer is bound to it when it comes: in any order a PKI is one afterwards."""

import asyncio
import base64
import itertools
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import ocsp

from blazon.ca.service import binding
from blazon.ca.service.binding import Binding
from blazon.clock import ManualClock
from blazon.errors import Unavailable
from tests.ca.support import (
    API,
    bring,
    bring_ca,
    ca_body,
    crl_of,
    csr,
    delete_ca,
    encoded,
    eventually,
    key_pem,
    make_ca,
    openssl,
    outside_ca,
    pem,
    refused,
    revoke,
    set_ca_status,
    set_status,
    sign,
    view_ca,
)
from tests.ca.test_outliving import listed, told
from tests.ca.test_revocation import ask
from tests.running import Running, running

GOOD, REVOKED = ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED


async def view(blazon: Running, certificate: Any) -> Any:
    return await blazon.ok("GET", f"{API}/certificates/{certificate['serial_number']}")


@pytest.mark.parametrize("when", ["before", "after", "held before"])
async def test_a_certificate_that_came_before_its_ca(blazon: Running, when: str) -> None:
    """It is revoked before its issuer comes, or after."""
    certificate, private_key = outside_ca(f"Late {when}")
    leaves = [outside_ca(f"leaf {number}", above=(certificate, private_key), is_ca=False)[0] for number in range(3)]
    brought = [await bring(blazon, leaf) for leaf in leaves]
    assert {each["issuer_metadata"]["ca_id"] for each in brought} == {"-"}
    if when == "before":
        answer = await revoke(blazon, brought[0])
        assert "not known here" in answer["revocation_notice"]
    elif when == "held before":
        await set_status(blazon, brought[0], "REVOKED", "CertificateHold")
    ca = await bring_ca(blazon, certificate, private_key)
    assert {(await view(blazon, each))["issuer_metadata"]["ca_id"] for each in brought} == {ca["id"]}
    assert (await view(blazon, brought[0]))["issuer_metadata"]["serial_number"] == ca["serial_number"]
    if when == "after":
        assert "revocation_notice" not in await revoke(blazon, brought[0])
    assert (await told(blazon, leaves[0], certificate)).certificate_status is REVOKED
    assert (await told(blazon, leaves[1], certificate)).certificate_status is GOOD
    await listed(blazon, ca, leaves[0].serial_number)
    assert "revocation_notice" not in await view(blazon, brought[0])
    found = (await blazon.ok("GET", f"{API}/cas/{ca['id']}/certificates"))["list"]
    assert {each["serial_number"] for each in found} == {each["serial_number"] for each in brought}
    # The CA falls, and with it all of them.
    await set_ca_status(blazon, ca, "REVOKED", "KeyCompromise")
    assert (await told(blazon, leaves[1], certificate)).certificate_status is REVOKED

    async def all_fallen() -> bool:
        return {(await view(blazon, each))["status"] for each in brought} == {"REVOKED"}

    await eventually(all_fallen)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=lambda order: "".join(map(str, order)))
async def test_a_hierarchy_comes_in_any_order(blazon: Running, order: tuple[int, ...]) -> None:
    """Levels, chains, and what falls with what: as if the root had come first."""
    name = "".join(map(str, order))
    root, root_key = outside_ca(f"Root {name}")
    middle, middle_key = outside_ca(f"Middle {name}", above=(root, root_key))
    low, low_key = outside_ca(f"Low {name}", above=(middle, middle_key))
    leaf, _ = outside_ca(f"leaf {name}", above=(low, low_key), is_ca=False)
    pki = ((root, root_key, ()), (middle, middle_key, (root,)), (low, low_key, (middle, root)))
    brought = await bring(blazon, leaf)
    cas: dict[int, Any] = {}
    for number in order:
        certificate, private_key, chain = pki[number]
        cas[number] = await bring_ca(blazon, certificate, private_key, ca_chain=[pem(each) for each in chain])
    found = [await view_ca(blazon, cas[number]) for number in range(3)]
    assert [each["level"] for each in found] == [0, 1, 2]
    assert [each["issuer_metadata"]["ca_id"] for each in found] == [cas[0]["id"], cas[0]["id"], cas[1]["id"]]
    chain = (await blazon.ok("GET", f"{API}/cas/{cas[2]['id']}/chain"))["chain"]
    assert [x509.load_pem_x509_certificate(base64.b64decode(each)) for each in chain] == [low, middle, root]
    body = {"csr": csr(), "sign_verbatim": True}
    path = f"{API}/cas/{cas[2]['id']}/certificates/sign"
    await blazon.ok("POST", path, body)
    await set_ca_status(blazon, cas[0], "REVOKED", "KeyCompromise")
    refused(await blazon.call("POST", path, body), 400, "CA Status inconsistent")
    for certificate, issuer in ((middle, root), (low, middle), (leaf, low)):
        assert (await told(blazon, certificate, issuer)).certificate_status is REVOKED

    async def all_fallen() -> bool:
        states = [(await view_ca(blazon, each))["status"] for each in cas.values()]
        return {*states, (await view(blazon, brought))["status"]} == {"REVOKED"}

    await eventually(all_fallen)
    await listed(blazon, cas[0], middle.serial_number)
    await listed(blazon, cas[1], low.serial_number)


async def test_a_ca_that_was_revoked_before_its_parent_came(blazon: Running) -> None:
    root, root_key = outside_ca("Parent of a revoked one")
    sub, sub_key = outside_ca("Revoked before", above=(root, root_key))
    below = await bring_ca(blazon, sub, sub_key)
    revoked = await set_ca_status(blazon, below, "REVOKED", "KeyCompromise")
    assert "not known here" in revoked["revocation_notice"]
    above = await bring_ca(blazon, root, root_key)
    assert (await told(blazon, sub, root)).revocation_reason is x509.ReasonFlags.key_compromise
    await listed(blazon, above, sub.serial_number)


async def test_an_external_ca_gets_its_key(blazon: Running) -> None:
    """Until then nobody here can say what it revokes, and the answer says so; then everybody sees it."""
    certificate, private_key = outside_ca("External at first")
    ca = await bring_ca(blazon, certificate, metadata={"a": 1})
    leaf, other = (outside_ca(name, above=(certificate, private_key), is_ca=False)[0] for name in ("leaf", "other"))
    for each in (leaf, other):
        await bring(blazon, each)
    answer = await revoke(blazon, {"serial_number": f"{leaf.serial_number:040x}"})
    assert ca["id"] in answer["revocation_notice"]
    assert "is not here" in answer["revocation_notice"]
    refused(await blazon.call("GET", f"/api/va/crl/{ca['id']}", token=""), 404, "EXTERNAL")
    body = {"ca": pem(certificate)}
    refused(await blazon.call("POST", f"{API}/cas/import", body), 409, ca["id"])
    with_key = {**body, "private_key": encoded(key_pem(private_key))}
    refused(await blazon.call("POST", f"{API}/cas/import", {**with_key, "id": "another"}), 409, ca["id"])
    got = await bring_ca(blazon, certificate, private_key, profile_id=None)
    assert (got["id"], got["type"], got["status"]) == (ca["id"], "IMPORTED", "ACTIVE")
    assert (got["metadata"], got["creation_ts"]) == ({"a": 1}, ca["creation_ts"])
    assert (await told(blazon, leaf, certificate)).certificate_status is REVOKED
    assert (await told(blazon, other, certificate)).certificate_status is GOOD
    await listed(blazon, got, leaf.serial_number)
    assert "revocation_notice" not in await revoke(blazon, {"serial_number": f"{other.serial_number:040x}"})
    await sign(blazon, got)
    refused(await blazon.call("POST", f"{API}/cas/import", with_key), 409, ca["id"])


@pytest.mark.parametrize("reason", ["CertificateHold", "KeyCompromise"])
async def test_an_external_ca_that_gets_its_key_stays_what_it_was(blazon: Running, reason: str) -> None:
    certificate, private_key = outside_ca(f"External {reason}")
    ca = await bring_ca(blazon, certificate)
    revoked = await set_ca_status(blazon, ca, "REVOKED", reason)
    got = await bring_ca(blazon, certificate, private_key)
    for name in ("id", "status", "revocation_reason", "revocation_timestamp"):
        assert got[name] == revoked[name]
    answer = await blazon.call("POST", f"{API}/cas/{ca['id']}/status", {"status": "ACTIVE"})
    assert answer.status == (201 if reason == "CertificateHold" else 422)


async def test_an_external_ca_that_is_marked_as_expired_stays_so_with_its_key(blazon: Running) -> None:
    """It issues nothing, and tells what it revoked."""
    certificate, private_key = outside_ca("External and expired")
    leaf, _ = outside_ca("leaf", above=(certificate, private_key), is_ca=False)
    ca = await bring_ca(blazon, certificate)
    await set_ca_status(blazon, ca, "EXPIRED")
    got = await bring_ca(blazon, certificate, private_key)
    assert (got["id"], got["type"], got["status"]) == (ca["id"], "IMPORTED", "EXPIRED")
    answer = await blazon.call("POST", f"{API}/cas/{ca['id']}/certificates/sign", {"csr": csr(), "sign_verbatim": True})
    refused(answer, 400, "CA Status inconsistent")
    assert "revocation_notice" not in await revoke(blazon, await bring(blazon, leaf))
    await listed(blazon, got, leaf.serial_number)


async def test_a_twin_with_the_key_speaks_for_an_external_ca(blazon: Running) -> None:
    certificate, private_key = outside_ca("External twin")
    await bring_ca(blazon, certificate)
    leaf, _ = outside_ca("leaf", above=(certificate, private_key), is_ca=False)
    brought = await bring(blazon, leaf)
    anew, _ = outside_ca("External twin", subject_key=private_key, days=4000)
    twin = await bring_ca(blazon, anew, private_key)
    assert "revocation_notice" not in await revoke(blazon, brought)
    assert (await told(blazon, leaf, certificate)).certificate_status is REVOKED
    await listed(blazon, twin, leaf.serial_number)


@pytest.mark.parametrize("known", ["not", "external", "revoked", "deleted"])
async def test_a_ca_whose_certificate_comes_to_a_request(blazon: Running, known: str) -> None:
    """What it issued and what issued it were here before, and perhaps its own certificate without the key."""
    root, root_key = outside_ca(f"Parent of a request {known}")
    body = ca_body(f"Requested {known}")
    del body["ca_expiration"]
    pending = await blazon.ok("POST", f"{API}/requests", body)
    asked = x509.load_pem_x509_csr(base64.b64decode(pending["csr"]))
    certificate, _ = outside_ca(f"Requested {known}", subject_key=asked.public_key(), above=(root, root_key))
    if known != "not":
        external = await bring_ca(blazon, certificate)
    if known in ("revoked", "deleted"):
        await set_ca_status(blazon, external, "REVOKED", "KeyCompromise")
    if known == "deleted":
        await delete_ca(blazon, external)
    path = f"{API}/requests/{pending['id']}/certificate"
    ca = await blazon.ok("POST", path, {"certificate": pem(certificate)})
    assert ca["id"] == pending["id"]
    assert ca["status"] == ("REVOKED" if known in ("revoked", "deleted") else "ACTIVE")
    named = (await blazon.ok("GET", f"{API}/cas/cn/Requested%20{known}"))["list"]
    assert [each["id"] for each in named] == [ca["id"]], "the one without the key gave way"
    above = await bring_ca(blazon, root, root_key)
    assert (await view_ca(blazon, ca))["issuer_metadata"]["ca_id"] == above["id"]
    assert (await view_ca(blazon, ca))["level"] == 1
    if ca["status"] == "ACTIVE":
        leaf = await sign(blazon, ca)
        await set_ca_status(blazon, above, "REVOKED", "CACompromise")
        assert (await ask(blazon, leaf, ca)).certificate_status is REVOKED
    assert (await told(blazon, certificate, root)).certificate_status is REVOKED
    await listed(blazon, above, certificate.serial_number)


async def test_a_hold_that_a_requested_ca_took_over_can_end(blazon: Running) -> None:
    """The one without the key, which gave way, was held; that it was counts no longer than the hold."""
    root, root_key = outside_ca("Parent of a held one")
    above = await bring_ca(blazon, root, root_key)
    body = ca_body("Requested and held")
    del body["ca_expiration"]
    pending = await blazon.ok("POST", f"{API}/requests", body)
    asked = x509.load_pem_x509_csr(base64.b64decode(pending["csr"]))
    certificate, _ = outside_ca("Requested and held", subject_key=asked.public_key(), above=(root, root_key))
    await set_ca_status(blazon, await bring_ca(blazon, certificate), "REVOKED", "CertificateHold")
    ca = await blazon.ok("POST", f"{API}/requests/{pending['id']}/certificate", {"certificate": pem(certificate)})
    assert (ca["status"], ca["revocation_reason"]) == ("REVOKED", "CertificateHold")
    assert (await told(blazon, certificate, root)).revocation_reason is x509.ReasonFlags.certificate_hold
    await listed(blazon, above, certificate.serial_number)
    await set_ca_status(blazon, ca, "ACTIVE")
    assert (await told(blazon, certificate, root)).certificate_status is GOOD

    async def is_off_the_list() -> bool:
        return (await crl_of(blazon, above)).get_revoked_certificate_by_serial_number(certificate.serial_number) is None

    await eventually(is_off_the_list)
    await sign(blazon, ca)


async def test_what_an_external_ca_issued_is_of_the_one_that_takes_its_place(
    blazon: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key of a request has signed elsewhere too; its certificate and what it issued were imported before."""
    private_key = ec.generate_private_key(ec.SECP256R1())
    root, root_key = outside_ca("Above a place")
    body = ca_body("Takes a place")
    del body["ca_expiration"]
    with monkeypatch.context() as patch:
        patch.setattr("blazon.engines.software.generate_key", lambda _: private_key)
        pending = await blazon.ok("POST", f"{API}/requests", body)
    certificate, _ = outside_ca("Takes a place", subject_key=private_key, above=(root, root_key))
    early, _ = outside_ca("early", above=(certificate, private_key), is_ca=False)
    late, _ = outside_ca("late", above=(certificate, private_key), is_ca=False)
    sub, _ = outside_ca("sub of a place", above=(certificate, private_key))
    brought = [await bring(blazon, early)]
    external = await bring_ca(blazon, certificate)
    brought.append(await bring(blazon, late))
    below = await bring_ca(blazon, sub)
    for each in brought:
        assert (await view(blazon, each))["issuer_metadata"]["ca_id"] == external["id"]
    await revoke(blazon, brought[0])
    path = f"{API}/requests/{pending['id']}/certificate"
    ca = await blazon.ok("POST", path, {"certificate": pem(certificate)})
    assert (await told(blazon, early, certificate)).certificate_status is REVOKED
    assert (await told(blazon, late, certificate)).certificate_status is GOOD
    await listed(blazon, ca, early.serial_number)
    assert (await view(blazon, brought[1]))["issuer_metadata"]["ca_id"] == ca["id"]
    assert (await view_ca(blazon, below))["issuer_metadata"]["ca_id"] == ca["id"]
    await set_ca_status(blazon, ca, "REVOKED", "KeyCompromise")
    assert (await told(blazon, late, certificate)).certificate_status is REVOKED

    async def fallen() -> bool:
        states = {(await view(blazon, brought[1]))["status"], (await view_ca(blazon, below))["status"]}
        return states == {"REVOKED"}

    await eventually(fallen)


async def test_who_only_names_a_ca_is_not_bound_to_it(blazon: Running) -> None:
    """A certificate is its issuer's by the signature, not by the name."""
    certificate, private_key = outside_ca("Namesake")
    other_key = ec.generate_private_key(ec.SECP256R1())
    leaf, _ = outside_ca("leaf", above=(certificate, other_key), is_ca=False)
    sub, _ = outside_ca("sub", above=(certificate, other_key))
    brought, below = await bring(blazon, leaf), await bring_ca(blazon, sub)
    ca = await bring_ca(blazon, certificate, private_key)
    assert (await view(blazon, brought))["issuer_metadata"]["ca_id"] == "-"
    assert (await view_ca(blazon, below))["issuer_metadata"]["ca_id"] == "-"
    assert "not known here" in (await revoke(blazon, brought))["revocation_notice"]
    assert len(await crl_of(blazon, ca)) == 0
    assert (await told(blazon, leaf, certificate)).certificate_status is ocsp.OCSPCertStatus.UNKNOWN


async def signed_with_sha1(folder: Path, above: x509.Certificate, private_key: Any, serial: int) -> x509.Certificate:
    """A certificate as OpenSSL made them for a long time."""
    for name, content in (
        ("ca.pem", base64.b64decode(pem(above))),
        ("ca.key", key_pem(private_key)),
        ("leaf.csr", base64.b64decode(csr("old device"))),
    ):
        (folder / name).write_bytes(content)
    made = await openssl(
        *("x509", "-req", "-sha1", "-in", folder / "leaf.csr", "-CA", folder / "ca.pem", "-CAkey", folder / "ca.key"),
        *("-set_serial", serial, "-days", 90, "-out", folder / "leaf.pem"),
    )
    assert made.returncode == 0, made.stderr
    return x509.load_pem_x509_certificate((folder / "leaf.pem").read_bytes())


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("kind", ["rsa", "ec"])
async def test_a_certificate_that_was_signed_with_sha1_is_its_issuers(
    blazon: Running, tmp_path: Path, kind: str, late: bool
) -> None:
    """Nobody is to trust it for that; but whoever does shall hear that it is revoked."""
    keys: list[Any] = [
        rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())
        for _ in range(2)
    ]
    certificate, private_key = outside_ca(f"Old {kind} {late}", subject_key=keys[0])
    namesake, _ = outside_ca(f"Old {kind} {late}", subject_key=keys[1])
    serial = x509.random_serial_number()
    leaf = await signed_with_sha1(tmp_path, certificate, keys[0], serial)
    forged = await signed_with_sha1(tmp_path, namesake, keys[1], serial + 1)
    if not late:
        ca = await bring_ca(blazon, certificate, private_key)
    brought, strange = await bring(blazon, leaf), await bring(blazon, forged)
    if late:
        ca = await bring_ca(blazon, certificate, private_key)
    assert (await view(blazon, brought))["issuer_metadata"]["ca_id"] == ca["id"]
    assert (await view(blazon, strange))["issuer_metadata"]["ca_id"] == "-"
    await revoke(blazon, brought)
    await listed(blazon, ca, leaf.serial_number)


async def test_cas_that_certify_each_other(blazon: Running) -> None:
    """Each stands above the other: nothing goes round for ever, and both can go."""
    (one, one_key), (two, two_key) = outside_ca("One"), outside_ca("Two")
    crossed = [
        outside_ca("One", subject_key=one_key, above=(two, two_key))[0],
        outside_ca("Two", subject_key=two_key, above=(one, one_key))[0],
    ]
    cas = [await bring_ca(blazon, each, key) for each, key in zip(crossed, (one_key, two_key), strict=True)]
    found = [await view_ca(blazon, each) for each in cas]
    assert [each["issuer_metadata"]["ca_id"] for each in found] == [cas[1]["id"], cas[0]["id"]]
    leaf = await sign(blazon, cas[0])
    assert len((await blazon.ok("GET", f"{API}/cas/{cas[0]['id']}/chain"))["chain"]) == 2
    assert (await ask(blazon, leaf, cas[0])).certificate_status is GOOD
    await set_ca_status(blazon, cas[1], "REVOKED", "KeyCompromise")

    async def fallen() -> bool:
        return bool((await view_ca(blazon, cas[0]))["status"] == "REVOKED")

    await eventually(fallen)
    for each in cas:
        await delete_ca(blazon, each)


async def test_imports_in_the_same_moment_find_each_other(blazon: Running) -> None:
    certificate, private_key = outside_ca("At once")
    leaves = [outside_ca(f"at once {n}", above=(certificate, private_key), is_ca=False)[0] for n in range(30)]
    tasks = [asyncio.create_task(bring(blazon, leaf)) for leaf in leaves]
    tasks.insert(15, asyncio.create_task(bring_ca(blazon, certificate, private_key)))
    done = await asyncio.gather(*tasks)

    async def all_bound() -> bool:
        brought = [each for each in done if "id" not in each]
        return "-" not in {(await view(blazon, each))["issuer_metadata"]["ca_id"] for each in brought}

    await eventually(all_bound)


async def test_what_a_kill_left_unbound_is_bound_after_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than a page of them, so that there are several steps to be killed between."""

    async def never(*_: object) -> None:
        """As in a process that is killed right after the import: nothing is bound, and no cursor moves."""
        raise Unavailable("killed")

    monkeypatch.setattr(binding, "_BATCH", 2)
    monkeypatch.setattr("blazon.ca.store._PAGE", 3)
    certificate, private_key = outside_ca("Left")
    leaves = [outside_ca(f"left {n}", above=(certificate, private_key), is_ca=False)[0] for n in range(10)]
    sub, _ = outside_ca("Left sub", above=(certificate, private_key))
    async with running(tmp_path, redis__embedded="no") as blazon:
        brought = [await bring(blazon, leaf) for leaf in leaves]
        below = await bring_ca(blazon, sub)
        monkeypatch.setattr(Binding, "_bind", never)
        ca = await bring_ca(blazon, certificate, private_key)
        assert {(await view(blazon, each))["issuer_metadata"]["ca_id"] for each in brought} == {"-"}
    monkeypatch.undo()
    async with running(tmp_path, redis__embedded="no") as blazon:

        async def all_bound() -> bool:
            found = [await view(blazon, each) for each in brought]
            found.append(await view_ca(blazon, below))
            return {each["issuer_metadata"]["ca_id"] for each in found} == {ca["id"]}

        await eventually(all_bound)


async def test_an_import_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binding, "_PATIENCE", 0.2)
    original = Binding._bind_certificates

    async def slow(*arguments: Any) -> None:
        await asyncio.sleep(1)
        await original(*arguments)

    monkeypatch.setattr(Binding, "_bind_certificates", slow)
    certificate, private_key = outside_ca("Slow to bind")
    leaf, _ = outside_ca("leaf", above=(certificate, private_key), is_ca=False)
    async with running(tmp_path, redis__embedded="no") as blazon:
        brought = await bring(blazon, leaf)
        ca = await bring_ca(blazon, certificate, private_key)
        assert (await view(blazon, brought))["issuer_metadata"]["ca_id"] == "-"

        async def is_bound() -> bool:
            return bool((await view(blazon, brought))["issuer_metadata"]["ca_id"] == ca["id"])

        await eventually(is_bound)


async def test_what_a_ca_that_is_deleted_revoked_is_told_by_its_twin(blazon: Running) -> None:
    old, private_key = outside_ca("Leaves an heir")
    ca = await bring_ca(blazon, old, private_key)
    leaf, _ = outside_ca("heirloom", above=(old, private_key), is_ca=False)
    brought = await bring(blazon, leaf)
    new, _ = outside_ca("Leaves an heir", subject_key=private_key, days=4000)
    heir = await bring_ca(blazon, new, private_key)
    assert (await view(blazon, brought))["issuer_metadata"]["ca_id"] == ca["id"]
    await set_ca_status(blazon, ca, "REVOKED", "Superseded")
    await delete_ca(blazon, ca)
    assert (await told(blazon, leaf, new)).certificate_status is REVOKED
    await listed(blazon, heir, leaf.serial_number)


async def test_nothing_says_that_a_revocation_is_unseen_when_it_is_seen(blazon: Running) -> None:
    """The notice is in the answer that revokes, where nobody can see it, and nowhere else."""
    ca = await make_ca(blazon, "Says it")
    leaf = await sign(blazon, ca)
    assert "revocation_notice" not in await revoke(blazon, leaf)
    stranger, _ = outside_ca("stranger", above=outside_ca("Far away"), is_ca=False)
    brought = await bring(blazon, stranger)
    held = await set_status(blazon, brought, "REVOKED", "CertificateHold")
    assert held["revocation_notice"]
    assert "revocation_notice" not in await set_status(blazon, brought, "ACTIVE")
    external = await bring_ca(blazon, outside_ca("External root")[0])
    assert (await set_ca_status(blazon, external, "REVOKED"))["revocation_notice"]
    assert "revocation_notice" not in await view_ca(blazon, external)
    assert "revocation_notice" not in await set_ca_status(blazon, ca, "REVOKED")


async def test_what_outlives_its_ca_is_below_its_twin(tmp_path: Path) -> None:
    """The certificate of a CA ends before one it issued, and the CA is deleted: its twin is the issuer then."""
    clock = ManualClock(time.time_ns())
    old, private_key = outside_ca("Ends soon", days=100)
    leaves = [outside_ca(f"lives on {n}", above=(old, private_key), is_ca=False)[0] for n in range(2)]
    new, _ = outside_ca("Ends soon", subject_key=private_key, days=4000)
    async with running(tmp_path, clock, redis__embedded="no", tokens__access="36500d") as blazon:
        ca = await bring_ca(blazon, old, private_key)
        brought = [await bring(blazon, leaf) for leaf in leaves]
        heir = await bring_ca(blazon, new, private_key)
        await set_status(blazon, brought[1], "REVOKED", "CertificateHold")
        clock.move(101 * 86400)

        async def ended() -> bool:
            return bool((await view_ca(blazon, ca))["status"] == "EXPIRED")

        await eventually(ended)
        await delete_ca(blazon, ca)

        async def are_the_heirs() -> bool:
            return {(await view(blazon, each))["issuer_metadata"]["ca_id"] for each in brought} == {heir["id"]}

        await eventually(are_the_heirs)
        assert (await told(blazon, leaves[0], new)).certificate_status is GOOD
        assert (await told(blazon, leaves[1], new)).certificate_status is REVOKED
        await set_ca_status(blazon, heir, "REVOKED", "KeyCompromise")
        assert (await told(blazon, leaves[0], new)).certificate_status is REVOKED

        async def fallen() -> bool:
            return {(await view(blazon, each)).get("revocation_reason") for each in brought} == {"CessationOfOperation"}

        await eventually(fallen)
