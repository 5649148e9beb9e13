"""What every crypto engine must do, whatever holds its keys."""

import copy
import itertools
from collections.abc import Callable, Iterator
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
from blazon.testing.suite import Suite

__all__ = ["EngineSuite", "Engines"]

Engines = Callable[[], Engine]
"""Makes an engine over one and the same keys, as a new start of Blazon does each time."""

_P256 = KeySpec(KeyType.ECDSA, 256)
_MESSAGE = b"what is signed" * 20
_numbers = itertools.count()


def _new_name() -> str:
    """The name of a key that nobody has used."""
    return f"ca-{next(_numbers)}"


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


class EngineSuite(Suite):
    """The tests of a `blazon.engines.Engine`.

    A subclass overrides the fixture `make_engine`, and the class variables that are not true of its engine.
    """

    takes_keys = True
    """Whether `import_key` takes keys that were made elsewhere."""
    keeps_keys = True
    """Whether the engine keeps keys itself, outside this process."""
    any_hash = True
    """Whether an ECDSA key signs with any hash, and an RSA key with a salt of PSS as long as its hash."""

    @pytest.fixture
    def make_engine(self) -> Engines:
        """To be overridden: makes the engine that is tested."""
        raise NotImplementedError("override the fixture `make_engine` with one that makes an engine of your kind")

    @pytest.fixture
    def engines(self, make_engine: Engines) -> Iterator[Engines]:
        """Makes engines, and closes them when the test ends."""
        made: list[Engine] = []

        def engine() -> Engine:
            made.append(make_engine())
            return made[-1]

        yield engine
        for each in made:
            each.close()

    @pytest.fixture
    def engine(self, engines: Engines) -> Engine:
        """An engine."""
        return engines()

    def _fits(self, spec: KeySpec, algorithm: SignatureAlgorithm) -> bool:
        if self.any_hash or "PKCS1" in algorithm:
            return True
        return algorithm.startswith("ECDSA") and algorithm[-3:] == {256: "256", 384: "384", 521: "512"}[spec.bits]

    def test_every_kind_of_key_it_supports_signs_by_every_algorithm(self, engine: Engine) -> None:
        supported = engine.info().supported_key_types
        assert {KeyType.RSA, KeyType.ECDSA} <= {kind.type for kind in supported}
        for spec in (KeySpec(kind.type, size) for kind in supported for size in kind.sizes):
            stored = engine.create(_new_name(), spec)
            assert stored.spec == spec
            public_key = stored.load_public_key()
            assert spec_of(public_key) == stored.spec
            key = engine.open(stored)
            assert key.public_key() == public_key
            algorithms = [each for each in _algorithms(public_key) if self._fits(spec, each)]
            assert algorithms
            for algorithm in algorithms:
                signature = sign_message(key, algorithm, MessageType.RAW, _MESSAGE)
                assert verify(public_key, algorithm, MessageType.RAW, _MESSAGE, signature)
                assert not verify(public_key, algorithm, MessageType.RAW, _MESSAGE + b"!", signature)
                assert not verify(public_key, algorithm, MessageType.RAW, _MESSAGE, b"nonsense")
            engine.delete(stored)

    def test_its_keys_are_of_the_classes_of_cryptography(self, engine: Engine) -> None:
        stored = engine.create(_new_name(), _P256)
        key = engine.open(stored)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        assert (key.curve.name, key.key_size) == ("secp256r1", 256)
        key.public_key().verify(key.sign(b"text", ec.ECDSA(SHA256())), b"text", ec.ECDSA(SHA256()))
        assert copy.copy(key).public_key() == copy.deepcopy(key).public_key() == key.public_key()

    def test_a_stored_key_opens_in_another_process(self, engines: Engines) -> None:
        stored = engines().create(_new_name(), _P256)
        kept = msgspec.json.decode(msgspec.json.encode(stored), type=type(stored))
        key = engines().open(kept)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        public_key = stored.load_public_key()
        assert isinstance(public_key, ec.EllipticCurvePublicKey)
        public_key.verify(key.sign(b"text", ec.ECDSA(SHA256())), b"text", ec.ECDSA(SHA256()))

    def test_a_key_is_found_by_its_name_until_it_is_deleted(self, engines: Engines) -> None:
        engine, name = engines(), _new_name()
        assert engine.find(name) is None
        stored = engine.create(name, _P256)
        if not self.keeps_keys:
            assert engine.find(name) is None
            return
        assert engines().find(name) == stored
        with pytest.raises(Conflict):
            engine.create(name, _P256)
        assert engine.open(stored).public_key() == stored.load_public_key()
        engine.delete(stored)
        assert engine.find(name) is None
        with pytest.raises(NotFound):
            engine.open(stored)
        engine.delete(stored)

    @pytest.mark.parametrize("made", ["rsa", "p384", "ed25519"])
    def test_a_key_that_was_made_elsewhere_is_taken_or_refused(self, engines: Engines, made: str) -> None:
        engine = engines()
        key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
        match made:
            case "rsa":
                key = rsa.generate_private_key(65537, 2048)
            case "p384":
                key = ec.generate_private_key(ec.SECP384R1())
            case _:
                key = ed25519.Ed25519PrivateKey.generate()
        if not self.takes_keys:
            with pytest.raises(RuleBroken, match="does not take keys"):
                engine.import_key(_new_name(), key)
            return
        stored = engine.import_key(_new_name(), key)
        opened = engine.open(stored)
        assert opened.public_key() == key.public_key()
        algorithm = _algorithms(key.public_key())[0]
        signature = sign_message(opened, algorithm, MessageType.RAW, _MESSAGE)
        assert verify(key.public_key(), algorithm, MessageType.RAW, _MESSAGE, signature)

    @pytest.mark.parametrize("name", ["", "with blank", "é", "a/b", "x" * 201, "a\n"])
    def test_a_name_no_engine_can_keep_is_refused(self, engine: Engine, name: str) -> None:
        with pytest.raises(RuleBroken, match="name of a key"):
            engine.create(name, _P256)

    @pytest.mark.parametrize(
        "spec", [KeySpec(KeyType.RSA, 1024), KeySpec(KeyType.ECDSA, 224), KeySpec(KeyType.ML_DSA, 45)], ids=str
    )
    def test_a_kind_of_key_it_does_not_make_is_refused_with_what_it_makes(self, engine: Engine, spec: KeySpec) -> None:
        with pytest.raises(RuleBroken, match=r"does not make keys of type .*; it makes RSA: 2048"):
            engine.create(_new_name(), spec)

    def test_keys_are_used_from_many_threads_at_once(self, engines: Engines) -> None:
        engine = engines()
        stored = [engine.create(_new_name(), _P256) for _ in range(2)]
        keys = [engine.open(each) for each in stored]

        def sign(number: int) -> bool:
            key = keys[number % 2]
            text = str(number).encode()
            signature = sign_message(key, SignatureAlgorithm.ECDSA_SHA_256, MessageType.RAW, text)
            return verify(key.public_key(), SignatureAlgorithm.ECDSA_SHA_256, MessageType.RAW, text, signature)

        with ThreadPoolExecutor(8) as threads:
            assert all(threads.map(sign, range(64)))

    def test_it_says_what_it_is(self, engine: Engine) -> None:
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

    def test_a_key_outside_this_process_only_signs(self, engine: Engine) -> None:
        if not self.keeps_keys:
            return
        curve_key = engine.open(engine.create(_new_name(), _P256))
        assert isinstance(curve_key, ec.EllipticCurvePrivateKey)
        rsa_key = engine.open(engine.create(_new_name(), KeySpec(KeyType.RSA, 2048)))
        assert isinstance(rsa_key, rsa.RSAPrivateKey)
        refused: list[Callable[[], object]] = [
            lambda: curve_key.exchange(ec.ECDH(), curve_key.public_key()),
            curve_key.private_numbers,
            lambda: curve_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            lambda: curve_key.sign(b"text", ec.ECDSA(MD5())),  # noqa: S303 - it is to be refused
            lambda: rsa_key.decrypt(b"0" * 256, padding.PKCS1v15()),
            rsa_key.private_numbers,
            lambda: rsa_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            lambda: rsa_key.sign(b"text", padding.PSS(padding.MGF1(SHA256()), padding.PSS.MAX_LENGTH), SHA256()),
            lambda: rsa_key.sign(b"text", padding.PSS(padding.MGF1(SHA384()), 32), SHA256()),
            lambda: rsa_key.sign(b"text", padding.OAEP(padding.MGF1(SHA256()), SHA256(), None), SHA256()),
        ]
        assert not engine.quick(_P256)
        assert not engine.quick(KeySpec(KeyType.RSA, 4096))
        for call in refused:
            with pytest.raises(UnsupportedAlgorithm):
                call()
        assert rsa_key.key_size == 2048
        assert copy.copy(rsa_key) is copy.deepcopy(rsa_key) is rsa_key
        with pytest.raises(InvalidSignature):
            rsa_key.public_key().verify(
                rsa_key.sign(b"a", padding.PKCS1v15(), SHA256()), b"b", padding.PKCS1v15(), SHA256()
            )
