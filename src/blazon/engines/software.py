"""The software engine: keys made in this process and sealed under the master key.

The handle of a key is the sealed key itself, bound to its engine and its name, so the caller's record is the only place
a key is kept, and a record that is moved to another name does not open.
"""

from typing import Final

from cryptography.hazmat.backends.openssl import backend
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from blazon.engines.engine import Engine, EngineInfo, PrivateKey, SecurityLevel, StoredKey
from blazon.engines.keys import ALL_KEYS, CURVES, ML_DSA, KeySpec, KeyType, spec_of
from blazon.engines.rules import check_name, check_supported, public_bytes
from blazon.storage import Sealer

__all__ = ["SoftwareEngine", "generate_key"]

_RSA_EXPONENT: Final = 65537
_QUICK_RSA: Final = 2048


class SoftwareEngine(Engine):
    """Keys of every kind, sealed with AES-256-GCM. `quick` is true for all but long RSA keys."""

    def __init__(self, engine_id: str, sealer: Sealer) -> None:
        self._id = engine_id
        self._sealer = sealer

    @property
    def id(self) -> str:
        return self._id

    def info(self) -> EngineInfo:
        return EngineInfo(
            type="GOLANG",
            security_level=SecurityLevel.SL0,
            provider="Blazon",
            name=backend.openssl_version_text(),
            metadata={},
            supported_key_types=ALL_KEYS,
            id=self._id,
        )

    def check(self) -> None:
        """It is always there."""

    def quick(self, spec: KeySpec) -> bool:
        return spec.type is not KeyType.RSA or spec.bits <= _QUICK_RSA

    def check_makes(self, spec: KeySpec) -> None:
        check_supported(self._id, ALL_KEYS, spec)

    def check_takes(self, spec: KeySpec) -> None:
        """Every key a CA may have."""

    def create(self, name: str, spec: KeySpec) -> StoredKey:
        check_name(name)
        self.check_makes(spec)
        return self._seal(name, generate_key(spec))

    def import_key(self, name: str, private_key: PrivateKey) -> StoredKey:
        check_name(name)
        return self._seal(name, private_key)

    def open(self, key: StoredKey) -> PrivateKey:
        secret = self._sealer.unseal(key.handle, self._context(key.name))
        # Loading checks the key's numbers against each other, which takes 100 ms for RSA; a seal has done so already.
        opened = load_der_private_key(secret, None, unsafe_skip_rsa_key_validation=True)
        assert isinstance(opened, PrivateKey)
        assert public_bytes(opened.public_key()) == key.public_key, "a sealed key is not the key of its record"
        return opened

    def find(self, name: str) -> StoredKey | None:
        return None

    def delete(self, key: StoredKey) -> None:
        """Nothing to do: the sealed key is in the caller's record."""

    def close(self) -> None:
        """Nothing to let go of."""

    def _seal(self, name: str, private_key: PrivateKey) -> StoredKey:
        secret = private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        public_key = private_key.public_key()
        return StoredKey(
            engine_id=self._id,
            name=name,
            spec=spec_of(public_key),
            handle=self._sealer.seal(secret, self._context(name)),
            public_key=public_bytes(public_key),
        )

    def _context(self, name: str) -> str:
        return f"engine/{self._id}/key/{name}"


def generate_key(spec: KeySpec) -> PrivateKey:
    """A new private key in this process; blocks, RSA for seconds. The size is one of `ALL_KEYS`."""
    match spec.type:
        case KeyType.RSA:
            return rsa.generate_private_key(_RSA_EXPONENT, spec.bits)
        case KeyType.ECDSA:
            return ec.generate_private_key(CURVES[spec.bits])
        case KeyType.ED25519:
            return ed25519.Ed25519PrivateKey.generate()
        case KeyType.ML_DSA:
            return ML_DSA[spec.bits].generate()
