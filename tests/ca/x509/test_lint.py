"""pkilint finds nothing above a notice in anything that is issued, for every kind of key."""

from ipaddress import ip_address

import msgspec
import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from blazon.ca.x509 import (
    NO_END,
    CaOptions,
    CertState,
    CertStatus,
    Expiration,
    ExpirationType,
    Honoured,
    NameConstraints,
    NameType,
    Profile,
    Reason,
    Responder,
    Subject,
    build_crl,
    crl_entry,
    draft_leaf,
    draft_responder,
    draft_root,
    new_serial,
    read_csr,
    sign_draft,
    sign_ocsp,
)
from blazon.engines import KeySpec
from blazon.errors import RuleBroken
from tests.ca.x509.asking import cert_id
from tests.ca.x509.support import (
    A_YEAR,
    DAY,
    NOW,
    P256,
    SPECS,
    ask,
    csr,
    hierarchy,
    key,
    lint_certificate,
    lint_crl,
    lint_ocsp,
    names,
    software,
)

every_key = pytest.mark.parametrize("spec", SPECS, ids=str)


@every_key
def test_certificates(spec: KeySpec) -> None:
    made = software(spec)
    request = read_csr(csr(names("device-1.example.com"), private_key=key(spec)))
    responder = draft_responder(made.sub, key(spec).public_key(), serial=new_serial(), now=NOW, valid_to=NOW + 7 * DAY)
    for found in (
        made.root.certificate,
        made.sub.certificate,
        made.leaf(request),
        sign_draft(responder, made.sub_key),
    ):
        assert lint_certificate(found) == []


@every_key
def test_revocation_lists(spec: KeySpec) -> None:
    made = software(spec)
    entries = [crl_entry(new_serial(), NOW - 5, reason) for reason in Reason if reason is not Reason.REMOVE_FROM_CRL]
    for issuer, signer, revoked in ((made.sub, made.sub_key, entries), (made.root, made.root_key, [])):
        der = build_crl(issuer, signer, number=7, this_update=NOW, next_update=NOW + DAY, entries=revoked)
        assert lint_crl(der) == []


def test_a_delta_list() -> None:
    made = software()
    entries = [crl_entry(new_serial(), NOW - 5, Reason.REMOVE_FROM_CRL), crl_entry(5, NOW, Reason.KEY_COMPROMISE)]
    delta = build_crl(
        made.sub,
        made.sub_key,
        number=8,
        this_update=NOW,
        next_update=NOW + DAY,
        entries=entries,
        base_number=7,
    )
    assert lint_crl(delta) == []


@every_key
def test_ocsp_answers(spec: KeySpec) -> None:
    made = software(spec)
    leaf = made.leaf()
    draft = draft_responder(made.sub, key(spec).public_key(), serial=new_serial(), now=NOW, valid_to=NOW + DAY)
    delegated = Responder.of(made.sub, key(spec), sign_draft(draft, made.sub_key))
    asked = cert_id(leaf, made.sub.certificate)
    for responder in (Responder.of(made.sub, made.sub_key), delegated):
        for state in CertState:
            status = CertStatus(asked, state, NOW, NOW + DAY, NOW - 5, Reason.KEY_COMPROMISE)
            assert lint_ocsp(sign_ocsp(responder, [status], produced_at=NOW, nonce=b"n" * 32)) == []
            assert lint_ocsp(sign_ocsp(responder, [status], produced_at=NOW)) == []


@pytest.mark.parametrize(
    "subject",
    [
        Subject("Überwachungsgerät № 7", "Société", "部門", "FR", "Île-de-France", "Saint-Ouen"),
        Subject(common_name="a" * 64, organization="o" * 64, locality="l" * 128, state="s" * 128),
        Subject(organization="No common name"),
    ],
)
def test_subjects_of_every_kind(subject: Subject) -> None:
    made = software()
    leaf = draft_leaf(
        made.sub, ask(), Profile(), serial=new_serial(), now=NOW, default_validity=A_YEAR, subject=subject
    )
    root = draft_root(key().public_key(), subject, serial=new_serial(), now=NOW, valid_to=NOW + DAY)
    assert lint_certificate(sign_draft(leaf, made.sub_key)) == lint_certificate(sign_draft(root, key())) == []


def test_a_certificate_without_a_subject() -> None:
    leaf = software().leaf(ask(names("device-1.example.com"), subject=x509.Name([])))
    assert leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical
    assert lint_certificate(leaf) == []


@pytest.mark.parametrize(
    "name",
    [
        x509.DNSName("localhost"),
        x509.DNSName("sensor-1"),
        x509.DNSName("a_b.example.com"),
        x509.UniformResourceIdentifier("urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
        x509.UniformResourceIdentifier("spiffe://example.com/device/1"),
        x509.UniformResourceIdentifier("http://10.0.0.1/"),
        x509.RFC822Name("user@localhost"),
        x509.IPAddress(ip_address("::1")),
    ],
    ids=str,
)
def test_names_of_devices(name: x509.GeneralName) -> None:
    assert lint_certificate(software().leaf(ask(x509.SubjectAlternativeName([name])))) == []


@pytest.mark.parametrize("besides", [[], [x509.DNSName("a.example.com")], [x509.RFC822Name("user@example.com")]])
def test_a_mail_address_in_the_subject_stands_beside_it_too(besides: list[x509.GeneralName]) -> None:
    address = x509.NameAttribute(NameOID.EMAIL_ADDRESS, "user@example.com")
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "device-1"), address])
    extensions = [x509.SubjectAlternativeName(besides)] if besides else []
    leaf = software().leaf(ask(*extensions, subject=subject))
    found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert found.get_values_for_type(x509.RFC822Name) == ["user@example.com"]
    assert leaf.subject == subject
    assert lint_certificate(leaf) == []
    without = Profile(honour_extensions=())
    assert lint_certificate(software().leaf(ask(*extensions, subject=subject), without)) == []
    with pytest.raises(RuleBroken, match="does not allow"):
        software().leaf(ask(subject=subject), Profile(name_types=(NameType.DNS,)))
    broken = x509.Name([x509.NameAttribute(NameOID.EMAIL_ADDRESS, "nobody")])
    with pytest.raises(RuleBroken, match="not a mailbox"):
        software().leaf(ask(subject=broken))


def test_the_linter_still_finds_a_name_that_is_none() -> None:
    """A check of the check: only what RFC 5280 takes is let pass."""
    made = software()
    for bad in (
        x509.DNSName("a..b"),
        x509.DNSName("-a"),
        x509.UniformResourceIdentifier("nothing"),
        x509.UniformResourceIdentifier("http://a..b/"),
        x509.RFC822Name("user@a..b"),
    ):
        names_ = x509.SubjectAlternativeName([bad])
        draft = made.draft()
        extensions = (*draft.extensions, x509.Extension(names_.oid, False, names_))
        found = lint_certificate(sign_draft(msgspec.structs.replace(draft, extensions=extensions), made.sub_key))
        assert any("syntax" in finding for finding in found), (bad, found)


def test_a_ca_that_never_ends_and_its_certificate() -> None:
    root = draft_root(key(P256, "root").public_key(), Subject("Ever"), serial=new_serial(), now=NOW, valid_to=NO_END)
    assert lint_certificate(sign_draft(root, key(P256, "root"))) == []


def test_every_name_constraint_policy_and_usage() -> None:
    constraints = NameConstraints(
        permitted_dns=("example.com",),
        excluded_dns=("bad.example.com",),
        permitted_email=("example.com", ".example.com"),
        permitted_uri=(".example.com",),
        permitted_ip=("10.0.0.0/8", "2001:db8::/32"),
        excluded_ip=("10.1.0.0/16",),
        excluded_directory=(Subject(organization="Other"),),
    )
    made = hierarchy(key(P256, "root"), key(P256, "sub"), CaOptions(0, constraints))
    assert lint_certificate(made.sub.certificate) == []
    profile = Profile(
        validity=Expiration(ExpirationType.TIME, time=NOW + DAY),
        extended_key_usage=("clientAuth", "1.3.6.1.4.1.311.10.3.12"),
        honour_extensions=tuple(Honoured),
        policies=("1.3.6.1.4.1.99999.1", "2.23.140.1.2.1"),
    )
    asked = ask(
        x509.SubjectAlternativeName(
            [
                x509.DNSName("a.example.com"),
                x509.RFC822Name("box@example.com"),
                x509.UniformResourceIdentifier("https://a.example.com/x"),
                x509.IPAddress(ip_address("10.2.3.4")),
            ]
        )
    )
    assert lint_certificate(made.leaf(asked, profile)) == []


def test_the_linter_would_find_something() -> None:
    """A check of the check."""
    made = software()
    draft = made.draft()
    few = tuple(each for each in draft.extensions if not isinstance(each.value, x509.AuthorityKeyIdentifier))
    found = lint_certificate(sign_draft(msgspec.structs.replace(draft, extensions=few), made.sub_key))
    assert any("authority_key_identifier" in finding for finding in found), found
    backwards = build_crl(made.sub, made.sub_key, number=1, this_update=NOW, next_update=NOW - DAY, entries=[])
    assert lint_crl(backwards)
    status = CertStatus(cert_id(sign_draft(draft, made.sub_key), made.sub.certificate), CertState.GOOD, NOW, NOW - DAY)
    assert lint_ocsp(sign_ocsp(Responder.of(made.sub, made.sub_key), [status], produced_at=NOW))
