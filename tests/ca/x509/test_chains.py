"""Certificates of CAs from outside: what they claim, what they are signed by."""

import itertools
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from blazon.ca.x509 import (
    CaOptions,
    Issuer,
    KeyUsage,
    Subject,
    chain_above,
    check_ca_certificate,
    check_key_pair,
    draft_root,
    draft_subordinate,
    is_self_issued,
    name_of,
    read_certificate,
    read_csr,
    request_ca,
    sign_draft,
)
from blazon.ca.x509.extensions import usage_extension
from blazon.engines import KeySpec
from blazon.errors import Malformed, RuleBroken
from tests.ca.support import outside_ca
from tests.ca.x509.support import DAY, NOW, P256, SPECS, YEAR, hierarchy, key, pem, software


def test_a_ca_with_its_chain_passes() -> None:
    made = software()
    issuer = check_ca_certificate(made.sub.certificate, now=NOW, chain=[made.root.certificate])
    assert issuer.key_id == made.sub.key_id
    assert check_ca_certificate(made.root.certificate, now=NOW).name == made.root.name
    assert check_ca_certificate(made.sub.certificate, now=NOW).name == made.sub.name
    assert is_self_issued(made.root.certificate)
    assert not is_self_issued(made.sub.certificate)


def test_what_is_no_ca_or_not_valid_now_is_refused() -> None:
    made = software()
    with pytest.raises(RuleBroken, match="not that of a CA"):
        check_ca_certificate(made.leaf(), now=NOW)
    for now in (NOW - 1, NOW + 10 * YEAR + 1):
        with pytest.raises(RuleBroken, match="is valid from"):
            check_ca_certificate(made.sub.certificate, now=now)


def test_a_chain_that_does_not_fit_is_refused() -> None:
    made, other = software(), hierarchy(key(P256, "other-root"), key(P256, "other-sub"))
    for chain in ([other.root.certificate], [made.sub.certificate], [made.root.certificate, other.root.certificate]):
        with pytest.raises(RuleBroken, match="is not signed by"):
            check_ca_certificate(made.sub.certificate, now=NOW, chain=chain)
    leaf = made.leaf()
    with pytest.raises(RuleBroken, match="not that of a CA"):
        check_ca_certificate(made.sub.certificate, now=NOW, chain=[leaf])


def test_a_chain_is_put_in_order() -> None:
    root, a, b, leaf = outside_chain()
    for others in itertools.permutations((root, a, b)):
        assert chain_above(leaf, others) == [b, a, root]
    # The certificate itself may be among them, and one may be there twice.
    assert chain_above(leaf, [leaf, root, b, b, a]) == [b, a, root]
    assert chain_above(leaf, [a, b]) == [b, a]
    assert chain_above(leaf, []) == []
    assert chain_above(root, [root]) == []


def test_what_is_not_above_is_refused_in_any_order() -> None:
    root, a, b, leaf = outside_chain()
    stranger = hierarchy(key(P256, "other-root"), key(P256, "other-sub")).root.certificate
    for others in ([root, a], [a], [b, root], [stranger], [root, a, b, stranger], [leaf, root]):
        with pytest.raises(RuleBroken, match="is not signed by"):
            chain_above(leaf, others)
    many = [outside_ca(f"CA {number}")[0] for number in range(17)]
    with pytest.raises(RuleBroken, match="more than 16 certificates"):
        chain_above(leaf, many)


def outside_chain() -> list[x509.Certificate]:
    """A root, two CAs below it, and a fourth below those."""
    made = [outside_ca("Root")]
    for name in ("A", "B", "C"):
        made.append(outside_ca(name, above=made[-1]))
    return [certificate for certificate, _ in made]


def test_a_root_that_did_not_sign_itself_is_refused() -> None:
    draft = draft_root(key().public_key(), Subject("Forged"), serial=1, now=NOW, valid_to=NOW + DAY)
    forged = sign_draft(draft, key(P256, "somebody-else"))
    with pytest.raises(RuleBroken, match="CN=Forged is not signed by CN=Forged"):
        check_ca_certificate(forged, now=NOW)


def test_a_chain_longer_than_a_parent_allows_is_refused() -> None:
    root_draft = draft_root(
        key(P256, "root").public_key(), Subject("R"), serial=1, now=NOW, valid_to=NOW + YEAR, options=CaOptions(0)
    )
    root = sign_draft(root_draft, key(P256, "root"))
    free = hierarchy(key(P256, "root"), key(P256, "sub"))
    # The same key signs what its path length forbids, as an outside parent's mistake.
    draft = draft_subordinate(
        free.root, key(P256, "sub").public_key(), Subject("S"), serial=2, now=NOW, valid_to=NOW + DAY
    )
    lower = sign_draft(draft, key(P256, "root"))
    with pytest.raises(RuleBroken, match="path length"):
        check_ca_certificate(lower, now=NOW, chain=[root])


def test_a_ca_with_a_weak_key_or_without_a_name_is_refused() -> None:
    weak = rsa.generate_private_key(65537, 1024)
    builder = (
        x509.CertificateBuilder()
        .serial_number(1)
        .not_valid_before(software().root.certificate.not_valid_before_utc)
        .not_valid_after(software().root.certificate.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    name = name_of(Subject("Weak"))
    certificate = builder.subject_name(name).issuer_name(name).public_key(weak.public_key()).sign(weak, SHA256())
    with pytest.raises(RuleBroken, match="this one has 1024"):
        check_ca_certificate(certificate, now=NOW)
    strong, empty = key(), x509.Name([])
    certificate = builder.subject_name(empty).issuer_name(empty).public_key(strong.public_key()).sign(strong, SHA256())
    with pytest.raises(RuleBroken, match="has no subject"):
        check_ca_certificate(certificate, now=NOW)


def test_a_ca_without_key_identifiers_is_known_by_its_key() -> None:
    """As old CAs are: the identifier is made from the key (RFC 5280 §4.2.1.2)."""
    name = name_of(Subject("Old"))
    old_key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .serial_number(1)
        .not_valid_before(software().root.certificate.not_valid_before_utc)
        .not_valid_after(software().root.certificate.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .subject_name(name)
        .issuer_name(name)
        .public_key(old_key.public_key())
        .sign(old_key, SHA256())
    )
    issuer = check_ca_certificate(certificate, now=NOW)
    assert issuer.key_id == x509.SubjectKeyIdentifier.from_public_key(old_key.public_key()).digest
    assert is_self_issued(certificate)


def test_a_key_and_its_certificate_belong_together() -> None:
    made = software()
    check_key_pair(made.root.certificate, made.root_key.public_key())
    with pytest.raises(Malformed, match="CA and the provided key don't match"):
        check_key_pair(made.root.certificate, made.sub_key.public_key())


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_a_request_for_a_ca_is_signed_by_every_kind_of_key(spec: KeySpec) -> None:
    assert read_csr(request_ca(key(spec), Subject("Ours"))).spec == spec


def test_what_a_key_usage_does_not_allow_is_known() -> None:
    made = software()
    assert made.sub.signs_crls
    usage = usage_extension((KeyUsage.KEY_CERT_SIGN,))
    draft = draft_root(key().public_key(), Subject("R"), serial=1, now=NOW, valid_to=NOW + DAY)
    kept = [each for each in draft.extensions if not isinstance(each.value, x509.KeyUsage)]
    for extensions, signs in (((*kept, usage), False), (tuple(kept), True)):
        certificate = sign_draft(msgspec.structs.replace(draft, extensions=extensions), key())
        assert Issuer.of(certificate).signs_crls == signs


def test_a_request_for_a_ca_asks_for_what_a_ca_needs() -> None:
    request = read_csr(request_ca(key(), Subject("Ours", country="ES"), CaOptions(3)))
    constraints = request.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (True, True, 3)
    assert request.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    with pytest.raises(RuleBroken, match="needs a subject"):
        request_ca(key(), Subject())


def test_pem_and_issuer_hold_the_same(tmp_path: Path) -> None:
    certificate = software().sub.certificate
    again = Issuer.of(read_certificate(pem(tmp_path, "sub", certificate).read_bytes()))
    assert (again.key_id, again.name_der, again.valid_to) == (
        software().sub.key_id,
        certificate.subject.public_bytes(),
        software().sub.valid_to,
    )
