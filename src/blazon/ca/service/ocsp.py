"""OCSP answers (RFC 6960): true the moment a revocation is committed.

An answer without a nonce is kept until half of its time is over, or until the log says that its certificate changed.
A CA whose key signs in this process answers itself. For any other, a key in this process answers by a certificate of
the CA that says so (§4.2.2.2), so that a slow or absent engine holds nobody up.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from blazon.ca.models import OcspFacts, Status
from blazon.ca.service.issuers import Issuers
from blazon.ca.service.keyring import Keyring, Loaded
from blazon.ca.service.responders import Responders
from blazon.ca.store import Store
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
from blazon.clock import NANOSECONDS, Clock
from blazon.errors import Malformed, NotFound, Unavailable
from blazon.log import Record

__all__ = ["Ocsp"]

_REMEMBERED: Final = 100_000
_WAYS: Final = 8
_EVERY: Final = "*"
"""In the place of a serial number: the answers of a whole CA changed."""


class Ocsp:
    """Answers requests, all with an OCSP response: an error is one too."""

    def __init__(
        self, store: Store, keyring: Keyring, issuers: Issuers, responders: Responders, clock: Clock, lifetime: int
    ) -> None:
        self._store = store
        self._keyring = keyring
        self._issuers = issuers
        self._responders = responders
        self._clock = clock
        self._lifetime = lifetime
        # By serial number, so that a change finds them; by request, as clients ask in the same words again and again.
        self._kept: OrderedDict[str, dict[bytes, tuple[int, bytes]]] = OrderedDict()
        self._serials: OrderedDict[bytes, str] = OrderedDict()
        self._under_way = 0
        self._changed: set[str] = set()

    async def answer(self, der: bytes) -> bytes:
        """The response to a request, both DER."""
        now = self._clock.now() // NANOSECONDS
        kept = self._kept.get(self._serials.get(der, ""), {}).get(der)
        if kept is not None and kept[0] > now:
            return kept[1]
        try:
            request = read_ocsp_request(der)
        except Malformed:
            return ocsp_error(OcspError.MALFORMED_REQUEST)
        single = len(request.cert_ids) == 1 and request.nonce is None
        first = request.cert_ids[0]
        serial = _serial(first)
        self._under_way += 1
        try:
            response = await self._signed(request, now)
            if response is None:
                return ocsp_error(OcspError.UNAUTHORIZED)
            # Only what is ours is kept, and not what changed while it was signed.
            known = single and await self._is_known(first, serial)
            if known and not self._changed.intersection((serial, _EVERY)):
                self._keep(serial, der, now + self._lifetime // 2, response)
        except Unavailable:
            return ocsp_error(OcspError.TRY_LATER)
        else:
            return response
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._changed.clear()

    async def _is_known(self, cert_id: CertId, serial: str) -> bool:
        ca_id = await self._issuers.of_request(cert_id.issuer)
        return ca_id is not None and await self._store.ocsp_facts(ca_id, serial) is not None

    def _keep(self, serial: str, der: bytes, until: int, response: bytes) -> None:
        answers = self._kept.setdefault(serial, {})
        if len(answers) >= _WAYS:  # one certificate can be asked for in any number of ways
            answers.clear()
        answers[der] = (until, response)
        self._serials[der] = serial
        if len(self._kept) > _REMEMBERED:
            self._kept.popitem(last=False)
        if len(self._serials) > _REMEMBERED:
            self._serials.popitem(last=False)

    async def _signed(self, request: OcspRequest, now: int) -> bytes | None:
        """The signed answer; None when the first certificate is of a CA we do not answer for (RFC 6960 §2.3)."""
        ca_id = await self._issuers.of_request(request.cert_ids[0].issuer)
        if ca_id is None:
            return None
        try:
            loaded = await self._keyring.get(ca_id)
        except NotFound:
            return None
        if loaded.private_key is None:
            return None
        responder = await self._responders.of(loaded)
        statuses = [await self._status(loaded, cert_id, now) for cert_id in request.cert_ids]
        if responder.quick:
            return sign_ocsp(responder.responder, statuses, produced_at=now, nonce=request.nonce)
        return await asyncio.to_thread(sign_ocsp, responder.responder, statuses, produced_at=now, nonce=request.nonce)

    async def _status(self, loaded: Loaded, cert_id: CertId, now: int) -> CertStatus:
        authority = loaded.authority
        facts: OcspFacts | None = None
        # One answer has one signer: of other CAs it says nothing.
        if await self._issuers.of_request(cert_id.issuer) == authority.id and cert_id.serial >= 0:
            facts = await self._store.ocsp_facts(authority.id, format_serial(cert_id.serial))
        until = now + self._lifetime
        if facts is None or facts.status is Status.EXPIRED:
            return CertStatus(cert_id, CertState.UNKNOWN, now, until)
        if facts.status is Status.REVOKED:
            reason = facts.reason or Reason.UNSPECIFIED
            return CertStatus(cert_id, CertState.REVOKED, now, until, facts.revoked_at, reason)
        # What stands below a CA that was revoked for good is revoked, also before its own event has come.
        if loaded.over is not None:
            revoked_at = loaded.over.revoked_at // NANOSECONDS
            return CertStatus(cert_id, CertState.REVOKED, now, until, revoked_at, Reason.CESSATION_OF_OPERATION)
        return CertStatus(cert_id, CertState.GOOD, now, until)

    def hear(self, records: Sequence[Record]) -> None:
        """A listener of the log: forgets the answers about what changed."""
        for record in records:
            if record.service != "ca" or not record.is_fact:
                continue
            if record.subject.startswith("certificate:"):
                self._kept.pop(record.key, None)
                if self._under_way:
                    self._changed.add(record.key)
            elif record.subject.startswith("ca:"):
                if self._under_way:
                    self._changed.add(_EVERY)
                self._kept.clear()


def _serial(cert_id: CertId) -> str:
    return format_serial(cert_id.serial) if cert_id.serial >= 0 else ""
