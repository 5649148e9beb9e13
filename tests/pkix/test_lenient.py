"""What devices and older CAs write, and strict parsers refuse: read where the meaning is beyond doubt, else refused."""

import contextlib
import ssl
import subprocess
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519, padding
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from blazon.errors import Malformed
from blazon.pkix import LenientCertificate, is_signed_by, load_certificate, load_request, version_of
from blazon.pkix.ber import Element, read_element
from blazon.pkix.lenient import rewrite_certificate, rewrite_request
from tests.pkix.writing import (
    AKI,
    BASIC,
    BMP,
    COMMON_NAME,
    CONSTRAINTS,
    COUNTRY,
    FALSE,
    GENERAL,
    IA5,
    IS_CA,
    KEY,
    NUMERIC,
    ORGANIZATION,
    PRINTABLE,
    PURPOSES,
    RSA,
    SAN,
    SIGNS,
    SKI,
    T61,
    TRUE,
    UNIVERSAL,
    USAGE,
    UTF8,
    VISIBLE,
    N,
    asking,
    certificate,
    common_name,
    extension,
    integer,
    oid,
    rdn,
    request,
    rsa_request,
    seq,
    signed,
    tlv,
    wanted,
)


def strictly_refused(der: bytes) -> bool:
    """Whether `cryptography` alone refuses a request, or to decode something of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = x509.load_der_x509_csr(der)
            _ = found.subject, found.extensions, found.public_key()
        except Exception:  # noqa: BLE001 - whatever it raises
            return True
    return False


def openssl_takes(der: bytes, command: str = "req") -> bool:
    """Whether OpenSSL reads it."""
    arguments = ["openssl", command, "-inform", "DER", "-noout", "-text"]
    return subprocess.run(arguments, input=der, capture_output=True, timeout=30, check=False).returncode == 0


def common_name_of(loaded: Any) -> str:
    return str(loaded.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


NAMES = {
    "T61String as Latin-1": (T61, "Sensor Süd".encode("latin-1"), "Sensor Süd"),
    "T61String that ends in Latin-1": (T61, "Café".encode("latin-1"), "Café"),
    "PrintableString with an underscore": (PRINTABLE, b"eui48_68_27", "eui48_68_27"),
    "PrintableString with @ * &": (PRINTABLE, b"*.a@b & c", "*.a@b & c"),
    "PrintableString with Latin-1": (PRINTABLE, "Vitório".encode("latin-1"), "Vitório"),
    "PrintableString with UTF-8": (PRINTABLE, "Vitório".encode(), "Vitório"),
    "IA5String with Latin-1": (IA5, "Süd".encode("latin-1"), "Süd"),
    "VisibleString with UTF-8": (VISIBLE, "Süd".encode(), "Süd"),
    "NumericString with letters": (NUMERIC, b"12-ab", "12-ab"),
    "GeneralString": (GENERAL, b"lamp", "lamp"),
    "GraphicString": (0x19, b"lamp", "lamp"),
    "VideotexString": (0x15, b"lamp", "lamp"),
    "UTF8String with Latin-1": (UTF8, "Süd 1".encode("latin-1"), "Süd 1"),
}


@pytest.mark.parametrize("case", NAMES)
def test_text_of_the_wrong_type_is_read(case: str) -> None:
    tag, octets, text = NAMES[case]
    der = request(seq(rdn(COMMON_NAME, tag, octets)))
    assert strictly_refused(der) or tag in (T61, VISIBLE, NUMERIC)
    loaded = load_request(der)
    assert common_name_of(loaded.strict) == text
    assert loaded.is_signature_valid
    found = load_certificate(certificate(subject=seq(rdn(COMMON_NAME, tag, octets))))
    assert common_name_of(found) == text
    assert is_signed_by(found, KEY.public_key())


@pytest.mark.parametrize(("tag", "octets"), [(BMP, "Süd".encode("utf-16-be")), (UNIVERSAL, "Süd".encode("utf-32-be"))])
def test_wide_text_is_read_beside_something_else_that_is_odd(tag: int, octets: bytes) -> None:
    """Alone `cryptography` reads it; here it comes after what it does not read."""
    der = request(seq(rdn(ORGANIZATION, PRINTABLE, b"a_b"), rdn(COMMON_NAME, tag, octets)))
    assert common_name_of(load_request(der).strict) == "Süd"


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        (seq(rdn(COMMON_NAME, UTF8, "Süd ".encode() + b"S\xfcd")), "the subject's common name: it is neither UTF-8"),
        (seq(rdn(ORGANIZATION, UTF8, "Grüße".encode()[:3])), "the subject's organization: it is neither UTF-8"),
        (seq(rdn(COMMON_NAME, BMP, b"abc")), "common name: its characters are not of 2 octets each"),
        (seq(rdn(COMMON_NAME, UNIVERSAL, b"lamp!")), "common name: its characters are not of 4 octets each"),
        (seq(rdn(COMMON_NAME, 0x02, b"\x05")), "the subject's common name: it is not text"),
        (seq(rdn("1.2.3.4", 0x02, b"\x05")), "the subject's 1.2.3.4: it is not text"),
        (seq(seq(oid(COMMON_NAME), tlv(UTF8, b"x"))), "the subject: a set of attributes should stand here"),
        (seq(tlv(0x31, seq(oid(COMMON_NAME)))), "the subject: an attribute is a type and a value"),
        (tlv(0x31, rdn(COMMON_NAME, UTF8, b"x")), "is not|should stand|no kind"),
    ],
)
def test_text_in_doubt_is_refused_with_the_place(subject: bytes, said: str) -> None:
    with pytest.raises(Malformed, match=said):
        load_request(request(subject))


def test_attributes_without_a_value_are_left_out() -> None:
    empty = seq(rdn(COUNTRY, PRINTABLE, b""), rdn(COMMON_NAME, PRINTABLE, b"a_b"), rdn(ORGANIZATION, UTF8, b""))
    assert [each.rfc4514_string() for each in load_request(request(empty)).strict.subject.rdns] == ["CN=a_b"]


def test_attributes_out_of_order_are_read() -> None:
    both = tlv(0x31, seq(oid(ORGANIZATION), tlv(UTF8, b"zz")) + seq(oid(COMMON_NAME), tlv(UTF8, b"a")))
    assert common_name_of(load_request(request(seq(both))).strict) == "a"


REQUESTS = {
    "no attributes": request(attributes=b""),
    "attributes that say they are primitive": request(attributes=b"\x80\x00"),
    "no version": request(version=b""),
    "a version without octets": request(version=b"\x02\x00"),
    "version 1": request(version=integer(1)),
    "version 2": request(version=integer(2)),
    "a padded version": request(version=b"\x02\x02\x00\x00"),
    "an attribute without values": request(attributes=tlv(0xA0, seq(oid("1.2.840.113549.1.9.14"), tlv(0x31, b"")))),
    "attributes out of order": request(
        attributes=tlv(
            0xA0,
            seq(oid("1.2.840.113549.1.9.7"), tlv(0x31, tlv(UTF8, b"zz")))
            + seq(oid("1.2.840.113549.1.9.2"), tlv(0x31, tlv(UTF8, b"a"))),
        )
    ),
    "ECDSA with NULL": request(algorithm=seq(oid("1.2.840.10045.4.3.2"), b"\x05\x00")),
    "an open length": request(wrap=lambda content: b"\x30\x80" + content + b"\0\0"),
    "a length of five octets": request(
        wrap=lambda content: b"\x30\x84" + len(content).to_bytes(4, "big") + content,
    ),
}


@pytest.mark.parametrize("case", REQUESTS)
def test_an_odd_request_is_read(case: str) -> None:
    loaded = load_request(REQUESTS[case])
    assert common_name_of(loaded.strict) == "lamp"
    assert loaded.is_signature_valid
    assert strictly_refused(REQUESTS[case])


def _forged(der: bytes) -> bytes:
    return der.replace(b"lamp", b"dump")


@pytest.mark.parametrize("case", REQUESTS)
def test_a_signature_is_checked_over_the_octets_as_they_stood(case: str) -> None:
    assert not load_request(_forged(REQUESTS[case])).is_signature_valid


EXTENSIONS: dict[str, tuple[bytes, Callable[[x509.Extensions], Any], Any]] = {
    "critical FALSE written out": (
        extension(SAN, seq(tlv(0x82, b"a.example.com")), FALSE),
        lambda found: found.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
            x509.DNSName
        ),
        ["a.example.com"],
    ),
    "cA FALSE written out": (
        extension(BASIC, seq(FALSE)),
        lambda found: found.get_extension_for_class(x509.BasicConstraints).value.ca,
        False,
    ),
    "TRUE as 1": (
        extension(BASIC, seq(b"\x01\x01\x01")),
        lambda found: found.get_extension_for_class(x509.BasicConstraints).value.ca,
        True,
    ),
    "a path length without a CA": (
        extension(BASIC, seq(FALSE, integer(0))),
        lambda found: found.get_extension_for_class(x509.BasicConstraints).value,
        x509.BasicConstraints(False, None),
    ),
    "unused bits that are set": (
        extension(USAGE, b"\x03\x02\x05\xbf"),
        lambda found: found.get_extension_for_class(x509.KeyUsage).value.digital_signature,
        True,
    ),
    "encipherOnly without keyAgreement": (
        extension(USAGE, b"\x03\x02\x00\x81"),
        lambda found: found.get_extension_for_class(x509.KeyUsage).value.digital_signature,
        True,
    ),
    "the same twice": (extension(BASIC, seq()) * 2, len, 1),
    "usages that are none": (extension(USAGE, b"\x03\x02\x00\x00") + extension(BASIC, seq(FALSE)), len, 1),
    "no extended key usage": (extension(PURPOSES, seq()), len, 0),
    "no names": (extension(SAN, seq()) + extension(BASIC, seq(FALSE)), len, 1),
    "what nobody looks at and cannot be decoded": (
        extension("2.5.29.32", b"zz") + extension(BASIC, seq(FALSE)),
        len,
        1,
    ),
    "a value in pieces": (
        seq(oid(BASIC), tlv(0x24, tlv(4, b"\x30\x03\x01") + tlv(4, b"\x01\xff"))),
        lambda found: found.get_extension_for_class(x509.BasicConstraints).value.ca,
        True,
    ),
    "a DNS name in pieces": (
        extension(SAN, seq(tlv(0xA2, tlv(4, b"a.exam") + tlv(4, b"ple.com")))),
        lambda found: found.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
            x509.DNSName
        ),
        ["a.example.com"],
    ),
}


@pytest.mark.parametrize("case", EXTENSIONS)
def test_odd_extensions_of_a_request_are_read(case: str) -> None:
    extensions, find, value = EXTENSIONS[case]
    loaded = load_request(asking(extensions))
    assert find(loaded.strict.extensions) == value
    assert loaded.is_signature_valid


def test_extensions_asked_for_in_two_places_are_read_together() -> None:
    """FortiGate writes the same list under both identifiers; `cryptography` looks at the first list alone."""
    microsoft = "1.3.6.1.4.1.311.2.1.14"
    names, usage = extension(SAN, seq(tlv(0x82, b"a.example.com"))), extension(USAGE, b"\x03\x02\x07\x80")
    for attributes in (
        wanted(names, usage) + wanted(names, usage, kind=microsoft),
        wanted(names) + wanted(usage, kind=microsoft),
        wanted(names) + wanted(usage),
    ):
        assert len(load_request(request(attributes=tlv(0xA0, attributes))).strict.extensions) == 2
    other = extension(SAN, seq(tlv(0x82, b"b.example.com")))
    with pytest.raises(Malformed, match="the extension subjectAltName: it is there twice, and the two are different"):
        load_request(request(attributes=tlv(0xA0, wanted(names) + wanted(other))))


NO_CA = extension(BASIC, seq(FALSE))


@pytest.mark.parametrize(
    ("extensions", "said"),
    [
        (extension(SAN, seq(tlv(0x82, "süd.example.com".encode("latin-1")))), "subjectAltName: a DNS name, mail"),
        (extension(SAN, seq(tlv(0x87, b"10.0.0.1 "))), "subjectAltName: an IP address has 4 or 16 octets, not 9"),
        (extension(SAN, seq(tlv(UTF8, b"a.example.com"))), "subjectAltName: it has a name without a tag"),
        (extension(SAN, b"a.example.com"), "subjectAltName: its value cannot be read"),
        (
            extension(SAN, seq(tlv(0xA3, seq()))) + NO_CA,
            "subjectAltName: it has a name of a kind that is not supported",
        ),
        (extension(SAN, seq(tlv(0x84, b"x"))) + NO_CA, "subjectAltName: it has a name of a kind that is not supported"),
        (extension(BASIC, seq(TRUE)) + extension(BASIC, seq()), "basicConstraints: it is there twice"),
        (extension(BASIC, seq(TRUE, b"\x04\x00")), "basicConstraints: something unknown stands in it"),
        (extension(USAGE, b"\x03\x02\x09\x80"), "keyUsage: this is not a bit string"),
        (seq(oid(BASIC), b"\x03\x03\x00\x30\x00"), "basicConstraints: an octet string should stand here"),
        (seq(oid(BASIC)), "basicConstraints: it is not an identifier"),
        (seq(b"\x06\x02\x80\x01", tlv(4, b"")), "the requested extensions: this is not an object identifier"),
    ],
)
def test_extensions_in_doubt_are_refused_with_the_place(extensions: bytes, said: str) -> None:
    with pytest.raises(Malformed, match=said):
        load_request(asking(extensions))


@pytest.mark.parametrize(
    ("der", "said"),
    [
        (request(version=integer(7)), "the certificate request's version: 7 is none"),
        (request(attributes=b"\xa0\x00\x05\x00"), "a subject, a public key and attributes should stand in it"),
        (request(attributes=tlv(0x31, b"")), "the attributes: a set of attributes should stand here"),
        (request(attributes=tlv(0xA0, tlv(0x31, b""))), "the attributes: an attribute is a type and a set"),
        (request(attributes=b"")[:-1], "the certificate request cannot be read: the element at octet 0 is cut short"),
        (request(attributes=b"") + b"\0", "1 octet too many follow"),
        (seq(b"\x30\x00", b"\x30\x00"), "it should be what is signed, an algorithm and a signature"),
        (
            request(key_info=seq(seq(oid("1.2.840.10045.2.1")), b"\x03\x02\x04\x10")),
            "the public key: it is not of whole",
        ),
    ],
)
def test_requests_in_doubt_are_refused_with_the_place(der: bytes, said: str) -> None:
    with pytest.raises(Malformed, match=said):
        load_request(der)


@pytest.mark.parametrize(
    "modulus", [tlv(2, N), tlv(2, b"\0\0" + N), tlv(2, b"\0" + N)], ids=["negative", "padded", "plain"]
)
@pytest.mark.parametrize("parameters", [b"", b"\x05\x00"], ids=["none", "NULL"])
def test_an_odd_rsa_key_is_read(modulus: bytes, parameters: bytes) -> None:
    loaded = load_request(rsa_request(seq(oid("1.2.840.113549.1.1.1"), parameters), modulus))
    assert loaded.strict.public_key() == RSA.public_key()
    assert loaded.is_signature_valid


def test_an_edwards_key_with_parameters_is_read() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    kind = seq(oid("1.3.101.112"), b"\x05\x00")
    content = seq(b"\x02\x01\x00", common_name(), seq(kind, tlv(3, b"\0" + raw)), b"\xa0\x00")
    loaded = load_request(seq(content, kind, tlv(3, b"\0" + key.sign(content))))
    assert loaded.strict.public_key() == key.public_key()
    assert loaded.is_signature_valid


def test_pss_with_its_defaults_written_out_is_read() -> None:
    sha256 = seq(oid("2.16.840.1.101.3.4.2.1"), b"\x05\x00")
    mask = seq(oid("1.2.840.113549.1.1.8"), sha256)
    parameters = seq(tlv(0xA0, sha256), tlv(0xA1, mask), tlv(0xA2, integer(32)), tlv(0xA3, integer(1)))
    algorithm = seq(oid("1.2.840.113549.1.1.10"), parameters)
    info = RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    content = seq(b"\x02\x01\x00", seq(rdn(COMMON_NAME, PRINTABLE, b"a_b")), info, b"\xa0\x00")
    signature = RSA.sign(content, padding.PSS(padding.MGF1(SHA256()), 32), SHA256())
    assert load_request(seq(content, algorithm, tlv(3, b"\0" + signature))).is_signature_valid


TIMES = {
    "without seconds": (tlv(0x17, b"2501020304Z"), datetime(2025, 1, 2, 3, 4, tzinfo=UTC)),
    "with an offset": (tlv(0x17, b"250102030405+0130"), datetime(2025, 1, 2, 1, 34, 5, tzinfo=UTC)),
    "with a negative offset": (tlv(0x17, b"2501022304-0100"), datetime(2025, 1, 3, 0, 4, tzinfo=UTC)),
    "of the last century": (tlv(0x17, b"7501020304Z"), datetime(1975, 1, 2, 3, 4, tzinfo=UTC)),
    "with parts of a second": (tlv(0x18, b"20250102030405.357Z"), datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)),
    "generalized without seconds": (tlv(0x18, b"202501020304Z"), datetime(2025, 1, 2, 3, 4, tzinfo=UTC)),
    "with a long year in a UTCTime": (tlv(0x17, b"20250102030405Z"), datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)),
}
END = tlv(0x18, b"20600101000000Z")


@pytest.mark.parametrize("case", TIMES)
def test_odd_times_are_read(case: str) -> None:
    begin, moment = TIMES[case]
    found = load_certificate(certificate(validity=seq(begin, END)))
    assert isinstance(found, LenientCertificate)
    assert found.not_valid_before_utc == moment
    assert is_signed_by(found, KEY.public_key())


@pytest.mark.parametrize(
    "text", [b"250102030405", b"250230000000Z", b"2501Z", b"250102030460Z", b"250102030405+9900", b"\xff" * 13, b""]
)
def test_times_in_doubt_are_refused(text: bytes) -> None:
    with pytest.raises(Malformed, match=r"the validity: .* is not a time in UTC"):
        load_certificate(certificate(validity=seq(tlv(0x17, text), END)))


POLICIES = extension(
    "2.5.29.32", seq(seq(oid("1.2.3"), seq(seq(oid("1.3.6.1.5.5.7.2.2"), seq(tlv(VISIBLE, b"ra\xedz"))))))
)
CERTIFICATES = {
    "critical FALSE": certificate(extension(SKI, tlv(4, bytes(20)), FALSE), IS_CA, SIGNS),
    "cA FALSE": certificate(extension(BASIC, seq(FALSE))),
    "version 1 written out": certificate(version=b"\xa0\x03\x02\x01\x00"),
    "version 2": certificate(version=b"\xa0\x03\x02\x01\x01"),
    "version 4": certificate(IS_CA, version=b"\xa0\x03\x02\x01\x03"),
    "a padded serial number": certificate(serial=b"\x02\x03\x00\x00\x05"),
    "a policy that cannot be decoded": certificate(IS_CA, POLICIES),
    "an alternative name that cannot be decoded": certificate(IS_CA, extension(SAN, seq(tlv(0xA3, seq())))),
    "a tag of three octets": certificate(
        IS_CA, extension("1.2.3.4", b"\x1f\x85\x01\x00"), extension(SKI, tlv(4, bytes(20)), FALSE)
    ),
    "a serial number without its issuer": certificate(
        extension(AKI, seq(tlv(0x80, bytes(20)), tlv(0x82, b"\x05"))), IS_CA
    ),
    "a minimum written out": certificate(
        extension(CONSTRAINTS, seq(tlv(0xA0, seq(tlv(0x82, b"example.com"), tlv(0x80, b"\0")))), TRUE), IS_CA
    ),
    "ECDSA with NULL": certificate(algorithm=seq(oid("1.2.840.10045.4.3.2"), b"\x05\x00")),
    "no extensions in their place and a unique identifier": certificate(
        after=tlv(0x81, b"\0abc"), serial=b"\x02\x02\x00\x05"
    ),
}


@pytest.mark.parametrize("case", CERTIFICATES)
def test_an_odd_certificate_is_read(case: str) -> None:
    der = CERTIFICATES[case]
    found = load_certificate(der)
    assert isinstance(found, LenientCertificate)
    assert (common_name_of(found), found.serial_number) == ("lamp", 5)
    assert found.public_bytes(Encoding.DER) == der
    assert ssl.PEM_cert_to_DER_cert(found.public_bytes(Encoding.PEM).decode()) == der
    assert is_signed_by(found, KEY.public_key())
    assert not is_signed_by(load_certificate(der.replace(b"lamp", b"dump")), KEY.public_key())
    assert openssl_takes(der, "x509") or b"\x02\x02\x00\x05" in der or b"\x02\x03\x00\x00\x05" in der


def test_versions_are_told() -> None:
    assert version_of(load_certificate(certificate(IS_CA))) == 3
    assert version_of(load_certificate(certificate(version=b""))) == 1
    assert version_of(load_certificate(CERTIFICATES["version 2"])) == 2
    assert version_of(load_certificate(CERTIFICATES["version 4"])) == 4


@pytest.mark.parametrize(
    ("der", "said"),
    [
        (certificate(IS_CA, extension("2.5.29.32", b"zz", TRUE)), "extension 2.5.29.32: it is critical and cannot be"),
        (certificate(extension(PURPOSES, seq())), "extKeyUsage: it is empty"),
        (certificate(serial=b"\x02\x00"), "the serial number: the number has no octets"),
        (
            certificate(
                extension(CONSTRAINTS, seq(tlv(0xA0, seq(tlv(0x82, b"a.de"), tlv(0x80, b"\1")))), TRUE),
                extension(BASIC, seq(FALSE)),
            ),
            "nameConstraints: a subtree has a minimum",
        ),
        (certificate(after=b"\x05\x00", serial=b"\x02\x02\x00\x05"), "something unknown follows the public key"),
        (
            signed(seq(integer(5), seq(oid("1.2.840.113549.1.1.11")), *(common_name(),) * 4)),
            "the signature algorithm: it is another one inside than outside",
        ),
    ],
)
def test_certificates_in_doubt_are_refused_with_the_place(der: bytes, said: str) -> None:
    with pytest.raises(Malformed, match=said):
        load_certificate(der)


def test_a_signature_that_is_not_of_whole_octets_is_refused() -> None:
    """A last bit that is zero may be left out of a BIT STRING: one signature could be written in two ways."""
    while True:
        der = request()
        if not der[-1] & 1:
            break
    at = len(der) - len(x509.load_der_x509_csr(der).signature) - 1
    with pytest.raises(Malformed, match="the signature: it is not of whole octets"):
        load_request(der[:at] + b"\1" + der[at + 1 :])


STRICT_REQUEST = asking(extension(SAN, seq(tlv(0x82, b"a.example.com"))), extension(USAGE, b"\x03\x02\x07\x80", TRUE))
STRICT = certificate(
    IS_CA,
    SIGNS,
    extension(SKI, tlv(4, bytes(20))),
    extension(AKI, seq(tlv(0x80, bytes(20)))),
    extension(PURPOSES, seq(oid("1.3.6.1.5.5.7.3.1"))),
    extension(SAN, seq(tlv(0x82, b"a.example.com"), tlv(0x87, bytes(4)), tlv(0xA4, common_name()))),
    extension(CONSTRAINTS, seq(tlv(0xA0, seq(tlv(0x82, b"example.com")))), TRUE),
    extension("1.2.3.4", b"anything"),
)


def test_what_is_strict_is_rewritten_as_it_is() -> None:
    assert rewrite_certificate(STRICT).der == STRICT
    assert not isinstance(load_certificate(STRICT), LenientCertificate)
    rewritten = rewrite_request(STRICT_REQUEST)
    assert rewritten.der == STRICT_REQUEST.replace(TRUE, b"") or load_request(rewritten.der)
    plain = asking(extension(SAN, seq(tlv(0x82, b"a.example.com"))))
    assert rewrite_request(plain).der == plain


def _written(element: Element, draw: Callable[[st.SearchStrategy[Any]], Any]) -> bytes:
    """An element in BER of some kind."""
    if element.constructed:
        content = b"".join(_written(part, draw) for part in element.parts)
        if draw(st.booleans()):
            return bytes((element.tag, 0x80)) + content + b"\0\0"
    else:
        content = element.content
        if element.tag in (4, UTF8) and len(content) > 1 and draw(st.booleans()):
            at = draw(st.integers(1, len(content) - 1))
            content = tlv(element.tag, content[:at]) + tlv(element.tag, content[at:])
            return tlv(element.tag | 0x20, content)
        if element.tag == 1 and content == b"\xff":
            content = bytes((draw(st.integers(1, 255)),))
    size = draw(st.integers(4, 6))
    if draw(st.booleans()):
        return bytes((element.tag, 0x80 | size)) + len(content).to_bytes(size, "big") + content
    return tlv(element.tag, content)


@given(st.data())
def test_any_ber_of_a_certificate_is_rewritten_as_its_der(data: st.DataObject) -> None:
    assert rewrite_certificate(_written(read_element(STRICT), data.draw)).der == STRICT


@given(st.data())
def test_any_ber_of_a_request_is_rewritten_as_its_der(data: st.DataObject) -> None:
    plain = asking(extension(SAN, seq(tlv(0x82, b"a.example.com"))))
    assert rewrite_request(_written(read_element(plain), data.draw)).der == plain


@given(st.sampled_from([STRICT, *CERTIFICATES.values()]), st.integers(0, 2000), st.integers(0, 255))
def test_a_changed_octet_of_a_certificate_is_read_or_refused(der: bytes, position: int, octet: int) -> None:
    changed = bytearray(der)
    changed[position % len(der)] = octet
    with contextlib.suppress(Malformed):
        assert load_certificate(bytes(changed)).public_bytes(Encoding.DER) == bytes(changed)


@given(st.sampled_from([STRICT_REQUEST, *REQUESTS.values()]), st.integers(0, 2000), st.integers(0, 255))
def test_a_changed_octet_of_a_request_is_refused_or_breaks_the_signature(der: bytes, position: int, octet: int) -> None:
    """Every octet is under the signature, or part of it, or of how it was made."""
    changed = bytearray(der)
    changed[position % len(der)] = octet
    if bytes(changed) == der:
        return
    with contextlib.suppress(Malformed):
        loaded = load_request(bytes(changed))
        assert loaded.signed == rewrite_request(der).signed or not loaded.is_signature_valid


def test_openssl_takes_what_is_taken_here() -> None:
    """The measure of kindness. Of versions, which say nothing in a request, more is read than OpenSSL reads."""
    refused = {case for case, der in REQUESTS.items() if not openssl_takes(der)}
    assert refused == {"no version", "a padded version", "a version without octets"}
