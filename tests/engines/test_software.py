"""The software engine: what it keeps is sealed, and bound to its place."""

import base64
import subprocess
import sys

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from blazon.engines import KeySpec, KeyType, SoftwareEngine, StoredKey
from blazon.errors import BlazonError
from blazon.storage import Sealer
from tests.engines.support import P256


@pytest.fixture
def engine() -> SoftwareEngine:
    return SoftwareEngine("software", Sealer(bytes(32)))


def test_it_makes_every_kind_of_key(engine: SoftwareEngine) -> None:
    assert {kind.type: kind.sizes for kind in engine.info().supported_key_types} == {
        KeyType.RSA: (2048, 3072, 4096),
        KeyType.ECDSA: (256, 384, 521),
        KeyType.ED25519: (256,),
        KeyType.ML_DSA: (44, 65, 87),
    }


def test_a_handle_does_not_show_the_key(engine: SoftwareEngine) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    stored = engine.import_key("ca", key)
    sealed = base64.urlsafe_b64decode(stored.handle.removeprefix("v1."))
    assert key.private_numbers().private_value.to_bytes(32, "big") not in sealed
    opened = engine.open(stored)
    form = (Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    assert opened.private_bytes(*form) == key.private_bytes(*form)


@pytest.mark.parametrize("change", [{"name": "other"}, {"handle": "v1.AAAA"}, {"handle": ""}])
def test_a_handle_opens_only_where_it_was_made(engine: SoftwareEngine, change: dict[str, str]) -> None:
    stored = engine.create("ca", P256)
    with pytest.raises(BlazonError, match="does not open"):
        engine.open(msgspec.structs.replace(stored, **change))


def test_another_engine_and_another_master_key_do_not_open(engine: SoftwareEngine) -> None:
    stored = engine.create("ca", P256)
    for other in (SoftwareEngine("other", Sealer(bytes(32))), SoftwareEngine("software", Sealer(b"x" * 32))):
        with pytest.raises(BlazonError, match="does not open"):
            other.open(stored)


def test_two_keys_are_two_keys(engine: SoftwareEngine) -> None:
    assert engine.create("ca", P256).public_key != engine.create("ca", P256).public_key


def test_long_rsa_keys_are_not_quick(engine: SoftwareEngine) -> None:
    assert engine.quick(KeySpec(KeyType.RSA, 2048))
    assert not engine.quick(KeySpec(KeyType.RSA, 3072))
    assert engine.quick(KeySpec(KeyType.ML_DSA, 87))


def test_a_stored_key_is_safe_to_write_down(engine: SoftwareEngine) -> None:
    stored = engine.create("ca", KeySpec(KeyType.ML_DSA, 44))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(stored), type=StoredKey) == stored


def test_to_import_the_engines_loads_no_cloud_and_no_module() -> None:
    """boto3 takes half a second to import: who has no such engine does not pay for it."""
    code = "import sys, blazon.engines; print({'boto3', 'botocore', 'pkcs11'} & set(sys.modules))"
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert printed.strip() == "set()"
