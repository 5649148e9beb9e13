"""Issuance profiles and crypto engines from the command line."""

import json
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.cli.pki import pairs, read, request, rows
from tests.cli.program import PASSWORD, Program, Up, up
from tests.servers import SoftHsm


@pytest.fixture
def program(running: Up) -> Program:
    """The command, signed in as the admin."""
    return running.program


def test_profiles_from_beginning_to_end(program: Program) -> None:
    made = program.ok(
        *("profiles", "create", "short", "--valid", "7d", "--beyond-ca", "clip", "--backdate", "0"),
        *("--usage", "digitalSignature", "--purpose", "clientAuth", "--name-type", "dns", "--name-type", "ip"),
        *("--most-names", "2", "--wildcards", "--no-honour-subject", "--policy", "1.3.6.1.4.1.1.2", "--json"),
    ).json
    profile = made["profile"]
    assert profile["validity"] == {"type": "Duration", "duration": "1w"}
    assert (profile["beyond_ca"], profile["backdate"], profile["most_names"]) == ("clip", 0, 2)
    assert (profile["key_usage"], profile["extended_key_usage"]) == (["digitalSignature"], ["clientAuth"])
    assert (profile["name_types"], profile["policies"]) == (["dns", "ip"], ["1.3.6.1.4.1.1.2"])
    assert (profile["wildcards"], profile["honour_subject"]) == (True, False)
    assert [made["id"], "short", "1w", "digitalSignature", "clientAuth"] in rows(program.ok("profiles", "list"))
    shown = pairs(program.ok("profiles", "show", "short"))
    assert (shown["validity"], shown["wildcards"], shown["honour_subject"]) == ("1w", "yes", "no")
    assert (shown["subject"], shown["name_types"]) == ("none", "dns, ip")
    assert "ECDSA 256 to 521" in shown["allowed_keys"]
    changed = program.ok("profiles", "update", "short", "--valid", "1d", "--policy", "none", "--json").json
    assert changed["profile"] == {**profile, "validity": {"type": "Duration", "duration": "1d"}, "policies": []}
    assert program.ok("profiles", "update", "short", "--name", "shorter", "--json").json["name"] == "shorter"
    assert program.run("profiles", "show", "short").code == 1
    assert program.ok("profiles", "delete", "shorter").out == "The profile shorter is deleted.\n"
    assert made["id"] not in program.ok("profiles", "list").out


def test_a_profile_shapes_what_a_ca_issues(program: Program) -> None:
    program.ok("profiles", "create", "mail", "--purpose", "emailProtection", "--valid", "30d")
    program.ok("ca", "create", "Of mail", "--profile", "mail")
    pem = program.home / "mail.pem"
    program.ok("cert", "sign", "Of mail", request(program, "jo"), "--out", pem)
    certificate = read(pem)
    (purpose,) = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert purpose == ExtendedKeyUsageOID.EMAIL_PROTECTION
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == 30
    used = program.run("profiles", "delete", "mail")
    assert (used.code, "mail" in program.ok("profiles", "list").out) == (1, True)


def test_a_profile_goes_into_a_file_and_comes_from_it(program: Program) -> None:
    program.ok("profiles", "create", "original", "--valid", "9d", "--most-names", "3")
    file = program.home / "profile.json"
    file.write_text(program.ok("profiles", "show", "original", "--json").out)
    copy = program.ok("profiles", "create", "copy", "--from", file, "--valid", "8d", "--json").json
    assert (copy["name"], copy["profile"]["most_names"]) == ("copy", 3)
    assert copy["profile"]["validity"] == {"type": "Duration", "duration": "1w1d"}
    file.write_text(json.dumps({"most_names": 4}))
    assert program.ok("profiles", "update", copy["id"], "--from", file, "--json").json["profile"]["most_names"] == 4
    for text, says in (("[]", "is not a profile"), ("{", "is not JSON"), ('{"nothing": 1}', "nothing")):
        file.write_text(text)
        ended = program.run("profiles", "create", "wrong", "--from", file)
        assert (ended.code, says in ended.err) == (1, True), ended
    assert "wrong" not in program.ok("profiles", "list").out


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("show", "nobody"), 1, "`blazon profiles list` shows them"),
        (("update", "nobody", "--valid", "1d"), 1, "there is no profile 'nobody'"),
        (("update", "nobody"), 2, "say what to change"),
        (("delete", "nobody"), 1, "there is no profile 'nobody'"),
        (("create", "x", "--usage", "everything"), 2, "'everything' is not one of"),
        (("create", "x", "--purpose", "everything"), 1, "extended_key_usage 'everything'"),
        (("create", "x", "--valid", "6 months"), 2, "does not say when"),
        (("edit", "x"), 2, "`blazon profiles update PROFILE`"),
    ],
)
def test_what_cannot_be_done_is_said(program: Program, words: tuple[str, ...], code: int, says: str) -> None:
    ended = program.run("profiles", *words)
    assert (ended.code, ended.out) == (code, "")
    assert says in ended.err


def test_the_engines_are_listed(program: Program) -> None:
    (row,) = rows(program.ok("engines"))
    assert (row[0], row[2], row[4], row[5]) == ("software", "SL0", "yes", "ready")
    assert "ECDSA 256/384/521" in row[3]
    assert "ML-DSA 44/65/87" in row[3]
    assert program.ok("engines", "--json").json[0]["id"] == "software"


def test_an_engine_that_is_away_says_why(program: Program, softhsm: SoftHsm, tmp_path: Path) -> None:
    softhsm.add_token("listed")
    other = Program(tmp_path)
    settings = {
        "BLAZON_ENGINES_PKCS11_MODULE": softhsm.module,
        "BLAZON_ENGINES_PKCS11_TOKEN": "listed",
        "BLAZON_ENGINES_PKCS11_PIN": "not the PIN",
        "SOFTHSM2_CONF": str(softhsm.folder / "softhsm2.conf"),
    }
    with up(other, tmp_path / "data", **settings) as started:
        other.ok("token", "--data-dir", started.data_dir, "--password", PASSWORD)
        away = {row[0]: row[5] for row in rows(other.ok("engines"))}
    assert away["software"] == "ready"
    assert away["pkcs11"].startswith("away: ")
    assert len(away["pkcs11"]) > len("away: ")
