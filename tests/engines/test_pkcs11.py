"""The PKCS#11 engine where it is unlike others: tokens that go away, keys that are destroyed, wrong settings."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import msgspec
import pkcs11 as p11
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from blazon.engines import Engine, EngineUnavailable, KeyType, Pkcs11Engine
from blazon.errors import NotFound, SettingsError
from tests.engines.support import P256, new_name, pkcs11_engine
from tests.servers import SoftHsm, wait_for


@pytest.fixture
def hsm(softhsm: SoftHsm) -> Engine:
    return pkcs11_engine(softhsm)


def _sign(key: object) -> bytes:
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    signature = key.sign(b"text", ec.ECDSA(SHA256()))
    key.public_key().verify(signature, b"text", ec.ECDSA(SHA256()))
    return signature


def test_it_supports_what_the_module_does(hsm: Engine) -> None:
    info = hsm.info()
    assert {kind.type: kind.sizes for kind in info.supported_key_types} == {
        KeyType.RSA: (2048, 3072, 4096),
        KeyType.ECDSA: (256, 384, 521),
        KeyType.ED25519: (256,),
    }
    assert (info.provider, info.name) == ("SoftHSM project", "SoftHSM v2")
    assert info.metadata["lamassu.io/cryptoengine/pkcs11/cryptoki-version"] == "2.40"
    assert info.metadata["lamassu.io/cryptoengine/pkcs11/manufacturer"] == "SoftHSM"


def test_a_private_key_cannot_be_taken_out(hsm: Engine, softhsm: SoftHsm) -> None:
    name = new_name()
    hsm.create(name, P256)

    def attributes() -> tuple[bool, bool]:
        with p11.lib(softhsm.module).get_token(token_label="blazon").open() as session:
            (key,) = session.get_objects({p11.Attribute.CLASS: p11.ObjectClass.PRIVATE_KEY, p11.Attribute.LABEL: name})
            with pytest.raises(p11.AttributeSensitive):
                key[p11.Attribute.VALUE]
            return key[p11.Attribute.SENSITIVE], key[p11.Attribute.EXTRACTABLE]

    # On the module's thread, as the engine's own calls are.
    assert isinstance(hsm, Pkcs11Engine)
    assert hsm._on_thread(attributes, 10) == (True, False)


def test_a_token_that_is_away_is_unavailable_and_works_when_it_is_back(hsm: Engine, softhsm: SoftHsm) -> None:
    stored = hsm.create(new_name(), P256)
    key = hsm.open(stored)
    _sign(key)
    softhsm.take_away()
    try:
        for call in (
            lambda: _sign(key),
            lambda: hsm.create(new_name(), P256),
            lambda: hsm.open(stored),
            lambda: hsm.find("any"),
            lambda: hsm.delete(stored),
        ):
            with pytest.raises(EngineUnavailable, match="token blazon of the engine hsm does not answer"):
                call()
        info = pkcs11_engine(softhsm).info()
        assert info.supported_key_types == ()
        assert "does not answer" in info.metadata["blazon.io/unavailable"]
    finally:
        softhsm.give_back()
    _sign(key)
    assert hsm.find(stored.name) == stored


def test_a_destroyed_key_signs_no_more(hsm: Engine) -> None:
    stored = hsm.create(new_name(), P256)
    key = hsm.open(stored)
    hsm.delete(stored)
    with pytest.raises(NotFound, match="no longer has the key"):
        _sign(key)


def test_two_tokens_of_one_module_are_used_at_once(softhsm: SoftHsm) -> None:
    softhsm.add_token("second")
    engines = [
        Pkcs11Engine(label, module=softhsm.module, token=label, pin=softhsm.pin) for label in ("second", "blazon")
    ]
    keys = [engine.open(engine.create(new_name(), P256)) for engine in engines]
    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(_sign, keys * 20))) == 40
    for engine in engines:
        engine.close()


@pytest.mark.parametrize(
    ("module", "token", "pin"),
    [
        ("/nonexistent/module.so", "blazon", "1234"),
        (SoftHsm.module, "no-such-token", "1234"),
        (SoftHsm.module, "locked", "9999"),
    ],
)
def test_wrong_settings_are_unavailable_with_the_reason(softhsm: SoftHsm, module: str, token: str, pin: str) -> None:
    if token == "locked":
        softhsm.add_token(token)
    engine = Pkcs11Engine("hsm", module=module, token=token, pin=pin)
    with pytest.raises(EngineUnavailable, match=f"the token {token} of the engine hsm does not answer: \\w"):
        engine.create(new_name(), P256)
    assert engine.info().metadata["blazon.io/unavailable"]
    assert pin not in str(engine.info().metadata)
    engine.close()


def test_a_wrong_pin_is_tried_once_so_that_the_token_does_not_lock(
    softhsm: SoftHsm, monkeypatch: pytest.MonkeyPatch
) -> None:
    softhsm.add_token("precious")
    engine = Pkcs11Engine("hsm", module=softhsm.module, token="precious", pin="9999")
    tries: list[str] = []
    connect = engine._connect
    monkeypatch.setattr(engine, "_connect", lambda: tries.append("one") or connect())
    for _ in range(5):
        with pytest.raises(EngineUnavailable, match="mend the PIN in the settings"):
            engine.find("any")
    assert tries == ["one"]
    Pkcs11Engine("hsm", module=softhsm.module, token="precious", pin=softhsm.pin).create(new_name(), P256)


def test_an_engine_whose_token_is_missing_does_not_end_another(hsm: Engine, softhsm: SoftHsm) -> None:
    """To look for a missing token the module is started anew, which ends every session with it."""
    key = hsm.open(hsm.create(new_name(), P256))
    other = Pkcs11Engine("other", module=softhsm.module, token="missing", pin="1234")
    for _ in range(3):
        with pytest.raises(EngineUnavailable, match="token missing of the engine other"):
            other.find("any")
        _sign(key)


def test_a_module_that_hangs_is_waited_for_so_long_only() -> None:
    engine = Pkcs11Engine("hsm", module="/hangs.so", token="blazon", pin="1234", timeout=0.05)
    go_on = Event()
    with ThreadPoolExecutor(1) as others:
        # Somebody else's call holds the module's thread.
        held = others.submit(lambda: engine._on_thread(go_on.wait, 30))
        try:
            wait_for(held.running, "the other call")
            with pytest.raises(EngineUnavailable, match=r"did not answer within 0\.05 s"):
                engine.find("any")
        finally:
            go_on.set()
        assert held.result()


def test_a_handle_of_another_engine_is_not_found(hsm: Engine) -> None:
    stored = hsm.create(new_name(), P256)
    for handle in ("", "v1.AAAA", stored.handle + "%zz", stored.handle[:-1]):
        with pytest.raises(NotFound, match="not that of a PKCS#11 engine"):
            hsm.open(msgspec.structs.replace(stored, handle=handle))


def test_without_its_library_the_start_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"pip install 'blazon\[pkcs11\]'"):
        Pkcs11Engine("hsm", module="/x.so", token="t", pin="1")
