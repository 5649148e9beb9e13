"""What every engine is: the interface, the key as a caller keeps it, and what an engine says about itself."""

from enum import IntEnum
from typing import Protocol, TypeAlias

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from blazon.engines.keys import KeySpec, SupportedKeys
from blazon.errors import Unavailable

__all__ = ["Engine", "EngineInfo", "EngineUnavailable", "PrivateKey", "PublicKey", "SecurityLevel", "StoredKey"]

PrivateKey: TypeAlias = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | mldsa.MLDSA44PrivateKey
    | mldsa.MLDSA65PrivateKey
    | mldsa.MLDSA87PrivateKey
)
"""A private key that signs. What an HSM or a KMS holds is a subclass whose `sign` asks the engine."""

PublicKey: TypeAlias = (
    rsa.RSAPublicKey
    | ec.EllipticCurvePublicKey
    | ed25519.Ed25519PublicKey
    | mldsa.MLDSA44PublicKey
    | mldsa.MLDSA65PublicKey
    | mldsa.MLDSA87PublicKey
)


class EngineUnavailable(Unavailable):
    """An engine does not answer: the module, the token or the service is away. Nothing was signed or made."""

    title = "crypto engine unavailable"


class StoredKey(msgspec.Struct, frozen=True):
    """A private key as its caller keeps it: enough to open it again, and nothing secret in clear.

    `name` is what the caller called it (1–200 of `A-Za-z0-9_.-`, unique in its engine). `handle` is opaque text of the
    engine: a sealed key (software), or where the key lies (PKCS#11, KMS). `public_key` is the SubjectPublicKeyInfo as
    DER. Safe to record in the log.
    """

    engine_id: str
    name: str
    spec: KeySpec
    handle: str
    public_key: bytes

    def load_public_key(self) -> PublicKey:
        """The public key, ready to verify and to be certified."""
        key = load_der_public_key(self.public_key)
        assert isinstance(key, PublicKey)
        return key


class SecurityLevel(IntEnum):
    """How well an engine keeps its keys; a number on the wire."""

    SL0 = 0
    """In this process."""
    SL2 = 2
    """In a module or a service, which they never leave."""


class EngineInfo(msgspec.Struct, frozen=True):
    """An engine in the list of engines, in the fields and the order of the wire.

    `type` is `GOLANG`, `PKCS11` or `AWS_KMS`; the first is what clients of the wire know an engine in software by,
    whatever it is written in. `metadata` is text by name.
    """

    type: str
    security_level: SecurityLevel
    provider: str
    name: str
    metadata: dict[str, str]
    supported_key_types: tuple[SupportedKeys, ...]
    id: str
    default: bool = False


class Engine(Protocol):
    """Makes and holds private keys.

    Every method may be called from any thread, several at once. All but `id`, `quick` and `info` block, and raise
    EngineUnavailable when the engine is away.
    """

    @property
    def id(self) -> str:
        """What the settings call it."""
        ...

    def info(self) -> EngineInfo:
        """What it is and which keys it makes.

        Blocks the first time. Never raises: an engine that must be asked and is away has no supported key types, and
        its metadata says why under `blazon.io/unavailable`.
        """
        ...

    def check(self) -> None:
        """Asks the engine anything at all. Raises EngineUnavailable when it does not answer."""
        ...

    def quick(self, spec: KeySpec) -> bool:
        """Whether a signature with such a key takes less than a millisecond and waits for nothing outside."""
        ...

    def check_makes(self, spec: KeySpec) -> None:
        """Whether `create` makes such keys. Raises RuleBroken, with those it makes, when it does not."""
        ...

    def check_takes(self, spec: KeySpec) -> None:
        """Whether `import_key` takes such keys. Raises RuleBroken when it does not."""
        ...

    def create(self, name: str, spec: KeySpec) -> StoredKey:
        """Makes a key.

        Raises RuleBroken when the engine does not make such keys or the name is none, Conflict when it has one by
        this name.
        """
        ...

    def import_key(self, name: str, private_key: PrivateKey) -> StoredKey:
        """Takes a key that was made elsewhere. Raises RuleBroken when the engine cannot, Conflict as `create`."""
        ...

    def open(self, key: StoredKey) -> PrivateKey:
        """A key that signs. Opening is cheap enough to do once for each CA, not for each signature; keep what it gives.

        The key is safe to use from any thread, and raises EngineUnavailable from `sign` when the engine is away. Raises
        NotFound when the engine no longer has it.
        """
        ...

    def find(self, name: str) -> StoredKey | None:
        """The key by this name, when the engine keeps keys itself and has one.

        For what a kill left half-done: a key that was made and whose CA was never recorded. The software engine keeps
        none and says None.
        """
        ...

    def delete(self, key: StoredKey) -> None:
        """Destroys a key for good, or (KMS) hands it to be destroyed after the waiting time of the service.

        A key that is gone already is no error. The software engine has nothing to destroy: forget the StoredKey.
        """
        ...

    def close(self) -> None:
        """Lets go of sessions and threads. The engine is not used after."""
        ...
