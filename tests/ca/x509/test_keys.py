"""Weak keys are refused; strength is as the wires say."""

import math

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x448

from blazon.ca.x509 import check_public_key, strength_of
from blazon.engines import KeySpec, KeyType
from blazon.errors import RuleBroken
from tests.ca.x509.support import SPECS, key


def _is_prime(number: int) -> bool:
    """Miller-Rabin, with more than enough bases for a test."""
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in (2, 3, 5, 7, 11, 13, 17, 19, 23):
        power = pow(base, odd, number)
        if power in (1, number - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True


def _next_prime(number: int) -> int:
    number |= 1
    while not _is_prime(number):
        number += 2
    return number


def _public(modulus: int, exponent: int = 65537) -> rsa.RSAPublicKey:
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


GOOD = rsa.generate_private_key(65537, 2048).private_numbers()
MODULUS = GOOD.public_numbers.n


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_a_key_that_was_made_well_passes(spec: KeySpec) -> None:
    assert check_public_key(key(spec).public_key()) == spec


@pytest.mark.parametrize("bits", [1024, 1536, 2040])
def test_a_short_rsa_key_is_refused(bits: int) -> None:
    with pytest.raises(RuleBroken, match=f"2048 to 8192 bits, this one has {bits}"):
        check_public_key(rsa.generate_private_key(65537, bits).public_key())


def test_a_monstrous_rsa_key_is_refused_at_once() -> None:
    with pytest.raises(RuleBroken, match="this one has 16001"):
        check_public_key(_public((1 << 16000) + 1))


@pytest.mark.parametrize("exponent", [3, 17, 257, 65535, (1 << 256) + 1])
def test_a_bad_exponent_is_refused(exponent: int) -> None:
    with pytest.raises(RuleBroken, match="exponent"):
        check_public_key(_public(MODULUS, exponent))


@pytest.mark.parametrize("exponent", [65537, 65539, (1 << 255) + 1])
def test_an_unusual_but_good_exponent_passes(exponent: int) -> None:
    assert check_public_key(_public(MODULUS, exponent)).bits == 2048


@pytest.mark.parametrize("factor", [3, 5, 751])
def test_a_modulus_with_a_small_factor_is_refused(factor: int) -> None:
    modulus = _next_prime(1 << 2040) * factor
    while modulus.bit_length() < 2048:
        modulus *= factor
    with pytest.raises(RuleBroken, match="small factor"):
        check_public_key(_public(modulus))


def test_close_primes_are_refused() -> None:
    first = _next_prime((1 << 1024) - (1 << 1000))
    second = _next_prime(first + 2)
    with pytest.raises(RuleBroken, match="CVE-2022-26320"):
        check_public_key(_public(first * second))


def _roca_prime(start: int) -> int:
    """A prime as the weak chips made them: k·M + (65537^a mod M), with M the product of the first 126 primes."""
    primes = [number for number in range(2, 720) if all(number % factor for factor in range(2, math.isqrt(number) + 1))]
    product = math.prod(primes[:126])
    remainder = pow(65537, start, product)
    factor = (3 << 1022) // product + start
    while not _is_prime(factor * product + remainder):
        factor += 1
    return factor * product + remainder


def test_a_key_of_a_weak_chip_is_refused() -> None:
    with pytest.raises(RuleBroken, match="CVE-2017-15361"):
        check_public_key(_public(_roca_prime(1001) * _roca_prime(7001)))


def test_kinds_of_keys_nobody_asked_for_are_refused() -> None:
    for found in (
        ec.generate_private_key(ec.SECP256K1()).public_key(),
        ec.generate_private_key(ec.BrainpoolP256R1()).public_key(),
        x448.X448PrivateKey.generate().public_key(),
        "not a key",
    ):
        with pytest.raises(RuleBroken, match="not supported"):
            check_public_key(found)


@pytest.mark.parametrize(
    ("kind", "bits", "strength"),
    [
        (KeyType.RSA, 1024, "LOW"),
        (KeyType.RSA, 2047, "LOW"),
        (KeyType.RSA, 2048, "MEDIUM"),
        (KeyType.RSA, 3071, "MEDIUM"),
        (KeyType.RSA, 3072, "HIGH"),
        (KeyType.RSA, 4096, "HIGH"),
        (KeyType.ECDSA, 128, "LOW"),
        (KeyType.ECDSA, 129, "MEDIUM"),
        (KeyType.ECDSA, 224, "MEDIUM"),
        (KeyType.ECDSA, 255, "MEDIUM"),
        (KeyType.ECDSA, 256, "HIGH"),
        (KeyType.ECDSA, 521, "HIGH"),
        (KeyType.ED25519, 256, "HIGH"),
        (KeyType.ML_DSA, 44, "HIGH"),
    ],
)
def test_strength_is_as_the_wires_say(kind: KeyType, bits: int, strength: str) -> None:
    assert strength_of(KeySpec(kind, bits)) == strength


def test_no_key_made_well_is_taken_for_a_weak_one() -> None:
    for _ in range(5):
        assert check_public_key(rsa.generate_private_key(65537, 2048).public_key()).bits == 2048
