"""Reading what others send: one object of the kind that is wanted; what is weak or forged is refused."""

import base64
import contextlib
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, mldsa, rsa, x25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID
from hypothesis import example, given
from hypothesis import strategies as st

from blazon.ca.x509 import (
    from_base64,
    pem_of,
    read_certificate,
    read_certificates,
    read_csr,
    read_private_key,
)
from blazon.ca.x509.reading import loaded_certificates
from blazon.engines import KeySpec, KeyType, PrivateKey
from blazon.errors import Malformed, RequestError, RuleBroken
from blazon.pkix.ber import primitive, read_element, sequence
from tests.ca.x509.support import csr, key, names, openssl, software
from tests.pkix.writing import N, oid, rsa_request, seq, tlv

CERTIFICATE = software().sub.certificate
PEM = pem_of(CERTIFICATE).encode()
DER = CERTIFICATE.public_bytes(Encoding.DER)
CSR = csr(names("a.example.com"))
CSR_DER = x509.load_pem_x509_csr(CSR).public_bytes(Encoding.DER)


def _flip(data: bytes, position: int, bit: int) -> bytes:
    changed = bytearray(data)
    changed[position % len(data)] ^= 1 << bit
    return bytes(changed)


@pytest.mark.parametrize(
    "data",
    [PEM, DER, b"\n\n" + PEM + b" \n", PEM.replace(b"\n", b"\r\n"), PEM.replace(b"CERT", b"X509 CERT"), PEM[:-1]],
)
def test_a_certificate_is_read_from_pem_and_der(data: bytes) -> None:
    assert read_certificate(data) == CERTIFICATE


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"text", "this is text without a PEM block"),
        (DER + b"junk", "what follows it is none"),
        (DER[:-1], "is cut short"),
        (PEM + pem_of(software().root.certificate).encode(), "there are 2 certificates; give one"),
        (PEM[:-20], "has no line -----END CERTIFICATE-----"),
        (CSR, "is a certificate request, not a certificate"),
        (b"-----BEGIN CERTIFICATE-----\n\n-----END CERTIFICATE-----\n", "the certificate cannot be read"),
        (b"-----BEGIN CERTIFICATE-----\nMAMCAQU=\n-----END CERTIFICATE-----\n", "should be what is signed"),
        (b"\0" * 300_000, "larger than"),
        (b"-----" + b"A" * 300_000, "larger than"),
        (b"\xff" * 50, "binary data"),
    ],
)
def test_a_broken_certificate_is_malformed(data: bytes, said: str) -> None:
    with pytest.raises(Malformed, match=said):
        read_certificate(data)


@given(st.integers(0, 10_000), st.integers(0, 7))
def test_a_certificate_with_a_flipped_bit_is_read_or_malformed(position: int, bit: int) -> None:
    """Whatever is wrong, it shows here, as an error of the caller, and never as a warning."""
    for data in (_flip(DER, position, bit), _flip(PEM, position, bit)):
        with contextlib.suppress(Malformed):
            assert read_certificate(data).serial_number > 0


@given(st.binary(max_size=300))
@example(b"-----BEGIN CERTIFICATE-----\n" + b"=" * 8 + b"\n-----END CERTIFICATE-----")
@example(b"-----BEGIN CERTIFICATE-----")
def test_no_bytes_make_reading_fail_otherwise(data: bytes) -> None:
    for read in (read_certificate, read_certificates, read_csr, read_private_key):
        with pytest.raises(RequestError):
            read(data)  # type: ignore[operator]


def with_serial(content: bytes) -> bytes:
    """The certificate with another serial number; its signature fits no more."""
    info = read_element(DER).parts[0]
    changed = [primitive(2, content) if part is info.parts[1] else part for part in info.parts]
    return sequence(sequence(*changed), *read_element(DER).parts[1:]).encoded()


@pytest.mark.parametrize(
    ("content", "serial"), [(b"\0", 0), (b"\xfb", -5), (b"\x7f" + bytes(63), 0x7F << 504), (b"\0" * 9 + b"\5", 5)]
)
def test_odd_serial_numbers_are_read(content: bytes, serial: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_certificate(with_serial(content)).serial_number == serial


def test_a_serial_number_that_could_not_be_asked_for_is_malformed() -> None:
    with pytest.raises(Malformed, match="serial number has 65 octets; RFC 5280 allows 20"):
        read_certificate(with_serial(b"\0\xff" + bytes(63)))


def test_a_chain_is_read_in_its_order() -> None:
    root = software().root.certificate
    chain = PEM + b"\n" + pem_of(root).encode()
    assert read_certificates(chain) == [CERTIFICATE, root]
    assert read_certificates(DER) == [CERTIFICATE]
    assert read_certificates(PEM + b"junk" + PEM) == [CERTIFICATE]
    with pytest.raises(Malformed, match="there are 17 certificates, more than 16"):
        loaded_certificates([DER] * 17)


@pytest.mark.parametrize("data", [CSR, CSR_DER, CSR.replace(b"CERTIFICATE REQ", b"NEW CERTIFICATE REQ")])
def test_a_request_is_read_from_pem_and_der(data: bytes) -> None:
    request = read_csr(data)
    assert request.subject.rfc4514_string() == "CN=device-1"
    assert request.public_key == key().public_key()
    assert request.extensions.get_extension_for_class(x509.SubjectAlternativeName)


@pytest.mark.parametrize(
    "private_key",
    [
        rsa.generate_private_key(65537, 2048),
        ec.generate_private_key(ec.SECP521R1()),
        ed25519.Ed25519PrivateKey.generate(),
        mldsa.MLDSA65PrivateKey.generate(),
    ],
    ids=lambda each: type(each).__name__,
)
def test_requests_of_every_kind_of_key_are_read_and_a_forged_one_is_refused(private_key: PrivateKey) -> None:
    data = x509.load_pem_x509_csr(csr(private_key=private_key)).public_bytes(Encoding.DER)
    assert read_csr(data).public_key == private_key.public_key()
    for forged in (_flip(data, len(data) - 3, 1), data.replace(b"device-1", b"device-2")):
        with pytest.raises(RequestError, match=r"not signed by the key in it|cannot be read"):
            read_csr(forged)


@given(st.integers(0, 10_000), st.integers(0, 7))
def test_a_request_with_a_flipped_bit_is_refused(position: int, bit: int) -> None:
    """Every bit is under the signature, or part of it."""
    with pytest.raises(RequestError):
        read_csr(_flip(CSR_DER, position, bit))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (CSR_DER + b"junk", "what follows it is none"),
        (CSR_DER[:-1], "is cut short"),
        (PEM, "is a certificate, not a certificate request"),
        (CSR + CSR, "there are 2 certificate requests; give one"),
        (b"", "is empty"),
    ],
)
def test_a_broken_request_is_malformed(data: bytes, said: str) -> None:
    with pytest.raises(Malformed, match=said):
        read_csr(data)


def test_a_signature_is_of_whole_octets() -> None:
    """A last bit that is zero may be left out of a BIT STRING, and nothing else would notice."""
    while True:
        der = x509.load_pem_x509_csr(csr()).public_bytes(Encoding.DER)
        if not der[-1] & 1:
            break
    at = len(der) - len(x509.load_der_x509_csr(der).signature) - 1
    assert der[at] == 0
    assert read_csr(der)
    with pytest.raises(Malformed, match="the signature: it is not of whole octets"):
        read_csr(der[:at] + b"\1" + der[at + 1 :])


def test_a_request_with_a_weak_hash_or_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    request = tmp_path / "request"
    made = ("-nodes", "-keyout", "/dev/null", "-out", request, "-subj", "/CN=old")
    openssl("req", "-newkey", "rsa:2048", "-sha1", *made)
    with pytest.raises(RuleBroken, match="hash that is broken"):
        read_csr(request.read_bytes())
    with pytest.raises(RuleBroken, match="kind of key is not supported"):
        read_csr(builder.sign(dsa.generate_private_key(2048), SHA256()).public_bytes(Encoding.DER))
    with pytest.raises(RuleBroken, match="curve secp256k1 is not supported"):
        read_csr(builder.sign(ec.generate_private_key(ec.SECP256K1()), SHA256()).public_bytes(Encoding.DER))


@pytest.mark.parametrize("parameters", [b"", b"\5\0"], ids=["none", "NULL"])
@pytest.mark.parametrize(
    "modulus", [tlv(2, N), tlv(2, b"\0\0" + N), tlv(2, b"\0" + N)], ids=["negative", "padded", "plain"]
)
def test_an_rsa_key_is_read_however_it_is_written(modulus: bytes, parameters: bytes) -> None:
    request = read_csr(rsa_request(seq(oid("1.2.840.113549.1.1.1"), parameters), modulus))
    assert request.public_key.public_numbers().n == int.from_bytes(N, "big")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (("-algorithm", "RSA-PSS"), "bound to PSS is not supported"),
        (("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit"), ""),
    ],
    ids=["PSS", "explicit curve"],
)
def test_keys_of_other_makes(kind: tuple[str, ...], said: str, tmp_path: Path) -> None:
    openssl("genpkey", *kind, "-out", tmp_path / "key")
    openssl("req", "-new", "-key", tmp_path / "key", "-subj", "/CN=lamp", "-out", tmp_path / "csr")
    data = (tmp_path / "csr").read_bytes()
    if not said:
        assert read_csr(data).spec == KeySpec(KeyType.ECDSA, 256)
        return
    with pytest.raises(RuleBroken, match=said):
        read_csr(data)


def test_a_request_with_odd_names_is_read_without_a_warning() -> None:
    """A country of three letters, made by patching: rules of ours judge it later."""
    name = x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "ES"), x509.NameAttribute(NameOID.LOCALITY_NAME, "x")])
    data = bytearray(x509.load_pem_x509_csr(csr(subject=name)).public_bytes(Encoding.DER))
    data[data.index(b"ES") + 1] = ord("é".encode("latin-1"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RequestError):
            read_csr(bytes(data))


FORMATS = (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL)


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize(
    "private_key", [rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())], ids=["rsa", "ec"]
)
def test_a_private_key_is_read(encoding: Encoding, format_: PrivateFormat, private_key: PrivateKey) -> None:
    data = private_key.private_bytes(encoding, format_, NoEncryption())
    assert read_private_key(data).public_key() == private_key.public_key()


def test_a_private_key_that_cannot_be_used_is_refused_and_never_quoted() -> None:
    private_key = ec.generate_private_key(ec.SECP256R1())
    encrypted = private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    plain = private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    other = x25519.X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    small = rsa.generate_private_key(65537, 1024).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for data, said in (
        (encrypted, "the private key is encrypted; give its password"),
        (plain + b"junk", "what follows it is none"),
        (plain[:-1], "is cut short"),
        (PEM, "is a certificate, not a private key"),
        (other, "kind of key is not supported"),
        (small, "this one has 1024"),
    ):
        with pytest.raises(RequestError, match=said) as caught:
            read_private_key(data)
        shown = f"{caught.value} {caught.value.__cause__}"
        assert base64.b64encode(plain)[40:60].decode() not in shown


def test_the_numbers_of_an_rsa_key_are_looked_at_without_holding_everything_up() -> None:
    good = rsa.generate_private_key(65537, 4096)
    pem = good.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def seconds(read: Callable[[], object]) -> float:
        begin = time.process_time()
        read()
        return time.process_time() - begin

    ours = min(seconds(lambda: read_private_key(pem)) for _ in range(3))
    assert ours < seconds(lambda: load_pem_private_key(pem, None)) / 2

    numbers = good.private_numbers()
    der = good.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    for number in (numbers.p, numbers.q, numbers.d, numbers.dmp1, numbers.dmq1, numbers.iqmp):
        octets = number.to_bytes((number.bit_length() + 7) // 8, "big")
        with pytest.raises(Malformed, match="is damaged"):
            read_private_key(der.replace(octets, _flip(octets, len(octets) - 1, 2)))


def test_an_rsa_key_larger_than_those_of_cas_is_refused() -> None:
    large = rsa.generate_private_key(65537, 4104).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(RuleBroken, match="at most 4096 bits, this one has 4104"):
        read_private_key(large)


@pytest.mark.parametrize("text", ["*", "AAA", "AA==A", "é", "AA AA"])
def test_base64_is_strict(text: str) -> None:
    with pytest.raises(Malformed):
        from_base64(text)


@given(st.binary(max_size=50))
def test_base64_is_read(data: bytes) -> None:
    assert from_base64(base64.b64encode(data).decode()) == data
