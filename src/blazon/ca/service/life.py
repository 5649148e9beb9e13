"""The life of certificates by the clock, and what follows when a CA is revoked.

Every row of a CA or a certificate says when the clock changes it next, and an index keeps those that are still to come
in order. So a tick asks for what is due and touches nothing else, whether there are ten certificates or ten million.
After a time in which no process ran, what was missed is caught up in the order in which it would have happened.

A CA that ends sooner than what it issues should is warned of: long before it is near its own end, its certificates
become shorter and shorter, or are refused.
"""

import asyncio
import heapq
from typing import Final

import structlog

from blazon.ca import events
from blazon.ca.events import AuthorityState, CertificateState
from blazon.ca.models import AUTHORITY, CERTIFICATE, Authority, Certificate, Status, due_of
from blazon.ca.service import rules
from blazon.ca.store import Store
from blazon.clock import NANOSECONDS
from blazon.errors import Unavailable
from blazon.log import Event, Log, Operation, Stale, state_of
from blazon.storage import Lease

__all__ = ["Life"]

_TICK: Final = 0.5
"""Seconds between two looks: as late an event may be."""

_WARN_EVERY: Final = 5
"""Seconds between two looks at the CAs that issue: there are few, and they are all looked at."""

_RETRY: Final = 1.0
_BATCH: Final = 500

_NEXT: Final = {
    Status.ACTIVE: Status.NEARING_EXPIRATION,
    Status.NEARING_EXPIRATION: Status.CRITICAL_EXPIRATION,
    Status.CRITICAL_EXPIRATION: Status.EXPIRED,
}

_log = structlog.get_logger("blazon.ca")


class Life:
    """Watches the clock, in one process at a time."""

    def __init__(self, log: Log, store: Store) -> None:
        self._log = log
        self._store = store
        self._warned_at = 0

    async def run(self) -> None:
        """Watches for ever."""
        while True:
            try:
                async with self._log.database.leader("ca:life") as lease:
                    await self._watch(lease)
            except (Unavailable, Stale) as error:
                _log.warning("the life of certificates waits", reason=error.reason)
            except Exception:  # noqa: BLE001 - a bug here costs lag, and must not cost the API
                _log.exception("the life of certificates failed")
            await asyncio.sleep(_RETRY)

    async def _watch(self, lease: Lease) -> None:
        while lease.held:
            if not await self.step():
                await asyncio.sleep(_TICK)

    async def step(self) -> bool:
        """Does some of what is to be done. True when there may be more. Raises Stale: somebody was faster."""
        return await self._revoke_below() or await self._pass_time() or await self._warn()

    async def _pass_time(self) -> bool:
        now = self._log.clock.now() // NANOSECONDS
        authorities = [each for each in await self._store.due("cas", now, _BATCH) if isinstance(each, Authority)]
        certificates = [
            each for each in await self._store.due("certificates", now, _BATCH) if isinstance(each, Certificate)
        ]
        if not authorities and not certificates:
            return False
        # Beyond the last one of a full page there may be others that are due as early as what comes next of these.
        ends = [_due(page[-1]) for page in (authorities, certificates) if len(page) == _BATCH]
        found, relies = _passed([*authorities, *certificates], min([now, *ends]))
        await self._log.writer.commit(Operation(events=tuple(found), relies=relies))
        return True

    async def _revoke_below(self) -> bool:
        """Revokes what lives, or is held, below a CA that was revoked for good, one event each (decision B13)."""
        authorities, certificates = await self._store.below_revoked(_BATCH)
        if not authorities and not certificates:
            return False
        now = self._log.clock.now()
        found, relies = list[Event](), dict[str, int]()
        for authority in authorities:
            subject = AUTHORITY.of(authority.id)
            relies[subject] = authority.revision
            state = state_of(AuthorityState, authority, **rules.fallen(authority, now))
            found.append(events.CA_UPDATE_STATUS.event(subject, state))
        for certificate in certificates:
            subject = CERTIFICATE.of(certificate.serial)
            relies[subject] = certificate.revision
            fallen = state_of(CertificateState, certificate, **rules.fallen(certificate, now))
            found.append(events.CERTIFICATE_UPDATE_STATUS.event(subject, fallen))
        await self._log.writer.commit(Operation(events=tuple(found), relies=relies))
        return True

    async def _warn(self) -> bool:
        """Says from when on CAs cannot issue for their usual time, or that they can again: a profile may change."""
        now = self._log.clock.now() // NANOSECONDS
        if 0 <= now - self._warned_at < _WARN_EVERY:
            return False
        self._warned_at = now
        found, relies = list[Event](), dict[str, int]()
        profiles = {each.id: each.profile for each in await self._store.profiles()}
        for facts in await self._store.issuing():
            profile = profiles.get(facts.profile_id)
            until = rules.full_issuance_until(facts, None if profile is None else profile.validity, now)
            authority = None if until == facts.full_issuance_until else await self._store.authority(facts.id)
            if authority is None:
                continue
            subject = AUTHORITY.of(authority.id)
            relies[subject] = authority.revision
            state = state_of(AuthorityState, authority, full_issuance_until=until)
            found.append(events.CA_UPDATE_ISSUANCE.event(subject, state))
        if found:
            await self._log.writer.commit(Operation(events=tuple(found), relies=relies))
        return False


def _due(entity: Authority | Certificate) -> int:
    return due_of(entity.status, entity.near_at, entity.critical_at, entity.valid_to)


def _passed(entities: list[Authority | Certificate], until: int) -> tuple[list[Event], dict[str, int]]:
    """The events the clock makes of some rows until a time (Unix seconds), in order, and what they rest on."""
    waiting = [(_due(entity), place, entity.status) for place, entity in enumerate(entities)]
    heapq.heapify(waiting)
    found, relies = list[Event](), dict[str, int]()
    while waiting and waiting[0][0] <= until:
        _, place, status = heapq.heappop(waiting)
        entity, status = entities[place], _NEXT[status]
        if isinstance(entity, Authority):
            subject = AUTHORITY.of(entity.id)
            found.append(events.CA_UPDATE_STATUS.event(subject, state_of(AuthorityState, entity, status=status)))
        else:
            subject = CERTIFICATE.of(entity.serial)
            found.append(
                events.CERTIFICATE_UPDATE_STATUS.event(subject, state_of(CertificateState, entity, status=status))
            )
        relies[subject] = entity.revision
        due = due_of(status, entity.near_at, entity.critical_at, entity.valid_to)
        if due:
            heapq.heappush(waiting, (due, place, status))
    return found, relies
