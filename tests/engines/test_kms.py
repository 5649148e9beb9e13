"""The KMS engine where it is unlike others: a service that goes away, long messages, wrong settings."""

import hashlib

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256, SHA384

from blazon.engines import EngineUnavailable, KeySpec, KeyType, KmsEngine, MessageType, SignatureAlgorithm, sign_message
from blazon.errors import Conflict, NotFound, RuleBroken, SettingsError
from tests.engines.support import P256, kms_engine, new_name
from tests.servers import MotoServer, free_port


def test_a_service_that_is_away_is_unavailable() -> None:
    server = MotoServer()
    engine = kms_engine(server)
    stored = engine.create(new_name(), P256)
    key = engine.open(stored)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    server.kill()
    for call in (
        lambda: key.sign(b"text", ec.ECDSA(SHA256())),
        lambda: engine.create(new_name(), P256),
        lambda: engine.open(stored),
        lambda: engine.find("any"),
        lambda: engine.delete(stored),
    ):
        with pytest.raises(EngineUnavailable, match="AWS KMS does not answer"):
            call()
    assert engine.info().supported_key_types
    server.start()
    # It came back without what it had: another account, as it were.
    with pytest.raises(NotFound):
        engine.open(stored)
    assert engine.find(stored.name) is None
    assert engine.create(stored.name, P256).name == stored.name
    engine.close()
    server.remove()


def test_a_long_message_is_sent_as_its_digest(moto: MotoServer) -> None:
    engine = kms_engine(moto)
    key = engine.open(engine.create(new_name(), P256))
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    longest, longer = b"x" * 4096, b"x" * 4097
    algorithm = ec.ECDSA(SHA256())
    key.public_key().verify(key.sign(longest, algorithm), longest, algorithm)
    # moto hashes a digest once more, unlike Amazon's (its documentation says so), which shows what it was sent.
    key.public_key().verify(key.sign(longer, algorithm), hashlib.sha256(longer).digest(), algorithm)
    digest = hashlib.sha256(b"text").digest()
    signature = sign_message(key, SignatureAlgorithm.ECDSA_SHA_256, MessageType.HASH, digest)
    key.public_key().verify(signature, digest, algorithm)


def test_a_hash_that_is_not_the_curves_is_refused(moto: MotoServer) -> None:
    engine = kms_engine(moto)
    key = engine.open(engine.create(new_name(), P256))
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    with pytest.raises(RuleBroken, match="signs with sha256"):
        key.sign(b"text", ec.ECDSA(SHA384()))


def test_a_key_a_kill_left_without_its_alias_is_found_by_its_tag(
    moto: MotoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed, engine, name = kms_engine(moto), kms_engine(moto), new_name()

    def kill(**_: object) -> None:
        raise SystemExit

    monkeypatch.setattr(killed._client(), "create_alias", kill)
    with pytest.raises(SystemExit):
        killed.create(name, P256)
    assert engine.find(new_name()) is None
    found = engine.find(name)
    assert found is not None
    engine.delete(found)
    assert engine._client().describe_key(KeyId=found.handle)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    assert engine.find(name) is None


def test_a_name_another_process_took_first_leaves_no_key_behind(
    moto: MotoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, other, name = kms_engine(moto), kms_engine(moto), new_name()
    first = other.create(name, P256)
    # Both looked and found nothing; the other was faster.
    monkeypatch.setattr(engine, "_by_alias", lambda _: None)
    with pytest.raises(Conflict):
        engine.create(name, P256)
    keys = engine._client().list_keys()["Keys"]
    about = [engine._client().describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in keys]
    states = {key["Arn"]: key["KeyState"] for key in about if key["Description"] == f"Blazon {name}"}
    assert sorted(states.values()) == ["Enabled", "PendingDeletion"]
    assert states[first.handle] == "Enabled"


def test_it_makes_no_keys_x509_cannot_use_with_it(moto: MotoServer) -> None:
    with pytest.raises(RuleBroken):
        kms_engine(moto).create(new_name(), KeySpec(KeyType.ED25519, 256))


def test_a_key_that_waits_to_be_deleted_is_not_opened(moto: MotoServer) -> None:
    engine = kms_engine(moto)
    stored = engine.create(new_name(), P256)
    engine.delete(stored)
    engine.delete(stored)
    with pytest.raises(NotFound, match="PendingDeletion"):
        engine.open(stored)
    with pytest.raises(NotFound, match="no such key"):
        engine.open(msgspec.structs.replace(stored, handle=stored.handle[:-4] + "0000"))


def test_nothing_listens_where_the_settings_say() -> None:
    engine = KmsEngine(
        "kms", region="eu-west-1", endpoint=f"http://127.0.0.1:{free_port()}", access_key="a", secret_key="hidden"
    )
    with pytest.raises(EngineUnavailable) as caught:
        engine.find("any")
    assert "hidden" not in str(caught.value)
    engine.close()


def test_without_its_library_the_start_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"pip install 'blazon\[aws\]'"):
        KmsEngine("kms", region="eu-west-1")
