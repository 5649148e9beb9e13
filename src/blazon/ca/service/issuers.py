"""Every CA by the names others call it: what OCSP requests, CRL paths and certificates say.

Several CAs here may have one name and one key: a CA, and the cross-certificate an outside parent made for it, or a CA
that was deleted and imported again. They are one to whoever checks a certificate, as a certificate names its issuer by
both and by nothing else: any of them that has its key here speaks for all of them.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec
from cryptography import x509

from blazon.ca import events
from blazon.ca.models import Authority, DeletedAuthority, Issued, IssuerFacts, Status
from blazon.ca.published import Published
from blazon.ca.store import Store
from blazon.ca.x509 import Issuer, is_issued_by
from blazon.clock import NANOSECONDS, Clock
from blazon.errors import NotFound
from blazon.log import Record
from blazon.pkix import load_certificate

__all__ = ["Issuers", "Twins"]

_CHANGES: Final = frozenset(
    each.name for each in (events.CA_CREATE, events.CA_IMPORT, events.CA_UPDATE_STATUS, events.CA_DELETE)
)


class Twins(msgspec.Struct, frozen=True):
    """The CAs with one name and one key.

    `keyed` are those that have their key here, each with when its certificate ends, and those that are not revoked
    first; `others` those that are here without it; `deleted` those that were deleted. `orphans` are the CAs they issued
    that were revoked and deleted before any of them was here, each as the number of the fact that deleted it. `ends` is
    when the last certificate of the key ends, 0 when none of them is here. Times are Unix seconds.
    """

    identity: bytes
    keyed: tuple[tuple[str, int], ...]
    others: tuple[str, ...]
    deleted: tuple[str, ...]
    orphans: tuple[int, ...]
    ends: int

    @property
    def here(self) -> tuple[str, ...]:
        """The ids of those that were not deleted, those with their key here first."""
        return (*(identifier for identifier, _ in self.keyed), *self.others)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all."""
        return (*self.here, *self.deleted)

    def speaker(self, now: int) -> str:
        """The id of the CA that signs for all: with its key here, and not over when there is such a one. Or empty."""
        alive = (identifier for identifier, valid_to in self.keyed if valid_to >= now)
        return next(alive, self.keyed[0][0] if self.keyed else "")


class _Names(msgspec.Struct, frozen=True):
    """What a certificate is called: by OCSP requests, by CRL paths, by what it issued."""

    identity: bytes
    hashes: tuple[tuple[str, bytes, bytes], ...]
    key_id: str
    subject: x509.Name

    @classmethod
    def of(cls, der: bytes) -> "_Names":
        issuer = Issuer.of(load_certificate(der))
        return cls(issuer.identity, issuer.cert_id_keys(), issuer.key_id.hex(), issuer.name)


class _Index(msgspec.Struct, frozen=True):
    """What was read: twins by hashes of an OCSP request and by the id of each; ids by key identifier, and by name."""

    by_hashes: dict[tuple[str, bytes, bytes], Twins]
    by_id: dict[str, Twins]
    by_key: dict[str, str]
    by_subject: dict[x509.Name, tuple[str, ...]]


class Issuers:
    """CAs by their names, kept current by the log."""

    def __init__(self, store: Store, published: Published, clock: Clock) -> None:
        self._store = store
        self._published = published
        self._clock = clock
        self._index = _Index({}, {}, {}, {})
        self._names: dict[bytes, _Names] = {}
        self._checked: dict[tuple[bytes, bytes], bool] = {}
        """Whether the first of two certificates, that of an orphan, was issued by the second."""
        # How often CAs changed, and how often they had when we read them last.
        self._changed = 1
        self._read = 0
        self._reading = asyncio.Lock()

    async def of_request(self, issuer: tuple[str, bytes, bytes]) -> Twins | None:
        """The CAs an OCSP request names by hashes; None when it names none of ours."""
        await self._refresh()
        return self._index.by_hashes.get(issuer)

    async def twins_of(self, identifier: str) -> Twins | None:
        """The CAs with the name and the key of one that is here or was deleted; None when there is none by this id."""
        await self._refresh()
        return self._index.by_id.get(identifier)

    async def by_subject(self, name: x509.Name) -> tuple[str, ...]:
        """The CAs with a subject: those that are here, with their key first, then those that were deleted."""
        await self._refresh()
        return self._index.by_subject.get(name, ())

    async def silence_about(self, revoked: Issued) -> str:
        """Why no CRL and no OCSP response of this Blazon tells that something is revoked, and what to do.

        Empty when they do, or when it is not revoked.
        """
        if revoked.status is not Status.REVOKED:
            return ""
        twins = await self.twins_of(revoked.issuer_id)
        now = self._clock.now() // NANOSECONDS
        if twins is not None and twins.speaker(now) and twins.ends > now:
            return ""
        way_out = "; import that CA with its key, or revoke this where its key is"
        if twins is None:
            reason = f"the CA that issued it is not known here{way_out}"
        elif not twins.here:
            reason = f"the CA that issued it was deleted{way_out}"
        elif twins.ends > now:
            reason = f"the key of the CA that issued it, {twins.here[0]}, is not here{way_out}"
        else:
            reason = "the certificate of the CA that issued it has ended"
        return f"no CRL and no OCSP response of this Blazon shows the revocation, as {reason}"

    async def silences(self, authority: Authority) -> bool:
        """Whether others would take something for good that was revoked, were a CA and its key deleted."""
        now = self._clock.now() // NANOSECONDS
        twins = await self.twins_of(authority.id)
        if twins is None or authority.key is None or authority.valid_to < now:
            return False
        if any(identifier != authority.id and valid_to >= now for identifier, valid_to in twins.keyed):
            return False
        return await self._published.has_revoked(twins.ids, twins.orphans, now)

    async def named(self, name: str) -> str:
        """The id of a CA by its id, or by its subject key identifier in hexadecimal digits. Raises NotFound.

        Of several with one key that is the one that has it here, so that it can say something. A CA that was deleted is
        known by its id as long as another one has its name and its key.
        """
        await self._refresh()
        twins = self._index.by_id.get(name)
        if twins is not None and twins.here:
            return name
        if await self._store.authority(name) is not None:  # another process made it, and we did not hear of it yet
            self._changed += 1
            return name
        found = self._index.by_key.get(name.lower())
        if found is None:
            raise NotFound("CA not found")
        return found

    async def _refresh(self) -> None:
        wanted = self._changed
        if self._read >= wanted:
            return
        # Who comes while another one reads waits for it: what is known so far may lack the very CA it asks for.
        async with self._reading:
            if self._read >= wanted:
                return
            changed = self._changed
            here, deleted = await self._published.issuers(), await self._published.deleted_authorities()
            orphans = await self._published.orphans()
            certificates = {*(each.certificate for each in here), *(each.certificate for each in deleted)}
            # To read a certificate takes longer than anything else here, and most were read before.
            self._names = {der: self._names.get(der) or _Names.of(der) for der in certificates}
            self._index = self._made(here, deleted, orphans)
            self._read = changed

    def _made(
        self, here: Sequence[IssuerFacts], deleted: Sequence[DeletedAuthority], orphans: Sequence[tuple[int, bytes]]
    ) -> _Index:
        found = _Index({}, {}, {}, {})
        alike: dict[bytes, tuple[list[IssuerFacts], list[DeletedAuthority]]] = {}
        for each in here:
            names = self._names[each.certificate]
            alike.setdefault(names.identity, ([], []))[0].append(each)
            found.by_key.setdefault(names.key_id, each.id)
            found.by_subject[names.subject] = (*found.by_subject.get(names.subject, ()), each.id)
        for gone in deleted:
            names = self._names[gone.certificate]
            alike.setdefault(names.identity, ([], []))[1].append(gone)
            found.by_subject[names.subject] = (*found.by_subject.get(names.subject, ()), gone.id)
        for identity, (present, past) in alike.items():
            twins = Twins(
                identity,
                tuple((each.id, each.valid_to) for each in present if each.has_key),
                tuple(each.id for each in present if not each.has_key),
                tuple(gone.id for gone in past),
                self._issued_by([each.certificate for each in present], orphans),
                max((each.valid_to for each in present), default=0),
            )
            found.by_id.update(dict.fromkeys(twins.ids, twins))
            # One name may be written in several ways, as other kinds of text, and its hash is of how it is written.
            for der in (*(each.certificate for each in present), *(gone.certificate for gone in past)):
                found.by_hashes.update(dict.fromkeys(self._names[der].hashes, twins))
        return found

    def _issued_by(self, issuers: Sequence[bytes], orphans: Sequence[tuple[int, bytes]]) -> tuple[int, ...]:
        """Those of some orphans that one of some CAs issued."""
        if not orphans:
            return ()
        return tuple(number for number, der in orphans if any(self._is_issued_by(der, issuer) for issuer in issuers))

    def _is_issued_by(self, der: bytes, issuer: bytes) -> bool:
        found = self._checked.get((der, issuer))
        if found is None:
            found = self._checked[der, issuer] = is_issued_by(load_certificate(der), load_certificate(issuer))
        return found

    async def reload(self) -> int:
        """Has every CA looked up anew."""
        self._changed += 1
        return 0

    def hear(self, records: Sequence[Record]) -> None:
        """CAs are looked up anew when one comes, goes, or is revoked."""
        if any(record.service == events.SERVICE and record.type in _CHANGES for record in records):
            self._changed += 1
