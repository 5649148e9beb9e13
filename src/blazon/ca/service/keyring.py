"""CAs ready to sign, in memory, kept current by the log."""

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Final

import msgspec

from blazon.ca import events
from blazon.ca.models import AUTHORITY, Authority, DeletedAuthority
from blazon.ca.published import Published
from blazon.ca.service.pauses import Pauses
from blazon.ca.service.rules import is_over
from blazon.ca.store import Store
from blazon.ca.x509 import DEFAULT_PROFILE, Issuer, Profile, Urls
from blazon.engines import Engines, PrivateKey, Threads, cpu_threads
from blazon.errors import Conflict, Malformed, NotFound
from blazon.log import Basis, Record
from blazon.pkix import Certificate as X509Certificate
from blazon.pkix import load_certificate

__all__ = ["Keyring", "Known", "Loaded"]

_REMEMBERED: Final = 1_000

_GOES_DOWN: Final = frozenset((events.CA_UPDATE_STATUS.name, events.CA_UPDATE_ISSUER.name))
"""What changes those below a CA too: they may have fallen with it, or have others above them from now on."""


class Known(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """A CA with all that issuing needs but its key.

    `quick` says that it signs in less than a millisecond and in this process; where it does not, it is to sign in
    `threads`. `over` is the CA that was revoked for good, and with it this one: itself, or one above it.
    """

    authority: Authority
    issuer: Issuer
    profile: Profile
    profile_revision: int = 0
    over: Authority | DeletedAuthority | None = None
    quick: bool = False
    threads: Threads = msgspec.field(default_factory=cpu_threads)


class Loaded(Known, frozen=True, eq=False, kw_only=True):
    """A CA with all that issuing needs. `private_key` is None when its key is elsewhere."""

    private_key: PrivateKey | None = None

    @property
    def signer(self) -> PrivateKey:
        """The key. Raises Malformed when it is elsewhere."""
        if self.private_key is None:
            raise Malformed("CA type inconsistent", "the CA is EXTERNAL, its key is not here")
        return self.private_key


class Keyring:
    """CAs by id, with their keys opened. A change of a CA drops it here before the one who changed it is answered."""

    def __init__(self, store: Store, published: Published, engines: Engines, urls: Callable[[str], Urls]) -> None:
        self._store = store
        self._published = published
        self._engines = engines
        self._urls = urls
        self._known: OrderedDict[str, Known] = OrderedDict()
        self._dropped = 0
        self.pauses = Pauses()
        """Of the engines of these CAs, towards those who did not sign in."""

    async def resolve(self, name: str) -> Authority:
        """A CA by its id, or by its common name when only one has it (decision B11). Raises NotFound, Conflict.

        No CA is given an id that is the name of another one, or a name that is the id of one.
        """
        known = self._known.get(name)
        if known is not None:
            return known.authority
        found = await self._store.authority(name)
        if found is not None:
            return found
        named = await self._store.authorities_by("common_name", name)
        if not named:
            raise NotFound("CA not found")
        if len(named) > 1:
            raise Conflict(f"several CAs have the common name {name[:64]!r}; use the id of one")
        return named[0]

    async def levels(self, identifiers: Iterable[str]) -> dict[str, int]:
        """The levels of those of these CAs that are here."""
        wanted = set(identifiers)
        known = {each: self._known[each].authority.level for each in wanted if each in self._known}
        return known | await self._store.levels(wanted - known.keys())

    async def known(self, name: str) -> Known:
        """A CA by id or common name, without asking its engine for anything. Raises NotFound, Conflict."""
        known = self._known.get(name)
        if known is not None:
            return known
        dropped = self._dropped
        authority = await self.resolve(name)
        known = self._known.get(authority.id)
        return known if known is not None else self._keep(await self._read(authority), dropped)

    async def get(self, name: str) -> Loaded:
        """A CA ready to sign, by id or common name. Raises NotFound, Conflict, EngineUnavailable."""
        dropped = self._dropped
        known = await self.known(name)
        if isinstance(known, Loaded):
            return known
        loaded = await self._open(known)
        self._keep(loaded, dropped)
        return loaded

    def _keep(self, known: Known, dropped: int) -> Known:
        # While we read, a change may have come: then what was read may be old, and is not kept.
        if dropped == self._dropped:
            self._known[known.authority.id] = known
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return known

    async def ask(self, identifier: str) -> Loaded:
        """As `get`, for those who did not sign in. Raises EngineUnavailable without asking an engine that rests."""
        known = self._known.get(identifier)
        if isinstance(known, Loaded):
            return known
        with self.pauses.of(identifier):
            return await self.get(identifier)

    def is_quick(self, identifier: str) -> bool:
        """Whether a CA is known to sign quickly and in this process."""
        known = self._known.get(identifier)
        return isinstance(known, Loaded) and known.quick

    async def _read(self, authority: Authority) -> Known:
        """A CA with the profile it issues by."""
        issuer = Issuer.of(
            load_certificate(authority.certificate),
            await self.chain(authority),
            self._urls(authority.id),
        )
        stored = await self._store.profile(authority.profile_id) if authority.profile_id else None
        profile, revision = (DEFAULT_PROFILE, 0) if stored is None else (stored.profile, stored.revision)
        over = await self.over(authority.id, {})
        known = Known(authority=authority, issuer=issuer, profile=profile, profile_revision=revision, over=over)
        if authority.key is None:
            return known
        quick = self._engines.quick(authority.engine_id, authority.key_spec)
        return msgspec.structs.replace(known, quick=quick, threads=self._engines.threads(authority.engine_id))

    async def _open(self, known: Known) -> Loaded:
        """A CA with its key opened, where it has one here."""
        key = known.authority.key
        opened = None if key is None else await known.threads.run(self._engines.open, key)
        return Loaded(**{name: getattr(known, name) for name in Known.__struct_fields__}, private_key=opened)

    async def over(self, identifier: str, basis: Basis) -> Authority | DeletedAuthority | None:
        """The first CA that was revoked for good, from this one upwards. `basis` gets all that were looked at."""
        seen = set[str]()  # CAs that certify each other stand above each other
        while identifier and identifier not in seen:
            seen.add(identifier)
            authority = await self._store.authority(identifier)
            if authority is not None:
                basis[AUTHORITY.of(identifier)] = authority.revision
            above = authority or await self._published.deleted_authority(identifier)
            if above is None or is_over(above):
                return above
            identifier = above.issuer_id
        return None

    async def chain(self, authority: Authority) -> list[X509Certificate]:
        """The certificates above a CA, nearest first: of the CAs here, then those that came with one of them."""
        found: list[bytes] = []
        rest = authority.chain
        async for above in self.above(authority):
            found.append(above.certificate)
            # What came with a CA goes on above its issuer, when the issuer came later and with less.
            rest = above.chain or (rest[1:] if rest[:1] == (above.certificate,) else ())
        return [load_certificate(der) for der in (*found, *rest)]

    async def above(self, authority: Authority) -> AsyncIterator[Authority]:
        """The CAs here that stand above one, nearest first."""
        seen = {authority.id}  # CAs that certify each other stand above each other
        while authority.issuer_id not in seen:
            above = await self._store.authority(authority.issuer_id)
            if above is None:
                return
            yield above
            seen.add(above.id)
            authority = above

    async def reload(self) -> int:
        """Forgets everything."""
        self._dropped += 1
        self._known.clear()
        return 0

    def hear(self, records: Sequence[Record]) -> None:
        """Drops the CAs that changed; all of them when a profile did, or a status."""
        for record in records:
            if record.service != "ca" or not record.is_fact:
                continue
            if record.subject.startswith("ca:"):
                self._dropped += 1
                self._known.pop(record.key, None)
                if record.type in _GOES_DOWN:
                    self._known.clear()
            elif record.subject.startswith("ca-profile:"):
                self._dropped += 1
                self._known.clear()
