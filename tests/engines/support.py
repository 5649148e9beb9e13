"""What the tests of engines share."""

import itertools

from blazon.engines import KeySpec, KeyType, KmsEngine, Pkcs11Engine, SoftwareEngine
from blazon.storage import Sealer
from tests.servers import MotoServer, SoftHsm

P256 = KeySpec(KeyType.ECDSA, 256)
_numbers = itertools.count()


def new_name() -> str:
    """The name of a key nobody has used."""
    return f"ca-{next(_numbers)}"


def software_engine() -> SoftwareEngine:
    return SoftwareEngine("software", Sealer(bytes(32)))


def pkcs11_engine(tokens: SoftHsm) -> Pkcs11Engine:
    return Pkcs11Engine("hsm", module=tokens.module, token="blazon", pin=tokens.pin)


def kms_engine(server: MotoServer) -> KmsEngine:
    return KmsEngine("kms", region="eu-west-1", endpoint=server.url, access_key="test", secret_key="test", timeout=5.0)
