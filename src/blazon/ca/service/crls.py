"""CRLs (RFC 5280 §5), built when they are asked for, kept, and built anew when something was revoked.

A revocation is in the list within five seconds: what is kept is handed out for a moment while a new list is built
beside the requests; after that requests wait for the new one. A list that cannot be built anew, because the engine of
the CA is away, is handed out as long as it is good, also after a restart. The number of each list is a fact in the log,
so it grows over restarts and over processes.

CAs with one name and one key have one list, with everything that any of them revoked, and one sequence of numbers: a
certificate does not say which of them issued it. Where their subject key identifiers differ, there is a list with each.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec
import structlog

from blazon.ca import events
from blazon.ca.events import NumberTaken
from blazon.ca.models import CRL, CrlNumber, Status
from blazon.ca.published import Published
from blazon.ca.service.issuers import Issuers, Twins
from blazon.ca.service.keyring import Keyring, Loaded
from blazon.ca.x509 import Issuer, Reason, build_crl, crl_entry, format_time, read_serial
from blazon.caller import ANONYMOUS
from blazon.clock import NANOSECONDS
from blazon.engines import cpu_threads
from blazon.errors import NotFound, Unavailable
from blazon.log import Decision, Log, Operation, Record, Steps
from blazon.pkix import load_certificate

__all__ = ["Crls"]

_STALE: Final = 2.0
"""Seconds an old list is handed out after a revocation, while the new one is built."""

_PAUSE: Final = 1.0
"""Seconds between the end of one building and the begin of the next, so that many revocations cost one list."""

_CHANGES: Final = frozenset((events.CA_UPDATE_STATUS.name, events.CERTIFICATE_UPDATE_STATUS.name))
_PLACED: Final = frozenset(
    each.name
    for each in (
        events.CA_IMPORT,
        events.CERTIFICATE_IMPORT,
        events.CA_UPDATE_ISSUER,
        events.CERTIFICATE_UPDATE_ISSUER,
    )
)
"""What may bring something that is revoked already below a CA."""


_log = structlog.get_logger("blazon.ca")


class _List:
    """A list in this process: that of CAs with one name, as it is written, one key and one key identifier.

    It is handed out without another one being built until `until`, and at all until `next_update`, in Unix seconds.
    """

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self.name = f"{hashlib.sha256(issuer.name_der).hexdigest()}:{issuer.identity.hex()}:{issuer.key_id.hex()}"
        self.der = b""
        self.until = 0
        self.next_update = 0
        self.dirty_since: float | None = None
        self.built_at = 0.0
        self.building: asyncio.Task[None] | None = None

    def make_dirty(self) -> None:
        """Something that it tells of has changed."""
        if self.dirty_since is None:
            self.dirty_since = asyncio.get_running_loop().time()


class Crls:
    """Hands CRLs out."""

    def __init__(self, log: Log, published: Published, keyring: Keyring, issuers: Issuers, lifetime: int) -> None:
        self._log = log
        self._published = published
        self._keyring = keyring
        self._issuers = issuers
        self._lifetime = lifetime
        # By name and key, then by how these are written; and the name and key of each CA that one of them tells of.
        self._lists: dict[bytes, dict[tuple[bytes, bytes], _List]] = {}
        self._identities: dict[str, bytes] = {}

    async def get(self, name: str) -> bytes:
        """The CRL of a CA, by id or subject key identifier, as DER. Raises NotFound, EngineUnavailable."""
        identifier = await self._issuers.named(name)
        twins = await self._issuers.twins_of(identifier)
        speaker = "" if twins is None else twins.speaker(self._seconds)
        if twins is None or not speaker:
            raise NotFound("the CA is EXTERNAL: its own CRL distribution point has its CRL")
        kept = await self._list_of(identifier, twins)
        if not kept.issuer.signs_crls:
            raise NotFound("the CA has no CRL: the key usage of its certificate lacks cRLSign; ask by OCSP")
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        while True:
            over = kept.until <= self._seconds
            if not over and kept.dirty_since is None:
                return kept.der
            # Measured from when it was asked: while lists take long and revocations go on, no list is ever up to date.
            late = kept.dirty_since is not None and asked_at - kept.dirty_since > _STALE
            try:
                if kept.building is None and (over or late or asked_at - kept.built_at > _PAUSE):
                    if over or late:
                        self._keyring.pauses.check(speaker)
                    kept.building = asyncio.create_task(self._build(kept, twins, speaker))
                    kept.building.add_done_callback(_look_at_error)
                if kept.building is None or not (over or late):
                    return kept.der
                # The list that is being built may have been begun before the revocation: then one more is waited for.
                await asyncio.shield(kept.building)
            except Unavailable:
                await self._recall(kept)
                if kept.next_update <= self._seconds:
                    raise
                return kept.der

    async def _recall(self, kept: _List) -> None:
        """Takes the list that this process signed before it was started anew, or that another one signed."""
        with contextlib.suppress(Unavailable):
            found = await self._published.crl_copy(kept.name, max(kept.next_update, self._seconds))
            if found is not None:
                kept.der, kept.next_update = found

    @property
    def _seconds(self) -> int:
        return self._log.clock.now() // NANOSECONDS

    async def _list_of(self, identifier: str, twins: Twins) -> _List:
        if identifier in twins.here:
            issuer = (await self._keyring.known(identifier)).issuer
        else:
            deleted = await self._published.deleted_authority(identifier)
            if deleted is None:  # the log went back, and we look the CAs up anew in a moment
                raise NotFound("CA not found")
            issuer = Issuer.of(load_certificate(deleted.certificate))
        # Those of all of them, so that a revocation by any is noticed.
        self._identities.update(dict.fromkeys(twins.ids, twins.identity))
        lists = self._lists.setdefault(twins.identity, {})
        written = issuer.name_der, issuer.key_id
        if written not in lists:
            lists[written] = _List(issuer)
        return lists[written]

    async def _build(self, kept: _List, twins: Twins, speaker: str) -> None:
        dirty_since, kept.dirty_since = kept.dirty_since, None
        try:
            with self._keyring.pauses.of(speaker):
                now = self._seconds
                # Whoever checks it looks at the certificate of who signed it too.
                next_update = min(now + self._lifetime, twins.ends)
                if next_update <= now:
                    raise NotFound(f"the CA has no CRL any more: its certificate ended at {format_time(twins.ends)}")
                loaded = await self._keyring.get(speaker)
                der = await self._built(kept.issuer, loaded, twins, now, next_update)
            kept.der, kept.next_update, kept.until = der, next_update, now + max(1, (next_update - now) // 2)
            if not loaded.quick:
                copy = self._published.keep_crl(kept.name, der, next_update)
                with contextlib.suppress(Unavailable):  # the list is good all the same
                    await self._log.writer.commit(Operation(also=lambda _: (copy,)))
        except BaseException:
            kept.dirty_since = dirty_since
            raise
        finally:
            kept.building = None
            kept.built_at = asyncio.get_running_loop().time()

    async def _built(self, issuer: Issuer, loaded: Loaded, twins: Twins, now: int, next_update: int) -> bytes:
        # What has expired stays on one more list (RFC 5280 §3.3), and on those of one more period.
        last = _last(await self._published.crl_numbers(twins.ids))
        since = min(now - self._lifetime, now if last is None else last.this_update)
        pages = self._published.entries(twins.ids, twins.orphans, since)
        entries = [await cpu_threads().run(_encoded, page) async for page in pages]
        signed = b""

        async def check() -> Decision:
            numbers = await self._published.crl_numbers(twins.ids)
            last = _last(numbers)
            number = 1 if last is None else last.number + 1
            ca_id = loaded.authority.id
            taken = NumberTaken(ca_id=ca_id, number=number, this_update=now, next_update=next_update)
            relies = dict.fromkeys(map(CRL.of, twins.ids), 0) | {CRL.of(each.ca_id): each.revision for each in numbers}
            return Decision((events.CRL_NUMBER.event(CRL.of(ca_id), taken),), relies)

        async def act(checked: Decision) -> None:
            # Before the number is recorded: an engine that is away shall not cost a number each time somebody asks.
            nonlocal signed
            (event,) = checked.events
            assert isinstance(event.data, NumberTaken)
            signed = await loaded.threads.run(self._signed, issuer, loaded, entries, event.data)

        await self._log.perform(ANONYMOUS, Steps(check=check, act=act, record=lambda checked, _: checked))
        return signed

    def _signed(self, issuer: Issuer, loaded: Loaded, entries: list[bytes], taken: NumberTaken) -> bytes:
        return build_crl(
            issuer,
            loaded.signer,
            number=taken.number,
            this_update=taken.this_update,
            next_update=taken.next_update,
            entries=entries,
        )

    async def reload(self) -> int:
        """Has every list built anew when it is asked for."""
        for identity in self._lists:
            self._make_dirty(identity)
        return 0

    def hear(self, records: Sequence[Record]) -> None:
        """A list is old when a CA it tells of revoked or held something, or no longer does.

        So it is when a CA with its name and key comes, and may bring what it revoked.
        """
        for record in records:
            if record.service != events.SERVICE or not self._lists:
                continue
            if record.type in _CHANGES or record.type in _PLACED:
                state = _head(record.data)
                if state.status is Status.REVOKED or (record.type in _CHANGES and state.status is not Status.EXPIRED):
                    self._make_dirty(self._identities.get(state.issuer_id, b""))
            if record.type == events.CA_IMPORT.name:
                identity = Issuer.of(load_certificate(events.CA_IMPORT.read(record).certificate)).identity
                if identity in self._lists:
                    self._identities[record.key] = identity
                    self._make_dirty(identity)

    def _make_dirty(self, identity: bytes) -> None:
        for kept in self._lists.get(identity, {}).values():
            kept.make_dirty()


def _last(numbers: Sequence[CrlNumber]) -> CrlNumber | None:
    """The number of the last list of some CAs."""
    return max(numbers, key=lambda each: each.number, default=None)


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
