"""What people have in files: every usual form is read, and everything else is named."""

import base64
import codecs
import contextlib
import io
import subprocess
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs12,
)
from cryptography.x509 import ocsp
from hypothesis import example, given
from hypothesis import strategies as st

from blazon.errors import Malformed
from blazon.pkix import Contents, EncodedKey, read_contents, read_key
from tests.ca.support import key_pem, outside_ca

ROOT, ROOT_KEY = outside_ca("Root")
SUB, SUB_KEY = outside_ca("Sub", above=(ROOT, ROOT_KEY))
ROOT_DER, SUB_DER = (each.public_bytes(Encoding.DER) for each in (ROOT, SUB))
ROOT_PEM, SUB_PEM = (each.public_bytes(Encoding.PEM) for each in (ROOT, SUB))
CSR = x509.CertificateSigningRequestBuilder().subject_name(ROOT.subject).sign(ROOT_KEY, SHA256())
CSR_PEM, CSR_DER = CSR.public_bytes(Encoding.PEM), CSR.public_bytes(Encoding.DER)
KEY_PEM = key_pem(ROOT_KEY)
KEY_DER = ROOT_KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
BARE = base64.b64encode(SUB_DER)
WRAPPED = base64.encodebytes(SUB_DER)


def openssl(*arguments: object, data: bytes = b"") -> bytes:
    """What OpenSSL prints."""
    done = subprocess.run(["openssl", *map(str, arguments)], input=data, capture_output=True, check=True, timeout=30)
    return done.stdout


@cache
def parameters() -> bytes:
    """A key with EC PARAMETERS before it."""
    return openssl("ecparam", "-name", "prime256v1", "-genkey")


CERTIFICATE_FORMS = {
    "PEM": SUB_PEM,
    "DER": SUB_DER,
    "CRLF": SUB_PEM.replace(b"\n", b"\r\n"),
    "old Mac": SUB_PEM.replace(b"\n", b"\r"),
    "no last line feed": SUB_PEM.rstrip(),
    "UTF-8 with BOM": codecs.BOM_UTF8 + SUB_PEM,
    "UTF-16 LE with BOM": codecs.BOM_UTF16_LE + SUB_PEM.decode().encode("utf-16-le"),
    "UTF-16 BE with BOM": codecs.BOM_UTF16_BE + SUB_PEM.decode().encode("utf-16-be"),
    "UTF-16 LE": SUB_PEM.decode().encode("utf-16-le"),
    "UTF-16 BE": SUB_PEM.decode().encode("utf-16-be"),
    "text before": b"subject=CN = Sub\nissuer=CN = Root\n" + SUB_PEM,
    "text after": SUB_PEM + b"made by device 7\n",
    "Latin-1 before": "Schlüssel für Süd\n".encode("latin-1") + SUB_PEM,
    "text that begins with a zero": b"0 s:CN = Sub\n" + SUB_PEM,
    "indented": b"    " + SUB_PEM.replace(b"\n", b"\n    "),
    "on one line": SUB_PEM.replace(b"\n", b" "),
    "without any white space": SUB_PEM.replace(b"\n", b""),
    "line feeds as backslash n": SUB_PEM.replace(b"\n", b"\\n"),
    "in one long line of base64": b"-----BEGIN CERTIFICATE-----\n" + BARE + b"\n-----END CERTIFICATE-----",
    "without padding": b"-----BEGIN CERTIFICATE-----\n" + BARE.rstrip(b"=") + b"\n-----END CERTIFICATE-----",
    "X509 CERTIFICATE": SUB_PEM.replace(b"CERTIFICATE", b"X509 CERTIFICATE"),
    "bare base64": BARE,
    "bare base64 in lines": WRAPPED,
    "DER and a line feed": SUB_DER + b"\n",
    "DER in a buffer of zeros": SUB_DER + bytes(64),
    "twice": SUB_PEM + SUB_PEM,
}


@pytest.mark.parametrize("form", CERTIFICATE_FORMS)
def test_a_certificate_is_found(form: str) -> None:
    found = read_contents(CERTIFICATE_FORMS[form])
    assert found.some_certificates() == (SUB_DER,)
    assert (found.requests, found.keys) == ((), ())


def test_what_openssl_writes_is_read(tmp_path: Path) -> None:
    assert read_contents(openssl("x509", "-text", data=SUB_PEM)).certificates == (SUB_DER,)
    assert read_contents(openssl("x509", "-trustout", "-addtrust", "serverAuth", data=SUB_PEM)).certificates == (
        SUB_DER,
    )
    assert read_contents(openssl("req", "-text", data=CSR_PEM)).one_request() == CSR_DER
    assert read_contents(openssl("req", "-newhdr", data=CSR_PEM)).one_request() == CSR_DER
    assert read_contents(parameters()).one_key().encrypted is False
    for form in ("PEM", "DER"):
        (tmp_path / "both.pem").write_bytes(SUB_PEM + ROOT_PEM)
        bundle = openssl("crl2pkcs7", "-nocrl", "-certfile", tmp_path / "both.pem", "-outform", form)
        assert read_contents(bundle).certificates == (SUB_DER, ROOT_DER)
    mislabelled = openssl("crl2pkcs7", "-nocrl", "-certfile", tmp_path / "both.pem").replace(b"PKCS7", b"CERTIFICATE")
    assert read_contents(mislabelled).certificates == (SUB_DER, ROOT_DER)


def test_a_key_that_is_there_twice_is_one_key() -> None:
    assert len(read_contents(KEY_PEM + KEY_PEM + KEY_PEM.replace(b"\n", b"\r\n")).keys) == 1


def test_a_bundle_with_nothing_in_it_is_named() -> None:
    empty = openssl("crl2pkcs7", "-nocrl", "-outform", "DER")
    with pytest.raises(Malformed, match="this is a PKCS #7 bundle without a certificate, not a certificate"):
        read_contents(empty).some_certificates()
    with pytest.raises(Malformed, match="this is a file with nothing in it, not a private key"):
        Contents().one_key()


def test_bundles_are_read_in_their_order() -> None:
    found = read_contents(b"Bag Attributes\n    friendlyName: sub\n" + KEY_PEM + SUB_PEM + ROOT_PEM + parameters())
    assert found.certificates == (SUB_DER, ROOT_DER)
    assert len(found.keys) == 2
    assert read_contents(SUB_DER + ROOT_DER + KEY_DER).certificates == (SUB_DER, ROOT_DER)
    assert read_contents(ROOT_PEM + SUB_PEM).certificates == (ROOT_DER, SUB_DER)
    assert read_contents(SUB_PEM + CSR_PEM).one_request() == CSR_DER


@pytest.mark.parametrize("arguments", [(), ("-legacy",), ("-nomac",), ("-keypbe", "NONE", "-certpbe", "NONE")], ids=str)
@pytest.mark.parametrize("password", ["secret", "", "Schlüssel"])
def test_a_pkcs12_file_is_opened(tmp_path: Path, arguments: tuple[str, ...], password: str) -> None:
    for name, data in (("sub.pem", SUB_PEM), ("sub.key", key_pem(SUB_KEY)), ("root.pem", ROOT_PEM)):
        (tmp_path / name).write_bytes(data)
    made = openssl(
        *("pkcs12", "-export", "-in", tmp_path / "sub.pem", "-inkey", tmp_path / "sub.key"),
        *("-certfile", tmp_path / "root.pem", "-passout", f"pass:{password}", *arguments),
    )
    found = read_contents(made, password or None)
    assert found.certificates == (SUB_DER, ROOT_DER)
    assert read_key(found.one_key(), None).public_key() == SUB_KEY.public_key()
    if password and "-nomac" not in arguments:
        with pytest.raises(Malformed, match="PKCS #12 file needs a password; give it"):
            read_contents(made)
        with pytest.raises(Malformed, match="does not open with this password"):
            read_contents(made, "wrong")


def test_a_pkcs12_file_may_hold_certificates_alone() -> None:
    made = pkcs12.serialize_key_and_certificates(None, None, None, [ROOT, SUB], NoEncryption())
    assert set(read_contents(made).certificates) == {ROOT_DER, SUB_DER}


def _pkcs8(private_key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))


def _traditional(private_key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return private_key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"secret"))


def _der(private_key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))


def _triple_des(private_key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return openssl("pkcs8", "-topk8", "-v1", "PBE-SHA1-3DES", "-passout", "pass:secret", data=key_pem(private_key))


def _scrypt(private_key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return openssl("pkcs8", "-topk8", "-scrypt", "-passout", "pass:secret", data=key_pem(private_key))


@pytest.mark.parametrize("write", [_pkcs8, _traditional, _der, _triple_des, _scrypt])
@pytest.mark.parametrize("private_key", [ROOT_KEY, rsa.generate_private_key(65537, 2048)], ids=["ec", "rsa"])
def test_an_encrypted_key_is_opened(write: Callable[..., bytes], private_key: ec.EllipticCurvePrivateKey) -> None:
    found = read_contents(write(private_key)).one_key()
    assert found.encrypted
    assert read_key(found, "secret").public_key() == private_key.public_key()
    with pytest.raises(Malformed, match="the private key is encrypted; give its password"):
        read_key(found, None)
    with pytest.raises(Malformed, match="does not open with this password"):
        read_key(found, "wrong")


@pytest.mark.parametrize("data", [KEY_PEM, KEY_DER, parameters(), codecs.BOM_UTF8 + KEY_PEM])
def test_a_key_in_clear_is_read_whatever_the_password(data: bytes) -> None:
    for password in (None, "unneeded"):
        assert isinstance(read_key(read_contents(data).one_key(), password), ec.EllipticCurvePrivateKey)


def test_a_key_is_never_shown() -> None:
    found = read_contents(KEY_PEM)
    assert repr(found.keys[0]) == "EncodedKey(encrypted=False)"
    assert KEY_PEM[40:60].decode() not in repr(found)
    with pytest.raises(Malformed) as caught:
        read_key(EncodedKey(KEY_DER[:-4]), None)
    assert caught.value.__cause__ is None


def test_how_much_work_a_password_may_be_is_bounded() -> None:
    often = openssl("pkcs8", "-topk8", "-iter", "5000001", "-passout", "pass:x", data=KEY_PEM)
    with pytest.raises(Malformed, match="hashed more than 5000000 times"):
        read_key(read_contents(often).one_key(), "x")
    large = openssl("pkcs8", "-topk8", "-scrypt", "-passout", "pass:x", "-outform", "DER", data=KEY_PEM)
    large = large.replace(bytes.fromhex("02024000"), bytes.fromhex("02027000"))
    with pytest.raises(Malformed, match="does not open"):
        read_key(read_contents(large).one_key(), "x")
    with pytest.raises(Malformed, match="too much memory"):
        read_key(read_contents(large.replace(bytes.fromhex("020108"), bytes.fromhex("02017f"))).one_key(), "x")
    kept = openssl("pkcs12", "-export", "-nokeys", "-iter", "5000001", "-passout", "pass:x", data=SUB_PEM)
    with pytest.raises(Malformed, match="hashed more than 5000000 times"):
        read_contents(kept, "x")


def _word() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("[Content_Types].xml", "x")
        opened.writestr("word/document.xml", "x")
    return archive.getvalue()


def _openssh() -> bytes:
    return ROOT_KEY.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())


def _crl() -> bytes:
    builder = x509.CertificateRevocationListBuilder().issuer_name(ROOT.subject)
    builder = builder.last_update(ROOT.not_valid_before_utc).next_update(ROOT.not_valid_after_utc)
    return builder.sign(ROOT_KEY, SHA256()).public_bytes(Encoding.PEM)


def _ocsp_request() -> bytes:
    return ocsp.OCSPRequestBuilder().add_certificate(SUB, ROOT, SHA1()).build().public_bytes(Encoding.DER)


def _public(encoding: Encoding, form: PublicFormat) -> bytes:
    return ROOT_KEY.public_key().public_bytes(encoding, form)


OTHERS: dict[str, tuple[bytes, str]] = {
    "an OpenSSH key": (_openssh(), "an OpenSSH private key; write it as PKCS #8 with: ssh-keygen"),
    "an SSH public key": (_public(Encoding.OpenSSH, PublicFormat.OpenSSH), "an SSH public key"),
    "a public key": (_public(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), "a public key"),
    "a public key in DER": (_public(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), "a public key"),
    "a DSA key": (key_pem(dsa.generate_private_key(2048)), "a private key"),
    "a CRL": (_crl(), "a certificate revocation list"),
    "an OCSP request": (_ocsp_request(), "an OCSP request"),
    "EC parameters": (openssl("ecparam", "-name", "prime256v1"), "parameters of keys"),
    "explicit parameters": (
        openssl("ecparam", "-name", "prime256v1", "-param_enc", "explicit", "-outform", "DER"),
        "parameters of keys",
    ),
    "OpenPGP": (
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\naGk=\n-----END PGP PUBLIC KEY BLOCK-----",
        "an OpenPGP public key",
    ),
    "JKS": (bytes.fromhex("feedfeed0000000200000001"), "a JKS keystore"),
    "JCEKS": (bytes.fromhex("cececece0000000200000001"), "a JCEKS keystore"),
    "PuTTY": (b"PuTTY-User-Key-File-3: ssh-ed25519\r\n", "a PuTTY private key"),
    "Word": (_word(), "a Word document"),
    "old Word": (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600), "older Office"),
    "PDF": (b"%PDF-1.7\n", "a PDF document"),
    "an image": (b"\x89PNG\r\n\x1a\n", "an image"),
    "gzip": (b"\x1f\x8b\x08\0", "a gzip archive"),
    "a tar archive": (b"ca.pem".ljust(257, b"\0") + b"ustar\0", "a tar archive"),
    "HTML": (b"<!DOCTYPE html><html><body>Not found</body></html>", "a web page"),
    "XML": (b"<?xml version='1.0'?><key/>", "an XML document"),
    "a JWK": (b'{"kty": "EC", "crv": "P-256"}', "a JSON Web Key"),
    "JSON": (b'{"certificate": "x"}', "a JSON document"),
    "text": (b"hello", "text without a PEM block"),
    "binary": (bytes(range(200, 256)), "binary data"),
    "a serial number": (b"1000\n", "text without a PEM block"),
    "an unknown block": (b"-----BEGIN WIDGET-----\naGk=\n-----END WIDGET-----", "a PEM block WIDGET"),
    "an unknown structure": (b"\x30\x03\x02\x01\x05", "an ASN.1 structure of no kind that is known here"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_anything_else_is_named(name: str) -> None:
    data, said = OTHERS[name]
    with pytest.raises(Malformed, match=said):
        read_contents(data).one_request()


def test_what_is_wanted_and_what_is_there_are_both_named() -> None:
    with pytest.raises(Malformed, match=r"this is a certificate request, not a certificate$"):
        read_contents(CSR_PEM).some_certificates()
    with pytest.raises(Malformed, match="this is a certificate and a private key, not a certificate request"):
        read_contents(SUB_PEM + KEY_PEM).one_request()
    with pytest.raises(Malformed, match="this is 2 certificates, not a private key"):
        read_contents(SUB_PEM + ROOT_PEM).one_key()
    with pytest.raises(Malformed, match="there are 2 certificate requests; give one"):
        read_contents(CSR_PEM + CSR_PEM).one_request()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "this is empty"),
        (b" \r\n\0", "this is empty"),
        (codecs.BOM_UTF8, "this is empty"),
        (bytes(300_000), "larger than"),
        (SUB_PEM[:-20], "block CERTIFICATE in line 1 has no line -----END CERTIFICATE-----; was the file cut off"),
        (b"\n\n" + SUB_PEM[:200] + ROOT_PEM, "block CERTIFICATE in line 3 has no line"),
        (SUB_PEM.replace(b"-----END CERT", b"-----END X509 CERT"), "has no line -----END CERTIFICATE-----"),
        (SUB_PEM.replace(b"\nMII", b"\nM*I", 1), "in line 1 is not base64: line 2 holds something else"),
        (b"-----BEGIN CERTIFICATE-----\nMIIBA\n-----END CERTIFICATE-----", "is not base64: characters are missing"),
        (SUB_PEM.replace(b"-----", "—–".encode()), "BEGIN CERTIFICATE does not have five hyphens"),
        (SUB_PEM.replace(b"-----", b"----"), "BEGIN CERTIFICATE does not have five hyphens"),
        (SUB_DER[:-1], "neither PEM nor DER: the element at octet 0 is cut short: it needs 1 octet more"),
        (SUB_DER + b"junk", "this is a certificate, but what follows it is none"),
        (SUB_DER + b"\x05\x00", "this is a certificate, but it goes on with something unknown"),
        (b"-----BEGIN A-----\n-----END A-----\n" * 257, "more than 256 PEM blocks"),
        (SUB_DER * 2 + SUB_DER[:-1], "this is a certificate, but what follows it is none"),
    ],
)
def test_what_is_damaged_is_refused_with_the_place(data: bytes, said: str) -> None:
    with pytest.raises(Malformed, match=said):
        read_contents(data).one_key()


@given(st.binary(max_size=400))
@example(b"\x30\x80" * 200)
@example(b"\x30\x80\x00\x00")
@example(b"-----BEGIN CERTIFICATE-----\n" + b"=" * 8 + b"\n-----END CERTIFICATE-----")
@example(b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: X\n\nAAAA\n-----END RSA PRIVATE KEY-----")
def test_no_octets_make_it_fail_otherwise(data: bytes) -> None:
    with contextlib.suppress(Malformed):
        for key in read_contents(data, "password").keys:
            read_key(key, "password")


@given(st.sampled_from([SUB_DER, CSR_DER, KEY_DER]), st.integers(0, 2000), st.integers(0, 255))
def test_a_changed_octet_is_never_a_crash(data: bytes, position: int, octet: int) -> None:
    changed = bytearray(data)
    changed[position % len(data)] = octet
    try:
        found = read_contents(bytes(changed))
    except Malformed:
        return
    assert found.described()


_text = st.text(st.characters(codec="ascii", exclude_characters="-"), max_size=60)


@given(st.lists(st.sampled_from([SUB_DER, ROOT_DER]), min_size=1, max_size=6), st.data())
def test_whatever_stands_around_blocks_the_same_is_found(certificates: list[bytes], data: st.DataObject) -> None:
    line_feed = data.draw(st.sampled_from(["\n", "\r\n", "\r", " ", ""]))
    written = data.draw(_text)
    for certificate in certificates:
        width = data.draw(st.integers(1, 200))
        encoded = base64.b64encode(certificate).decode()
        lines = [encoded[at : at + width] for at in range(0, len(encoded), width)]
        written += line_feed.join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----"])
        written += data.draw(_text)
    found = read_contents(data.draw(st.sampled_from([b"", codecs.BOM_UTF8])) + written.encode())
    assert found.certificates == tuple(dict.fromkeys(certificates))
