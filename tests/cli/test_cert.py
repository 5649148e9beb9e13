"""Certificates from the command line: issued, found, checked, revoked, and put into files."""

import base64
import stat
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, pkcs12

from blazon.cli.client import Api
from blazon.cli.paging import by_bookmark
from tests.ca.support import outside_ca
from tests.cli.pki import openssl, outside, pairs, read, request, rows
from tests.cli.program import PASSWORD, Program, Up


@pytest.fixture
def program(running: Up) -> Program:
    """The command, signed in as the admin."""
    return running.program


def test_certificates_from_beginning_to_end(program: Program) -> None:
    program.ok("ca", "create", "Root B")
    ca = program.ok("ca", "create", "Devices B", "--parent", "Root B", "--valid", "5y", "--json").json
    csr, pem = request(program, "lamp-1"), program.home / "lamp-1.pem"
    out = program.ok("cert", "sign", "Devices B", csr, "--out", pem).out
    serial = out.split()[0]
    assert str(pem) in out
    assert program.ok("cert", "show", serial, "--json").json["issuer_metadata"]["ca_id"] == ca["id"]
    shown = pairs(program.ok("cert", "show", pem))
    assert (shown["serial"], shown["names"], shown["usage"]) == (serial, "lamp-1.example.com", "digital signature")
    assert shown["issuer"] == f"CN=Devices B  {ca['id']}"
    inspected = program.ok("cert", "inspect", pem).out
    assert "lamp-1.example.com" in inspected
    assert "not a CA, critical" in inspected
    (said,) = program.ok("cert", "inspect", pem, "--json").json
    assert (said["subject"], said["serial"]) == ("CN=lamp-1", serial)
    good = program.ok("cert", "verify", pem, "--json").json
    assert good["signatures"] == "good: up to CN=Root B"
    assert good["ocsp"] == "good: not revoked"
    exported = program.ok("cert", "export", serial).out
    assert exported == pem.read_text()
    assert program.ok("cert", "export", serial, "--chain").out.count("BEGIN CERTIFICATE") == 3
    assert pairs(program.ok("cert", "hold", serial))["reason"] == "CertificateHold"
    assert "bad: revoked on" in program.run("cert", "verify", serial).out
    assert program.ok("cert", "release", pem, "--json").json["status"] == "ACTIVE"
    assert pairs(program.ok("cert", "revoke", pem, "--reason", "KeyCompromise"))["reason"] == "KeyCompromise"
    bad = program.run("cert", "verify", pem)
    assert (bad.code, "revoked on" in bad.out, "not to be trusted" in bad.err) == (1, True, True)
    assert program.run("cert", "release", pem).code == 1


def test_a_certificate_in_der_is_read_as_well(program: Program) -> None:
    program.ok("ca", "create", "Root D")
    pem, der = program.home / "d.pem", program.home / "d.cer"
    serial = program.ok("cert", "sign", "Root D", request(program, "lamp-d"), "--out", pem).out.split()[0]
    said = program.ok("cert", "export", serial, "--form", "der", "--out", der).out
    assert said == f"Wrote {der}: {serial} in DER.\n"
    assert der.read_bytes() == read(pem).public_bytes(Encoding.DER)
    assert program.ok("cert", "inspect", der).out == program.ok("cert", "inspect", pem).out
    assert pairs(program.ok("cert", "show", der))["serial"] == serial
    assert program.ok("cert", "verify", der, "--json").json["ocsp"] == "good: not revoked"
    assert program.run("cert", "export", serial, "--form", "der", "--chain").code == 2


def test_a_subject_an_end_and_metadata_can_be_given(program: Program) -> None:
    program.ok("ca", "create", "Root G")
    csr = request(program, "lamp-2")
    made = program.ok(
        *("cert", "sign", "Root G", csr, "--common-name", "given", "--organization", "Ikerlan"),
        *("--until", "30d", "--metadata", '{"site":"lab"}', "--json"),
    )
    subject = made.json["subject"]
    assert (subject["common_name"], subject["organization"]) == ("given", "Ikerlan")
    assert made.json["metadata"] == {"site": "lab"}
    end = datetime.fromisoformat(made.json["valid_to"])
    assert abs(end - datetime.now(UTC) - timedelta(days=30)) < timedelta(minutes=1)
    assert made.err == f"given will be valid until {made.json['valid_to']}.\n"
    day = (datetime.now(UTC) + timedelta(days=40)).date().isoformat()
    assert program.ok("cert", "sign", "Root G", csr, "--until", day, "--json").json["valid_to"] == f"{day}T23:59:59Z"
    assert "6m is 6 minutes" in program.ok("cert", "sign", "Root G", csr, "--valid", "6m").err
    assert program.run("cert", "sign", "Root G", csr, "--until", "soon").code == 2
    assert program.run("cert", "sign", "Root G", csr, "--organization", "Ikerlan").code == 2
    assert program.ok("cert", "sign", "Root G", csr, "--chain").out.count("BEGIN CERTIFICATE") == 2
    both = program.home / "both.pem"
    assert program.ok("cert", "sign", "Root G", csr, "--json", "--out", both).json["status"] == "ACTIVE"
    assert both.read_text().count("BEGIN CERTIFICATE") == 1


def test_a_key_is_made_and_handed_out_once(program: Program) -> None:
    ca = program.ok("ca", "create", "Root K", "--json").json
    printed = program.ok(
        *("cert", "create", "Root K", "lamp-k", "--key", "rsa:2048", "--dns", "lamp-k.example.com"),
        *("--ip", "192.0.2.1", "--email", "k@example.com", "--uri", "urn:uuid:1", "--organization", "Ikerlan"),
    ).out.encode()
    key = load_pem_private_key(printed, None)
    made = x509.load_pem_x509_certificate(printed)
    assert made.public_key() == key.public_key()
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == [
        "lamp-k.example.com", "192.0.2.1", "k@example.com", "urn:uuid:1",
    ]  # fmt: skip
    as_json = program.ok("cert", "create", "Root K", "lamp-j", "--json").json
    assert as_json["issuer_metadata"]["ca_id"] == ca["id"]
    assert "private_key" in as_json
    assert "private_key" not in program.ok("cert", "show", as_json["serial_number"], "--json").json


def test_a_key_that_is_made_goes_to_a_file_only_its_owner_reads(program: Program) -> None:
    program.ok("ca", "create", "Root F")
    out, key = program.home / "f.pem", program.home / "f.key"
    said = program.ok("cert", "create", "Root F", "lamp-f", "--out", out, "--chain")
    assert said.out.endswith(f", in {out}, its key in {key}\n")
    assert out.read_text().count("BEGIN CERTIFICATE") == 2
    assert "PRIVATE KEY" not in out.read_text()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert load_pem_private_key(key.read_bytes(), None).public_key() == read(out).public_key()
    before = len(program.ok("cert", "list", "--ca", "Root F", "--json").json)
    again = program.run("cert", "create", "Root F", "lamp-f", "--out", out)
    assert (again.code, f"{key} is there already" in again.err) == (1, True)
    assert program.run("cert", "create", "Root F", "lamp-f", "--out", key).code == 2
    nowhere = program.run("cert", "create", "Root F", "lamp-f", "--out", program.home / "away" / "f.pem")
    assert (nowhere.code, "cannot use" in nowhere.err) == (1, True)
    assert len(program.ok("cert", "list", "--ca", "Root F", "--json").json) == before
    refused = program.home / "refused.key"
    assert program.run("cert", "create", "Root F", "x", "--dns", "not a name", "--key-out", refused).code == 1
    assert not refused.exists()
    silent = program.ok("cert", "create", "Root F", "lamp-g", "--key-out", program.home / "g.key", "--json").json
    assert "private_key" not in silent


def test_pkcs12(program: Program) -> None:
    program.ok("ca", "create", "Root P")
    program.ok("ca", "create", "Devices P", "--parent", "Root P", "--valid", "5y")
    file = program.home / "made.p12"
    program.ok("cert", "create", "Devices P", "laptop", "--p12", file, "--password", "a secret")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    found = pkcs12.load_pkcs12(file.read_bytes(), b"a secret")
    assert found.cert is not None
    assert found.cert.friendly_name == b"laptop"
    assert found.key is not None
    assert found.key.public_key() == found.cert.certificate.public_key()
    above = [each.certificate.subject.rfc4514_string() for each in found.additional_certs]
    assert sorted(above) == ["CN=Devices P", "CN=Root P"]

    csr, pem = request(program, "lamp-p"), program.home / "lamp-p.pem"
    program.ok("cert", "sign", "Devices P", csr, "--out", pem)
    words = ("cert", "p12", pem, "--private-key", csr.with_suffix(".key"))
    packed, old = program.home / "lamp-p.p12", program.home / "lamp-p-old.p12"
    said = program.run(*words, "--out", packed, "--password", "-", stdin="typed in\n")
    assert said.out == f"Wrote {packed}: lamp-p, its private key and 2 certificates above it.\n"
    assert openssl("pkcs12", "-in", packed, "-passin", "pass:typed in", "-nodes").count("BEGIN") == 4
    program.ok(*words, "--out", old, "--password", "x", "--legacy", "--name", "old lamp")
    listed = openssl("pkcs12", "-in", old, "-passin", "pass:x", "-nodes", "-legacy")
    assert "friendlyName: old lamp" in listed

    other = program.run(
        *words[:3], "--private-key", request(program, "q").with_suffix(".key"), "--out", "o", "--password", "x"
    )
    assert (other.code, "not that of the certificate" in other.err) == (2, True)
    assert not (program.home / "o").exists()
    for words_, says in (
        (("--out", packed, "--password", "x"), "is there already"),
        (("--out", "n", "--password", ""), "the password is empty"),
        (("--out", "n"), "give the password with --password"),
    ):
        ended = program.run(*words, *words_)
        assert (ended.code in (1, 2), says in ended.err) == (True, True), ended
        assert not (program.home / "n").exists()
    assert program.run("cert", "create", "Devices P", "x", "--p12", "n", "--out", "m").code == 2
    assert program.run("cert", "create", "Devices P", "x", "--password", "x").code == 2
    before = len(program.ok("cert", "list", "--ca", "Devices P", "--json").json)
    refused = program.run("cert", "create", "Devices P", "x", "--key", "ml-dsa", "--p12", "n", "--password", "x")
    assert (refused.code, "no PKCS #12 file is made here for ML-DSA keys" in refused.err) == (2, True)
    assert len(program.ok("cert", "list", "--ca", "Devices P", "--json").json) == before
    out = program.home / "ml.pem"
    program.ok("cert", "create", "Devices P", "x", "--key", "ml-dsa", "--out", out)
    packed_ml = ("cert", "p12", out, "--private-key", out.with_suffix(".key"), "--out", "n", "--password", "x")
    assert "no PKCS #12 file is made here for ML-DSA keys" in program.run(*packed_ml).err
    assert not (program.home / "n").exists()


def test_the_certificate_of_a_ca_is_found_too(program: Program) -> None:
    program.ok("ca", "create", "Root E")
    ca = program.ok("ca", "create", "Devices E", "--parent", "Root E", "--valid", "5y", "--json").json
    pem = program.home / "devices-e.pem"
    pem.write_text(program.ok("ca", "show", "Devices E", "--pem").out)
    assert pairs(program.ok("cert", "show", pem))["id"] == ca["id"]
    assert program.ok("cert", "show", ca["serial_number"], "--json").json["id"] == ca["id"]
    good = program.ok("cert", "verify", pem, "--json").json
    assert (good["signatures"], good["ocsp"]) == ("good: up to CN=Root E", "good: not revoked")
    root = program.ok("ca", "show", "Root E", "--json").json["serial_number"]
    assert program.ok("cert", "verify", root, "--json").json["ocsp"] == "good: a root, which OCSP does not revoke"
    assert program.ok("cert", "export", pem, "--chain").out == program.ok("ca", "chain", "Devices E").out
    assert program.ok("cert", "metadata", pem, "--set", "a=1", "--json").json["a"] == 1
    assert program.ok("cert", "hold", pem, "--json").json["revocation_reason"] == "CertificateHold"
    assert program.ok("cert", "release", pem, "--json").json["status"] == "ACTIVE"
    assert program.ok("cert", "revoke", pem, "--reason", "CACompromise", "--json").json["id"] == ca["id"]
    assert program.ok("ca", "show", "Devices E", "--json").json["status"] == "REVOKED"


def test_what_cannot_be_checked_is_not_called_bad(program: Program) -> None:
    """A CA that an outside parent certified, without that parent's certificate here."""
    csr = program.home / "far.csr"
    program.ok("ca", "request", "Far", "--out", csr)
    key = x509.load_pem_x509_csr(csr.read_bytes()).public_key()
    certificate, _ = outside_ca("Far", subject_key=key, above=outside_ca("Far away"), days=800)
    pem = program.home / "far.pem"
    pem.write_bytes(certificate.public_bytes(Encoding.PEM))
    program.ok("ca", "complete", "Far", pem)
    leaf = program.home / "far-leaf.pem"
    program.ok("cert", "sign", "Far", request(program, "far-leaf"), "--out", leaf)
    ended = program.run("cert", "verify", leaf, "--json")
    assert ended.code == 1
    assert ended.json["signatures"] == (
        "unknown: good up to CN=Far, but the certificate of its issuer, CN=Far away, is not here"
    )
    assert ended.json["ocsp"] == "good: not revoked"
    assert "could not be checked in full" in ended.err
    assert "not to be trusted" not in ended.err
    above = program.run("cert", "verify", pem, "--json")
    assert (above.code, above.json["ocsp"]) == (1, "unknown: its issuer is not here")


def test_what_is_below_a_held_ca_or_is_a_revoked_root_is_bad(program: Program) -> None:
    program.ok("ca", "create", "Root H")
    program.ok("ca", "create", "Devices H", "--parent", "Root H", "--valid", "5y")
    leaf = program.ok("cert", "create", "Devices H", "lamp-h", "--json").json["serial_number"]
    program.ok("ca", "hold", "Devices H")
    held = program.run("cert", "verify", leaf, "--json")
    assert (held.code, held.json["ocsp"].startswith("bad: CN=Devices H: revoked on")) == (1, True)
    program.ok("ca", "release", "Devices H")
    program.ok("cert", "verify", leaf)
    root = program.ok("ca", "show", "Root H", "--json").json["serial_number"]
    program.ok("ca", "revoke", "Root H", "--reason", "CACompromise")
    revoked = program.run("cert", "verify", root, "--json")
    assert (revoked.code, "CACompromise" in revoked.json["ocsp"]) == (1, True)


def test_a_certificate_made_elsewhere(program: Program) -> None:
    above = outside_ca("Vendor")
    certificate, _ = outside_ca("vendor-lamp", above=above, is_ca=False, days=90)
    pem = program.home / "vendor-lamp.pem"
    pem.write_bytes(certificate.public_bytes(Encoding.PEM))
    unknown = program.run("cert", "show", pem)
    assert (unknown.code, f"`blazon cert import {pem}`" in unknown.err) == (1, True)
    made = program.ok("cert", "import", pem, "--metadata", '{"from":"vendor"}')
    assert pairs(made)["issuer"] == "CN=Vendor, which is not here"
    assert program.ok("cert", "metadata", pem).lines == ["from  vendor"]
    assert program.run("cert", "import", pem).code == 1
    ca, _ = outside(program, "Vendor 2")
    refused = program.run("cert", "import", ca)
    assert (refused.code, "CA" in refused.err) == (1, True)


def test_certificates_are_found(program: Program) -> None:
    program.ok("ca", "create", "Root L")
    ca = program.ok("ca", "create", "Devices L", "--parent", "Root L", "--valid", "5y", "--json").json

    def make(name: str, *words: str) -> str:
        return str(program.ok("cert", "create", "Devices L", name, *words, "--json").json["serial_number"])

    lamp = make("lamp-l", "--dns", "Lamp-L.example.com", "--until", "20d", "--organization", "Ikerlan")
    valve = make("valve-l", "--ip", "192.0.2.77", "--until", "40d")
    pump = make("pump-l", "--dns", "pump-l.example.com", "--until", "60d")
    program.ok("cert", "revoke", pump)

    def found(*words: str) -> list[str]:
        return [row[0] for row in rows(program.ok("cert", "list", "--ca", "Devices L", *words))]

    assert found() == [pump, valve, lamp]
    assert found("--sort", "expiry") == [lamp, valve, pump]
    assert found("--sort", "name") == [lamp, pump, valve]
    assert found("--status", "active") == [valve, lamp]
    assert found("--name", "lv") == [valve]
    assert found("--san", "lamp-l.EXAMPLE.com") == [lamp]
    assert found("--san", "192.0.2.77") == [valve]
    assert found("--san", "example") == [pump, lamp]
    assert found("--subject", "o=ikerlan") == [lamp]
    assert found("--expires-before", "30d") == [lamp]
    assert found("--expires-before", "50d", "--expires-after", "30d") == [valve]
    assert found("--limit", "2") == [pump, valve]
    assert found("--limit", "1", "--all") == [pump, valve, lamp]
    assert found("--san", "nowhere") == []
    (row,) = rows(program.ok("cert", "list", "--san", "lamp-l.example.com"))
    assert row[1:4] == ["lamp-l", "ACTIVE", "Devices L"]
    (entity,) = program.ok("cert", "list", "--san", "lamp-l.example.com", "--json").json
    assert (entity["serial_number"], entity["issuer_metadata"]["ca_id"]) == (lamp, ca["id"])
    assert "CA not found" in program.run("cert", "list", "--ca", "nobody").err


def test_more_than_a_page_of_certificates_is_found(
    running: Up, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca = program.ok("ca", "create", "Root N", "--json").json["id"]
    body = {"csr": base64.b64encode(request(program, "many").read_bytes()).decode(), "sign_verbatim": True}
    monkeypatch.setenv(
        "BLAZON_TOKEN", program.ok("token", "--data-dir", running.data_dir, "--password", PASSWORD).out.strip()
    )
    api = Api(running.url)
    made = [api.call("POST", f"/api/ca/v1/cas/{ca}/certificates/sign", body)["serial_number"] for _ in range(105)]
    path = f"/api/ca/v1/cas/{ca}/certificates"
    for size in (1, 10, 35, 105, 1000):
        assert [each["serial_number"] for each in by_bookmark(api, path, size)] == made
    found = [row[0] for row in rows(program.ok("cert", "list", "--ca", "Root N", "--all"))]
    assert found == made[::-1]
    assert [row[0] for row in rows(program.ok("cert", "list", "--ca", "Root N"))] == found[:100]
    some = program.ok("cert", "list", "--ca", "Root N", "--san", "many", "--limit", "7")
    assert [row[0] for row in rows(some)] == found[:7]


def test_what_ends_soon_is_reported_the_first_first(program: Program) -> None:
    program.ok("ca", "create", "Root X")
    program.ok("ca", "create", "Brief X", "--parent", "Root X", "--valid", "15d", "--issue", "1d")
    for name, until in (("x-20", "20d"), ("x-10", "10d"), ("x-40", "40d"), ("x-revoked", "5d")):
        program.ok("cert", "create", "Root X", name, "--until", until)
    (gone,) = [row[0] for row in rows(program.ok("cert", "list", "--ca", "Root X", "--name", "x-revoked"))]
    program.ok("cert", "revoke", gone)
    report = rows(program.ok("cert", "expiring", "--ca", "Root X"))
    assert [(row[1], row[2], row[3], row[5]) for row in report] == [
        ("10 d", "x-10", "certificate", "Root X"),
        ("15 d", "Brief X", "CA", "Root X"),
        ("20 d", "x-20", "certificate", "Root X"),
    ]
    longer = program.ok("cert", "expiring", "--within", "50d", "--ca", "Root X", "--json").json
    assert [each["subject"]["common_name"] for each in longer["certificates"]] == ["x-10", "x-20", "x-40"]
    assert [each["subject"]["common_name"] for each in longer["cas"]] == ["Brief X"]
    assert "Brief X" in program.ok("cert", "expiring", "--within", "20d").out


def test_what_is_no_certificate(program: Program) -> None:
    text = program.home / "text.txt"
    text.write_text("hello")
    for command in ("inspect", "verify", "show", "revoke", "export"):
        ended = program.run("cert", command, text)
        assert ended.code == 1
        assert str(text) in ended.err
        assert ended.err.startswith("blazon: ")
    assert program.run("cert", "show", "nowhere").code == 2
    missing = program.run("cert", "show", "00-11")
    assert (missing.code, "certificate not found" in missing.err, "`blazon cert list`" in missing.err) == (
        1,
        True,
        True,
    )


@pytest.mark.parametrize("word", ["renew", "issue", "delete"])
def test_words_people_type_instead_lead_on(program: Program, word: str) -> None:
    ended = program.run("cert", word, "x")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"blazon: there is no `blazon cert {word}`: ")
    assert "`blazon cert " in ended.err.partition(": ")[2].partition(": ")[2]
