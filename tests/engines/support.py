"""What the tests of engines share."""

import itertools
from abc import ABC, abstractmethod

from blazon.engines import Engine, KeySpec, KeyType, KmsEngine, Pkcs11Engine, SoftwareEngine
from blazon.storage import Sealer
from tests.servers import MotoServer, SoftHsm

P256 = KeySpec(KeyType.ECDSA, 256)
_numbers = itertools.count()


def new_name() -> str:
    """The name of a key nobody has used."""
    return f"ca-{next(_numbers)}"


class Bench(ABC):
    """Makes engines of one kind over the same keys, and closes them."""

    imports = True
    """Whether it takes keys that were made elsewhere."""
    keeps = True
    """Whether it keeps keys itself."""
    any_hash = True
    """Whether an ECDSA key signs with any hash, and a salt of PSS is as long as its hash."""

    def __init__(self) -> None:
        self._made: list[Engine] = []

    def engine(self) -> Engine:
        """An engine, as after a new start."""
        made = self.make()
        self._made.append(made)
        return made

    def close(self) -> None:
        for made in self._made:
            made.close()

    @abstractmethod
    def make(self) -> Engine: ...


class SoftwareBench(Bench):
    keeps = False

    def make(self) -> Engine:
        return SoftwareEngine("software", Sealer(bytes(32)))


class Pkcs11Bench(Bench):
    def __init__(self, tokens: SoftHsm) -> None:
        super().__init__()
        self._tokens = tokens

    def make(self) -> Engine:
        return Pkcs11Engine("hsm", module=self._tokens.module, token="blazon", pin=self._tokens.pin)


class KmsBench(Bench):
    imports = False
    any_hash = False  # KMS ties the hash to the curve; moto's salts are as long as can be, unlike Amazon's

    def __init__(self, server: MotoServer) -> None:
        super().__init__()
        self._server = server

    def make(self) -> Engine:
        return kms_engine(self._server)


def kms_engine(server: MotoServer) -> KmsEngine:
    return KmsEngine("kms", region="eu-west-1", endpoint=server.url, access_key="test", secret_key="test", timeout=5.0)
