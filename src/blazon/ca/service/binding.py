"""Certificates and CAs that came before their issuer are bound to it when it comes.

Who imports a PKI does so in any order, and a revocation counts only where the issuer is known: it is on the issuer's
CRL, in its OCSP responses, and what stands below a CA falls with it. So an import looks for what its CA issued before
it is answered. A follower of the log does the same for what an import could not wait for, or a kill prevented, and for
two imports that did not see each other.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final, TypeVar

from blazon.ca import events
from blazon.ca.events import AuthorityState, CertificateState
from blazon.ca.models import AUTHORITY, CERTIFICATE, Authority, Certificate, Issued
from blazon.ca.service.founding import Founding
from blazon.ca.service.issuers import Issuers
from blazon.ca.store import Store
from blazon.ca.x509 import is_issued_by
from blazon.caller import ANONYMOUS
from blazon.engines import cpu_threads
from blazon.log import Basis, Decision, Event, Follower, Log, Record, state_of
from blazon.pkix import load_certificate

__all__ = ["Binding"]

B = TypeVar("B", bound=Issued)

_PATIENCE: Final = 2.0
"""Seconds an import waits until what its CA issued is bound; the follower does the rest."""

_BATCH: Final = 500
"""Changes that are recorded together."""

_HEARD: Final = frozenset(
    (events.SERVICE, each.name) for each in (events.CA_IMPORT, events.CA_DELETE, events.CERTIFICATE_IMPORT)
)


class Binding:
    """Finds what a CA issued before it was here."""

    def __init__(self, log: Log, store: Store, founding: Founding, issuers: Issuers) -> None:
        self._log = log
        self._store = store
        self._founding = founding
        self._issuers = issuers
        self._working = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self.follower = Follower(log, "ca:binding", _HEARD, self._follow)

    async def bind(self, authority: Authority) -> None:
        """Binds what a CA that has just come issued. Does not wait for longer than some seconds, and never raises."""
        working = asyncio.create_task(self._bind(authority))
        self._tasks.add(working)
        working.add_done_callback(self._tasks.discard)
        working.add_done_callback(_look_at_error)
        await asyncio.wait([working], timeout=_PATIENCE)

    async def _follow(self, record: Record) -> Sequence[Event]:
        if record.type == events.CA_IMPORT.name:
            await self._bind_below(events.CA_IMPORT.read(record).id)
        elif record.type == events.CA_DELETE.name:
            # Another CA may have its name and its key, and be the issuer of what it issued from now on.
            twins = await self._issuers.twins_of(events.CA_DELETE.read(record).id)
            for identifier in () if twins is None else twins.here[:1]:
                await self._bind_below(identifier)
        elif not events.CERTIFICATE_IMPORT.read(record).issuer_id:
            await self._bind_itself(record.key)
        return ()

    async def _bind_below(self, identifier: str) -> None:
        authority = await self._store.authority(identifier)
        if authority is not None:
            await self._bind(authority)

    async def _bind_itself(self, serial: str) -> None:
        """Looks for the issuer of a certificate once more: both may have come in the same moment."""
        certificate = await self._store.certificate(serial)
        if certificate is None or certificate.issuer_id:
            return
        issuing, _ = await self._founding.placed(load_certificate(certificate.certificate), (), "", {})
        if issuing.issuer_id:
            await self._record(issuing.issuer_id, "", [certificate])

    async def _bind(self, authority: Authority) -> None:
        twins = await self._issuers.twins_of(authority.id)
        deleted = () if twins is None else twins.deleted
        async with self._working:
            await self._bind_authorities(authority, deleted)
            await self._bind_certificates(authority, deleted)

    async def _bind_authorities(self, above: Authority, deleted: Sequence[str]) -> None:
        for issuer_id in ("", *deleted):
            children = await self._store.unbound_authorities(issuer_id)
            for child in children if issuer_id else await cpu_threads().run(_issued, above, children):
                if child.id != above.id:
                    await self._log.commit(ANONYMOUS, partial(self._with_what_is_below, above.id, issuer_id, child.id))

    async def _with_what_is_below(self, above_id: str, before: str, child_id: str) -> Decision:
        """A CA gets its place below another one, unless it has got one meanwhile, and so does what stands below it."""
        above, child = await self._store.authority(above_id), await self._store.authority(child_id)
        if above is None or child is None or child.issuer_id != before:
            return Decision(())
        basis: Basis = {AUTHORITY.of(above.id): above.revision}
        level = above.level + 1 if above.level >= 0 else -1
        bound = {"issuer_id": above.id, "issuer_serial": above.serial}
        found, waiting = list[Event](), [(child, level, bound)]
        while waiting:
            each, level, changed = waiting.pop()
            if AUTHORITY.of(each.id) in basis:  # CAs that certify each other stand above each other
                continue
            basis[AUTHORITY.of(each.id)] = each.revision
            state = state_of(AuthorityState, each, **changed, level=level)
            found.append(events.CA_UPDATE_ISSUER.event(AUTHORITY.of(each.id), state))
            lower = level + 1 if level >= 0 else -1
            waiting += [(below, lower, {}) for below in await self._store.below(each.id) if below.level != lower]
        return Decision(tuple(found), basis)

    async def _bind_certificates(self, above: Authority, deleted: Sequence[str]) -> None:
        position = 0
        while page := await self._store.unbound_certificates(position):
            position = page[-1].created
            await self._record(above.id, "", await cpu_threads().run(_issued, above, page))
        for issuer_id in deleted:
            while page := await self._store.bereft_certificates(issuer_id):
                if not await self._record(above.id, issuer_id, page):
                    return

    async def _record(self, above_id: str, before: str, certificates: Sequence[Certificate]) -> bool:
        """Binds certificates. False when there is nothing to do any more: the CA is gone, or others did it."""
        for start in range(0, len(certificates), _BATCH):
            serials = [each.serial for each in certificates[start : start + _BATCH]]
            if not await self._log.commit(ANONYMOUS, partial(self._bound, above_id, before, serials)):
                return False
        return True

    async def _bound(self, above_id: str, before: str, serials: Sequence[str]) -> Decision:
        above = await self._store.authority(above_id)
        if above is None:
            return Decision(())
        found, basis = list[Event](), {AUTHORITY.of(above.id): above.revision}
        for serial in serials:
            certificate = await self._store.certificate(serial)
            if certificate is None or certificate.issuer_id != before:
                continue
            subject = CERTIFICATE.of(serial)
            basis[subject] = certificate.revision
            state = state_of(CertificateState, certificate, issuer_id=above.id, issuer_serial=above.serial)
            found.append(events.CERTIFICATE_UPDATE_ISSUER.event(subject, state))
        return Decision(tuple(found), basis)


def _issued(above: Authority, below: Sequence[B]) -> list[B]:
    """Those of some certificates and CAs that a CA issued. Blocks."""
    certificate = load_certificate(above.certificate)
    return [each for each in below if is_issued_by(load_certificate(each.certificate), certificate)]


def _look_at_error(task: "asyncio.Task[None]") -> None:
    """What an import does not wait for may fail: the follower tries again."""
    if not task.cancelled():
        task.exception()
