"""CAs with one name and one key, and ids that two CAs have one after the other: who speaks, and of what."""

from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509 import ocsp

from blazon.ca.store import Store
from tests.ca.support import (
    API,
    ca_body,
    crl_of,
    decoded,
    encoded,
    eventually,
    key_pem,
    lasting,
    make_ca,
    openssl,
    outside_ca,
    pem,
    refused,
    revoke,
    serial_of,
    set_ca_status,
    sign,
    write,
)
from tests.ca.test_revocation import ask
from tests.running import Running


def crossed(ca: Any) -> tuple[x509.Certificate, x509.Certificate]:
    """A certificate an outside root made for a CA here, and that of the root."""
    root, root_key = outside_ca("Outside root")
    certificate, _ = outside_ca(
        ca["subject"]["common_name"], subject_key=decoded(ca).public_key(), above=(root, root_key)
    )
    return certificate, root


@pytest.mark.parametrize("identifier", ["zz-crossed", "00-crossed"])
async def test_a_cross_certificate_of_a_ca_here_silences_nobody(
    blazon: Running, tmp_path: Path, identifier: str
) -> None:
    """Whether its id sorts before that of the CA or after it."""
    ca = await make_ca(blazon, f"Crossed {identifier}")
    bad, good, later = [await sign(blazon, ca, name) for name in ("bad", "good", "later")]
    await revoke(blazon, bad)
    assert (await ask(blazon, bad, ca)).certificate_status is ocsp.OCSPCertStatus.REVOKED
    certificate, root = crossed(ca)
    twin = await blazon.ok(
        "POST", f"{API}/cas/import", {"id": identifier + ca["id"], "ca": pem(certificate), "ca_chain": [pem(root)]}
    )
    for status, leaf in ((ocsp.OCSPCertStatus.REVOKED, bad), (ocsp.OCSPCertStatus.GOOD, good)):
        for issuer in (ca, twin):  # they are asked for in the same words
            assert (await ask(blazon, leaf, issuer)).certificate_status is status
    await revoke(blazon, later)
    assert (await ask(blazon, later, twin)).certificate_status is ocsp.OCSPCertStatus.REVOKED
    found = await openssl(
        "ocsp", "-issuer", write(tmp_path, "ca.pem", ca), "-cert", write(tmp_path, "bad.pem", bad),
        "-url", f"{blazon.url}/api/va/ocsp", "-CAfile", tmp_path / "ca.pem",
    )  # fmt: skip
    assert "Response verify OK" in found.stderr
    assert "bad.pem: revoked" in found.stdout
    # By the key: of the one that has it.
    key_id = decoded(ca).extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex()
    answer = await blazon.call("GET", f"/api/va/crl/{key_id}", token="")
    assert answer.status == 200
    crl = x509.load_der_x509_crl(answer.body)
    assert crl.get_revoked_certificate_by_serial_number(serial_of(bad)) is not None
    served = await blazon.call("GET", f"/api/va/ca/{key_id}", token="")
    assert x509.load_der_x509_certificate(served.body) == decoded(ca)


@pytest.mark.parametrize("identifier", ["zz-other", "00-other"])
async def test_what_is_imported_stands_below_the_ca_that_has_the_key(blazon: Running, identifier: str) -> None:
    certificate, private_key = outside_ca(f"Brought {identifier}")
    brought = {
        "id": f"mm-{identifier}",
        "ca": pem(certificate),
        "private_key": encoded(key_pem(private_key)),
        "issuance_expiration": lasting("1d"),
    }
    owner = await blazon.ok("POST", f"{API}/cas/import", brought)
    await blazon.ok("POST", f"{API}/cas/import", {"id": identifier, "ca": pem(crossed(owner)[0])})
    leaf, _ = outside_ca("leaf", above=(certificate, private_key), is_ca=False)
    imported = await blazon.ok("POST", f"{API}/certificates/import", {"certificate": pem(leaf)})
    assert imported["issuer_metadata"]["ca_id"] == owner["id"]
    await revoke(blazon, imported)
    assert (await crl_of(blazon, owner)).get_revoked_certificate_by_serial_number(leaf.serial_number) is not None


async def test_an_id_is_given_again_only_when_nothing_refers_to_the_ca_that_had_it(blazon: Running) -> None:
    """Neither a certificate nor a CRL."""
    kept = [await make_ca(blazon, "Old", id=f"old-{number}") for number in range(3)]
    leaf = await sign(blazon, kept[0])
    await crl_of(blazon, kept[1])
    for ca in kept:
        await set_ca_status(blazon, ca, "REVOKED", "CessationOfOperation")

    async def is_revoked() -> bool:
        found = await blazon.ok("GET", f"{API}/certificates/{leaf['serial_number']}")
        return bool(found["status"] == "REVOKED")

    await eventually(is_revoked)
    for ca in kept:
        await blazon.ok("DELETE", f"{API}/cas/{ca['id']}")
    for ca in kept[:2]:
        refused(await blazon.call("POST", f"{API}/cas", ca_body("New", id=ca["id"])), 409)
        body = {key: value for key, value in ca_body("New", id=ca["id"]).items() if key != "ca_expiration"}
        refused(await blazon.call("POST", f"{API}/requests", body), 409)
        body = {"id": ca["id"], "ca": pem(outside_ca()[0])}
        refused(await blazon.call("POST", f"{API}/cas/import", body), 409)
        assert (await blazon.call("GET", f"/api/va/crl/{ca['id']}", token="")).status == 404
        assert (await blazon.call("GET", f"/api/va/ca/{ca['id']}", token="")).status == 404
    again = await make_ca(blazon, "New", id=kept[2]["id"])
    assert (await crl_of(blazon, again)).is_signature_valid(decoded(again).public_key())  # type: ignore[arg-type]


async def test_no_list_of_a_deleted_ca_is_kept(blazon: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever lets another one have its id."""

    async def nobody(*_: object) -> bool:
        return False

    monkeypatch.setattr(Store, "id_is_taken", nobody)
    ca = await make_ca(blazon, "First", id="twice")
    old = await crl_of(blazon, ca)
    await set_ca_status(blazon, ca, "REVOKED", "CessationOfOperation")
    await blazon.ok("DELETE", f"{API}/cas/twice")
    again = await make_ca(blazon, "Second", id="twice")
    new = await crl_of(blazon, again)
    assert new != old
    assert new.is_signature_valid(decoded(again).public_key())  # type: ignore[arg-type]
