"""Whether a public key is fit to be certified, and how strong it is."""

import math
from enum import StrEnum
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import PublicKeyAlgorithmOID

from blazon.engines import KeySpec, KeyType, spec_of
from blazon.errors import RuleBroken

__all__ = ["Strength", "check_algorithm", "check_private_key", "check_public_key", "strength_of"]

_LEAST_RSA: Final = 2048
_MOST_RSA: Final = 8192
_MOST_RSA_HERE: Final = 4096
_LEAST_EXPONENT: Final = 65537
_MOST_EXPONENT_BITS: Final = 256
_FERMAT_ROUNDS: Final = 100


class Strength(StrEnum):
    """How strong a key is, by the words of the wires."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"


def strength_of(spec: KeySpec) -> Strength:
    """RSA by its modulus, ECDSA by its curve; Ed25519 and ML-DSA are HIGH."""
    if spec.type is KeyType.RSA:
        bounds = (2048, 3072)
    elif spec.type is KeyType.ECDSA:
        bounds = (129, 256)
    else:
        return Strength.HIGH
    if spec.bits < bounds[0]:
        return Strength.LOW
    return Strength.MEDIUM if spec.bits < bounds[1] else Strength.HIGH


def check_public_key(public_key: object) -> KeySpec:
    """What kind of key it is. Raises RuleBroken when it is of no supported kind, or known to be weak."""
    spec = spec_of(public_key)
    if isinstance(public_key, rsa.RSAPublicKey):
        if not _LEAST_RSA <= spec.bits <= _MOST_RSA:
            raise RuleBroken(f"an RSA key has {_LEAST_RSA} to {_MOST_RSA} bits, this one has {spec.bits}")
        numbers = public_key.public_numbers()
        _check_exponent(numbers.e)
        _check_modulus(numbers.n)
    return spec


def check_private_key(private_key: object) -> KeySpec:
    """What kind of key it is. Raises RuleBroken when Blazon does not sign with such keys, ValueError when it is none.

    Of an RSA key that was loaded without a look at its numbers this looks at them. It takes some 40 ms for 4096 bits;
    what OpenSSL does takes ten times as long, and all the while no other thread of Python runs.
    """
    if not isinstance(private_key, rsa.RSAPrivateKey):
        return check_public_key(private_key.public_key() if hasattr(private_key, "public_key") else private_key)
    spec = check_public_key(private_key.public_key())
    if spec.bits > _MOST_RSA_HERE:
        raise RuleBroken(f"an RSA key of a CA has at most {_MOST_RSA_HERE} bits, this one has {spec.bits}")
    numbers = private_key.private_numbers()
    first, second, exponent = numbers.p, numbers.q, numbers.public_numbers.e
    if min(first, second) < 3 or first * second != numbers.public_numbers.n:
        raise ValueError("the modulus is not the product of the primes")
    for prime, part in ((first, numbers.dmp1), (second, numbers.dmq1)):
        if (
            pow(2, prime - 1, prime) != 1
            or (numbers.d * exponent - 1) % (prime - 1)
            or (numbers.d - part) % (prime - 1)
        ):
            raise ValueError("the numbers do not fit each other")
    if numbers.iqmp * second % first != 1:
        raise ValueError("the coefficient does not fit the primes")
    return spec


def check_algorithm(public_key: object, algorithm: x509.ObjectIdentifier) -> None:
    """Whether a key may be used as every key of its kind. `algorithm` is that beside it. Raises RuleBroken.

    An RSA key may be bound to one padding (id-RSASSA-PSS, RFC 4055 §1.2); `cryptography` reads it as one that is not.
    """
    if isinstance(public_key, rsa.RSAPublicKey) and algorithm != PublicKeyAlgorithmOID.RSAES_PKCS1_v1_5:
        raise RuleBroken("the RSA key is not of type rsaEncryption; one that is bound to PSS is not supported")


def _check_exponent(exponent: int) -> None:
    # FIPS 186-5 §A.1.1: odd, and 2¹⁶ < e < 2²⁵⁶. Small ones made attacks on careless padding easy.
    if exponent % 2 == 0 or exponent < _LEAST_EXPONENT or exponent.bit_length() > _MOST_EXPONENT_BITS:
        raise RuleBroken("the exponent of an RSA key must be odd, at least 65537 and less than 2^256")


@lru_cache(maxsize=64)  # the keys of CAs are looked at again and again
def _check_modulus(modulus: int) -> None:
    if modulus % 2 == 0 or math.gcd(modulus, _SMALL_PRIMES) != 1:
        raise RuleBroken("the modulus of the RSA key has a small factor")
    if _is_roca(modulus):
        raise RuleBroken("the RSA key was made by a chip with the ROCA weakness (CVE-2017-15361); make a new one")
    if _has_close_primes(modulus):
        raise RuleBroken("the primes of the RSA key are too close to each other (CVE-2022-26320); make a new one")


def _primes(below: int) -> list[int]:
    return [number for number in range(2, below) if all(number % factor for factor in range(2, math.isqrt(number) + 1))]


_SMALL_PRIMES: Final = math.prod(_primes(752))
"""Primes no modulus may be divisible by: those the CA/Browser Forum names (BR §6.1.6), as one product."""


def _powers(prime: int) -> frozenset[int]:
    """Every power of 65537 by this prime."""
    found, power = {1}, 65537 % prime
    while power not in found:
        found.add(power)
        power = power * 65537 % prime
    return frozenset(found)


_ROCA: Final = tuple(
    (prime, powers) for prime in _primes(168) if prime > 2 and len(powers := _powers(prime)) < prime - 1
)
"""Of the primes the weak chips used, those that tell: where not every remainder is a power of 65537."""


def _is_roca(modulus: int) -> bool:
    """Both primes of such a chip are powers of 65537 by every small prime, hence their product is (Nemec et al. 2017).

    A sound key passes for one with a chance of less than one in 2²⁷.
    """
    return all(modulus % prime in powers for prime, powers in _ROCA)


def _has_close_primes(modulus: int) -> bool:
    """Fermat's method finds the primes within a few steps when they are close."""
    root = math.isqrt(modulus - 1) + 1
    for step in range(_FERMAT_ROUNDS):
        rest = (root + step) ** 2 - modulus
        if math.isqrt(rest) ** 2 == rest:
            return True
    return False
