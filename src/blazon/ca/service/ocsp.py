"""OCSP answers (RFC 6960): true the moment a revocation is committed.

An answer without a nonce is kept until half of its time is over, or until the log says that its certificate changed.
What is asked for again and again is signed anew before that, beside the requests, so that nobody waits for a signature
(§2.5, pre-produced answers). A CA whose key signs in this process answers itself. For any other, a key in this process
answers by a certificate of the CA that says so (§4.2.2.2), so that a slow or absent engine holds nobody up. No answer
is good for longer than the certificate of who signed it.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

import structlog

from blazon.ca import events
from blazon.ca.models import OcspFacts, Status
from blazon.ca.published import Published
from blazon.ca.service.answers import Answer, Answers
from blazon.ca.service.issuers import Issuers, Twins
from blazon.ca.service.keyring import Keyring
from blazon.ca.service.responders import Responders
from blazon.ca.x509 import (
    CertId,
    CertState,
    CertStatus,
    OcspError,
    OcspRequest,
    Reason,
    format_serial,
    ocsp_error,
    read_ocsp_request,
    sign_ocsp,
)
from blazon.clock import NANOSECONDS
from blazon.errors import Malformed, NotFound, Unavailable
from blazon.log import Log, Record

__all__ = ["Ocsp"]

_LOOK: Final = 0.5
"""Seconds between two looks for answers that are to be signed anew."""

_RENEWED: Final = 50
"""Most of them at a look: 100 a second take a hundredth of a processor, and renew 100 000 in 17 minutes."""

_AGAIN: Final = 60
"""Seconds until what could not be signed anew is tried again."""

_WITHOUT_EFFECT: Final = frozenset(
    each.name
    for each in (
        events.CA_UPDATE_ISSUANCE,
        events.CA_UPDATE_METADATA,
        events.CERTIFICATE_UPDATE_METADATA,
        events.SIGNATURE_SIGN,
    )
)
"""What no answer tells of."""

_log = structlog.get_logger("blazon.ca")


class _Production:
    """An answer that is being made: whether what it tells of changed meanwhile."""

    __slots__ = ("changed",)

    def __init__(self) -> None:
        self.changed = False


class _Signed(NamedTuple):
    """A signed answer, until when it is good (Unix seconds), and whether the certificate it tells of first is known."""

    response: bytes
    until: int
    known: bool


class Ocsp:
    """Answers requests, all with an OCSP response: an error is one too."""

    def __init__(
        self, published: Published, keyring: Keyring, issuers: Issuers, responders: Responders, log: Log, lifetime: int
    ) -> None:
        self._published = published
        self._keyring = keyring
        self._issuers = issuers
        self._responders = responders
        self._log = log
        self._clock = log.clock
        self._lifetime = lifetime
        self._answers = Answers()
        self._productions: dict[str, set[_Production]] = {}

    async def answer(self, der: bytes) -> Answer:
        """The answer to a request in DER."""
        kept = self.kept(der)
        return kept if kept is not None else await self._produce(der, self._clock.now() // NANOSECONDS)

    def kept(self, der: bytes) -> Answer | None:
        """The answer that is kept for a request. None while this process hears nothing of revocations by others."""
        if not self._log.is_current():
            return None
        return self._answers.get(der, self._clock.now() // NANOSECONDS)

    async def keep_signed(self) -> None:
        """Signs anew what is asked for and nears its end. Runs for ever."""
        while True:
            await asyncio.sleep(_LOOK)
            try:
                await self.renew(_RENEWED)
            except Exception:  # noqa: BLE001 - a bug here costs time, as each answer is signed when it is asked for
                _log.exception("OCSP answers are not signed ahead")

    async def renew(self, most: int) -> int:
        """Signs anew what is due, so many answers at most, and says how many. Requests come in between."""
        now = self._clock.now() // NANOSECONDS
        for count in range(most):
            due = self._answers.take_due(now)
            if due is None:
                return count
            request, before = due
            answer = await self._produce(request, now, before)
            if not answer.may_be_kept:
                _log.info("an OCSP answer was not signed ahead", serial=before.serial)
            await asyncio.sleep(0)
        return most

    async def _produce(self, der: bytes, now: int, before: Answer | None = None) -> Answer:
        """Signs an answer and keeps it. `before` is one that is good still, and is kept on when this fails."""
        try:
            request = read_ocsp_request(der)
        except Malformed:
            return Answer(ocsp_error(OcspError.MALFORMED_REQUEST))
        first = request.cert_ids[0]
        serial = _serial(first)
        production = _Production()
        self._productions.setdefault(serial, set()).add(production)
        try:
            await self._log.current()
            signed = await self._signed(request, now)
            if signed is None:
                return Answer(ocsp_error(OcspError.UNAUTHORIZED))
            # Only what is ours is kept, and not what changed while it was signed.
            single = len(request.cert_ids) == 1 and request.nonce is None
            answer = Answer(signed.response, serial, now, signed.until - now if single and signed.known else 0)
            if answer.may_be_kept and not production.changed:
                self._answers.keep(der, answer)
        except Unavailable:
            if before is not None and not production.changed:
                before.renew_at = now + _AGAIN
                self._answers.keep(der, before)
            return Answer(ocsp_error(OcspError.TRY_LATER))
        else:
            return answer
        finally:
            self._end(serial, production)

    def _end(self, serial: str, production: _Production) -> None:
        productions = self._productions[serial]
        productions.discard(production)
        if not productions:
            del self._productions[serial]

    async def _signed(self, request: OcspRequest, now: int) -> "_Signed | None":
        """The signed answer; None when there is nobody who may answer for the first certificate (RFC 6960 §2.3)."""
        twins = await self._issuers.of_request(request.cert_ids[0].issuer)
        # Of CAs with one name and key any answers for the others: whoever checks cannot tell them apart.
        if twins is None or not twins.speaker(now):
            return None
        try:
            speaker = await self._keyring.known(twins.speaker(now))
            signer = await self._responders.of(speaker)
            found = [await self._found(twins, cert_id) for cert_id in request.cert_ids]
        except NotFound:
            return None
        until = min(now + self._lifetime, signer.ends, twins.ends)
        if until <= now:  # nobody would take it
            return None
        statuses = [
            self._status(over, cert_id, facts, now, until)
            for cert_id, (over, facts) in zip(request.cert_ids, found, strict=True)
        ]
        if signer.quick:
            response = sign_ocsp(signer.responder, statuses, produced_at=now, nonce=request.nonce)
        else:
            with self._keyring.pauses.of(speaker.authority.id):
                response = await speaker.threads.run(
                    sign_ocsp, signer.responder, statuses, produced_at=now, nonce=request.nonce
                )
        return _Signed(response, until, found[0][1] is not None)

    async def _found(self, twins: Twins, cert_id: CertId) -> tuple[int, OcspFacts | None]:
        """When what issued a certificate was revoked for good, 0 for never, and what is known of the certificate.

        One answer has one signer: of CAs with another name or key it says nothing.
        """
        if await self._issuers.of_request(cert_id.issuer) != twins:
            return 0, None
        facts = await self._published.facts(twins.ids, twins.orphans, format_serial(cert_id.serial))
        if facts is None or facts.status is Status.REVOKED or facts.issuer_id in twins.deleted:
            return 0, facts
        # What stands below a CA that was revoked for good is revoked, also before its own event has come.
        over = (await self._keyring.known(facts.issuer_id)).over
        return 0 if over is None else over.revoked_at // NANOSECONDS, facts

    def _status(self, over: int, cert_id: CertId, facts: OcspFacts | None, now: int, until: int) -> CertStatus:
        if facts is None or facts.status is Status.EXPIRED:
            return CertStatus(cert_id, CertState.UNKNOWN, now, until)
        if facts.status is Status.REVOKED:
            reason = facts.reason or Reason.UNSPECIFIED
            return CertStatus(cert_id, CertState.REVOKED, now, until, facts.revoked_at, reason)
        if over:
            return CertStatus(cert_id, CertState.REVOKED, now, until, over, Reason.CESSATION_OF_OPERATION)
        return CertStatus(cert_id, CertState.GOOD, now, until)

    async def reload(self) -> int:
        """Forgets every answer."""
        self._answers.clear()
        for productions in self._productions.values():
            for production in productions:
                production.changed = True
        return 0

    def hear(self, records: Sequence[Record]) -> None:
        """Forgets the answers about what changed; all of them when a CA did, or the key of one may sign no more."""
        for record in records:
            if record.service != events.SERVICE or not record.is_fact or record.type in _WITHOUT_EFFECT:
                continue
            if record.subject.startswith("ca:") or self._responders.is_loss(record):
                self._answers.clear()
                changed = set().union(*self._productions.values())
            elif record.subject.startswith("certificate:"):
                self._answers.forget(record.key)
                changed = self._productions.get(record.key, set())
            else:
                continue
            for production in changed:
                production.changed = True


def _serial(cert_id: CertId) -> str:
    return format_serial(cert_id.serial)
