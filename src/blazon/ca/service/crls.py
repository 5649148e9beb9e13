"""CRLs (RFC 5280 §5), built when they are asked for, kept, and built anew when something was revoked.

A revocation is in the list within five seconds: what is kept is handed out for a moment while a new list is built
beside the requests; after that requests wait for the new one. The number of each list is a fact in the log, so it grows
over restarts and over processes.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec
import structlog

from blazon.ca import events
from blazon.ca.events import NumberTaken
from blazon.ca.models import CRL, Status
from blazon.ca.service.issuers import Issuers
from blazon.ca.service.keyring import Keyring, Loaded
from blazon.ca.store import Store
from blazon.ca.x509 import Reason, build_crl, crl_entry, read_serial
from blazon.caller import ANONYMOUS
from blazon.clock import NANOSECONDS
from blazon.engines import cpu_threads
from blazon.errors import NotFound
from blazon.log import Decision, Log, Record

__all__ = ["Crls"]

_STALE: Final = 2.0
"""Seconds an old list is handed out after a revocation, while the new one is built."""

_PAUSE: Final = 1.0
"""Seconds between the end of one building and the begin of the next, so that many revocations cost one list."""

_CHANGES: Final = (events.CA_UPDATE_STATUS.name, events.CERTIFICATE_UPDATE_STATUS.name)
_COMINGS: Final = (events.CA_CREATE.name, events.CA_IMPORT.name, events.CA_DELETE.name)

_log = structlog.get_logger("blazon.ca")


class _List:
    """The list of one CA in this process."""

    def __init__(self) -> None:
        self.der = b""
        self.until = 0
        self.dirty_since: float | None = None
        self.built_at = 0.0
        self.building: asyncio.Task[None] | None = None


class Crls:
    """Hands CRLs out."""

    def __init__(self, log: Log, store: Store, keyring: Keyring, issuers: Issuers, lifetime: int) -> None:
        self._log = log
        self._store = store
        self._keyring = keyring
        self._issuers = issuers
        self._lifetime = lifetime
        self._lists: dict[str, _List] = {}

    async def get(self, name: str) -> bytes:
        """The CRL of a CA, by id or subject key identifier, as DER. Raises NotFound, EngineUnavailable."""
        identifier = await self._issuers.named(name)
        kept = self._lists.setdefault(identifier, _List())
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        while True:
            over = not kept.der or kept.until <= self._log.clock.now() // NANOSECONDS
            if not over and kept.dirty_since is None:
                return kept.der
            # Measured from when it was asked: while lists take long and revocations go on, no list is ever up to date.
            late = kept.dirty_since is not None and asked_at - kept.dirty_since > _STALE
            if kept.building is None and (over or late or asked_at - kept.built_at > _PAUSE):
                if over or late:
                    self._keyring.pauses.check(identifier)
                kept.building = asyncio.create_task(self._build(identifier, kept))
                kept.building.add_done_callback(_look_at_error)
            if kept.building is None or not (over or late):
                return kept.der
            # The list that is being built may have been begun before the revocation: then one more is waited for.
            await asyncio.shield(kept.building)

    async def _build(self, identifier: str, kept: _List) -> None:
        dirty_since, kept.dirty_since = kept.dirty_since, None
        try:
            with self._keyring.pauses.of(identifier):
                now = self._log.clock.now() // NANOSECONDS
                kept.der = await self._built(await self._keyring.get(identifier), now)
            kept.until = now + self._lifetime // 2
        except BaseException:
            kept.dirty_since = dirty_since
            raise
        finally:
            kept.building = None
            kept.built_at = asyncio.get_running_loop().time()

    async def _built(self, loaded: Loaded, now: int) -> bytes:
        if loaded.private_key is None:
            raise NotFound("the CA is EXTERNAL: its own CRL distribution point has its CRL")
        if not loaded.issuer.signs_crls:
            raise NotFound("the CA has no CRL: the key usage of its certificate lacks cRLSign; ask by OCSP")
        identifier = loaded.authority.id
        # What has expired stays on one more regular list (RFC 5280 §3.3).
        pages = self._store.revoked(identifier, now - self._lifetime)
        entries = [await cpu_threads().run(_encoded, page) async for page in pages]
        signed = b""

        async def decide() -> Decision:
            nonlocal signed
            last = await self._store.crl_number(identifier)
            number = 1 if last is None else last.number + 1
            # First the signature: an engine that is away shall not cost a number each time somebody asks.
            signed = await loaded.threads.run(self._signed, loaded, entries, number, now)
            taken = NumberTaken(ca_id=identifier, number=number, this_update=now, next_update=now + self._lifetime)
            subject = CRL.of(identifier)
            relies = {subject: 0 if last is None else last.revision}
            return Decision((events.CRL_NUMBER.event(subject, taken),), relies)

        await self._log.commit(ANONYMOUS, decide)
        return signed

    def _signed(self, loaded: Loaded, entries: list[bytes], number: int, now: int) -> bytes:
        return build_crl(
            loaded.issuer,
            loaded.signer,
            number=number,
            this_update=now,
            next_update=now + self._lifetime,
            entries=entries,
        )

    async def reload(self) -> int:
        """Has every list built anew when it is asked for."""
        for kept in self._lists.values():
            kept.dirty_since = asyncio.get_running_loop().time()
        return 0

    def hear(self, records: Sequence[Record]) -> None:
        """The list of a CA is old when something it issued was revoked or held, or no longer.

        That of a CA that is gone goes with it: another one may come by its id.
        """
        for record in records:
            if record.service != "ca" or not self._lists:
                continue
            if record.type in _COMINGS:
                self._lists.pop(record.key, None)
            if record.type not in _CHANGES:
                continue
            state = _head(record.data)
            kept = self._lists.get(state.issuer_id)
            if kept is not None and kept.dirty_since is None and state.status is not Status.EXPIRED:
                kept.dirty_since = asyncio.get_running_loop().time()


class _Head(msgspec.Struct):
    """As much of a state as tells whose list it is on."""

    issuer_id: str
    status: Status


_head = msgspec.json.Decoder(_Head).decode


def _encoded(page: str) -> bytes:
    """The entries of a page, as one: a hundred thousand objects would have the garbage collector stop everything."""
    if not page:
        return b""
    entries = []
    for row in page.split(","):
        serial, revoked_at, reason = row.split(" ")
        entries.append(crl_entry(read_serial(serial), int(revoked_at) // NANOSECONDS, Reason(reason)))
    return b"".join(entries)


def _look_at_error(task: "asyncio.Task[None]") -> None:
    """A building that nobody waits for may fail: the next request tries again."""
    if not task.cancelled() and task.exception() is not None:
        _log.warning("a CRL was not built", reason=str(task.exception()))
