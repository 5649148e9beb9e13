"""Subjects both ways, alternative names, and name constraints."""

from ipaddress import ip_address, ip_network

import pytest
from cryptography import x509
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from blazon.ca.x509 import NameConstraints, NameType, Subject, name_of, subject_of
from blazon.ca.x509.constraints import check_names, constraints_of
from blazon.ca.x509.general_names import checked_names, is_dns_name
from blazon.ca.x509.names import check_shown, checked_name
from blazon.errors import RuleBroken

_text = st.text(
    st.characters(exclude_categories=("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")), min_size=1, max_size=16
).map(lambda text: "x" + text[1:])
_subjects = st.builds(
    Subject,
    common_name=_text,
    organization=_text,
    organization_unit=_text,
    country=st.from_regex(r"\A[A-Z]{2}\Z"),
    state=_text,
    locality=_text,
)


@given(_subjects)
def test_a_subject_goes_into_a_name_and_comes_out(subject: Subject) -> None:
    name = name_of(subject)
    assert subject_of(x509.Name.from_bytes(name.public_bytes())) == subject
    assert checked_name(name) == name


def test_the_order_of_a_name_is_the_broadest_part_first() -> None:
    subject = Subject("Bootstrap", "Ikerlan", "ZPD", "ES", "Gipuzkoa", "Arrasate")
    assert name_of(subject).rfc4514_string() == "CN=Bootstrap,OU=ZPD,O=Ikerlan,L=Arrasate,ST=Gipuzkoa,C=ES"
    assert name_of(Subject(common_name="x")).rfc4514_string() == "CN=x"
    assert not name_of(Subject()).rdns


def test_of_several_values_the_first_counts() -> None:
    units = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, each) for each in ("first", "second")]
    assert subject_of(x509.Name(units)) == Subject(organization_unit="first")


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        (Subject(common_name="x" * 65), "common_name is longer than 64"),
        (Subject(common_name="é" * 33), "common_name is longer than 64"),
        (Subject(organization="x" * 65), "organization is longer than 64"),
        (Subject(organization_unit="x" * 65), "longer than 64"),
        (Subject(locality="x" * 129), "longer than 128"),
        (Subject(state="x" * 129), "longer than 128"),
        (Subject(country="Spain"), "two capital letters"),
        (Subject(country="es"), "two capital letters"),
        (Subject(country="ÉS"), "two capital letters"),
        (Subject(common_name=" "), "is blank"),
        (Subject(common_name="a\0b"), "control character"),
        (Subject(common_name="a\nb"), "control character"),
        (Subject(organization="\ud800"), "control character"),
        (Subject(common_name="\u202e"), "is blank"),
        (Subject(common_name="lamp\u202e"), r"holds the character U\+202E"),
        (Subject(common_name="lamp\u200b"), r"U\+200B"),
        (Subject(organization="\ufefflamp"), r"U\+FEFF"),
        (Subject(organization="soft\u00adhyphen"), r"U\+00AD"),
        (Subject(common_name="\u3164"), "is blank"),
        (Subject(common_name="\u2800\u00a0"), "is blank"),
        (Subject(common_name="\u0301"), "is blank"),
        (Subject(common_name="a\U000e0041"), r"U\+E0041"),
    ],
)
def test_a_part_that_does_not_fit_is_refused(subject: Subject, said: str) -> None:
    with pytest.raises(RuleBroken, match=said):
        name_of(subject)


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        (Subject(common_name="a\0b"), r"common_name holds the character U\+0000, which cannot be kept or shown"),
        (Subject(organization="a\x7f"), r"organization holds the character U\+007F"),
        (Subject(state="a\u0085"), r"state holds the character U\+0085"),
        (Subject(locality="a\u2066b"), r"U\+2066"),
        (Subject(organization_unit="a\u2028b"), r"U\+2028"),
        (Subject(common_name="\u200d\u00a0"), "nothing that can be seen"),
        (Subject(common_name="é" * 513), "longer than 1024 octets"),
    ],
)
def test_a_name_from_elsewhere_that_cannot_be_kept_is_refused(subject: Subject, said: str) -> None:
    with pytest.raises(RuleBroken, match=said):
        check_shown(subject)


def test_a_name_from_elsewhere_need_not_be_one_that_is_made_here() -> None:
    check_shown(Subject("x" * 200, "soft\u00adhyphen", country="spain", locality="\ue000"))
    check_shown(Subject())


def test_joiners_stay_in_words_that_need_them() -> None:
    subject = Subject(common_name="می\u200cخواهم")
    assert subject_of(name_of(subject)) == subject


def test_attributes_without_a_value_are_left_out() -> None:
    attributes = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "", _validate=False),
        x509.NameAttribute(NameOID.COMMON_NAME, "lamp"),
    ]
    assert checked_name(x509.Name(attributes)).rfc4514_string() == "CN=lamp"


def test_text_beyond_ascii_is_kept() -> None:
    subject = Subject("Überwachung", "é" * 64, "部門")
    assert subject_of(x509.Name.from_bytes(name_of(subject).public_bytes())) == subject


def test_a_name_of_a_request_is_kept_in_encodings_of_today() -> None:
    odd = x509.Name(
        [
            x509.RelativeDistinguishedName(
                [
                    x509.NameAttribute(NameOID.COMMON_NAME, "düs", _type=_ASN1Type.BMPString),
                    x509.NameAttribute(NameOID.SERIAL_NUMBER, "17-A"),
                ]
            ),
            x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "example")]),
            x509.RelativeDistinguishedName([x509.NameAttribute(x509.ObjectIdentifier("1.3.6.1.4.1.37244.1.1"), "01")]),
        ]
    )
    checked = checked_name(odd)
    assert checked == odd
    assert checked.public_bytes() != odd.public_bytes()
    assert "düs".encode() in checked.public_bytes()
    assert [len(rdn) for rdn in checked.rdns] == [2, 1, 1]


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ([x509.NameAttribute(NameOID.EMAIL_ADDRESS, "é@x", _type=_ASN1Type.UTF8String)], "must be ASCII"),
        ([x509.NameAttribute(NameOID.SERIAL_NUMBER, "a*b", _type=_ASN1Type.UTF8String)], "must be of letters"),
        ([x509.NameAttribute(NameOID.USER_ID, "x" * 257)], "longer than 256"),
        ([x509.NameAttribute(NameOID.USER_ID, str(n)) for n in range(33)], "more than 32 attributes"),
        ([x509.NameAttribute(NameOID.X500_UNIQUE_IDENTIFIER, b"\0", _type=_ASN1Type.BitString)], "is not text"),
    ],
)
def test_a_name_that_does_not_fit_is_refused(attributes: list[x509.NameAttribute[str]], said: str) -> None:
    with pytest.raises(RuleBroken, match=said):
        checked_name(x509.Name(attributes))


def _checked(*names: x509.GeneralName, most: int = 100, wildcards: bool = False) -> tuple[x509.GeneralName, ...]:
    return checked_names(names, kinds=NameType, most=most, wildcards=wildcards)


@pytest.mark.parametrize(
    "name",
    [
        x509.DNSName("a"),
        x509.DNSName("a.example.com"),
        x509.DNSName("_mqtt.Example.com"),
        x509.DNSName("xn--bcher-kva.example"),
        x509.DNSName(".".join(["a" * 63] * 3 + ["a" * 61])),
        x509.RFC822Name("a.b+c@example.com"),
        x509.UniformResourceIdentifier("https://user@a.example.com:8443/x?y=z#f"),
        x509.UniformResourceIdentifier("urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
        x509.UniformResourceIdentifier("spiffe://example.org/device/1"),
        x509.UniformResourceIdentifier("coaps://[2001:db8::1]/x"),
        x509.IPAddress(ip_address("10.0.0.1")),
        x509.IPAddress(ip_address("2001:db8::1")),
    ],
    ids=str,
)
def test_a_well_formed_alternative_name_passes(name: x509.GeneralName) -> None:
    assert _checked(name, name) == (name,)


@pytest.mark.parametrize(
    "name",
    [
        x509.DNSName(""),
        x509.DNSName("a..b"),
        x509.DNSName(".example.com"),
        x509.DNSName("example.com."),
        x509.DNSName("-a.com"),
        x509.DNSName("a b.com"),
        x509.DNSName("10.0.0.1"),
        x509.DNSName("a" * 64),
        x509.DNSName(".".join(["a" * 63] * 4)),
        x509.DNSName("a.*.com"),
        x509.RFC822Name._init_without_validation("example.com"),
        x509.RFC822Name._init_without_validation("a@"),
        x509.RFC822Name._init_without_validation("@example.com"),
        x509.RFC822Name._init_without_validation("a b@example.com"),
        x509.RFC822Name("x" * 65 + "@example.com"),
        x509.UniformResourceIdentifier("relative/path"),
        x509.UniformResourceIdentifier("https://"),
        x509.UniformResourceIdentifier("https://a b/"),
        x509.UniformResourceIdentifier("https://[::1/"),
        x509.UniformResourceIdentifier("https://a.com:port/"),
        x509.UniformResourceIdentifier("https://a.com/<x>"),
        x509.UniformResourceIdentifier("urn:"),
        x509.UniformResourceIdentifier("1x:y"),
        x509.UniformResourceIdentifier("urn:" + "x" * 2048),
        x509.IPAddress(ip_network("10.0.0.0/8")),
    ],
    ids=lambda name: str(name)[:60],
)
def test_an_alternative_name_that_is_not_well_formed_is_refused(name: x509.GeneralName) -> None:
    with pytest.raises(RuleBroken, match="is not well formed"):
        _checked(name)


def test_alternative_names_are_as_many_and_of_the_kinds_a_profile_allows() -> None:
    many = [x509.DNSName(f"a{number}.com") for number in range(101)]
    assert len(_checked(*many[:100])) == 100
    with pytest.raises(RuleBroken, match="there are 101 alternative names, at most 100"):
        _checked(*many)
    with pytest.raises(RuleBroken, match="IPAddress is not allowed"):
        checked_names([x509.IPAddress(ip_address("::1"))], kinds=[NameType.DNS], most=1, wildcards=False)
    for odd in (
        x509.DirectoryName(x509.Name([])),
        x509.RegisteredID(x509.ObjectIdentifier("1.2.3")),
        x509.OtherName(x509.ObjectIdentifier("1.2.3"), b"\x05\x00"),
    ):
        with pytest.raises(RuleBroken, match="is not allowed by the profile"):
            _checked(odd)


def test_wildcards_are_for_profiles_that_allow_them() -> None:
    wild = x509.DNSName("*.example.com")
    with pytest.raises(RuleBroken, match="is a wildcard"):
        _checked(wild)
    assert _checked(wild, wildcards=True) == (wild,)
    for bad in ("*.com", "*", "*.*.com", "a*.example.com"):
        with pytest.raises(RuleBroken, match="not well formed"):
            _checked(x509.DNSName(bad), wildcards=True)


@given(st.text(max_size=80))
def test_any_text_is_a_dns_name_or_is_not(text: str) -> None:
    if is_dns_name(text):
        assert x509.DNSName(text).value == text
        assert text.isascii()


def _check(constraints: NameConstraints, *names: x509.GeneralName, subject: Subject | None = None) -> None:
    value = constraints_of(constraints)
    assert value is not None
    check_names([value], name_of(subject or Subject()), names)


_DNS, _MAIL, _URI = x509.DNSName, x509.RFC822Name, x509.UniformResourceIdentifier


def _ip(text: str) -> x509.IPAddress:
    return x509.IPAddress(ip_address(text))


# Constraints, then names that pass, then names that do not.
CASES: list[tuple[NameConstraints, list[x509.GeneralName], list[x509.GeneralName]]] = [
    (
        NameConstraints(permitted_dns=("example.com",)),
        [_DNS("example.com"), _DNS("A.B.Example.com"), _ip("10.0.0.1"), _MAIL("a@b.c")],
        [_DNS("example.net"), _DNS("badexample.com"), _DNS("com")],
    ),
    (
        NameConstraints(permitted_dns=("example.com",), excluded_dns=("bad.example.com",)),
        [_DNS("good.example.com")],
        [_DNS("bad.example.com"), _DNS("very.bad.example.com")],
    ),
    (NameConstraints(permitted_dns=(".example.com",)), [_DNS("a.example.com")], [_DNS("example.com")]),
    (
        NameConstraints(permitted_email=("box@a.com", "b.com", ".c.com")),
        [_MAIL("box@A.com"), _MAIL("any@b.com"), _MAIL("any@x.c.com")],
        [_MAIL("Box@a.com"), _MAIL("any@a.com"), _MAIL("any@x.b.com"), _MAIL("any@c.com")],
    ),
    (
        NameConstraints(permitted_uri=("a.com", ".b.com")),
        [_URI("https://a.com/x"), _URI("https://u@x.B.com:1/")],
        [_URI("https://x.a.com/"), _URI("https://b.com/"), _URI("urn:x:y"), _URI("https://10.0.0.1/")],
    ),
    (
        NameConstraints(permitted_ip=("10.0.0.0/8",), excluded_ip=("10.1.0.0/16", "2001:db8::/32")),
        [_ip("10.2.3.4"), _DNS("any.where")],
        [_ip("10.1.2.3"), _ip("11.0.0.1"), _ip("2001:db8::1"), _ip("::1")],
    ),
]


@pytest.mark.parametrize("case", CASES)
def test_names_pass_or_do_not(
    case: tuple[NameConstraints, list[x509.GeneralName], list[x509.GeneralName]],
) -> None:
    constraints, good, bad = case
    _check(constraints, *good)
    for name in bad:
        with pytest.raises(RuleBroken, match="name constraints"):
            _check(constraints, name)
        with pytest.raises(RuleBroken):
            _check(constraints, *good, name)


def test_the_subject_is_a_name_too() -> None:
    constraints = NameConstraints(
        permitted_directory=(Subject(country="ES"), Subject(organization="Ikerlan", country="FR")),
        excluded_directory=(Subject(country="ES", state="Out"),),
    )
    for good in (Subject("x", country="ES"), Subject("x", "  IKERLAN ", country="FR"), Subject("x", "O", country="ES")):
        _check(constraints, subject=good)
    for bad in (Subject("x", country="DE"), Subject("x", country="FR"), Subject("x", country="ES", state="out")):
        with pytest.raises(RuleBroken, match="name constraints"):
            _check(constraints, subject=bad)
    _check(constraints)


def test_a_mail_address_in_the_subject_is_constrained() -> None:
    value = constraints_of(NameConstraints(permitted_email=("example.com",)))
    assert value is not None
    inside, outside = (
        x509.Name([x509.NameAttribute(NameOID.EMAIL_ADDRESS, f"a@{host}")]) for host in ("example.com", "example.net")
    )
    check_names([value], inside, [])
    with pytest.raises(RuleBroken):
        check_names([value], outside, [])
    check_names([value], outside, [x509.RFC822Name("b@example.com")])


def test_every_ca_of_a_chain_is_asked() -> None:
    wide, narrow = (constraints_of(NameConstraints(permitted_dns=(dns,))) for dns in ("example.com", "a.example.com"))
    assert wide is not None
    assert narrow is not None
    check_names([wide, narrow], x509.Name([]), [x509.DNSName("x.a.example.com")])
    for constraints in ([wide, narrow], [narrow, wide]):
        with pytest.raises(RuleBroken):
            check_names(constraints, x509.Name([]), [x509.DNSName("b.example.com")])


def test_a_kind_of_name_nobody_can_compare_is_refused_where_it_is_constrained() -> None:
    tree = x509.RegisteredID(x509.ObjectIdentifier("1.2"))
    with pytest.raises(RuleBroken, match="excluded"):
        check_names([x509.NameConstraints(None, [tree])], x509.Name([]), [tree])


@pytest.mark.parametrize(
    "constraints",
    [
        NameConstraints(permitted_dns=("a b",)),
        NameConstraints(permitted_dns=("",)),
        NameConstraints(excluded_email=("@example.com",)),
        NameConstraints(excluded_email=("a@b@",)),
        NameConstraints(excluded_email=("a b@example.com",)),
        NameConstraints(permitted_uri=("https://example.com",)),
        NameConstraints(permitted_ip=("10.0.0.1/8",)),
        NameConstraints(permitted_ip=("ten",)),
        NameConstraints(permitted_directory=(Subject(country="Spain"),)),
    ],
)
def test_a_constraint_that_is_none_is_refused(constraints: NameConstraints) -> None:
    with pytest.raises(RuleBroken):
        constraints_of(constraints)


def test_no_constraint_is_no_extension() -> None:
    assert constraints_of(NameConstraints()) is None
