"""Writing requests and certificates by hand, as no tool writes them: in BER, with anything anywhere, signed over it."""

from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from blazon.pkix.ber import Element

KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())

UTF8, NUMERIC, PRINTABLE, T61, IA5, VISIBLE, GENERAL, UNIVERSAL, BMP = (
    *(0x0C, 0x12, 0x13, 0x14, 0x16, 0x1A, 0x1B, 0x1C, 0x1E),
)
COMMON_NAME, ORGANIZATION, COUNTRY = "2.5.4.3", "2.5.4.10", "2.5.4.6"
SKI, USAGE, SAN, BASIC, CONSTRAINTS, AKI, PURPOSES = (f"2.5.29.{number}" for number in (14, 15, 17, 19, 30, 35, 37))


def tlv(tag: int, content: bytes) -> bytes:
    """Tag, length, content."""
    return bytes((tag,)) + Element(4, content).encoded()[1:]


def seq(*parts: bytes) -> bytes:
    """A SEQUENCE."""
    return tlv(0x30, b"".join(parts))


def integer(number: int) -> bytes:
    """An INTEGER."""
    size = (number if number >= 0 else ~number).bit_length() // 8 + 1
    return tlv(2, number.to_bytes(size, "big", signed=True))


def oid(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER."""
    first, second, *rest = map(int, dotted.split("."))
    content = b""
    for arc in (first * 40 + second, *rest):
        septets = [arc & 0x7F]
        while arc := arc >> 7:
            septets.append(arc & 0x7F | 0x80)
        content += bytes(reversed(septets))
    return tlv(6, content)


ECDSA_SHA256 = seq(oid("1.2.840.10045.4.3.2"))


def rdn(kind: str, tag: int, value: bytes) -> bytes:
    """An RDN of one attribute."""
    return tlv(0x31, seq(oid(kind), tlv(tag, value)))


def common_name(text: str = "lamp") -> bytes:
    """A name of a common name."""
    return seq(rdn(COMMON_NAME, UTF8, text.encode()))


def extension(kind: str, value: bytes, flag: bytes = b"") -> bytes:
    """An extension; `flag` is what says whether it is critical, as it is encoded."""
    return seq(oid(kind), flag, tlv(4, value))


FALSE, TRUE = b"\x01\x01\x00", b"\x01\x01\xff"
IS_CA = extension(BASIC, seq(TRUE), TRUE)
SIGNS = extension(USAGE, b"\x03\x02\x01\x06", TRUE)


def public(key: ec.EllipticCurvePrivateKey = KEY) -> bytes:
    """The key of a certificate."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def signed(content: bytes, key: ec.EllipticCurvePrivateKey = KEY, algorithm: bytes = ECDSA_SHA256) -> bytes:
    """Content with its signature."""
    return seq(content, algorithm, tlv(3, b"\0" + key.sign(content, ec.ECDSA(SHA256()))))


def wanted(*extensions: bytes, kind: str = "1.2.840.113549.1.9.14") -> bytes:
    """An attribute that asks for extensions."""
    return seq(oid(kind), tlv(0x31, seq(*extensions)))


def request(
    subject: bytes = b"",
    attributes: bytes = b"\xa0\x00",
    *,
    version: bytes = b"\x02\x01\x00",
    key_info: bytes = b"",
    wrap: Callable[[bytes], bytes] = seq,
    algorithm: bytes = ECDSA_SHA256,
) -> bytes:
    """A certificate request."""
    content = wrap(version + (subject or common_name()) + (key_info or public()) + attributes)
    return signed(content, algorithm=algorithm)


def asking(*extensions: bytes) -> bytes:
    """A certificate request for extensions."""
    return request(attributes=tlv(0xA0, wanted(*extensions)))


def certificate(
    *extensions: bytes,
    subject: bytes = b"",
    issuer: bytes = b"",
    serial: bytes = b"\x02\x01\x05",
    version: bytes = b"\xa0\x03\x02\x01\x02",
    validity: bytes = seq(tlv(0x17, b"250101000000Z"), tlv(0x18, b"20600101000000Z")),
    algorithm: bytes = ECDSA_SHA256,
    key: ec.EllipticCurvePrivateKey = KEY,
    signer: ec.EllipticCurvePrivateKey | None = None,
    key_info: bytes = b"",
    after: bytes = b"",
) -> bytes:
    """A certificate, signed by its own key unless `signer` says otherwise."""
    subject = subject or common_name()
    content = seq(
        version,
        serial,
        algorithm,
        issuer or subject,
        validity,
        subject,
        key_info or public(key),
        after,
        tlv(0xA3, seq(*extensions)) if extensions else b"",
    )
    return signed(content, signer or key, algorithm)


RSA = rsa.generate_private_key(65537, 2048)
N = RSA.public_key().public_numbers().n.to_bytes(256, "big")


def rsa_request(algorithm: bytes, modulus: bytes) -> bytes:
    """A request by an RSA key whose modulus is encoded by hand."""
    info = seq(algorithm, tlv(3, b"\0" + seq(modulus, integer(65537))))
    content = seq(b"\x02\x01\x00", common_name(), info, b"\xa0\x00")
    signature = RSA.sign(content, padding.PKCS1v15(), SHA256())
    return seq(content, seq(oid("1.2.840.113549.1.1.11"), b"\x05\x00"), tlv(3, b"\0" + signature))
