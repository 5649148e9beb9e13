"""Who makes the first CA is told when nobody else reaches the addresses its certificates name."""

from pathlib import Path

import pytest

from tests.cli.pki import outside
from tests.cli.program import PASSWORD, Program, up

_NOTE = "Note: certificates of this CA "


def _notes(program: Program, *words: str | Path) -> list[str]:
    return [line for line in program.ok(*words).err.splitlines() if line.startswith(_NOTE)]


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (
            {"BLAZON_PKI_URL": "http://localhost:8080"},
            "name http://localhost:8080/api/va/ocsp, which only this",
        ),
        ({}, "name no address for CRLs and OCSP"),
    ],
    ids=["loopback", "none"],
)
def test_it_is_said_of_the_first_ca_that_issues(program: Program, settings: dict[str, str], why: str) -> None:
    with up(program, program.home / "data", **settings) as started:
        program.ok("token", "--data-dir", started.data_dir, "--password", PASSWORD)
        pem, _ = outside(program, "Known")
        assert not _notes(program, "ca", "import", pem)
        (note,) = _notes(program, "ca", "create", "Root", "--json")
        assert note.startswith(_NOTE + why)
        assert "Set pki.url before you issue any" in note
        assert not _notes(program, "ca", "create", "Devices", "--parent", "Root", "--valid", "5y")
        assert started.output.count("set pki.url before you issue any") == 1  # in the log


@pytest.mark.parametrize("first", ["import", "complete"])
def test_a_ca_that_comes_from_outside_may_be_the_first(program: Program, first: str) -> None:
    with up(program, program.home / "data") as started:
        program.ok("token", "--data-dir", started.data_dir, "--password", PASSWORD)
        if first == "import":
            pem, key = outside(program, "Outside")
            assert len(_notes(program, "ca", "import", pem, "--private-key", key)) == 1
            return
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding

        from tests.ca.support import outside_ca

        assert not _notes(program, "ca", "request", "Plant", "--out", "plant.csr")
        asked = x509.load_pem_x509_csr((program.home / "plant.csr").read_bytes())
        certificate, _ = outside_ca("Plant", subject_key=asked.public_key(), above=outside_ca("Above"))
        (program.home / "plant.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
        assert len(_notes(program, "ca", "complete", "Plant", "plant.pem")) == 1


def test_nothing_is_said_of_an_address_others_reach(program: Program) -> None:
    with up(program, program.home / "data", BLAZON_PKI_URL="http://pki.example.com") as started:
        program.ok("token", "--data-dir", started.data_dir, "--password", PASSWORD)
        assert not _notes(program, "ca", "create", "Root")
        assert "pki.url" not in started.output
