"""The PKCS#11 engine: keys in a hardware module or a smart card, or in SoftHSM.

Keys are made in the token, marked sensitive and not extractable, with their name as CKA_LABEL and a random CKA_ID. The
handle of a key is a PKCS#11 URI (RFC 7512) with both. Digests are made here, so little data travels to the module.

A module is not to be called from two threads, whatever its documents say: every call to it is made on one thread, for
all engines that use it. An answer is waited for no longer than `timeout`.
"""

import contextlib
import importlib.util
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

from blazon.engines.engine import Engine, EngineInfo, EngineUnavailable, PrivateKey, SecurityLevel, StoredKey
from blazon.engines.keys import KeySpec, SupportedKeys, spec_of
from blazon.engines.remote import Task, remote_key
from blazon.engines.rules import check_name, check_supported, public_bytes
from blazon.errors import BlazonError, Conflict, NotFound, SettingsError

if TYPE_CHECKING:
    import pkcs11 as p11

    from blazon.engines.token import Token

__all__ = ["Pkcs11Engine"]

T = TypeVar("T")

_URI: Final = re.compile(r"pkcs11:object=[A-Za-z0-9_.-]+;id=((?:%[0-9a-f]{2})+)")
_CREATION: Final = 120.0
"""Seconds a module may take to make a key: RSA-4096 in a smart card is slow."""


class Pkcs11Engine(Engine):
    """Keys in one token of one module, which is found by its label."""

    def __init__(self, engine_id: str, *, module: str, token: str, pin: str, timeout: float = 10.0) -> None:
        """`module` is the path of the shared library. Raises SettingsError when python-pkcs11 is not installed."""
        if importlib.util.find_spec("pkcs11") is None:
            raise SettingsError(f"the crypto engine {engine_id} needs python-pkcs11; pip install 'blazon[pkcs11]'")
        self._id = engine_id
        self._module = module
        self._label = token
        self._pin = pin
        self._timeout = timeout
        self._token: Token | None = None
        self._info: EngineInfo | None = None
        self._refused = ""

    @property
    def id(self) -> str:
        return self._id

    def info(self) -> EngineInfo:
        if self._info is None:
            try:
                self._info = self._ask(self._described)
            except BlazonError as error:
                return self._about("", "", {"blazon.io/unavailable": str(error)}, ())
        return self._info

    def check(self) -> None:
        self._ask(lambda token: token.check())

    def quick(self, spec: KeySpec) -> bool:
        return False

    def check_makes(self, spec: KeySpec) -> None:
        token = self._token  # a token that was opened has told what it makes
        supported = self._ask(lambda token: token.supported) if token is None else token.supported
        check_supported(self._id, supported, spec)

    def check_takes(self, spec: KeySpec) -> None:
        self.check_makes(spec)

    def create(self, name: str, spec: KeySpec) -> StoredKey:
        check_name(name)

        def make(token: "Token") -> StoredKey:
            check_supported(self._id, token.supported, spec)
            self._refuse_second(token, name)
            identifier = os.urandom(16)
            token.generate(spec, name, identifier)
            return self._stored(token, name, identifier)

        return self._ask(make, _CREATION)

    def import_key(self, name: str, private_key: PrivateKey) -> StoredKey:
        check_name(name)
        spec = spec_of(private_key.public_key())

        def take(token: "Token") -> StoredKey:
            check_supported(self._id, token.supported, spec)
            self._refuse_second(token, name)
            identifier = os.urandom(16)
            token.store(private_key, name, identifier)
            return self._stored(token, name, identifier)

        return self._ask(take)

    def open(self, key: StoredKey) -> PrivateKey:
        identifier = _identifier(key)

        self._ask(lambda token: self._key(token, identifier))
        return remote_key(key.load_public_key(), lambda task: self._sign(identifier, task))

    def find(self, name: str) -> StoredKey | None:
        check_name(name)

        def look(token: "Token") -> StoredKey:
            identifier = token.identifier_of(name)
            if identifier is None:
                raise _KeyMissing(f"the token of the engine {self._id} has no key {name}")
            return self._stored(token, name, identifier)

        try:
            return self._ask(look)
        except _KeyMissing:
            return None

    def delete(self, key: StoredKey) -> None:
        identifier = _identifier(key)
        self._ask(lambda token: token.destroy(identifier))

    def close(self) -> None:
        if self._token is not None:
            with contextlib.suppress(EngineUnavailable):
                self._on_thread(self._drop, self._timeout)

    def _sign(self, identifier: bytes, task: Task) -> bytes:
        return self._ask(lambda token: token.sign(self._key(token, identifier), task))

    def _key(self, token: "Token", identifier: bytes) -> Any:
        key = token.private_key(identifier)
        if key is None:
            raise _KeyMissing(f"the token of the engine {self._id} no longer has the key")
        return key

    def _refuse_second(self, token: "Token", name: str) -> None:
        if token.identifier_of(name) is not None:
            raise Conflict(f"the engine {self._id} has a key {name} already")

    def _stored(self, token: "Token", name: str, identifier: bytes) -> StoredKey:
        public_key = token.public_key(identifier)
        return StoredKey(
            engine_id=self._id,
            name=name,
            spec=spec_of(public_key),
            handle=f"pkcs11:object={name};id=" + "".join(f"%{octet:02x}" for octet in identifier),
            public_key=public_bytes(public_key),
        )

    def _described(self, token: "Token") -> EngineInfo:
        metadata = {f"lamassu.io/cryptoengine/pkcs11/{name}": value for name, value in token.about.items()}
        return self._about(token.manufacturer, token.model, metadata, token.supported)

    def _about(
        self, provider: str, name: str, metadata: dict[str, str], supported: tuple[SupportedKeys, ...]
    ) -> EngineInfo:
        return EngineInfo("PKCS11", SecurityLevel.SL2, provider, name, metadata, supported, self._id)

    def _ask(self, question: Callable[["Token"], T], timeout: float | None = None) -> T:
        """Asks the token on the module's thread. A session that has broken is made anew, once."""
        return self._on_thread(lambda: self._with_token(question), timeout or self._timeout)

    def _with_token(self, question: Callable[["Token"], T]) -> T:
        import pkcs11 as p11

        if self._token is not None:
            try:
                return question(self._token)
            except (p11.PKCS11Error, _KeyMissing):
                # The token was away since; what was asked may well work in a new session. Some modules know no keys in
                # a session that lived through that.
                self._drop()
        if self._refused:
            raise EngineUnavailable(self._refused)
        try:
            self._token = self._connect()
            return question(self._token)
        except (p11.PinIncorrect, p11.PinLocked, p11.PinInvalid) as error:
            # Tokens lock themselves for good after a few wrong PINs, so a wrong one is tried once in a process's life.
            away = self._away(error)
            self._refused = f"{away}; mend the PIN in the settings and start again"
            raise EngineUnavailable(self._refused) from error
        except p11.PKCS11Error as error:
            self._drop()
            raise self._away(error) from error

    def _connect(self) -> "Token":
        import pkcs11 as p11

        from blazon.engines.token import Token

        library = p11.lib(self._module)
        try:
            return Token(library, self._label, self._pin)
        except (p11.PinIncorrect, p11.PinLocked, p11.PinInvalid):
            raise
        except p11.PKCS11Error:
            # A module learns of a token that has come back only when it is started anew.
            library.reinitialize()
            return Token(library, self._label, self._pin)

    def _drop(self) -> None:
        token, self._token = self._token, None
        if token is not None:
            token.close()

    def _on_thread(self, call: Callable[[], T], timeout: float) -> T:
        asked = _thread(self._module).submit(call)
        try:
            return asked.result(timeout)
        except TimeoutError:
            asked.cancel()  # when it still waits its turn behind a call that hangs
            raise EngineUnavailable(
                f"the module of the engine {self._id} did not answer within {timeout:g} s"
            ) from None

    def _away(self, error: "p11.PKCS11Error") -> EngineUnavailable:
        reason = str(error) or type(error).__name__
        return EngineUnavailable(f"the token {self._label} of the engine {self._id} does not answer: {reason}")


class _KeyMissing(NotFound):
    """There is no such key, in this session at least."""


@cache
def _thread(module: str) -> ThreadPoolExecutor:
    """The one thread on which a module is called."""
    return ThreadPoolExecutor(1, f"pkcs11 {os.path.basename(module)}")


def _identifier(key: StoredKey) -> bytes:
    found = _URI.fullmatch(key.handle)
    if found is None:
        raise NotFound(f"the handle of the key {key.name} is not that of a PKCS#11 engine")
    return bytes.fromhex(found[1].replace("%", ""))
