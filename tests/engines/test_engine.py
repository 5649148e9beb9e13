"""What every engine does, whatever holds its keys."""

import copy
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import MD5, SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from blazon.engines import Engine, KeySpec, KeyType, MessageType, PublicKey, SignatureAlgorithm, sign_message, spec_of
from blazon.engines import verify_message as verify
from blazon.errors import Conflict, NotFound, RuleBroken
from tests.engines.support import P256, Bench, new_name

_MESSAGE = b"what is signed" * 20


def _algorithms(public_key: PublicKey) -> list[SignatureAlgorithm]:
    spec = spec_of(public_key)
    match spec.type:
        case KeyType.RSA:
            return [found for found in SignatureAlgorithm if found.startswith("RSA")]
        case KeyType.ECDSA:
            return [found for found in SignatureAlgorithm if found.startswith("ECDSA")]
        case KeyType.ED25519:
            return [SignatureAlgorithm.ED25519]
        case KeyType.ML_DSA:
            return [SignatureAlgorithm(f"ML_DSA_{spec.bits}")]


def _fits(bench: Bench, spec: KeySpec, algorithm: SignatureAlgorithm) -> bool:
    if bench.any_hash or "PKCS1" in algorithm:
        return True
    return algorithm.startswith("ECDSA") and algorithm[-3:] == {256: "256", 384: "384", 521: "512"}[spec.bits]


def test_every_kind_of_key_it_supports_signs_by_every_algorithm(bench: Bench) -> None:
    engine = bench.engine()
    supported = engine.info().supported_key_types
    assert {KeyType.RSA, KeyType.ECDSA} <= {kind.type for kind in supported}
    for spec in (KeySpec(kind.type, size) for kind in supported for size in kind.sizes):
        stored = engine.create(new_name(), spec)
        assert stored.spec == spec
        public_key = stored.load_public_key()
        assert spec_of(public_key) == stored.spec
        key = engine.open(stored)
        assert key.public_key() == public_key
        algorithms = [each for each in _algorithms(public_key) if _fits(bench, spec, each)]
        assert algorithms
        for algorithm in algorithms:
            signature = sign_message(key, algorithm, MessageType.RAW, _MESSAGE)
            assert verify(public_key, algorithm, MessageType.RAW, _MESSAGE, signature)
            assert not verify(public_key, algorithm, MessageType.RAW, _MESSAGE + b"!", signature)
            assert not verify(public_key, algorithm, MessageType.RAW, _MESSAGE, b"nonsense")
        engine.delete(stored)


def test_its_keys_are_of_the_classes_of_cryptography(engine: Engine) -> None:
    stored = engine.create(new_name(), P256)
    key = engine.open(stored)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert (key.curve.name, key.key_size) == ("secp256r1", 256)
    key.public_key().verify(key.sign(b"text", ec.ECDSA(SHA256())), b"text", ec.ECDSA(SHA256()))
    assert copy.copy(key).public_key() == copy.deepcopy(key).public_key() == key.public_key()


def test_a_stored_key_opens_in_another_process(bench: Bench) -> None:
    stored = bench.engine().create(new_name(), P256)
    kept = msgspec.json.decode(msgspec.json.encode(stored), type=type(stored))
    key = bench.engine().open(kept)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    public_key = stored.load_public_key()
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    public_key.verify(key.sign(b"text", ec.ECDSA(SHA256())), b"text", ec.ECDSA(SHA256()))


def test_a_key_is_found_by_its_name_until_it_is_deleted(bench: Bench) -> None:
    engine, name = bench.engine(), new_name()
    assert engine.find(name) is None
    stored = engine.create(name, P256)
    if not bench.keeps:
        assert engine.find(name) is None
        return
    assert bench.engine().find(name) == stored
    with pytest.raises(Conflict):
        engine.create(name, P256)
    assert engine.open(stored).public_key() == stored.load_public_key()
    engine.delete(stored)
    assert engine.find(name) is None
    with pytest.raises(NotFound):
        engine.open(stored)
    engine.delete(stored)


@pytest.mark.parametrize("made", ["rsa", "p384", "ed25519"])
def test_a_key_that_was_made_elsewhere_is_taken_or_refused(bench: Bench, made: str) -> None:
    engine = bench.engine()
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
    match made:
        case "rsa":
            key = rsa.generate_private_key(65537, 2048)
        case "p384":
            key = ec.generate_private_key(ec.SECP384R1())
        case _:
            key = ed25519.Ed25519PrivateKey.generate()
    if not bench.imports:
        with pytest.raises(RuleBroken, match="does not take keys"):
            engine.import_key(new_name(), key)
        return
    stored = engine.import_key(new_name(), key)
    opened = engine.open(stored)
    assert opened.public_key() == key.public_key()
    algorithm = _algorithms(key.public_key())[0]
    signature = sign_message(opened, algorithm, MessageType.RAW, _MESSAGE)
    assert verify(key.public_key(), algorithm, MessageType.RAW, _MESSAGE, signature)


@pytest.mark.parametrize("name", ["", "with blank", "é", "a/b", "x" * 201, "a\n"])
def test_a_name_no_engine_can_keep_is_refused(engine: Engine, name: str) -> None:
    with pytest.raises(RuleBroken, match="name of a key"):
        engine.create(name, P256)


@pytest.mark.parametrize(
    "spec", [KeySpec(KeyType.RSA, 1024), KeySpec(KeyType.ECDSA, 224), KeySpec(KeyType.ML_DSA, 45)], ids=str
)
def test_a_kind_of_key_it_does_not_make_is_refused_with_what_it_makes(engine: Engine, spec: KeySpec) -> None:
    with pytest.raises(RuleBroken, match=r"does not make keys of type .*; it makes RSA: 2048"):
        engine.create(new_name(), spec)


def test_keys_are_used_from_many_threads_at_once(bench: Bench) -> None:
    engine = bench.engine()
    stored = [engine.create(new_name(), P256) for _ in range(2)]
    keys = [engine.open(each) for each in stored]

    def sign(number: int) -> bool:
        key = keys[number % 2]
        text = str(number).encode()
        signature = sign_message(key, SignatureAlgorithm.ECDSA_SHA_256, MessageType.RAW, text)
        return verify(key.public_key(), SignatureAlgorithm.ECDSA_SHA_256, MessageType.RAW, text, signature)

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(sign, range(64)))


def test_it_says_what_it_is(engine: Engine) -> None:
    info = engine.info()
    assert info.id == engine.id
    assert list(msgspec.to_builtins(info)) == [
        "type",
        "security_level",
        "provider",
        "name",
        "metadata",
        "supported_key_types",
        "id",
        "default",
    ]
    assert (info.type, info.security_level) in {("GOLANG", 0), ("PKCS11", 2), ("AWS_KMS", 2)}
    assert info.provider
    assert info.name
    assert not info.default


def test_only_what_is_done_here_is_quick(engine: Engine) -> None:
    assert engine.quick(P256) == (engine.info().type == "GOLANG")
    assert not engine.quick(KeySpec(KeyType.RSA, 4096))


def test_a_key_outside_this_process_only_signs(bench: Bench) -> None:
    if not bench.keeps:
        return
    engine = bench.engine()
    curve_key = engine.open(engine.create(new_name(), P256))
    assert isinstance(curve_key, ec.EllipticCurvePrivateKey)
    rsa_key = engine.open(engine.create(new_name(), KeySpec(KeyType.RSA, 2048)))
    assert isinstance(rsa_key, rsa.RSAPrivateKey)
    refused = [
        lambda: curve_key.exchange(ec.ECDH(), curve_key.public_key()),
        curve_key.private_numbers,
        lambda: curve_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        lambda: curve_key.sign(b"text", ec.ECDSA(MD5())),
        lambda: rsa_key.decrypt(b"0" * 256, padding.PKCS1v15()),
        rsa_key.private_numbers,
        lambda: rsa_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        lambda: rsa_key.sign(b"text", padding.PSS(padding.MGF1(SHA256()), padding.PSS.MAX_LENGTH), SHA256()),
        lambda: rsa_key.sign(b"text", padding.PSS(padding.MGF1(SHA384()), 32), SHA256()),
        lambda: rsa_key.sign(b"text", padding.OAEP(padding.MGF1(SHA256()), SHA256(), None), SHA256()),
    ]
    for call in refused:
        with pytest.raises(UnsupportedAlgorithm):
            call()
    assert rsa_key.key_size == 2048
    assert copy.copy(rsa_key) is copy.deepcopy(rsa_key) is rsa_key
    with pytest.raises(InvalidSignature):
        rsa_key.public_key().verify(
            rsa_key.sign(b"a", padding.PKCS1v15(), SHA256()), b"b", padding.PKCS1v15(), SHA256()
        )
