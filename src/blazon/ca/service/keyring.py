"""CAs ready to sign, in memory, kept current by the log."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from blazon.ca.models import AUTHORITY, Authority
from blazon.ca.service.pauses import Pauses
from blazon.ca.service.rules import is_over
from blazon.ca.store import Store
from blazon.ca.x509 import DEFAULT_PROFILE, Issuer, Profile, Urls
from blazon.engines import Engines, PrivateKey, Threads, cpu_threads
from blazon.errors import Conflict, Malformed, NotFound
from blazon.log import Basis, Record
from blazon.pkix import Certificate as X509Certificate
from blazon.pkix import load_certificate

__all__ = ["Keyring", "Loaded"]

_REMEMBERED: Final = 1_000


class Loaded(msgspec.Struct, frozen=True, eq=False):
    """A CA with all that issuing needs. `private_key` is None when its key is elsewhere.

    `quick` says that it signs in less than a millisecond and in this process; where it does not, it is to sign in
    `threads`. `over` is the CA that was revoked for good, and with it this one: itself, or one above it.
    """

    authority: Authority
    issuer: Issuer
    private_key: PrivateKey | None
    quick: bool
    profile: Profile
    profile_revision: int = 0
    over: Authority | None = None
    threads: Threads = msgspec.field(default_factory=cpu_threads)

    @property
    def signer(self) -> PrivateKey:
        """The key. Raises Malformed when it is elsewhere."""
        if self.private_key is None:
            raise Malformed("CA type inconsistent", "the CA is EXTERNAL, its key is not here")
        return self.private_key


class Keyring:
    """CAs by id, with their keys opened. A change of a CA drops it here before the one who changed it is answered."""

    def __init__(self, store: Store, engines: Engines, urls: Callable[[str], Urls]) -> None:
        self._store = store
        self._engines = engines
        self._urls = urls
        self._known: OrderedDict[str, Loaded] = OrderedDict()
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

    async def get(self, name: str) -> Loaded:
        """A CA ready to sign, by id or common name. Raises NotFound, Conflict, EngineUnavailable."""
        known = self._known.get(name)
        if known is not None:
            return known
        dropped = self._dropped
        loaded = await self.load(await self.resolve(name))
        # While we read, a change may have come: then what was read may be old, and is not kept.
        if dropped == self._dropped:
            self._known[loaded.authority.id] = loaded
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return loaded

    async def ask(self, identifier: str) -> Loaded:
        """As `get`, for those who did not sign in. Raises EngineUnavailable without asking an engine that rests."""
        known = self._known.get(identifier)
        if known is not None:
            return known
        with self.pauses.of(identifier):
            return await self.get(identifier)

    def is_quick(self, identifier: str) -> bool:
        """Whether a CA is known to sign quickly and in this process."""
        known = self._known.get(identifier)
        return known is not None and known.quick

    async def load(self, authority: Authority) -> Loaded:
        """A CA with its key opened and the profile it issues by."""
        issuer = Issuer.of(
            load_certificate(authority.certificate),
            await self.chain(authority),
            self._urls(authority.id),
        )
        stored = await self._store.profile(authority.profile_id) if authority.profile_id else None
        profile, revision = (DEFAULT_PROFILE, 0) if stored is None else (stored.profile, stored.revision)
        over = await self.over(authority.id, {})
        if authority.key is None:
            return Loaded(authority, issuer, None, quick=False, profile=profile, profile_revision=revision, over=over)
        threads = self._engines.threads(authority.engine_id)
        private_key = await threads.run(self._engines.open, authority.key)
        quick = self._engines.get(authority.engine_id).quick(authority.key_spec)
        return Loaded(authority, issuer, private_key, quick, profile, revision, over, threads)

    async def over(self, identifier: str, basis: Basis) -> Authority | None:
        """The first CA that was revoked for good, from this one upwards. `basis` gets all that were looked at."""
        while identifier:
            authority = await self._store.authority(identifier)
            if authority is None:
                return None
            basis[AUTHORITY.of(identifier)] = authority.revision
            if is_over(authority):
                return authority
            identifier = "" if authority.issuer_id == identifier else authority.issuer_id
        return None

    async def chain(self, authority: Authority) -> list[X509Certificate]:
        """The certificates above a CA, nearest first: of the CAs here, then those that came with the last of them."""
        found: list[bytes] = []
        while authority.issuer_id and authority.issuer_id != authority.id:
            above = await self._store.authority(authority.issuer_id)
            if above is None:
                break
            found.append(above.certificate)
            authority = above
        found += authority.chain
        return [load_certificate(der) for der in found]

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
                if record.type == "ca.update.status":  # those below it may have fallen with it
                    self._known.clear()
            elif record.subject.startswith("ca-profile:"):
                self._dropped += 1
                self._known.clear()
