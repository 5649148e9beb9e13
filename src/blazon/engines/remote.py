"""Private keys that lie elsewhere: subclasses of `cryptography`'s abstract keys whose `sign` asks an engine.

They sign, and tell their public key; they decrypt, agree and export nothing. What is to be signed reaches the engine as
a `Task`, from which it takes the message or its digest, as it likes best.
"""

from collections.abc import Callable
from typing import Any, Final, NoReturn

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.utils import Buffer

from blazon.engines.engine import PrivateKey, PublicKey
from blazon.errors import RuleBroken

__all__ = ["Sign", "Task", "digest_info", "remote_key"]

_SHA256: Final = bytes.fromhex("3031300d060960864801650304020105000420")
_SHA384: Final = bytes.fromhex("3041300d060960864801650304020205000430")
_SHA512: Final = bytes.fromhex("3051300d060960864801650304020305000440")
_DIGEST_INFO: Final = {"sha256": _SHA256, "sha384": _SHA384, "sha512": _SHA512}


class Task(msgspec.Struct, frozen=True):
    """One signature to make.

    `scheme` is `pkcs1`, `pss` (the salt as long as the hash), `ecdsa` (the answer is DER) or `eddsa`. `hash` is its
    hash, `sha256`, `sha384` or `sha512`, and empty for eddsa. `message` is None when only the digest is known, and
    `digest` is None for eddsa.
    """

    scheme: str
    hash: str
    message: bytes | None
    digest: bytes | None


Sign = Callable[[Task], bytes]


def remote_key(public_key: PublicKey, sign: Sign) -> PrivateKey:
    """The private key of this public key, whose signatures come from `sign`. Raises RuleBroken for other kinds."""
    if isinstance(public_key, rsa.RSAPublicKey):
        return _RsaKey(public_key, sign)
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        return _EcKey(public_key, sign)
    if isinstance(public_key, ed25519.Ed25519PublicKey):
        return _Ed25519Key(public_key, sign)
    raise RuleBroken("the engine holds a key of a kind that is not supported")


def digest_info(task: Task) -> bytes:
    """The DigestInfo that is padded in RSASSA-PKCS1-v1_5 (RFC 8017 §9.2, note 1)."""
    assert task.digest is not None
    return _DIGEST_INFO[task.hash] + task.digest


def _refuse() -> NoReturn:
    raise UnsupportedAlgorithm("a key in an engine only signs")


def _task(scheme: str, algorithm: object, data: Buffer) -> Task:
    message = bytes(data)
    if isinstance(algorithm, Prehashed):
        name = algorithm._algorithm.name  # noqa: SLF001 - a Prehashed tells its size only, and SHA3 has the same ones
        task = Task(scheme, name, None, message)
    else:
        assert isinstance(algorithm, hashes.HashAlgorithm)
        name = algorithm.name
        digest = hashes.Hash(algorithm)
        digest.update(message)
        task = Task(scheme, name, message, digest.finalize())
    if name not in _DIGEST_INFO:
        raise UnsupportedAlgorithm(f"a key in an engine signs with SHA-256, SHA-384 or SHA-512, not with {name}")
    return task


class _EcKey(ec.EllipticCurvePrivateKey):
    def __init__(self, public_key: ec.EllipticCurvePublicKey, sign: Sign) -> None:
        self._public_key = public_key
        self._sign = sign

    def sign(self, data: Buffer, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        return self._sign(_task("ecdsa", signature_algorithm.algorithm, data))

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._public_key

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._public_key.curve

    @property
    def key_size(self) -> int:
        return self._public_key.key_size

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> bytes:
        _refuse()

    def private_numbers(self) -> ec.EllipticCurvePrivateNumbers:
        _refuse()

    def private_bytes(self, encoding: Any, format: Any, encryption_algorithm: Any) -> bytes:  # noqa: A002
        _refuse()

    def __copy__(self) -> "_EcKey":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "_EcKey":
        return self


class _RsaKey(rsa.RSAPrivateKey):
    def __init__(self, public_key: rsa.RSAPublicKey, sign: Sign) -> None:
        self._public_key = public_key
        self._sign = sign

    def sign(
        self, data: Buffer, padding: padding.AsymmetricPadding, algorithm: Prehashed | hashes.HashAlgorithm | Any
    ) -> bytes:
        task = _task(_rsa_scheme(padding), algorithm, data)
        if task.scheme == "pss":
            _check_pss(padding, task)
        return self._sign(task)

    def public_key(self) -> rsa.RSAPublicKey:
        return self._public_key

    @property
    def key_size(self) -> int:
        return self._public_key.key_size

    def decrypt(self, ciphertext: Buffer, padding: padding.AsymmetricPadding) -> bytes:
        _refuse()

    def private_numbers(self) -> rsa.RSAPrivateNumbers:
        _refuse()

    def private_bytes(self, encoding: Any, format: Any, encryption_algorithm: Any) -> bytes:  # noqa: A002
        _refuse()

    def __copy__(self) -> "_RsaKey":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "_RsaKey":
        return self


def _rsa_scheme(found: object) -> str:
    if isinstance(found, padding.PSS):
        return "pss"
    if isinstance(found, padding.PKCS1v15):
        return "pkcs1"
    return _refuse()


def _check_pss(found: object, task: Task) -> None:
    """Modules and services make salts of the hash's length, and mask with the same hash."""
    assert isinstance(found, padding.PSS)
    assert task.digest is not None
    if found.mgf._algorithm.name != task.hash or found._salt_length != len(task.digest):  # noqa: SLF001
        _refuse()


class _Ed25519Key(ed25519.Ed25519PrivateKey):
    def __init__(self, public_key: ed25519.Ed25519PublicKey, sign: Sign) -> None:
        self._public_key = public_key
        self._sign = sign

    def sign(self, data: Buffer) -> bytes:
        return self._sign(Task("eddsa", "", bytes(data), None))

    def public_key(self) -> ed25519.Ed25519PublicKey:
        return self._public_key

    def private_bytes_raw(self) -> bytes:
        _refuse()

    def private_bytes(self, encoding: Any, format: Any, encryption_algorithm: Any) -> bytes:  # noqa: A002
        _refuse()

    def __copy__(self) -> "_Ed25519Key":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "_Ed25519Key":
        return self
