"""The command line tells of a revocation that nobody sees, and of a CA that soon cannot issue for its usual time."""

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.ca.support import outside_ca
from tests.cli.pki import outside, pairs, read, request
from tests.cli.program import Program, Up
from tests.servers import wait_for


@pytest.fixture
def program(running: Up) -> Program:
    """The command, signed in as the admin."""
    return running.program


def test_who_revokes_hears_when_nobody_sees_it(program: Program) -> None:
    certificate, private_key = outside_ca("Unseen issuer")
    leaf, _ = outside_ca("unseen-lamp", above=(certificate, private_key), is_ca=False)
    sub, _ = outside_ca("Unseen sub", above=(certificate, private_key))
    for name, each in (("unseen-lamp", leaf), ("unseen-sub", sub)):
        (program.home / f"{name}.pem").write_bytes(each.public_bytes(Encoding.PEM))
    program.ok("cert", "import", "unseen-lamp.pem")
    program.ok("ca", "import", "unseen-sub.pem")
    held = program.ok("cert", "hold", "unseen-lamp.pem")
    assert "Note: no CRL and no OCSP response of this Blazon shows the revocation" in held.err
    assert "import that CA with its key" in held.err
    assert "Note:" not in program.ok("cert", "release", "unseen-lamp.pem").err
    revoked = program.ok("cert", "revoke", "unseen-lamp.pem", "--reason", "KeyCompromise")
    assert "Note: no CRL and no OCSP response" in revoked.err
    assert pairs(revoked)["reason"] == "KeyCompromise"
    # The note goes to stderr, so that stdout stays JSON, which has the notice too.
    ca = program.ok("ca", "revoke", "Unseen sub", "--yes", "--json")
    assert "Note: no CRL and no OCSP response" in ca.err
    assert "is not known here" in ca.json["revocation_notice"]


def test_who_revokes_hears_nothing_when_it_is_seen(program: Program) -> None:
    program.ok("ca", "create", "Seen issuer")
    pem = program.home / "seen-lamp.pem"
    program.ok("cert", "sign", "Seen issuer", request(program, "seen-lamp"), "--out", pem)
    assert "Note:" not in program.ok("cert", "revoke", pem).err
    assert "Note:" not in program.ok("ca", "revoke", "Seen issuer", "--yes").err


def test_a_ca_shows_from_when_on_it_issues_for_less(program: Program) -> None:
    program.ok("ca", "create", "Far from its end")
    pem, key = outside(program, "Near its end", days=100)
    program.ok("ca", "import", pem, "--private-key", key, "--issue", "90d")

    def shown() -> dict[str, str]:
        return pairs(program.ok("ca", "show", "Near its end"))

    wait_for(lambda: "full until" in shown(), "the warning")
    end = read(pem).not_valid_after_utc
    assert shown()["full until"][:10] < end.strftime("%Y-%m-%d")
    assert "full until" not in pairs(program.ok("ca", "show", "Far from its end"))
