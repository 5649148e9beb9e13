"""Who signs OCSP answers for a CA: itself, or a key in this process that the CA delegated it to."""

import asyncio
from typing import Final

import msgspec

from blazon.ca import events
from blazon.ca.events import CertificateState
from blazon.ca.models import AUTHORITY, CERTIFICATE, INTENT, IntentKind, Owner
from blazon.ca.service import rules
from blazon.ca.service.intents import Intents, ended
from blazon.ca.service.keyring import Loaded
from blazon.ca.service.pauses import Pauses
from blazon.ca.service.rules import Deltas, Issuing
from blazon.ca.x509 import Responder, draft_responder, format_serial, new_serial, sign_draft
from blazon.caller import ANONYMOUS
from blazon.clock import NANOSECONDS
from blazon.engines import EngineUnavailable, KeySpec, KeyType, generate_key
from blazon.errors import Malformed, NotFound, RuleBroken
from blazon.log import Decision, Log, canonical

__all__ = ["Responders", "Signer"]

_LIFE: Final = 14 * 86400
"""Seconds a delegated certificate lives: nobody can revoke it, so it is short (RFC 6960 §4.2.2.2.1)."""

_PURPOSE: Final = {"blazon.io/purpose": "ocsp-responder"}
_SPEC: Final = KeySpec(KeyType.ECDSA, 256)
_NO_END: Final = 2**62


class Signer(msgspec.Struct, frozen=True, eq=False):
    """A responder, and whether it signs in less than a millisecond. Times are Unix seconds.

    It signs until `until`. What it signs is good until `ends` at most: then its certificate is over.
    """

    responder: Responder
    quick: bool
    until: int = _NO_END
    ends: int = _NO_END


class Responders:
    """Responders by CA. A delegated one is made when it is needed, recorded as any certificate is, and renewed."""

    def __init__(self, log: Log, intents: Intents, deltas: Deltas, pauses: Pauses, lifetime: int) -> None:
        """`lifetime` is that of an answer in seconds."""
        self._log = log
        self._intents = intents
        self._deltas = deltas
        self._pauses = pauses
        # Its certificate is to outlive what it signs; but it is made anew twice a week at most.
        self._serves = max(_LIFE // 4, min(_LIFE // 2, _LIFE - lifetime))
        self._known: dict[str, tuple[bytes, Signer]] = {}
        self._making: dict[str, asyncio.Task[Signer]] = {}

    async def of(self, loaded: Loaded) -> Signer:
        """The responder of a CA. Raises EngineUnavailable, StorageUnavailable when one must be made and cannot be."""
        now = self._log.clock.now() // NANOSECONDS
        found = self._find(loaded, now)
        if found is not None:
            return found
        if loaded.quick:
            return self._keep(loaded, Signer(Responder.of(loaded.issuer, loaded.signer), quick=True))
        identifier = loaded.authority.id
        making = self._making.get(identifier)
        if making is None:
            # One for all who ask meanwhile. It goes on when none of them is there any more.
            making = self._making[identifier] = asyncio.create_task(self._intents.to_the_end(self._made(loaded)))
            making.add_done_callback(lambda _: self._making.pop(identifier))
            making.add_done_callback(_look_at_error)
        return await asyncio.shield(making)

    async def _made(self, loaded: Loaded) -> Signer:
        try:
            rules.check_can_sign(loaded.authority)
            with self._pauses.of(loaded.authority.id):
                return self._keep(loaded, await self._delegated(loaded))
        except (Malformed, RuleBroken):  # a CA that may issue nothing any more still speaks for itself
            responder = Responder.of(loaded.issuer, loaded.signer)
            return self._keep(loaded, Signer(responder, quick=False))

    def _find(self, loaded: Loaded, now: int) -> Signer | None:
        known = self._known.get(loaded.authority.id)
        if known is None or known[0] != loaded.authority.certificate or known[1].until <= now:
            return None
        return known[1]

    def _keep(self, loaded: Loaded, signer: Signer) -> Signer:
        self._known[loaded.authority.id] = (loaded.authority.certificate, signer)
        return signer

    async def _delegated(self, loaded: Loaded) -> Signer:
        now = self._log.clock.now()
        seconds = now // NANOSECONDS
        authority = loaded.authority
        private_key = generate_key(_SPEC)
        drafted = draft_responder(
            loaded.issuer, private_key.public_key(), serial=new_serial(), now=seconds, valid_to=seconds + _LIFE
        )
        serial = format_serial(drafted.serial)
        async with self._intents.open(ANONYMOUS) as intents:
            intent = await intents.begin(IntentKind.SIGN, authority.id, authority.engine_id, serial)
            try:
                certificate = await loaded.threads.run(sign_draft, drafted, loaded.signer)
            except NotFound as error:  # the key, and not what was asked for
                raise EngineUnavailable(error.reason) from error
            issuing = Issuing(authority.id, authority.serial)
            state = CertificateState(
                **rules.issued_fields(certificate, _SPEC, issuing, self._deltas, now),
                type=Owner.MANAGED,
                engine_id=authority.engine_id,
                metadata=canonical(_PURPOSE),
            )

            async def decide() -> Decision:
                made = events.CA_SIGN_CERTIFICATE.event(CERTIFICATE.of(serial), state)
                relies = {AUTHORITY.of(authority.id): authority.revision, INTENT.of(intent.id): intent.revision}
                return Decision((made, ended(intent, done=True)), relies)

            await self._log.commit(ANONYMOUS, decide)
            intents.settle()
        responder = Responder.of(loaded.issuer, private_key, certificate)
        until = min(seconds + self._serves, drafted.valid_to)
        return Signer(responder, quick=True, until=until, ends=drafted.valid_to)


def _look_at_error(task: "asyncio.Task[Signer]") -> None:
    """Those who asked may be gone when it fails: the next one tries again."""
    if not task.cancelled():
        task.exception()
