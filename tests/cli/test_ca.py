"""CAs from the command line: every command, for people and as JSON, and what is said when it cannot be done."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.ca.support import outside_ca
from tests.cli.pki import openssl, outside, pairs, read, request, rows
from tests.cli.program import Program, Up


@pytest.fixture
def program(running: Up) -> Program:
    """The command, signed in as the admin."""
    return running.program


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
    listed = rows(program.ok("ca", "list"))
    assert [root["id"], "Root A", "ACTIVE", "MANAGED", "software", root["valid_to"]] in listed
    assert root["id"] not in program.ok("ca", "list", "--status", "revoked").out
    refused = program.run("ca", "create", "X", "--parent", "nobody")
    assert (refused.code, "CA not found" in refused.err, "`blazon ca list`" in refused.err) == (1, True, True)
    assert program.run("ca", "create", "X", "--key", "dsa").code == 2
    assert program.run("ca", "create", " ").code == 2


def test_show_says_where_a_ca_stands_and_what_it_issues(program: Program) -> None:
    program.ok("ca", "create", "Root S")
    profile = program.ok("profiles", "create", "of S", "--valid", "7d", "--json").json["id"]
    made = program.ok(
        *("ca", "create", "Devices S", "--parent", "Root S", "--until", "2029-12-31", "--issue", "90d"),
        *("--path-length", "1", "--permit", "dns:example.com", "--exclude", "ip:10.0.0.0/8", "--profile", "of S"),
        "--json",
    ).json
    program.ok("cert", "create", "Devices S", "lamp.example.com")
    shown = pairs(program.ok("ca", "show", "Devices S"))
    root = program.ok("ca", "show", "Root S", "--json").json["id"]
    assert shown["valid to"] == "2029-12-31T23:59:59Z"
    assert (shown["level"], shown["issuer"]) == ("1", f"CN=Root S  {root}")
    assert shown["issues for"] == "12w6d, 90 days"
    assert shown["profile"] == f"of S  {profile}"
    assert shown["CAs below"] == "1 level at most"
    assert shown["names"] == "permitted DNS example.com; excluded IP 10.0.0.0/8"
    assert shown["issued"] == "1 certificate: 1 ACTIVE"
    pem = program.home / "devices-s.pem"
    pem.write_text(program.ok("ca", "show", "Devices S", "--pem").out)
    fingerprint = openssl("x509", "-in", pem, "-noout", "-fingerprint", "-sha256").partition("=")[2].strip()
    assert shown["sha256"] == fingerprint.replace(":", "").lower()
    assert shown["id"] == made["id"]
    top = pairs(program.ok("ca", "show", "Root S"))
    assert (top["level"], top["issuer"], top["profile"]) == ("0, a root", "itself", "the default")
    assert (top["CAs below"], top["issues for"]) == ("any number of levels", "1y, 364 days")


def test_the_tree_shows_who_is_below_whom_and_what_is_left(program: Program) -> None:
    program.ok("ca", "create", "T1")
    program.ok("ca", "create", "T2", "--parent", "T1", "--valid", "5y")
    program.ok("ca", "create", "T3", "--parent", "T2", "--valid", "2y")
    program.ok("ca", "create", "T4", "--parent", "T1", "--valid", "1000d", "--issue", "1d")
    program.ok("ca", "create", "Twin")
    program.ok("ca", "create", "Twin", "--same-name")
    lines = program.ok("ca", "tree").lines
    begin = next(number for number, line in enumerate(lines) if line.startswith("T1 "))
    names = [line[: line.index("█")].rstrip() for line in lines[begin : begin + 4]]
    assert names == ["T1", "├── T2", "│   └── T3", "└── T4"]
    assert all("ACTIVE" in line for line in lines[begin : begin + 4])
    assert len({line.split()[1] for line in lines if re.match(r"Twin [0-9a-f]{8}-", line)}) == 2
    (nested,) = [ca for ca in program.ok("ca", "tree", "--json").json if ca["subject"]["common_name"] == "T1"]
    assert [ca["subject"]["common_name"] for ca in nested["children"]] == ["T2", "T4"]


def _end(text: str) -> datetime:
    """The first time in a text."""
    found = re.search(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text)
    assert found is not None, text
    return datetime.fromisoformat(found[0])


def test_when_a_ca_ends_is_said_before_it_is_made(program: Program) -> None:
    now = datetime.now(UTC)
    said = program.ok("ca", "create", "Said", "--json").err.splitlines()
    assert re.fullmatch(r"Said will be valid until \S+Z \(10y is 3 640 days; a year is 364 days here\)\.", said[0]), (
        said
    )
    assert re.fullmatch(r"What it issues today will be valid until \S+Z \(1y is 364 days\)\.", said[1]), said
    assert abs(_end(said[0]) - now - timedelta(days=3640)) < timedelta(minutes=1)
    minutes = program.ok("ca", "create", "Minutes", "--valid", "6m", "--issue", "5m").err
    assert "(6m is 6 minutes; there is no unit for months)" in minutes
    assert abs(_end(minutes) - datetime.now(UTC) - timedelta(minutes=6)) < timedelta(minutes=1)
    times = ("--valid", "2031-01-31T12:00:00+02:00", "--issue", "2030-01-31")
    exact = program.ok("ca", "create", "Exact", *times, "--json")
    assert exact.json["valid_to"] == "2031-01-31T10:00:00Z"
    assert exact.json["issuance_expiration"] == {"type": "Time", "time": "2030-01-31T23:59:59Z"}
    assert exact.err.splitlines()[:2] == [
        "Exact will be valid until 2031-01-31T10:00:00Z.",
        "What it issues will be valid until 2030-01-31T23:59:59Z.",
    ]


def test_what_would_outlive_the_ca_is_refused_in_the_words_that_were_typed(program: Program) -> None:
    ended = program.run("ca", "create", "X8", "--valid", "6m")
    assert ended.code == 2
    assert "with --valid 6m the CA is valid until" in ended.err
    assert "6m is 6 minutes; there is no unit for months" in ended.err
    assert "with --issue 1y" in ended.err
    assert "give a longer --valid or a shorter --issue" in ended.err
    assert "X8" not in program.ok("ca", "list").out


@pytest.mark.parametrize(
    "text", ["6mo", "half a year", "2030-02-30", "2030-01-31 12:00", "2030-01-31T12:00:00", "0d", ""]
)
def test_an_end_that_says_nothing_is_refused_with_what_to_write(program: Program, text: str) -> None:
    ended = program.run("ca", "create", "Wrong", "--valid", text)
    assert (ended.code, ended.out) == (2, "")
    assert "invalid value for '--valid'" in ended.err
    assert "Wrong" not in program.ok("ca", "list").out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--permit", "example.com"), "'example.com' is not KIND:NAME"),
        (("--exclude", "host:a"), "'host:a' is not KIND:NAME"),
        (("--permit", "ip:10.0.0.1/8"), "is not a network such as 10.0.0.0/8"),
        (("--path-length", "-1"), "invalid value for '--path-length'"),
        (("--engine", "nowhere"), "crypto engine not found"),
        (("--profile", "nobody"), "issuance profile not found"),
    ],
)
def test_an_option_that_is_wrong_makes_nothing(program: Program, words: tuple[str, ...], says: str) -> None:
    ended = program.run("ca", "create", "Wrong", *words)
    assert ended.code in (1, 2)
    assert says in ended.err
    assert "Wrong" not in program.ok("ca", "list").out


def test_a_second_ca_of_one_name_takes_a_word(program: Program) -> None:
    first = program.ok("ca", "create", "Same", "--json").json
    refused = program.run("ca", "create", "Same")
    assert (refused.code, refused.out) == (1, "")
    assert "add --same-name" in refused.err
    assert first["id"] in refused.err
    second = program.ok("ca", "create", "Same", "--same-name", "--json").json
    pem, key = outside(program, "Same")
    assert "add --same-name" in program.run("ca", "import", pem, "--private-key", key).err
    assert "add --same-name" in program.run("ca", "request", "Same").err
    for command in (("show",), ("crl",), ("chain",), ("hold",), ("metadata",), ("delete",), ("revoke",)):
        ended = program.run("ca", *command, "Same")
        assert ended.code == 1
        assert "2 CAs are called 'Same'; use the id or the serial number of one" in ended.err
        assert all(ca["id"] in ended.err and ca["serial_number"] in ended.err for ca in (first, second))
    assert "2 CAs are called 'Same'" in program.run("ca", "create", "Below", "--parent", "Same").err
    # Each can be called by its id, its serial number, and by a file with its certificate, and so be taken away.
    mine = program.home / "second.pem"
    mine.write_text(program.ok("ca", "show", second["serial_number"].replace("-", ":"), "--pem").out)
    assert program.ok("ca", "show", mine, "--json").json["id"] == second["id"]
    program.ok("ca", "revoke", second["serial_number"])
    program.ok("ca", "delete", mine)
    assert program.ok("ca", "show", "Same", "--json").json["id"] == first["id"]


def test_a_name_that_waits_counts_as_taken(program: Program) -> None:
    program.ok("ca", "request", "Waits")
    ended = program.run("ca", "create", "Waits")
    assert (ended.code, "waits for its certificate" in ended.err, "--same-name" in ended.err) == (1, True, True)
    assert "`blazon ca complete`" in program.run("ca", "show", "Waits").err


def test_a_ca_is_revoked_and_deleted(program: Program) -> None:
    program.ok("ca", "create", "Root R")
    ca = program.ok("ca", "create", "Devices R", "--parent", "Root R", "--valid", "5y", "--json").json
    early = program.run("ca", "delete", "Devices R")
    assert early.code == 1
    assert f"blazon ca revoke {ca['id']}" in early.err
    program.ok("ca", "hold", "Devices R")
    csr = request(program, "lamp-r")
    assert "CA Status inconsistent: the CA is REVOKED" in program.run("cert", "sign", "Devices R", csr).err
    held = program.run("ca", "delete", "Devices R")
    assert (held.code, "only held" in held.err, f"blazon ca revoke {ca['id']}" in held.err) == (1, True, True)
    assert program.ok("ca", "release", "Devices R", "--json").json["status"] == "ACTIVE"
    program.ok("cert", "sign", "Devices R", csr)
    revoked = program.ok("ca", "revoke", "Devices R", "--reason", "cacompromise", "--yes")
    assert (pairs(revoked)["status"], pairs(revoked)["reason"]) == ("REVOKED", "CACompromise")
    again = program.run("ca", "revoke", "Devices R")
    assert (again.code, "CA already revoked" in again.err) == (1, True)
    assert "no such option" not in again.err
    assert program.run("ca", "release", "Devices R").code == 1
    gone = program.ok("ca", "delete", "Devices R").out
    assert gone == f"Devices R ({ca['id']}) is deleted.\n"
    assert "CA not found" in program.run("ca", "show", "Devices R").err
    program.ok("ca", "revoke", "Root R", "--json")
    root = program.ok("ca", "show", "Root R", "--json").json["id"]
    assert program.ok("ca", "delete", "Root R", "--json").json == {"id": root}
    assert program.run("ca", "revoke", "Root R", "--reason", "because").code == 2


def test_the_chain_and_the_crl_of_a_ca(program: Program) -> None:
    program.ok("ca", "create", "Root C")
    program.ok("ca", "create", "Devices C", "--parent", "Root C", "--valid", "5y")
    chain = program.ok("ca", "chain", "Devices C").out
    names = [each.subject.rfc4514_string() for each in x509.load_pem_x509_certificates(chain.encode())]
    assert names == ["CN=Devices C", "CN=Root C"]
    assert "".join(program.ok("ca", "chain", "Devices C", "--json").json["chain"]) == chain
    file = program.home / "chain.pem"
    said = program.ok("ca", "chain", "Devices C", "--out", file).out
    assert (file.read_text(), said) == (chain, f"Wrote {file}: 2 certificates in PEM, nearest first.\n")

    issued = program.ok("cert", "create", "Devices C", "lamp-c", "--json").json
    program.ok("cert", "revoke", issued["serial_number"], "--reason", "Superseded")
    listed = program.ok("ca", "crl", "Devices C", "--json").json
    assert [(each["serial_number"], each["revocation_reason"]) for each in listed["revoked"]] == [
        (issued["serial_number"], "superseded")
    ]
    assert issued["serial_number"] in program.ok("ca", "crl", "Devices C").out
    pem, der = program.home / "list.crl", program.home / "list.der"
    said = program.ok("ca", "crl", "Devices C", "--out", pem).out
    assert said == (
        f"Wrote {pem}: CRL {listed['number']} of Devices C in PEM, 1 revoked, next update {listed['next update']}.\n"
    )
    assert pem.read_text().startswith("-----BEGIN X509 CRL-----")
    assert " in DER, " in program.ok("ca", "crl", "Devices C", "--form", "der", "--out", der).out
    assert x509.load_der_x509_crl(der.read_bytes()).public_bytes(Encoding.PEM) == pem.read_bytes()
    assert program.ok("ca", "crl", "Devices C", "--form", "pem").out == pem.read_text()
    written = program.ok("ca", "crl", "Devices C", "--out", pem, "--json").json
    assert (written["file"], written["form"], written["number"]) == (str(pem), "pem", listed["number"])


def test_the_metadata_of_a_ca(program: Program) -> None:
    program.ok("ca", "create", "M", "--metadata", '{"site":"lab","note":"x"}')
    assert program.ok("ca", "metadata", "M").lines == ["note  x", "site  lab"]
    changed = program.ok("ca", "metadata", "M", "--set", "floor=3", "--set", "room=012", "--remove", "note", "--json")
    assert changed.json == {"site": "lab", "floor": 3, "room": "012"}
    assert program.ok("ca", "show", "M", "--json").json["metadata"] == changed.json
    assert program.ok("ca", "metadata", "M", "--replace", '{"a":[1]}').lines == ["a  [1]"]
    assert program.ok("ca", "metadata", "M", "--json").json == {"a": [1]}
    for words in (
        ("--set", "a"),
        ("--set", "=1"),
        ("--replace", "[1]"),
        ("--replace", "{"),
        ("--replace", '{"a":NaN}'),
    ):
        assert program.run("ca", "metadata", "M", *words).code == 2
    assert program.run("ca", "metadata", "M", "--replace", "{}", "--set", "a=1").code == 2
    assert program.ok("ca", "metadata", "M", "--json").json == {"a": [1]}


def test_a_ca_of_an_outside_parent(program: Program) -> None:
    csr = program.home / "plant.csr"
    said = program.ok("ca", "request", "Plant", "--organization", "Ikerlan", "--path-length", "0", "--out", csr)
    assert "What it issues today will be valid until" in said.err
    waiting = rows(program.ok("ca", "requests"))
    (identifier,) = [row[0] for row in waiting if row[1] == "CN=Plant, O=Ikerlan"]
    assert said.out == f"Wrote {csr}: the request of Plant in PEM.\n"
    assert f"blazon ca complete {identifier} CERTIFICATE" in said.err
    assert program.ok("ca", "csr", "Plant").out == csr.read_text()
    assert program.ok("ca", "csr", identifier, "--json").json["id"] == identifier
    asked = x509.load_pem_x509_csr(csr.read_bytes())
    assert asked.is_signature_valid
    above = outside_ca("Corporate")
    certificate, _ = outside_ca("Plant", subject_key=asked.public_key(), above=above, days=800)
    pem, root = program.home / "plant.pem", program.home / "corporate.pem"
    pem.write_bytes(certificate.public_bytes(Encoding.PEM))
    root.write_bytes(above[0].public_bytes(Encoding.PEM))
    wrong = program.run("ca", "complete", "Plant", root)
    assert (wrong.code, "don't match" in wrong.err) == (1, True)
    made = program.ok("ca", "complete", "Plant", pem, "--chain", root, "--issue", "30d", "--json")
    assert (made.json["id"], made.json["status"], made.json["level"]) == (identifier, "ACTIVE", -1)
    assert made.json["issuance_expiration"] == {"type": "Duration", "duration": "4w2d"}
    assert "What it issues today will be valid until" in made.err
    assert program.ok("ca", "chain", "Plant").out.count("BEGIN CERTIFICATE") == 2
    assert "has its certificate already" in program.run("ca", "csr", "Plant").err
    assert pairs(program.ok("ca", "show", "Plant"))["issuer"] == "CN=Corporate, which is not here"


def test_requests_of_one_name_and_those_that_are_given_up(program: Program) -> None:
    printed = program.ok("ca", "request", "Twice")
    assert printed.out.startswith("-----BEGIN CERTIFICATE REQUEST-----")
    assert "blazon ca complete" in printed.err
    second = program.ok("ca", "request", "Twice", "--same-name", "--json").json["id"]
    ambiguous = program.run("ca", "csr", "Twice")
    assert (ambiguous.code, second in ambiguous.err) == (1, True)
    assert program.ok("ca", "cancel", second).out == f"Twice ({second}) is given up, and its key destroyed.\n"
    first = program.ok("ca", "csr", "Twice", "--json").json["id"]
    assert program.ok("ca", "cancel", "Twice", "--json").json == {"id": first}
    nobody = program.run("ca", "cancel", "Twice")
    assert (nobody.code, "`blazon ca requests`" in nobody.err) == (1, True)


def test_a_ca_made_elsewhere(program: Program) -> None:
    pem, key = outside(program, "Elsewhere", days=1000)
    made = program.ok("ca", "import", pem, "--private-key", key, "--issue", "30d", "--json")
    assert (made.json["type"], made.json["subject"]["common_name"]) == ("IMPORTED", "Elsewhere")
    assert "What it issues today will be valid until" in made.err
    assert "30d is" not in made.err

    pem, key = outside(program, "For long", days=1000)
    made = program.ok("ca", "import", pem, "--private-key", key, "--json")
    end = made.json["valid_to"]
    assert (
        f"What it issues will be valid until the CA itself ends, {end}; give --issue for a shorter time.\n" in made.err
    )
    assert made.json["issuance_expiration"] == {"type": "Time", "time": end}

    pem, _ = outside(program, "Known")
    known = program.ok("ca", "import", pem)
    assert "What it issues" not in known.err
    assert pairs(known)["issues for"] == "its key is elsewhere: it issues nothing here"


@pytest.mark.parametrize("name", ["Plant 1: 50 % & more? #x", "50%/a b", "cn/import", "Zoë [eq] 人", "-dash", "x" * 64])
def test_a_name_that_needs_quoting_is_a_name(program: Program, name: str) -> None:
    made = program.ok("ca", "create", "--json", "--", name).json
    assert program.ok("ca", "show", "--json", "--", name).json["id"] == made["id"]
    assert program.ok("ca", "crl", "--json", "--", name).json["revoked"] == []
    assert "add --same-name" in program.run("ca", "create", "--", name).err
    below = program.ok("ca", "create", f"Below {name[:50]}", f"--parent={name}", "--valid", "5y", "--json").json
    assert below["issuer_metadata"]["ca_id"] == made["id"]
    issued = program.ok("cert", "create", "--json", "--", name, "lamp-q").json["serial_number"]
    assert program.ok("cert", "verify", issued, "--json").json["ocsp"] == "good: not revoked"
    assert "CA not found" in program.run("ca", "show", "--", f"{name}/none").err


@pytest.mark.parametrize("word", ["renew", "sign", "export", "update"])
def test_words_people_type_instead_lead_on(program: Program, word: str) -> None:
    ended = program.run("ca", word, "Devices")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"blazon: there is no `blazon ca {word}`: ")
    assert "`blazon " in ended.err.partition(": ")[2].partition(": ")[2]


def test_the_files_of_a_ca_can_be_checked_by_others(program: Program) -> None:
    program.ok("ca", "create", "Root V", "--valid", "20y")
    program.ok("ca", "create", "Devices V", "--parent", "Root V", "--permit", "dns:example.com")
    leaf = program.home / "v.pem"
    program.ok("cert", "sign", "Devices V", request(program, "lamp-v"), "--out", leaf)
    root, chain = program.home / "root-v.pem", program.home / "chain-v.pem"
    root.write_text(program.ok("ca", "show", "Root V", "--pem").out)
    program.ok("ca", "chain", "Devices V", "--out", chain)
    assert openssl("verify", "-x509_strict", "-CAfile", root, "-untrusted", chain, leaf) == f"{leaf}: OK\n"
    constraints = read(chain).extensions.get_extension_for_class(x509.NameConstraints).value
    assert constraints.permitted_subtrees == [x509.DNSName("example.com")]
    outside_names = request(program, "other", "DNS:other.example.org")
    assert "name constraints" in program.run("cert", "sign", "Devices V", outside_names).err
