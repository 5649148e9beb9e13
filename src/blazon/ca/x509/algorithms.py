"""By which algorithm a CA's key signs and how that is written down, and by what its key is known."""

import hashlib
from typing import Final

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from blazon.ca.x509.der import NULL, object_identifier, sequence
from blazon.ca.x509.extensions import extension_of
from blazon.engines import KeyType, PrivateKey, PublicKey, spec_of
from blazon.pkix import Certificate

__all__ = ["algorithm_identifier", "hash_of", "key_bits", "key_hash_of", "key_id_of", "sign_bytes"]

_CURVE_HASHES: Final[dict[int, SHA256 | SHA384 | SHA512]] = {256: SHA256(), 384: SHA384(), 521: SHA512()}
_RSA_HASH: Final = SHA256()
_LONG: Final = 64 * 1024
"""Octets: a list of a thousand revoked certificates, no certificate and no answer."""

# RFC 4055 §5 (with NULL), RFC 5758 §3.2, RFC 8410 §3, RFC 9881 §2 (all without parameters).
_IDENTIFIERS: Final = {
    (KeyType.RSA, 0): sequence(object_identifier("1.2.840.113549.1.1.11"), NULL),
    (KeyType.ECDSA, 256): sequence(object_identifier("1.2.840.10045.4.3.2")),
    (KeyType.ECDSA, 384): sequence(object_identifier("1.2.840.10045.4.3.3")),
    (KeyType.ECDSA, 521): sequence(object_identifier("1.2.840.10045.4.3.4")),
    (KeyType.ED25519, 256): sequence(object_identifier("1.3.101.112")),
    (KeyType.ML_DSA, 44): sequence(object_identifier("2.16.840.1.101.3.4.3.17")),
    (KeyType.ML_DSA, 65): sequence(object_identifier("2.16.840.1.101.3.4.3.18")),
    (KeyType.ML_DSA, 87): sequence(object_identifier("2.16.840.1.101.3.4.3.19")),
}


def hash_of(public_key: PublicKey) -> SHA256 | SHA384 | SHA512 | None:
    """The hash a key signs with: as long as its curve, SHA-256 for RSA, none where the algorithm has its own."""
    if isinstance(public_key, rsa.RSAPublicKey):
        return _RSA_HASH
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        return _CURVE_HASHES[public_key.curve.key_size]
    return None


def algorithm_identifier(public_key: PublicKey) -> bytes:
    """The AlgorithmIdentifier of signatures by this key, as DER."""
    spec = spec_of(public_key)
    return _IDENTIFIERS[spec.type, 0 if spec.type is KeyType.RSA else spec.bits]


def sign_bytes(private_key: PrivateKey, public_key: PublicKey, data: bytes) -> bytes:
    """A signature over DER. Blocks as the key does. Raises EngineUnavailable.

    What is long is hashed here, by what lets other threads work meanwhile; Ed25519 and ML-DSA take it as it is.
    """
    hashed = hash_of(public_key)
    if hashed is None:
        assert not isinstance(private_key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
        return private_key.sign(data)
    algorithm: HashAlgorithm | Prehashed = hashed
    if len(data) > _LONG:
        data, algorithm = hashlib.new(hashed.name, data).digest(), Prehashed(hashed)
    if isinstance(private_key, ec.EllipticCurvePrivateKey):
        return private_key.sign(data, ec.ECDSA(algorithm))
    assert isinstance(private_key, rsa.RSAPrivateKey)
    return private_key.sign(data, padding.PKCS1v15(), algorithm)


@asn1.sequence
class _PublicKeyInfo:
    """SubjectPublicKeyInfo (RFC 5280 §4.1)."""

    algorithm: asn1.TLV
    subject_public_key: asn1.BitString


def key_bits(public_key: PublicKey) -> bytes:
    """The bits of the subjectPublicKey, without tag, length and count of unused bits: what key hashes are made of."""
    der = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return asn1.decode_der(_PublicKeyInfo, der).subject_public_key.as_bytes()


def key_hash_of(public_key: PublicKey) -> bytes:
    """The SHA-1 of a public key: the KeyHash by which an OCSP response names its signer (RFC 6960 §4.2.1).

    The subject key identifier of a certificate is often the same, and need not be.
    """
    return hashlib.sha1(key_bits(public_key), usedforsecurity=False).digest()


def key_id_of(certificate: Certificate) -> bytes:
    """The key identifier a certificate names, or the one its key has (RFC 5280 §4.2.1.2 (1))."""
    found = extension_of(certificate.extensions, x509.SubjectKeyIdentifier)
    if found is not None:
        return found.digest
    public_key = certificate.public_key()
    assert isinstance(public_key, PublicKey)
    return key_hash_of(public_key)
