"""CAs and certificates from the command line: every command, for people and as JSON."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.ca.support import key_pem, outside_ca
from tests.cli.program import Program, Up


@pytest.fixture
def program(running: Up) -> Program:
    """The command, signed in as the admin."""
    return running.program


def request(program: Program, name: str) -> Path:
    """A request made with OpenSSL."""
    key, csr = program.home / f"{name}.key", program.home / f"{name}.csr"
    command = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    names = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}.example.com"]
    subprocess.run([*command, *names, "-keyout", key, "-out", csr], check=True, capture_output=True)
    return csr


def test_cas_from_beginning_to_end(program: Program) -> None:
    root = program.ok(
        *("ca", "create", "Root A", "--key", "ecdsa:384", "--valid", "20y", "--organization", "Ikerlan"),
        *("--country", "ES", "--metadata", '{"site":"lab"}', "--json"),
    ).json
    assert root["key_metadata"] == {"type": "ECDSA", "bits": 384, "strength": "HIGH"}
    assert root["metadata"] == {"site": "lab"}
    below = program.ok("ca", "create", "Devices A", "--parent", "Root A", "--key", "ed25519", "--json").json
    assert below["issuer_metadata"]["ca_id"] == root["id"]
    out = program.ok("ca", "show", "Root A").out
    assert "subject     CN=Root A, O=Ikerlan, C=ES\n" in out
    assert "██████████" in out
    assert program.ok("ca", "show", root["id"], "--json").json["id"] == root["id"]
    assert program.ok("ca", "show", "Root A", "--pem").out.startswith("-----BEGIN CERTIFICATE-----")
    rows = [line.split("\t") for line in program.ok("ca", "list").lines]
    assert [root["id"], "Root A", "ACTIVE", "MANAGED", "software", root["valid_to"]] in rows
    refused = program.run("ca", "create", "X", "--parent", "nobody")
    assert (refused.code, "CA not found" in refused.err) == (1, True)
    assert program.run("ca", "create", "X", "--key", "dsa").code == 2


@pytest.mark.parametrize("name", ["Plant/1", "50%/a b", "cn/import"])
def test_a_ca_is_called_by_a_name_with_a_slash(program: Program, name: str) -> None:
    made = program.ok("ca", "create", name, "--json").json
    assert program.ok("ca", "show", name, "--json").json["id"] == made["id"]
    below = program.ok("ca", "create", f"Below {name}", "--parent", name, "--valid", "5y", "--json").json
    assert below["issuer_metadata"]["ca_id"] == made["id"]
    signed = program.home / "slash.pem"
    program.ok("cert", "sign", name, request(program, "slash"), "--out", signed)
    assert program.ok("cert", "verify", signed).out
    assert program.ok("ca", "crl", name, "--json").json["revoked"] == []
    refused = program.run("ca", "show", f"{name}/none")
    assert (refused.code, "CA not found" in refused.err) == (1, True)


def test_a_refusal_says_all_there_is_to_say(program: Program) -> None:
    refused = program.run("ca", "create", "X", "--valid", "1d", "--issue", "2d")
    assert "issuance expiration greater than CA expiration: 20" in refused.err
    assert "there is none with the id or the name in parent_id" in program.run("ca", "create", "X", "--parent", "y").err


def test_the_tree_shows_who_is_below_whom_and_what_is_left(program: Program) -> None:
    program.ok("ca", "create", "T1")
    program.ok("ca", "create", "T2", "--parent", "T1", "--valid", "5y")
    program.ok("ca", "create", "T3", "--parent", "T2", "--valid", "2y")
    program.ok("ca", "create", "T4", "--parent", "T1", "--valid", "1000d", "--issue", "1d")
    lines = program.ok("ca", "tree").lines
    begin = next(number for number, line in enumerate(lines) if line.startswith("T1 "))
    assert [line.split("  ")[0].rstrip() for line in lines[begin : begin + 2]] == ["T1", " ├─ T2"]
    names = [line[: line.index("█")].rstrip() for line in lines[begin : begin + 4]]
    assert names == ["T1", " ├─ T2", " │  └─ T3", " └─ T4"]
    assert all("ACTIVE" in line for line in lines[begin : begin + 4])
    (nested,) = [ca for ca in program.ok("ca", "tree", "--json").json if ca["subject"]["common_name"] == "T1"]
    assert [ca["subject"]["common_name"] for ca in nested["below"]] == ["T2", "T4"]


def test_certificates_from_beginning_to_end(program: Program) -> None:
    program.ok("ca", "create", "Root B")
    ca = program.ok("ca", "create", "Devices B", "--parent", "Root B", "--valid", "5y", "--json").json
    csr, pem = request(program, "lamp-1"), program.home / "lamp-1.pem"
    out = program.ok("cert", "sign", "Devices B", csr, "--out", pem).out
    serial = out.split()[0]
    assert str(pem) in out
    assert program.ok("cert", "show", serial, "--json").json["issuer_metadata"]["ca_id"] == ca["id"]
    assert f"serial      {serial}\n" in program.ok("cert", "show", pem).out
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
    program.ok("cert", "revoke", serial, "--reason", "certificatehold")
    assert program.ok("cert", "revoke", pem, "--release", "--json").json["status"] == "ACTIVE"
    revoked = program.ok("cert", "revoke", pem, "--reason", "KeyCompromise").out
    assert "reason      KeyCompromise\n" in revoked
    bad = program.run("cert", "verify", pem)
    assert (bad.code, "revoked on" in bad.out, "not to be trusted" in bad.err) == (1, True, True)
    crl = program.ok("ca", "crl", "Devices B", "--json").json
    assert [(each["serial_number"], each["revocation_reason"]) for each in crl["revoked"]] == [
        (serial, "keyCompromise")
    ]
    assert serial in program.ok("ca", "crl", "Devices B").out
    listed = program.home / "list.crl"
    program.ok("ca", "crl", "Devices B", "--out", listed)
    assert listed.read_text().startswith("-----BEGIN X509 CRL-----")


def test_a_subject_can_be_given(program: Program) -> None:
    program.ok("ca", "create", "Root C")
    csr = request(program, "lamp-2")
    made: Any = program.ok(
        "cert", "sign", "Root C", csr, "--common-name", "given", "--organization", "Ikerlan", "--json"
    ).json
    assert (made["subject"]["common_name"], made["subject"]["organization"]) == ("given", "Ikerlan")
    assert program.run("cert", "sign", "Root C", csr, "--organization", "Ikerlan").code == 2
    assert program.ok("cert", "sign", "Root C", csr, "--chain").out.count("BEGIN CERTIFICATE") == 2


def test_a_ca_made_elsewhere(program: Program) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding

    certificate, private_key = outside_ca("Elsewhere")
    pem, key = program.home / "elsewhere.pem", program.home / "elsewhere.key"
    pem.write_bytes(certificate.public_bytes(Encoding.PEM))
    key.write_bytes(key_pem(private_key))
    made = program.ok("ca", "import", pem, "--private-key", key, "--issue", "30d", "--json").json
    assert (made["type"], made["subject"]["common_name"]) == ("IMPORTED", "Elsewhere")


def test_what_is_no_certificate(program: Program) -> None:
    text = program.home / "text.txt"
    text.write_text("hello")
    for words in (("cert", "inspect", text), ("cert", "verify", text)):
        ended = program.run(*words)
        assert (ended.code, "no certificate in PEM" in ended.err) == (1, True)
    assert program.run("cert", "show", "nowhere").code == 2
    assert "certificate not found" in program.run("cert", "show", "00-11").err
