"""Issuing: what a request gets, what it does not, and what no CA of ours will sign."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from blazon.ca.x509 import (
    DEFAULT_PROFILE,
    NO_END,
    BeyondCa,
    CaOptions,
    Expiration,
    ExpirationType,
    Honoured,
    Issuer,
    KeyRule,
    KeyUsage,
    NameConstraints,
    NameType,
    Profile,
    Subject,
    check_draft,
    check_profile,
    draft_leaf,
    draft_responder,
    draft_root,
    draft_subordinate,
    new_serial,
    read_csr,
    sign_draft,
)
from blazon.ca.x509.extensions import usage_extension, usages_of
from blazon.engines import KeySpec, KeyType
from blazon.errors import RuleBroken
from tests.ca.x509.support import (
    A_YEAR,
    DAY,
    NOW,
    P256,
    ROOT,
    URLS,
    YEAR,
    ask,
    csr,
    hierarchy,
    key,
    names,
    openssl,
    pem,
    software,
)

REPLACE = msgspec.structs.replace
RSA = KeySpec(KeyType.RSA, 2048)


def _usage(*usages: KeyUsage) -> x509.KeyUsage:
    return usage_extension(usages).value


def _value(certificate: x509.Certificate, kind: type[Any]) -> Any:
    return certificate.extensions.get_extension_for_class(kind).value


def _draft(profile: Profile = DEFAULT_PROFILE, **more: Any) -> Any:
    given_ = {"serial": new_serial(), "now": NOW, "default_validity": A_YEAR} | more
    return draft_leaf(software().sub, given_.pop("request", None) or ask(), profile, **given_)


def test_a_leaf_says_what_it_is_and_who_vouches_for_it() -> None:
    made = software()
    leaf = made.leaf(ask(names("device-1.example.com")))
    assert [(each.oid._name, each.critical) for each in leaf.extensions] == [
        ("basicConstraints", True),
        ("keyUsage", True),
        ("extendedKeyUsage", False),
        ("subjectAltName", False),
        ("subjectKeyIdentifier", False),
        ("authorityKeyIdentifier", False),
        ("authorityInfoAccess", False),
        ("cRLDistributionPoints", False),
    ]
    assert not _value(leaf, x509.BasicConstraints).ca
    assert usages_of(_value(leaf, x509.KeyUsage)) == (KeyUsage.DIGITAL_SIGNATURE,)
    assert list(_value(leaf, x509.ExtendedKeyUsage)) == [
        ExtendedKeyUsageOID.CLIENT_AUTH,
        ExtendedKeyUsageOID.SERVER_AUTH,
    ]
    assert _value(leaf, x509.AuthorityKeyIdentifier).key_identifier == made.sub.key_id
    described = [each.access_location.value for each in _value(leaf, x509.AuthorityInformationAccess)]
    assert described == [*URLS.ocsp, *URLS.ca_issuers]
    (point,) = _value(leaf, x509.CRLDistributionPoints)
    assert [each.value for each in point.full_name] == [*URLS.crl]
    assert leaf.issuer == made.sub.certificate.subject
    assert leaf.not_valid_before_utc.timestamp() == NOW  # the CA began then, and it is 60 s earlier otherwise
    assert leaf.not_valid_after_utc.timestamp() == NOW + YEAR


def test_a_ca_without_urls_writes_none() -> None:
    bare = Issuer.of(software().sub.certificate)
    draft = draft_leaf(bare, ask(), DEFAULT_PROFILE, serial=5, now=NOW, default_validity=A_YEAR)
    assert draft.find(x509.AuthorityInformationAccess) is None
    assert draft.find(x509.CRLDistributionPoints) is None


def test_an_rsa_key_may_encipher_as_well() -> None:
    request = read_csr(csr(private_key=key(RSA)))
    usage = _draft(request=request).find(x509.KeyUsage)
    assert usages_of(usage) == (KeyUsage.DIGITAL_SIGNATURE, KeyUsage.KEY_ENCIPHERMENT)


def test_a_key_that_can_do_nothing_the_profile_wants_is_refused() -> None:
    with pytest.raises(RuleBroken, match="no key usage is left"):
        _draft(Profile(key_usage=(KeyUsage.KEY_ENCIPHERMENT,)))


@pytest.mark.parametrize(
    "asked",
    [
        x509.BasicConstraints(ca=True, path_length=None),
        _usage(KeyUsage.DIGITAL_SIGNATURE, KeyUsage.KEY_CERT_SIGN),
        _usage(KeyUsage.CRL_SIGN),
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]),
    ],
    ids=lambda each: type(each).__name__,
)
def test_a_request_to_be_a_ca_is_refused_whatever_the_profile_honours(asked: x509.ExtensionType) -> None:
    for profile in (DEFAULT_PROFILE, Profile(honour_extensions=tuple(Honoured)), Profile(honour_extensions=())):
        with pytest.raises(RuleBroken, match=r"which is for|asks for a CA"):
            _draft(profile, request=ask(asked))


def test_what_a_profile_does_not_honour_is_left_out() -> None:
    request = ask(names("a.com"), x509.TLSFeature([x509.TLSFeatureType.status_request]), _usage(KeyUsage.KEY_AGREEMENT))
    draft = _draft(Profile(honour_extensions=()), request=request)
    assert draft.find(x509.SubjectAlternativeName) is None
    assert draft.find(x509.TLSFeature) is None
    assert usages_of(draft.find(x509.KeyUsage)) == (KeyUsage.DIGITAL_SIGNATURE,)


def test_a_request_may_ask_for_less_than_the_profile_gives_never_for_more() -> None:
    profile = Profile(key_usage=(KeyUsage.DIGITAL_SIGNATURE, KeyUsage.KEY_AGREEMENT), honour_extensions=tuple(Honoured))
    request = ask(
        _usage(KeyUsage.KEY_AGREEMENT, KeyUsage.CONTENT_COMMITMENT),
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.CODE_SIGNING]),
    )
    draft = _draft(profile, request=request)
    assert usages_of(draft.find(x509.KeyUsage)) == (KeyUsage.KEY_AGREEMENT,)
    assert list(draft.find(x509.ExtendedKeyUsage)) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    with pytest.raises(RuleBroken, match="allows none of the extended key usages"):
        _draft(profile, request=ask(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])))


def test_alternative_names_are_honoured_as_far_as_the_profile_says() -> None:
    request = ask(names("a.com", "b.com", "a.com"))
    assert list(_draft(request=request).find(x509.SubjectAlternativeName)) == [
        x509.DNSName("a.com"),
        x509.DNSName("b.com"),
    ]
    for profile in (Profile(most_names=1), Profile(name_types=(NameType.IP,))):
        with pytest.raises(RuleBroken, match="alternative name"):
            _draft(profile, request=request)
    huge = ask(x509.SubjectAlternativeName([x509.DNSName(f"host{number}.example.com") for number in range(5000)]))
    with pytest.raises(RuleBroken, match="there are 5000 alternative names"):
        _draft(request=huge)


def test_the_subject_is_the_requests_or_the_given_one_and_the_profiles_parts_win() -> None:
    request = ask(
        subject=x509.Name(
            [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Mine"), x509.NameAttribute(NameOID.COMMON_NAME, "dev")]
        )
    )
    given_ = Subject("other", "Theirs")
    fixed = Profile(subject=Subject(organization="Ours", country="ES"))
    shown = {
        "verbatim": _draft(request=request),
        "given": _draft(request=request, subject=given_),
        "fixed": _draft(fixed, request=request),
        "given and fixed": _draft(fixed, request=request, subject=given_),
        "not honoured": _draft(REPLACE(fixed, honour_subject=False), request=request),
    }
    assert {how: draft.subject.rfc4514_string() for how, draft in shown.items()} == {
        "verbatim": "CN=dev,O=Mine",
        "given": "CN=other,O=Theirs",
        "fixed": "CN=dev,O=Ours,C=ES",
        "given and fixed": "CN=other,O=Ours,C=ES",
        "not honoured": "O=Ours,C=ES",
    }


def test_a_certificate_names_somebody() -> None:
    nobody = ask(subject=x509.Name([]))
    with pytest.raises(RuleBroken, match="needs a subject or an alternative name"):
        _draft(request=nobody)
    with pytest.raises(RuleBroken, match="needs a subject or an alternative name"):
        _draft(Profile(honour_subject=False))


def test_only_keys_the_profile_allows_are_certified() -> None:
    only = Profile(allowed_keys=(KeyRule(KeyType.RSA, 3072, 4096), KeyRule(KeyType.ECDSA, 384, 384)))
    for refused in (P256, RSA):
        with pytest.raises(RuleBroken, match=f"does not allow keys of type {refused}"):
            _draft(only, request=read_csr(csr(private_key=key(refused))))
    assert _draft(only, request=read_csr(csr(private_key=key(KeySpec(KeyType.ECDSA, 384)))))


def test_the_key_of_the_ca_is_not_certified_as_anothers() -> None:
    with pytest.raises(RuleBroken, match="the key is that of the CA itself"):
        _draft(request=read_csr(csr(private_key=software().sub_key)))


STAMPS = Profile(extended_key_usage=("timeStamping",), key_usage=tuple(KeyUsage)[:5])


@pytest.mark.parametrize("spec", [P256, RSA], ids=str)
def test_who_stamps_the_time_does_nothing_else(spec: KeySpec, tmp_path: Path) -> None:
    """RFC 3161 §2.3: the extended key usage stands alone and is critical; OpenSSL minds the key usage too."""
    check_profile(STAMPS)
    made = software()
    leaf = made.leaf(read_csr(csr(private_key=key(spec))), STAMPS)
    purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert (list(purposes.value), purposes.critical) == ([ExtendedKeyUsageOID.TIME_STAMPING], True)
    assert usages_of(_value(leaf, x509.KeyUsage)) == (KeyUsage.DIGITAL_SIGNATURE, KeyUsage.CONTENT_COMMITMENT)
    assert "Time Stamp signing : Yes" in openssl("x509", "-in", pem(tmp_path, "leaf", leaf), "-noout", "-purpose")


def test_a_profile_of_before_that_stamps_the_time_among_others_issues_nothing() -> None:
    both = Profile(extended_key_usage=("timeStamping", "clientAuth"))
    with pytest.raises(RuleBroken, match="timeStamping stands alone"):
        _draft(both)
    honours = REPLACE(both, honour_extensions=(Honoured.EXTENDED_KEY_USAGE,))
    asked = ask(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]))
    assert list(_draft(honours, request=asked).find(x509.ExtendedKeyUsage)) == [ExtendedKeyUsageOID.TIME_STAMPING]


def _limited(*usages: x509.ObjectIdentifier) -> Issuer:
    """A CA whose certificate has extended key usages."""
    draft = _subordinate()
    limited = x509.Extension(x509.ExtendedKeyUsage.oid, False, x509.ExtendedKeyUsage(usages))
    return Issuer.of(sign_draft(REPLACE(draft, extensions=(*draft.extensions, limited)), software().root_key))


def test_a_ca_gives_no_purpose_that_clients_do_not_let_it_give() -> None:
    free = software().sub
    server = _limited(ExtendedKeyUsageOID.SERVER_AUTH)
    assert (free.purposes, server.purposes) == (None, {"1.3.6.1.5.5.7.3.1"})
    assert _limited(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE).purposes is None
    given_ = {"serial": 5, "now": NOW, "default_validity": A_YEAR}
    draft = draft_leaf(server, ask(), DEFAULT_PROFILE, **given_)  # type: ignore[arg-type]
    assert list(draft.find(x509.ExtendedKeyUsage)) == [ExtendedKeyUsageOID.SERVER_AUTH]
    mail = _limited(ExtendedKeyUsageOID.EMAIL_PROTECTION)
    with pytest.raises(RuleBroken, match="allows none of the extended key usages of the profile"):
        draft_leaf(mail, ask(), DEFAULT_PROFILE, **given_)  # type: ignore[arg-type]
    assert draft_leaf(mail, ask(), Profile(extended_key_usage=()), **given_)  # type: ignore[arg-type]
    assert Issuer.of(server.certificate, (mail.certificate,)).purposes == frozenset()


def test_lists_of_names_are_bounded() -> None:
    """A certificate goes into events, whole."""
    many = tuple(f"a{number}.example.com" for number in range(129))
    with pytest.raises(RuleBroken, match="there are 258 name constraints, at most 256 are allowed"):
        _subordinate(options=CaOptions(None, NameConstraints(permitted_dns=many, excluded_dns=many)))
    large = tuple(Subject("x" * 64, f"{number:064}", "x" * 64) for number in range(200))
    with pytest.raises(RuleBroken, match="take more than 32768 octets"):
        _subordinate(options=CaOptions(None, NameConstraints(excluded_directory=large)))
    long = [x509.UniformResourceIdentifier(f"http://a.example.com/{number}/{'x' * 1000}") for number in range(40)]
    with pytest.raises(RuleBroken, match="longer than 32768 characters together"):
        _draft(request=ask(x509.SubjectAlternativeName(long)))


def test_how_long_a_certificate_lives() -> None:
    later = NOW + 100 * DAY
    a_day = Expiration(ExpirationType.DURATION, duration=DAY * 10**9)
    assert _draft(now=later).valid_from == later - 60
    assert _draft(Profile(backdate=0), now=later).valid_from == later
    assert _draft(now=NOW + 30).valid_from == NOW, "not before its CA"
    assert _draft(Profile(validity=a_day)).valid_to == NOW + DAY
    assert _draft(valid_to=NOW + 5).valid_to == NOW + 5
    with pytest.raises(RuleBroken, match="may be valid until"):
        _draft(valid_to=NOW + YEAR + 1)
    for over in (NOW, NOW - 5):
        with pytest.raises(RuleBroken, match="over before it begins"):
            _draft(valid_to=over)


def test_a_child_does_not_outlive_its_parent() -> None:
    end = software().sub.valid_to
    late = end - 5 * DAY
    with pytest.raises(RuleBroken, match="would outlive its CA"):
        _draft(Profile(), now=late)
    for profile in (Profile(beyond_ca=BeyondCa.CLIP), DEFAULT_PROFILE):
        assert _draft(profile, now=late).valid_to == end
    with pytest.raises(RuleBroken, match="would outlive its CA"):
        _subordinate(valid_to=software().root.valid_to + 1)


@pytest.mark.parametrize("now", [NOW - 1, NOW + 10 * YEAR + 1])
def test_a_ca_that_is_not_valid_issues_nothing(now: int) -> None:
    with pytest.raises(RuleBroken, match="it cannot issue now"):
        _draft(Profile(beyond_ca=BeyondCa.CLIP, validity=Expiration(ExpirationType.TIME, time=NO_END)), now=now)


def _subordinate(**more: Any) -> Any:
    made = software()
    given_ = {"serial": new_serial(), "now": NOW, "valid_to": NOW + YEAR, "issuer": made.root} | more
    return draft_subordinate(
        given_.pop("issuer"),
        given_.pop("key", key(P256, "lower")).public_key(),
        given_.pop("subject", Subject("Lower")),
        **given_,
    )


def test_a_ca_below_another_has_a_shorter_path() -> None:
    made = hierarchy(key(P256, "root"), key(P256, "sub"), CaOptions(2))
    for asked, got in ((None, 1), (0, 0), (1, 1)):
        draft = _subordinate(issuer=made.sub, options=CaOptions(asked))
        assert draft.find(x509.BasicConstraints).path_length == got
    with pytest.raises(RuleBroken, match="must be less than 2"):
        _subordinate(issuer=made.sub, options=CaOptions(2))
    lower = Issuer.of(sign_draft(_subordinate(issuer=made.sub, options=CaOptions(0)), made.sub_key))
    with pytest.raises(RuleBroken, match="path length is used up"):
        _subordinate(issuer=lower, subject=Subject("Lowest"), key=key(P256, "lowest"))
    assert _subordinate().find(x509.BasicConstraints).path_length is None


def test_the_path_of_a_parent_counts_too() -> None:
    """The root allows one CA below it; the CA there says nothing of its own, as one from outside may."""
    root_draft = draft_root(
        key(P256, "root").public_key(), ROOT, serial=1, now=NOW, valid_to=NOW + YEAR, options=CaOptions(1)
    )
    root = Issuer.of(sign_draft(root_draft, key(P256, "root")))
    draft = _subordinate(issuer=root, valid_to=NOW + DAY)
    free = tuple(
        x509.Extension(each.oid, True, x509.BasicConstraints(ca=True, path_length=None))
        if isinstance(each.value, x509.BasicConstraints)
        else each
        for each in draft.extensions
    )
    certificate = sign_draft(REPLACE(draft, extensions=free), key(P256, "root"))
    assert Issuer.of(certificate).path_length is None
    assert Issuer.of(certificate, (root.certificate,)).path_length == 0


@pytest.mark.parametrize("path_length", [-1, 256])
def test_a_path_length_is_sensible(path_length: int) -> None:
    with pytest.raises(RuleBroken, match="0 to 255"):
        _subordinate(options=CaOptions(path_length))


def test_a_ca_needs_a_name_of_its_own() -> None:
    with pytest.raises(RuleBroken, match="another subject"):
        _subordinate(subject=ROOT)
    with pytest.raises(RuleBroken, match="a CA needs a subject"):
        _subordinate(subject=Subject())


def test_name_constraints_bind_everything_below() -> None:
    constraints = NameConstraints(permitted_dns=("example.com",), permitted_directory=(Subject(country="ES"),))
    made = hierarchy(key(P256, "root"), key(P256, "sub"), CaOptions(1, constraints))
    spain = {"subject": Subject("dev", country="ES"), "serial": 5, "now": NOW, "default_validity": A_YEAR}
    assert draft_leaf(made.sub, ask(names("a.example.com")), DEFAULT_PROFILE, **spain)  # type: ignore[arg-type]
    with pytest.raises(RuleBroken, match="name constraints"):
        draft_leaf(made.sub, ask(names("a.example.net")), DEFAULT_PROFILE, **spain)  # type: ignore[arg-type]
    with pytest.raises(RuleBroken, match="name constraints"):
        made.draft(ask(names("a.example.com")))
    with pytest.raises(RuleBroken, match="name constraints"):
        _subordinate(issuer=made.sub, subject=Subject("Lower", country="FR"), options=CaOptions(0))
    lower = sign_draft(
        _subordinate(issuer=made.sub, subject=Subject("Lower", country="ES"), options=CaOptions(0)), made.sub_key
    )
    chained = Issuer.of(lower, (made.sub.certificate, made.root.certificate))
    assert len(chained.constraints) == 1
    with pytest.raises(RuleBroken, match="name constraints"):
        draft_leaf(chained, ask(names("b.net")), DEFAULT_PROFILE, **spain)  # type: ignore[arg-type]


@pytest.mark.parametrize("serial", [0, -1, 1 << 159, 1 << 160])
def test_a_serial_number_fits_twenty_octets(serial: int) -> None:
    with pytest.raises(RuleBroken, match="at most 20 octets"):
        _draft(serial=serial)


def test_a_root_vouches_for_itself() -> None:
    root = software().root.certificate
    assert root.issuer == root.subject
    assert _value(root, x509.BasicConstraints).path_length is None
    assert usages_of(_value(root, x509.KeyUsage)) == (
        KeyUsage.DIGITAL_SIGNATURE,
        KeyUsage.KEY_CERT_SIGN,
        KeyUsage.CRL_SIGN,
    )
    root.verify_directly_issued_by(root)
    with pytest.raises(RuleBroken, match="over before it begins"):
        draft_root(key().public_key(), ROOT, serial=1, now=NOW, valid_to=NOW)
    with pytest.raises(RuleBroken, match="over before it begins"):
        draft_root(key().public_key(), ROOT, serial=1, now=NOW, valid_to=NO_END + 1)


def test_a_responder_lives_no_longer_than_its_ca_and_answers_only() -> None:
    made = software()
    draft = draft_responder(made.sub, key().public_key(), serial=9, now=NOW, valid_to=NO_END)
    assert draft.valid_to == made.sub.valid_to
    certificate = sign_draft(draft, made.sub_key)
    assert list(_value(certificate, x509.ExtendedKeyUsage)) == [ExtendedKeyUsageOID.OCSP_SIGNING]
    assert certificate.extensions.get_extension_for_class(x509.OCSPNoCheck)


def test_what_is_no_ca_issues_nothing() -> None:
    with pytest.raises(RuleBroken, match="not that of a CA"):
        Issuer.of(software().leaf())


@given(
    st.integers(NOW, NOW + 20 * YEAR),
    st.integers(1, 30 * YEAR),
    st.sampled_from(BeyondCa),
    st.integers(0, 86400),
)
def test_no_draft_is_ever_outside_its_ca(now: int, seconds: int, beyond: BeyondCa, backdate: int) -> None:
    issuer = software().sub
    profile = Profile(
        validity=Expiration(ExpirationType.DURATION, duration=seconds * 10**9), beyond_ca=beyond, backdate=backdate
    )
    try:
        draft = _draft(profile, now=now)
    except RuleBroken:
        assert now + seconds > issuer.valid_to
        return
    assert issuer.valid_from <= draft.valid_from <= now < draft.valid_to <= issuer.valid_to
    check_draft(draft, now=now)


def test_the_default_profile_makes_sense() -> None:
    check_profile(DEFAULT_PROFILE)
    kept = msgspec.json.encode(DEFAULT_PROFILE)
    assert msgspec.json.decode(kept, type=Profile) == DEFAULT_PROFILE


@pytest.mark.parametrize(
    "profile",
    [
        Profile(backdate=-1),
        Profile(backdate=86401),
        Profile(most_names=1001),
        Profile(key_usage=()),
        Profile(key_usage=(KeyUsage.KEY_CERT_SIGN,)),
        Profile(key_usage=(KeyUsage.DIGITAL_SIGNATURE, KeyUsage.CRL_SIGN)),
        Profile(extended_key_usage=("OCSPSigning",)),
        Profile(extended_key_usage=("1.3.6.1.5.5.7.3.9",)),
        Profile(extended_key_usage=("2.5.29.37.0",)),
        Profile(extended_key_usage=("1.40.1",)),
        Profile(extended_key_usage=("1.02.3",)),
        Profile(extended_key_usage=("clientAuth", "clientAuth")),
        Profile(extended_key_usage=("clientAuth", "1.3.6.1.5.5.7.3.2")),
        Profile(extended_key_usage=("clientAuth", "timeStamping")),
        Profile(extended_key_usage=("1.3.6.1.5.5.7.3.8", "clientAuth")),
        Profile(extended_key_usage=("timeStamping",), key_usage=(KeyUsage.KEY_AGREEMENT,)),
        Profile(extended_key_usage=tuple(f"1.2.{number}" for number in range(65))),
        Profile(policies=tuple(f"1.2.{number}" for number in range(65))),
        Profile(key_usage=(KeyUsage.DIGITAL_SIGNATURE,) * 65),
        Profile(allowed_keys=(KeyRule(KeyType.RSA, 2048, 4096),) * 65),
        Profile(name_types=(NameType.DNS,) * 65),
        Profile(policies=("x",)),
        Profile(policies=("1.2.3", "1.2.3")),
        Profile(allowed_keys=()),
        Profile(allowed_keys=(KeyRule(KeyType.RSA, 4096, 2048),)),
        Profile(subject=Subject(country="Spain")),
    ],
    ids=str,
)
def test_a_profile_that_makes_no_sense_is_refused(profile: Profile) -> None:
    with pytest.raises(RuleBroken):
        check_profile(profile)
