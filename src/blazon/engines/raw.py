"""Raw signatures over messages and digests, by the algorithm names of the CA API."""

from enum import StrEnum
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

from blazon.engines.engine import PrivateKey, PublicKey
from blazon.engines.keys import KeyType, spec_of
from blazon.errors import Malformed, RuleBroken

__all__ = ["MessageType", "SignatureAlgorithm", "sign_message", "verify_message"]


class MessageType(StrEnum):
    """What a message is: the text itself, hashed here, or its digest."""

    RAW = "raw"
    HASH = "hash"


class SignatureAlgorithm(StrEnum):
    """The names of the CA API. PSS salts are as long as the hash (RFC 8017 §9.1). The last four sign raw text only."""

    RSASSA_PSS_SHA_256 = "RSASSA_PSS_SHA_256"
    RSASSA_PSS_SHA_384 = "RSASSA_PSS_SHA_384"
    RSASSA_PSS_SHA_512 = "RSASSA_PSS_SHA_512"
    RSASSA_PKCS1_V1_5_SHA_256 = "RSASSA_PKCS1_V1_5_SHA_256"
    RSASSA_PKCS1_V1_5_SHA_384 = "RSASSA_PKCS1_V1_5_SHA_384"
    RSASSA_PKCS1_V1_5_SHA_512 = "RSASSA_PKCS1_V1_5_SHA_512"
    ECDSA_SHA_256 = "ECDSA_SHA_256"
    ECDSA_SHA_384 = "ECDSA_SHA_384"
    ECDSA_SHA_512 = "ECDSA_SHA_512"
    ED25519 = "ED25519"
    ML_DSA_44 = "ML_DSA_44"
    ML_DSA_65 = "ML_DSA_65"
    ML_DSA_87 = "ML_DSA_87"


_HASHES: Final[dict[str, HashAlgorithm]] = {"256": SHA256(), "384": SHA384(), "512": SHA512()}
_WHOLE: Final = {
    SignatureAlgorithm.ED25519: "Ed25519-256",
    SignatureAlgorithm.ML_DSA_44: "ML-DSA-44",
    SignatureAlgorithm.ML_DSA_65: "ML-DSA-65",
    SignatureAlgorithm.ML_DSA_87: "ML-DSA-87",
}


def sign_message(key: PrivateKey, algorithm: SignatureAlgorithm, kind: MessageType, message: bytes) -> bytes:
    """Signs a message or a digest; blocks when the key does. ECDSA signatures are DER (RFC 3279 §2.2.3).

    Raises RuleBroken when the key does not sign by this algorithm, Malformed when a digest has not the length of the
    algorithm's hash, EngineUnavailable.
    """
    _check(key.public_key(), algorithm, kind)
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        return key.sign(message)
    hashed = _HASHES[algorithm[-3:]]
    taken = _taken(hashed, kind, message)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(message, ec.ECDSA(taken))
    return key.sign(message, _padding(algorithm, hashed), taken)


def verify_message(
    key: PublicKey, algorithm: SignatureAlgorithm, kind: MessageType, message: bytes, signature: bytes
) -> bool:
    """Whether a signature is good. Raises as `sign_message`; a signature that is none is not good."""
    _check(key, algorithm, kind)
    try:
        if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
            key.verify(signature, message)
            return True
        hashed = _HASHES[algorithm[-3:]]
        taken = _taken(hashed, kind, message)
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, message, ec.ECDSA(taken))
        else:
            key.verify(signature, message, _padding(algorithm, hashed), taken)
    except InvalidSignature:
        return False
    return True


def _check(key: PublicKey, algorithm: SignatureAlgorithm, kind: MessageType) -> None:
    spec = spec_of(key)
    hashed = {KeyType.RSA: "RSASSA", KeyType.ECDSA: "ECDSA"}.get(spec.type)
    fits = _WHOLE.get(algorithm) == str(spec) or (hashed is not None and algorithm.startswith(hashed))
    if not fits:
        raise RuleBroken("signing algorithm not supported", f"{algorithm.value} with a key of type {spec}")
    if algorithm in _WHOLE and kind is MessageType.HASH:
        raise RuleBroken("signing algorithm not supported", f"{algorithm.value} signs the message, not its digest")


def _taken(hashed: HashAlgorithm, kind: MessageType, message: bytes) -> HashAlgorithm | Prehashed:
    """How the message is taken: to be hashed, or as the digest it is."""
    if kind is MessageType.RAW:
        return hashed
    if len(message) != hashed.digest_size:
        raise Malformed(
            "inconsistency between hashed message and signature algorithm",
            f"the digest has {len(message)} bytes, {hashed.name} has {hashed.digest_size}",
        )
    return Prehashed(hashed)


def _padding(algorithm: SignatureAlgorithm, hashed: HashAlgorithm) -> padding.AsymmetricPadding:
    if algorithm.startswith("RSASSA_PSS"):
        return padding.PSS(padding.MGF1(hashed), salt_length=hashed.digest_size)
    return padding.PKCS1v15()
