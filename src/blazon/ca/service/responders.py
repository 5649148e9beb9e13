"""Who signs OCSP responses for a CA: itself, or a key in this process that the CA delegated it to.

A CA signs itself when its key is quick and its certificate lets it sign more than certificates and CRLs. Any other one
delegates: to a key that is kept, sealed, in the log, with a certificate for two weeks (RFC 6960 §4.2.2.2). So it is
there after a restart and in every process, also while the engine of the CA is away. It is renewed when half of its time
is over, and used to its end when that fails.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec
import structlog
from cryptography import x509

from blazon.ca import events
from blazon.ca.events import CertificateState, ResponderCreated
from blazon.ca.models import (
    AUTHORITY,
    CERTIFICATE,
    RESPONDER,
    Authority,
    IntentKind,
    Owner,
    Status,
    StoredResponder,
)
from blazon.ca.published import Published
from blazon.ca.service import rules
from blazon.ca.service.intents import Intents, Open
from blazon.ca.service.keyring import Keyring, Known, Loaded
from blazon.ca.service.procedure import KeyProcedure
from blazon.ca.service.rules import Deltas, Issuing
from blazon.ca.store import Store
from blazon.ca.x509 import Responder, draft_responder, format_serial, is_issued_by, new_serial, sign_draft
from blazon.caller import ANONYMOUS
from blazon.clock import NANOSECONDS
from blazon.engines import EngineUnavailable, KeySpec, KeyType, SoftwareEngine, StoredKey, cpu_threads
from blazon.errors import Malformed, NotFound, RuleBroken, Unavailable
from blazon.log import Basis, Decision, Log, Record, canonical
from blazon.pkix import load_certificate

__all__ = ["Responders", "Signer"]

_LIFE: Final = 14 * 86400
"""Seconds a delegated certificate lives: nobody asks whether it is revoked, so it is short (RFC 6960 §4.2.2.2.1)."""

_PATIENCE: Final = 2.0
"""Seconds who asks waits for another responder while there is one that is good."""

_LOOK: Final = 60.0
"""Seconds between two looks for responders that are to be renewed though nobody asks."""

_PURPOSE: Final = {"blazon.io/purpose": "ocsp-responder"}
_SPEC: Final = KeySpec(KeyType.ECDSA, 256)
_NO_END: Final = 2**62

_log = structlog.get_logger("blazon.ca")


class Signer(msgspec.Struct, frozen=True, eq=False):
    """A responder, and whether it signs in less than a millisecond. Times are Unix seconds.

    `serial` is that of the certificate of a delegated one. It is to be renewed from `renew_at` on. What it signs is
    good until `ends` at most: then its certificate is over.
    """

    responder: Responder
    quick: bool
    serial: str = ""
    renew_at: int = _NO_END
    ends: int = _NO_END


class Responders:
    """Responders by CA. A delegated one is made when it is asked for first, and recorded as any certificate is."""

    def __init__(
        self,
        log: Log,
        store: Store,
        published: Published,
        keyring: Keyring,
        intents: Intents,
        engine: SoftwareEngine,
        deltas: Deltas,
        lifetime: int,
    ) -> None:
        """`engine` seals the keys; `lifetime` is that of an answer in seconds."""
        self._log = log
        self._store = store
        self._published = published
        self._keyring = keyring
        self._intents = intents
        self._engine = engine
        self._deltas = deltas
        # A long answer is to be good for all of its time, but a certificate is made anew twice a week at most.
        self._serves = max(_LIFE // 4, min(_LIFE // 2, _LIFE - lifetime))
        self._signers: dict[str, Signer] = {}
        # The CA of each responder by which this process signed, by the serial number of its certificate.
        self._cas: dict[str, str] = {}
        self._dropped = 0
        self._making: dict[str, asyncio.Task[Signer]] = {}

    async def of(self, known: Known) -> Signer:
        """The responder of a CA. Raises EngineUnavailable, StorageUnavailable when one must be made and cannot be."""
        now = self._log.clock.now() // NANOSECONDS
        signer = self._signers.get(known.authority.id)
        if signer is None or signer.ends <= now:
            signer = await self._found(known, now)
        if signer is None:
            return await asyncio.shield(self._make(known))
        return signer if now < signer.renew_at else await self._renewed(known, signer)

    async def keep_renewed(self) -> None:
        """Renews in time what nobody asks for, so that an engine that goes away finds it fresh. Runs for ever."""
        while True:
            await asyncio.sleep(_LOOK)
            try:
                for identifier in await self._published.delegating():
                    await self._renew_in_time(identifier)
            except Unavailable as error:
                _log.warning("OCSP responders are not looked through", reason=error.reason)
            except Exception:  # noqa: BLE001 - a bug here costs time, as a responder is renewed when it is asked
                _log.exception("OCSP responders are not renewed ahead")

    async def _renew_in_time(self, identifier: str) -> None:
        try:
            await self.of(await self._keyring.known(identifier))
        except (EngineUnavailable, NotFound) as error:
            _log.warning("the OCSP responder of a CA is not renewed", ca=identifier, reason=error.reason)

    async def reload(self) -> int:
        """Forgets every responder."""
        self._dropped += 1
        self._signers.clear()
        self._cas.clear()
        return 0

    def hear(self, records: Sequence[Record]) -> None:
        """A CA that changed, a responder that was made or revoked, is looked at anew."""
        for record in records:
            if record.service != events.SERVICE:
                continue
            if record.subject.startswith(("ca:", "ca-responder:")):
                self._drop(record.key)
            elif self.is_loss(record):
                self._drop(self._cas[record.key])

    def is_loss(self, record: Record) -> bool:
        """Whether a record revokes or holds the certificate of a responder by which this process signed."""
        if record.type != events.CERTIFICATE_UPDATE_STATUS.name or record.key not in self._cas:
            return False
        return events.CERTIFICATE_UPDATE_STATUS.read(record).status is Status.REVOKED

    def _drop(self, identifier: str) -> None:
        self._dropped += 1
        self._signers.pop(identifier, None)

    def _keep(self, known: Known, signer: Signer, dropped: int) -> Signer:
        # While we read, a change may have come: then what was read may be old, and is not kept.
        if dropped == self._dropped:
            self._signers[known.authority.id] = signer
        if signer.serial:
            self._cas[signer.serial] = known.authority.id
        return signer

    async def _found(self, known: Known, now: int) -> Signer | None:
        """The responder that is there: the CA itself, or the key it delegated to last."""
        dropped = self._dropped
        if known.quick and known.issuer.signs_ocsp:
            loaded = await self._keyring.ask(known.authority.id)
            return self._keep(known, Signer(Responder.of(loaded.issuer, loaded.signer), quick=True), dropped)
        stored = await self._published.responder(known.authority.id)
        if stored is None or not self._is_usable(known, stored, now):
            return None
        return self._keep(known, await self._signer(known, stored), dropped)

    def _is_usable(self, known: Known, stored: StoredResponder, now: int) -> bool:
        # What a revoked CA had delegated to was revoked with it, and is all that speaks for it when its engine is away.
        if stored.valid_to <= now or (stored.is_revoked and known.over is None):
            return False
        return is_issued_by(load_certificate(stored.certificate), known.issuer.certificate)

    async def _signer(self, known: Known, stored: StoredResponder) -> Signer:
        private_key = await cpu_threads().run(self._engine.open, stored.key)
        certificate = load_certificate(stored.certificate)
        # One that ends with its CA is the last: another one would not last longer.
        is_last = stored.valid_to >= known.issuer.valid_to or known.over is not None
        return Signer(
            Responder.of(known.issuer, private_key, certificate),
            quick=True,
            serial=format_serial(certificate.serial_number),
            renew_at=_NO_END if is_last else stored.valid_from + self._serves,
            ends=stored.valid_to,
        )

    async def _renewed(self, known: Known, before: Signer) -> Signer:
        """Another responder, when it comes soon; else the one before, which is good still."""
        if known.authority.id in self._making:  # who asked first waits a moment for it, and nobody else
            return before
        try:
            self._keyring.pauses.check(known.authority.id)
            async with asyncio.timeout(_PATIENCE):
                return await asyncio.shield(self._make(known))
        except (TimeoutError, Unavailable, NotFound):
            return before

    def _make(self, known: Known) -> "asyncio.Task[Signer]":
        """One for all who ask meanwhile. It goes on when none of them is there any more."""
        identifier = known.authority.id
        making = self._making.get(identifier)
        if making is None:
            making = self._making[identifier] = asyncio.create_task(self._intents.to_the_end(self._made(identifier)))
            making.add_done_callback(lambda _: self._making.pop(identifier))
            making.add_done_callback(_look_at_error)
        return making

    async def _made(self, identifier: str) -> Signer:
        with self._keyring.pauses.of(identifier):
            loaded = await self._keyring.get(identifier)
            dropped = self._dropped
            try:
                rules.check_can_sign(loaded.authority, loaded.over)
                await self._delegate(loaded)
            except (Malformed, RuleBroken):
                # A CA that may issue nothing any more speaks for itself, also where its certificate lets it sign only
                # certificates and CRLs: most take its word, and there is no other.
                signer = Signer(Responder.of(loaded.issuer, loaded.signer), quick=loaded.quick)
                return self._keep(loaded, signer, dropped)
        dropped = self._dropped
        stored = await self._published.responder(identifier)
        assert stored is not None, "it was recorded just now, by us or by another process"
        return self._keep(loaded, await self._signer(loaded, stored), dropped)

    async def _delegate(self, loaded: Loaded) -> None:
        """Makes a key, has the CA certify it, and records both; or nothing, when another process was faster."""
        authority = loaded.authority
        before = await self._published.responder(authority.id)

        async def check() -> tuple[Authority, StoredResponder | None] | None:
            found = await self._published.responder(authority.id)
            if found is not None and (before is None or found.revision != before.revision):
                return None
            fresh = await self._store.authority(authority.id)
            if fresh is None:
                raise NotFound("CA not found")
            rules.check_can_sign(fresh)
            return fresh, found

        async def act(checked: object, intents: Open) -> tuple[x509.Certificate, StoredKey] | None:
            return None if checked is None else await self._certified(loaded, intents)

        def record(
            checked: tuple[Authority, StoredResponder | None] | None, done: tuple[x509.Certificate, StoredKey] | None
        ) -> Decision:
            return Decision(()) if checked is None or done is None else self._recorded(*done, *checked)

        await self._log.perform(ANONYMOUS, KeyProcedure(self._intents, ANONYMOUS, check=check, act=act, record=record))

    async def _certified(self, loaded: Loaded, intents: Open) -> tuple[x509.Certificate, StoredKey]:
        authority = loaded.authority
        seconds = self._log.clock.now() // NANOSECONDS
        key = await cpu_threads().run(self._engine.create, f"{authority.id}.ocsp", _SPEC)
        drafted = draft_responder(
            loaded.issuer, key.load_public_key(), serial=new_serial(), now=seconds, valid_to=seconds + _LIFE
        )
        if not loaded.quick:
            await intents.begin(IntentKind.SIGN, authority.id, authority.engine_id, format_serial(drafted.serial))
        try:
            return await loaded.threads.run(sign_draft, drafted, loaded.signer), key
        except NotFound as error:  # the key, and not what was asked for
            raise EngineUnavailable(error.reason) from error

    def _recorded(
        self, certificate: x509.Certificate, key: StoredKey, authority: Authority, before: StoredResponder | None
    ) -> Decision:
        issuing = Issuing(authority.id, authority.serial)
        state = CertificateState(
            **rules.issued_fields(certificate, _SPEC, issuing, self._deltas, self._log.clock.now()),
            type=Owner.MANAGED,
            engine_id=authority.engine_id,
            metadata=canonical(_PURPOSE),
        )
        made = ResponderCreated(
            ca_id=authority.id,
            serial=state.serial,
            certificate=state.certificate,
            key=key,
            valid_from=state.valid_from,
            valid_to=state.valid_to,
        )
        basis: Basis = {
            AUTHORITY.of(authority.id): authority.revision,
            RESPONDER.of(authority.id): 0 if before is None else before.revision,
        }
        found = (
            events.CA_SIGN_CERTIFICATE.event(CERTIFICATE.of(state.serial), state),
            events.RESPONDER_CREATE.event(RESPONDER.of(authority.id), made),
        )
        return Decision(found, basis)


def _look_at_error(task: "asyncio.Task[Signer]") -> None:
    """Those who asked may be gone when it fails: the next one tries again."""
    if not task.cancelled():
        task.exception()
