"""What people have in files is read as it is, and the wrong file is named before anything is sent."""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.ca.support import key_pem, outside_ca
from tests.cli.pki import openssl, outside, pairs, request
from tests.cli.program import Program, Up
from tests.pkix.writing import (
    BASIC,
    COMMON_NAME,
    FALSE,
    IS_CA,
    KEY,
    SIGNS,
    SKI,
    T61,
    certificate,
    extension,
    rdn,
    seq,
    tlv,
)


@pytest.fixture
def program(running: Up) -> Program:
    """The command, signed in as the admin."""
    return running.program


def _pkcs12(program: Program, name: str, pem: Path, key: Path, *above: Path) -> Path:
    out, chain = program.home / f"{name}.p12", program.home / f"{name}-above.pem"
    chain.write_bytes(b"".join(each.read_bytes() for each in above))
    more = ("-certfile", chain) if above else ()
    openssl("pkcs12", "-export", "-in", pem, "-inkey", key, *more, "-passout", "pass:a secret", "-out", out)
    return out


def test_a_ca_with_an_encrypted_key(program: Program) -> None:
    pem, key = outside(program, "Encrypted")
    locked = program.home / "locked.key"
    openssl("pkcs8", "-topk8", "-in", key, "-passout", "pass:a secret", "-out", locked)
    missing = program.run("ca", "import", pem, "--private-key", locked)
    assert missing.err == f"blazon: {locked}: the private key is encrypted; give its password with --password\n"
    wrong = program.run("ca", "import", pem, "--private-key", locked, "--password", "guessed")
    assert (wrong.code, f"{locked}: " in wrong.err, "guessed" in wrong.err) == (1, True, False)
    words = ("ca", "import", pem, "--private-key", locked, "--password", "-", "--json")
    assert program.run(*words, stdin="a secret\n").json["type"] == "IMPORTED"


def test_a_ca_in_pkcs12_with_all_above_it(program: Program) -> None:
    root = outside_ca("Pack root")
    above = program.home / "pack-root.pem"
    above.write_bytes(root[0].public_bytes(Encoding.PEM))
    pem, key = outside(program, "Packed CA", above=root)
    packed = _pkcs12(program, "packed-ca", pem, key, above)
    missing = program.run("ca", "import", packed)
    assert missing.err == f"blazon: {packed}: the PKCS #12 file needs a password; give it with --password\n"
    made = program.ok("ca", "import", packed, "--password", "a secret", "--issue", "30d", "--json").json
    assert (made["type"], made["subject"]["common_name"]) == ("IMPORTED", "Packed CA")
    assert program.ok("ca", "chain", made["id"]).out.count("BEGIN CERTIFICATE") == 2
    program.ok("cert", "create", made["id"], "lamp")


@pytest.mark.parametrize("order", ["nearest first", "root first"])
def test_a_ca_in_a_bundle_in_either_order(program: Program, order: str) -> None:
    root = outside_ca(f"Bundle root {order}")
    pem, _ = outside(program, f"Bundled {order}", above=root)
    parts = [pem.read_bytes(), root[0].public_bytes(Encoding.PEM)]
    bundle = program.home / "bundle.pem"
    bundle.write_bytes(b"".join(parts if order == "nearest first" else parts[::-1]))
    known = program.ok("ca", "import", bundle, "--json").json
    assert (known["type"], known["subject"]["common_name"]) == ("EXTERNAL", f"Bundled {order}")
    assert program.ok("ca", "chain", known["id"]).out.count("BEGIN CERTIFICATE") == 2
    both = program.home / "both.pem"
    other, other_key = outside(program, f"Other {order}", above=root)
    both.write_bytes(other_key.read_bytes() + parts[1] + other.read_bytes())
    made = program.ok("ca", "import", both, "--issue", "1d", "--json").json
    assert (made["type"], made["subject"]["common_name"]) == ("IMPORTED", f"Other {order}")


def test_text_around_a_certificate_and_other_forms_of_it(program: Program) -> None:
    pem, key = outside(program, "Worded")
    text, der = program.home / "worded.txt", program.home / "worded.cer"
    openssl("x509", "-in", pem, "-text", "-out", text)
    openssl("x509", "-in", pem, "-outform", "der", "-out", der)
    p7 = program.home / "worded.p7b"
    openssl("crl2pkcs7", "-nocrl", "-certfile", pem, "-out", p7)
    shown = program.ok("cert", "inspect", pem).out
    for file in (text, der, p7, _pkcs12(program, "worded", pem, key)):
        words = ("--password", "a secret") if file.suffix == ".p12" else ()
        assert program.ok("cert", "inspect", file, *words).out == shown
    made = program.ok("ca", "import", text, "--private-key", key, "--issue", "1d", "--json").json
    for file in (pem, text, der, p7):
        assert program.ok("ca", "show", file, "--json").json["id"] == made["id"]
        assert program.ok("cert", "show", file, "--json").json["id"] == made["id"]
    csr = request(program, "worded-lamp")
    openssl("req", "-in", csr, "-text", "-out", csr.with_suffix(".txt"))
    program.ok("cert", "sign", made["id"], csr.with_suffix(".txt"), "--out", "worded-lamp.pem")
    chain = program.home / "lamp-chain.pem"
    chain.write_bytes(pem.read_bytes() + (program.home / "worded-lamp.pem").read_bytes())
    # The leaf is the lowest of a chain in any order.
    assert "already exists" in program.run("cert", "import", chain).err
    assert pairs(program.ok("cert", "show", chain))["subject"] == "CN=worded-lamp"
    assert program.ok("cert", "verify", chain, "--json").json["signatures"] == "good: up to CN=Worded"
    strangers = program.home / "strangers.pem"
    strangers.write_bytes(pem.read_bytes() + outside(program, "Stranger")[0].read_bytes())
    for words in (("cert", "show"), ("cert", "import"), ("ca", "import")):
        ended = program.run(*words, strangers)
        assert (ended.code, f"{strangers}: there are 2 certificates that are not one chain" in ended.err) == (1, True)


def test_of_several_keys_the_one_that_fits_is_taken(program: Program) -> None:
    pem, key = outside(program, "Several keys")
    other = outside(program, "Another")[1]
    keys = program.home / "keys.pem"
    keys.write_bytes(other.read_bytes() + key.read_bytes())
    made = program.ok("ca", "import", pem, "--private-key", keys, "--issue", "1d", "--json").json
    assert made["type"] == "IMPORTED"
    wrong = program.run("ca", "import", outside(program, "Third")[0], "--private-key", keys)
    assert (wrong.code, "don't match" in wrong.err) == (1, True)


def test_the_certificate_of_a_request_in_a_bundle(program: Program) -> None:
    csr = program.home / "bundle.csr"
    program.ok("ca", "request", "In a bundle", "--out", csr)
    root = outside_ca("Bundle parent")
    key = x509.load_pem_x509_csr(csr.read_bytes()).public_key()
    made_elsewhere, _ = outside_ca("In a bundle", subject_key=key, above=root)
    bundle = program.home / "answer.pem"
    bundle.write_bytes(root[0].public_bytes(Encoding.PEM) + made_elsewhere.public_bytes(Encoding.PEM))
    made = program.ok("ca", "complete", "In a bundle", bundle, "--json").json
    assert int(made["serial_number"].replace("-", ""), 16) == made_elsewhere.serial_number
    assert program.ok("ca", "chain", "In a bundle").out.count("BEGIN CERTIFICATE") == 2


def test_a_key_that_is_encrypted_goes_into_pkcs12(program: Program) -> None:
    program.ok("ca", "create", "Root Z")
    csr, pem = request(program, "lamp-z"), program.home / "lamp-z.pem"
    program.ok("cert", "sign", "Root Z", csr, "--out", pem)
    locked, out = program.home / "lamp-z-locked.key", program.home / "lamp-z.p12"
    openssl("pkcs8", "-topk8", "-in", csr.with_suffix(".key"), "-passout", "pass:inner", "-out", locked)
    words = ("cert", "p12", pem, "--private-key", locked, "--out", out, "--password", "outer")
    missing = program.run(*words)
    assert "give its password with --key-password" in missing.err
    assert not out.exists()
    program.ok(*words, "--key-password", "inner")
    assert openssl("pkcs12", "-in", out, "-passin", "pass:outer", "-nodes").count("BEGIN") == 3


@pytest.mark.parametrize(
    ("words", "made_by", "is_said"),
    [
        (("cert", "sign", "Root W"), "key", "a private key, not a certificate request"),
        (("cert", "sign", "Root W"), "certificate", "a certificate, not a certificate request"),
        (("cert", "import"), "key", "a private key, not a certificate"),
        (("cert", "inspect"), "crl", "a certificate revocation list, not a certificate"),
        (("cert", "show"), "request", "a certificate request, not a certificate"),
        (("cert", "revoke"), "text", "give a certificate"),
        (("ca", "import"), "empty", "this is empty"),
        (("ca", "import"), "request", "a certificate request, not a certificate"),
        (("ca", "import"), "key", "a private key, not a certificate"),
    ],
)
def test_the_wrong_file_is_named(program: Program, words: tuple[str, ...], made_by: str, is_said: str) -> None:
    if "Root W" not in program.ok("ca", "list").out:
        program.ok("ca", "create", "Root W")
    file = program.home / f"wrong.{made_by}"
    csr = request(program, "wrong-w")
    match made_by:
        case "key":
            file.write_bytes(csr.with_suffix(".key").read_bytes())
        case "request":
            file.write_bytes(csr.read_bytes())
        case "certificate":
            file.write_text(program.ok("ca", "show", "Root W", "--pem").out)
        case "crl":
            program.ok("ca", "crl", "Root W", "--form", "der", "--out", file)
        case _:
            file.write_text("hello\n" if made_by == "text" else "")
    ended = program.run(*words, file)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(f"blazon: {file}: this is ")
    assert is_said in ended.err
    assert "PRIVATE KEY" not in ended.err


def test_certificates_strict_parsers_refuse(program: Program) -> None:
    """A name in Latin-1 and a FALSE that DER leaves out: OpenSSL takes both, and people have them."""
    name = seq(rdn(COMMON_NAME, T61, b"Zo\xeb"))
    flag = extension(SKI, tlv(4, bytes(20)), FALSE)
    ca, key = program.home / "kind.cer", program.home / "kind.key"
    ca.write_bytes(certificate(flag, IS_CA, SIGNS, subject=name, serial=b"\x02\x02\x05\x07"))
    key.write_bytes(key_pem(KEY))
    with pytest.raises(ValueError, match="parsing"):
        x509.load_der_x509_certificate(ca.read_bytes()).extensions  # noqa: B018
    assert pairs(program.ok("cert", "inspect", ca))["subject"] == "CN=Zoë"
    made = program.ok("ca", "import", ca, "--private-key", key, "--issue", "30d")
    assert pairs(made)["subject"] == "CN=Zoë"
    assert program.ok("ca", "show", "Zoë", "--json").json["id"] == pairs(made)["id"]
    assert program.ok("ca", "show", ca, "--json").json["id"] == pairs(made)["id"]
    leaf = program.home / "kind-leaf.pem"
    csr = request(program, "kind-leaf")
    program.ok("cert", "sign", "Zoë", csr, "--out", leaf)
    assert program.ok("cert", "verify", leaf, "--json").json["signatures"] == "good: up to CN=Zoë"
    assert program.ok("cert", "verify", ca, "--json").json["signatures"] == "good: up to CN=Zoë"
    packed = program.run(
        *("cert", "p12", leaf, "--private-key", csr.with_suffix(".key"), "--out", "kind.p12", "--password", "x")
    )
    assert (packed.code, "a certificate that is not in DER" in packed.err) == (2, True)
    assert not (program.home / "kind.p12").exists()
    lamp = program.home / "lamp-5.cer"
    lamp.write_bytes(certificate(extension(BASIC, seq(FALSE)), subject=name))
    program.ok("cert", "import", lamp)
    assert pairs(program.ok("cert", "show", lamp))["serial"] == "05"
    assert program.ok("cert", "list", "--all", "--san", "kind-leaf").lines


@pytest.mark.parametrize(
    "words",
    [
        ("ca", "import", "pyproject.toml"),
        ("cert", "inspect", "pyproject.toml"),
        ("cert", "create", "Root", "x", "--p12", "x.p12"),
        ("cert", "p12", "05", "--private-key", "pyproject.toml", "--out", "x.p12"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_password_with_a_blank_in_it_is_not_repeated(program: Program, words: tuple[str, ...]) -> None:
    (program.home / "pyproject.toml").touch()
    ended = program.run(*words, "--password", "half", "blank-half")
    assert (ended.code, "a word too many" in ended.err, "half" in ended.err) == (2, True, False)
