"""Key types and sizes: how a key is asked for, and what a key is."""

from enum import StrEnum
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa

from blazon.errors import RuleBroken

__all__ = ["ALL_KEYS", "CURVES", "ML_DSA", "KeySpec", "KeyType", "SupportedKeys", "spec_of"]


class KeyType(StrEnum):
    """The kinds of keys, by the names the wires use."""

    RSA = "RSA"
    ECDSA = "ECDSA"
    ED25519 = "Ed25519"
    ML_DSA = "ML-DSA"


class KeySpec(msgspec.Struct, frozen=True):
    """A kind of key with its size.

    `bits` is the length of the modulus (RSA), the size of the curve (ECDSA: 256, 384, 521), 256 (Ed25519), or the
    parameter set (ML-DSA, FIPS 204: 44, 65, 87).
    """

    type: KeyType
    bits: int

    def __str__(self) -> str:
        return f"{self.type.value}-{self.bits}"


class SupportedKeys(msgspec.Struct, frozen=True):
    """A kind of key with every size an engine makes; one item of `supported_key_types` in the list of engines."""

    type: KeyType
    sizes: tuple[int, ...]


CURVES: Final[dict[int, ec.EllipticCurve]] = {256: ec.SECP256R1(), 384: ec.SECP384R1(), 521: ec.SECP521R1()}
"""The curves, by size (FIPS 186-5: P-256, P-384, P-521)."""

ML_DSA: Final[dict[int, type[mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey | mldsa.MLDSA87PrivateKey]]] = {
    44: mldsa.MLDSA44PrivateKey,
    65: mldsa.MLDSA65PrivateKey,
    87: mldsa.MLDSA87PrivateKey,
}
"""The parameter sets of ML-DSA (FIPS 204 §4), by name."""

ALL_KEYS: Final = (
    SupportedKeys(KeyType.RSA, (2048, 3072, 4096)),
    SupportedKeys(KeyType.ECDSA, (256, 384, 521)),
    SupportedKeys(KeyType.ED25519, (256,)),
    SupportedKeys(KeyType.ML_DSA, (44, 65, 87)),
)
"""Every kind and size of key Blazon makes."""

_ML_DSA_PUBLIC: Final = (
    (mldsa.MLDSA44PublicKey, 44),
    (mldsa.MLDSA65PublicKey, 65),
    (mldsa.MLDSA87PublicKey, 87),
)


def spec_of(public_key: object) -> KeySpec:
    """What kind of key this public key is. Raises RuleBroken when it is of a kind Blazon does not sign with."""
    if isinstance(public_key, rsa.RSAPublicKey):
        return KeySpec(KeyType.RSA, public_key.key_size)
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        if any(isinstance(public_key.curve, type(curve)) for curve in CURVES.values()):
            return KeySpec(KeyType.ECDSA, public_key.curve.key_size)
        raise RuleBroken(f"the curve {public_key.curve.name} is not supported; use P-256, P-384 or P-521")
    if isinstance(public_key, ed25519.Ed25519PublicKey):
        return KeySpec(KeyType.ED25519, 256)
    for kind, bits in _ML_DSA_PUBLIC:
        if isinstance(public_key, kind):
            return KeySpec(KeyType.ML_DSA, bits)
    raise RuleBroken("the kind of key is not supported; use RSA, ECDSA, Ed25519 or ML-DSA")
