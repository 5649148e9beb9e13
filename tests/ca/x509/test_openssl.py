"""What is issued, revoked and answered is accepted by openssl; for ML-DSA, which Debian's is too old for, by another.

Every kind of key but ML-DSA goes through `openssl verify`, `openssl crl` and `openssl ocsp`. ML-DSA signatures are
verified by the OpenSSL 4 inside cryptography.
"""

import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509 import ocsp

from blazon.ca.x509 import (
    DEFAULT_PROFILE,
    CaOptions,
    CertState,
    CertStatus,
    NameConstraints,
    OcspError,
    Reason,
    Responder,
    Subject,
    build_crl,
    check_ca_certificate,
    check_key_pair,
    crl_entry,
    draft_leaf,
    draft_responder,
    draft_root,
    name_of,
    new_serial,
    ocsp_error,
    read_certificate,
    read_csr,
    read_ocsp_request,
    request_ca,
    sign_draft,
    sign_ocsp,
)
from blazon.engines import KeySpec, KeyType
from blazon.errors import RuleBroken
from tests.ca.x509.asking import cert_id
from tests.ca.x509.support import (
    A_YEAR,
    DAY,
    NOW,
    P256,
    SPECS,
    YEAR,
    Hierarchy,
    ask,
    csr,
    hierarchy,
    key,
    names,
    openssl,
    pem,
    software,
)

KNOWN = [spec for spec in SPECS if spec.type is not KeyType.ML_DSA]
known_keys = pytest.mark.parametrize("spec", KNOWN, ids=str)


class Files:
    """A hierarchy as files."""

    def __init__(self, folder: Path, made: Hierarchy, leaf: x509.Certificate) -> None:
        self.folder = folder
        self.root = pem(folder, "root", made.root.certificate)
        self.sub = pem(folder, "sub", made.sub.certificate)
        self.leaf = pem(folder, "leaf", leaf)

    def verify(self, *options: str | Path, code: int = 0) -> str:
        at = ("-attime", str(NOW + 60))
        chain = ("-CAfile", self.root, "-untrusted", self.sub)
        return openssl("verify", "-x509_strict", *at, *chain, *options, self.leaf, code=code)


@known_keys
def test_a_chain_is_verified_and_a_revocation_is_seen(spec: KeySpec, tmp_path: Path) -> None:
    made = software(spec)
    leaf = made.leaf(read_csr(csr(names("device-1.example.com"), private_key=key(spec))))
    files = Files(tmp_path, made, leaf)
    assert files.verify("-purpose", "sslclient").endswith("leaf.pem: OK\n")
    assert files.verify("-verify_hostname", "device-1.example.com").endswith("OK\n")
    for serials, said, code in (([], "OK", 0), ([leaf.serial_number], "certificate revoked", 2)):
        entries = [crl_entry(serial, NOW, Reason.KEY_COMPROMISE) for serial in (*serials, new_serial())]
        crl = tmp_path / "sub.crl"
        crl.write_bytes(
            build_crl(
                made.sub,
                made.sub_key,
                number=1,
                this_update=NOW,
                next_update=NOW + DAY,
                entries=entries,
            )
        )
        checked = openssl("crl", "-inform", "DER", "-in", crl, "-CAfile", files.sub, "-noout")
        assert "verify OK" in checked
        as_pem = tmp_path / "crl.pem"
        openssl("crl", "-inform", "DER", "-in", crl, "-out", as_pem)
        assert said in files.verify("-crl_check", "-CRLfile", as_pem, code=code)


def test_openssl_reads_every_entry_as_it_was_meant(tmp_path: Path) -> None:
    made = software()
    reasons = [reason for reason in Reason if reason is not Reason.REMOVE_FROM_CRL]
    entries = [crl_entry(0x7F + number, 2_524_607_999 + number, reason) for number, reason in enumerate(reasons)]
    crl = tmp_path / "crl"
    crl.write_bytes(
        build_crl(made.sub, made.sub_key, number=255, this_update=NOW, next_update=NOW + DAY, entries=entries)
    )
    text = openssl("crl", "-inform", "DER", "-in", crl, "-noout", "-text", "-crlnumber")
    assert "crlNumber=0xFF" in text
    assert "Serial Number: 7F\n        Revocation Date: Dec 31 23:59:59 2049 GMT" in text
    assert "Serial Number: 80\n        Revocation Date: Jan  1 00:00:00 2050 GMT" in text
    assert "Issuing Distribution Point" not in text
    said = ["Key Compromise", "CA Compromise", "Affiliation Changed", "Superseded", "Cessation Of Operation"]
    said += ["Certificate Hold", "Privilege Withdrawn", "AA Compromise"]
    assert [line.strip() for line in text.splitlines() if line.startswith(" " * 16)][-8:] == said


@known_keys
@pytest.mark.parametrize("delegated", [False, True], ids=["by the CA", "delegated"])
@pytest.mark.parametrize("hashed", ["sha1", "sha256"])
def test_ocsp_answers_are_verified(spec: KeySpec, delegated: bool, hashed: str, tmp_path: Path) -> None:
    made = software(spec)
    leaf = made.leaf()
    files = Files(tmp_path, made, leaf)
    asked = tmp_path / "request"
    issuer = ("-issuer", files.sub, f"-{hashed}")
    more = (new_serial(), new_serial())
    serials = [part for serial in more for part in ("-serial", str(serial))]
    openssl("ocsp", *issuer, "-cert", files.leaf, *serials, "-nonce", "-reqout", asked)
    request = read_ocsp_request(asked.read_bytes())
    assert request.nonce is not None
    assert [each.serial for each in request.cert_ids] == [leaf.serial_number, *more]
    assert {each.issuer for each in request.cert_ids} <= set(made.sub.cert_id_keys())
    now = int(time.time())  # openssl compares updates with the real time
    statuses = [
        CertStatus(request.cert_ids[0], CertState.GOOD, now, now + DAY),
        CertStatus(request.cert_ids[1], CertState.REVOKED, now, now + DAY, NOW, Reason.SUPERSEDED),
        CertStatus(request.cert_ids[2], CertState.UNKNOWN, now, now + DAY),
    ]
    responder = Responder.of(made.sub, made.sub_key)
    if delegated:
        draft = draft_responder(made.sub, key(spec).public_key(), serial=new_serial(), now=NOW, valid_to=NOW + 9 * YEAR)
        responder = Responder.of(made.sub, key(spec), sign_draft(draft, made.sub_key))
    answer = tmp_path / "answer"
    answer.write_bytes(sign_ocsp(responder, statuses, produced_at=now, nonce=request.nonce))
    trust = ("-attime", str(NOW + 60), "-CAfile", files.root, "-verify_other", files.sub)
    # openssl compares nonces only with a request it reads, and shows statuses only for one it makes.
    assert "Response verify OK" in openssl("ocsp", "-issuer", files.sub, "-reqin", asked, "-respin", answer, *trust)
    made_now = ("-cert", files.leaf, *serials, "-no_nonce")
    printed = openssl("ocsp", *issuer, *made_now, "-respin", answer, *trust)
    assert "Response verify OK" in printed
    assert f"{files.leaf}: good" in printed
    assert f"{more[0]}: revoked" in printed
    assert "Reason: superseded" in printed
    assert f"{more[1]}: unknown" in printed


@pytest.mark.parametrize("error", OcspError)
def test_an_answer_that_is_none_is_read(error: OcspError, tmp_path: Path) -> None:
    answer = tmp_path / "answer"
    answer.write_bytes(ocsp_error(error))
    said = {1: "malformedrequest", 2: "internalerror", 3: "trylater", 6: "unauthorized"}[error]
    assert f"{said} ({error})" in openssl("ocsp", "-respin", answer, "-noverify", code=1)


@pytest.mark.parametrize("spec", [spec for spec in SPECS if spec.type is KeyType.ML_DSA], ids=str)
def test_ml_dsa_is_verified_by_a_newer_openssl(spec: KeySpec) -> None:
    made = software(spec)
    leaf = made.leaf(read_csr(csr(private_key=key(spec))))
    leaf.verify_directly_issued_by(made.sub.certificate)
    made.sub.certificate.verify_directly_issued_by(made.root.certificate)
    made.root.certificate.verify_directly_issued_by(made.root.certificate)
    crl = x509.load_der_x509_crl(
        build_crl(made.sub, made.sub_key, number=1, this_update=NOW, next_update=NOW + DAY, entries=[])
    )
    assert crl.is_signature_valid(made.sub.certificate.public_key())  # type: ignore[arg-type]
    status = CertStatus(cert_id(leaf, made.sub.certificate), CertState.GOOD, NOW, NOW + DAY)
    answer = ocsp.load_der_ocsp_response(sign_ocsp(Responder.of(made.sub, made.sub_key), [status], produced_at=NOW))
    assert answer.signature_algorithm_oid == leaf.signature_algorithm_oid
    made.sub.public_key.verify(answer.signature, answer.tbs_response_bytes)  # type: ignore[call-arg]


def test_name_constraints_and_path_lengths_mean_the_same_to_openssl(tmp_path: Path) -> None:
    constraints = NameConstraints(permitted_dns=("example.com",), excluded_ip=("10.0.0.0/8",))
    made = hierarchy(key(P256, "root"), key(P256, "sub"), CaOptions(0, constraints))
    files = Files(tmp_path, made, made.leaf(read_csr(csr(names("a.example.com")))))
    assert files.verify().endswith("OK\n")
    # The same CA without our check: openssl refuses what we would have refused.
    lax = hierarchy(key(P256, "root"), key(P256, "sub"))
    outside = draft_leaf(
        lax.sub,
        read_csr(csr(names("example.net"))),
        DEFAULT_PROFILE,
        serial=new_serial(),
        now=NOW,
        default_validity=A_YEAR,
    )
    pem(tmp_path, "leaf", sign_draft(outside, made.sub_key))
    assert "permitted subtree violation" in files.verify(code=2)


@pytest.mark.parametrize(
    ("common_name", "good"),
    [
        ("evil.com", False),
        ("a-b_c.example.org", False),
        ("10.0.0.1", False),
        ("dev.example.com", True),
        ("evil", True),
        ("evil com.example", True),
        ("*.evil.com", True),
        ("evil-.com", True),
        ("evil..com", True),
        (".evil.com", True),
        ("evil.com.", True),
        ("évil.com", True),
    ],
)
def test_a_common_name_counts_as_a_name_where_openssl_says_so(common_name: str, good: bool, tmp_path: Path) -> None:
    constraints = CaOptions(0, NameConstraints(permitted_dns=("example.com",)))
    made, lax = (hierarchy(key(P256, "root"), key(P256, "sub"), options) for options in (constraints, CaOptions()))
    asked = ask(subject=name_of(Subject(common_name)))
    draft = draft_leaf(lax.sub, asked, DEFAULT_PROFILE, serial=new_serial(), now=NOW, default_validity=A_YEAR)
    files = Files(tmp_path, made, sign_draft(draft, made.sub_key))
    assert ("permitted subtree violation" in files.verify(code=0 if good else 2)) is not good
    if good:
        assert made.leaf(asked).subject == asked.subject
    else:
        with pytest.raises(RuleBroken, match="not within the name constraints"):
            made.leaf(asked)


def test_a_key_that_is_bound_to_pss_is_refused(tmp_path: Path) -> None:
    """Certified as a plain key it would sign in a way its owner ruled out."""
    private, made = tmp_path / "key", tmp_path / "made"
    kind = ("-newkey", "rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048", "-nodes", "-keyout", private, "-subj", "/CN=dev")
    openssl("req", *kind, "-out", made, "-batch")
    with pytest.raises(RuleBroken, match="bound to PSS"):
        read_csr(made.read_bytes())
    openssl("req", "-x509", *kind, "-out", made, "-batch")
    with pytest.raises(RuleBroken, match="bound to PSS"):
        check_ca_certificate(read_certificate(made.read_bytes()), now=int(time.time()))


def test_requests_made_with_openssl_are_read(tmp_path: Path) -> None:
    private, request = tmp_path / "key", tmp_path / "request"
    for kind in (
        ["-newkey", "rsa:2048"],
        ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
        ["-newkey", "ed25519"],
    ):
        made = ("-nodes", "-keyout", private, "-out", request, "-subj", "/C=ES/O=Ikerlan/CN=dev", "-batch")
        openssl("req", *kind, *made, "-addext", "subjectAltName=DNS:dev.example.com,IP:10.0.0.1")
        asked = read_csr(request.read_bytes())
        assert asked.subject.rfc4514_string() == "CN=dev,O=Ikerlan,C=ES"
        leaf = software().leaf(asked)
        assert leaf.subject == asked.subject
        assert Files(tmp_path, software(), leaf).verify().endswith("OK\n")


@known_keys
def test_an_outside_parent_certifies_a_ca_of_ours(spec: KeySpec, tmp_path: Path) -> None:
    request = tmp_path / "request.pem"
    request.write_bytes(request_ca(key(spec, "outside"), Subject("Ours", "Ikerlan", country="ES"), CaOptions(1)))
    assert "verify OK" in openssl("req", "-in", request, "-verify", "-noout")
    parent_key, parent = tmp_path / "parent.key", tmp_path / "parent.pem"
    made = ("-nodes", "-keyout", parent_key, "-out", parent, "-subj", "/CN=Outside", "-days", "3650")
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", *made)
    signed = tmp_path / "signed.pem"
    by = ("-CA", parent, "-CAkey", parent_key, "-days", "365", "-copy_extensions", "copy")
    openssl("x509", "-req", "-in", request, *by, "-out", signed)
    certificate = read_certificate(signed.read_bytes())
    check_key_pair(certificate, key(spec, "outside").public_key())
    chain = [read_certificate(parent.read_bytes())]
    issuer = check_ca_certificate(certificate, now=int(time.time()), chain=chain)
    assert (issuer.path_length, issuer.name.rfc4514_string()) == (1, "CN=Ours,O=Ikerlan,C=ES")


def test_openssl_shows_what_was_asked_for(tmp_path: Path) -> None:
    subject = Subject("Überwachung", "Ikerlan", "ZPD", "ES", "Gipuzkoa", "Arrasate")
    root = sign_draft(
        draft_root(key().public_key(), subject, serial=0xB0, now=NOW, valid_to=253_402_300_799, options=CaOptions(2)),
        key(),
    )
    path = pem(tmp_path, "root", root)
    text = openssl("x509", "-in", path, "-noout", "-text", "-nameopt", "utf8,sep_comma_plus")
    assert "Serial Number: 176 (0xb0)" in text
    assert "Not After : Dec 31 23:59:59 9999 GMT" in text
    assert "Subject: C=ES,ST=Gipuzkoa,L=Arrasate,O=Ikerlan,OU=ZPD,CN=Überwachung" in text
    assert "CA:TRUE, pathlen:2" in text
    assert "Digital Signature, Certificate Sign, CRL Sign" in text
