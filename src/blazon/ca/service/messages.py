"""Raw signatures with the key of a CA."""

import hashlib

import msgspec

from blazon.ca import events
from blazon.ca.events import Signed
from blazon.ca.models import AUTHORITY
from blazon.ca.service import rules
from blazon.ca.service.keyring import Keyring, Loaded
from blazon.ca.service.rights import Rights
from blazon.caller import Caller
from blazon.engines import MessageType, SignatureAlgorithm, sign_message, verify_message
from blazon.log import Basis, Decision, Log, Steps

__all__ = ["Messages"]


class Messages:
    """The rules of raw signatures."""

    def __init__(self, log: Log, rights: Rights, keyring: Keyring) -> None:
        self._log = log
        self._rights = rights
        self._keyring = keyring

    async def sign(
        self, caller: Caller, name: str, algorithm: SignatureAlgorithm, kind: MessageType, message: bytes
    ) -> bytes:
        """Signs a message or a digest with the key of a CA; that it did is recorded, with a digest of the message."""
        signature = b""

        async def check() -> tuple[Loaded, Basis]:
            basis = await self._rights.pki(caller)
            loaded = await self._keyring.get(name)
            rules.check_can_sign(loaded.authority)
            return loaded, basis | {AUTHORITY.of(loaded.authority.id): loaded.authority.revision}

        async def act(checked: tuple[Loaded, Basis]) -> None:
            nonlocal signature
            loaded, _ = checked
            signature = await loaded.threads.run(sign_message, loaded.signer, algorithm, kind, message)

        def record(checked: tuple[Loaded, Basis], _: None) -> Decision:
            loaded, basis = checked
            authority = loaded.authority
            signed = Signed(
                id=authority.id,
                algorithm=algorithm.value,
                message_type=kind.value,
                digest=hashlib.sha256(message).hexdigest(),
            )
            return Decision((events.SIGNATURE_SIGN.event(AUTHORITY.of(authority.id), signed),), basis)

        # A signature is not kept: a repeated request signs again.
        signing = Steps(check=check, act=act, record=record)
        await self._log.perform(msgspec.structs.replace(caller, once=None), signing)
        return signature

    async def verify(
        self,
        caller: Caller,
        name: str,
        algorithm: SignatureAlgorithm,
        kind: MessageType,
        message: bytes,
        signature: bytes,
    ) -> bool:
        """Whether a signature is good by the key of a CA."""
        await self._rights.pki(caller)
        loaded = await self._keyring.get(name)
        return verify_message(loaded.issuer.public_key, algorithm, kind, message, signature)
