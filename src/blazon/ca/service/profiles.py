"""Issuance profiles: kept, changed, deleted."""

from collections.abc import Sequence

from blazon.ca import events
from blazon.ca.events import ProfileState
from blazon.ca.models import PROFILE, StoredProfile
from blazon.ca.service.rights import Rights, expect
from blazon.ca.store import Store
from blazon.ca.x509 import Profile, check_profile
from blazon.caller import Caller
from blazon.errors import Conflict, Malformed, NotFound
from blazon.log import Decision, EventType, Log, Record

__all__ = ["Profiles"]


class Profiles:
    """The rules of profiles. A change counts for what is issued from then on."""

    def __init__(self, log: Log, store: Store, rights: Rights) -> None:
        self._log = log
        self._store = store
        self._rights = rights

    async def create(self, caller: Caller, name: str, profile: Profile) -> StoredProfile:
        """Keeps a profile under a name nobody else has."""
        _check_name(name)
        check_profile(profile)
        identifier = self._log.new_id()

        async def decide() -> Decision:
            basis = await self._rights.pki(caller)
            await self._check_free(name)
            state = ProfileState(id=identifier, name=name, profile=profile, created_at=self._log.clock.now())
            return Decision((events.PROFILE_CREATE.event(PROFILE.of(identifier), state),), basis)

        return _first(await self._log.commit(caller, decide), events.PROFILE_CREATE)

    async def _check_free(self, name: str) -> None:
        if await self._store.profile(name) is not None:
            raise Conflict("there is an issuance profile of this name")

    async def view(self, caller: Caller, name: str) -> StoredProfile:
        """A profile by id or name."""
        await self._rights.pki(caller)
        return await self._existing(name)

    async def browse(self, caller: Caller) -> list[StoredProfile]:
        """Every profile."""
        await self._rights.pki(caller)
        return await self._store.profiles()

    async def update(self, caller: Caller, identifier: str, name: str, profile: Profile) -> StoredProfile:
        """Replaces a profile."""
        _check_name(name)
        check_profile(profile)

        async def decide() -> Decision:
            basis = await self._rights.pki(caller)
            stored = await self._existing(identifier)
            expect(caller, stored.revision)
            if name != stored.name:
                await self._check_free(name)
            basis[PROFILE.of(stored.id)] = stored.revision
            state = ProfileState(id=stored.id, name=name, profile=profile, created_at=stored.created_at)
            return Decision((events.PROFILE_UPDATE.event(PROFILE.of(stored.id), state),), basis)

        return _first(await self._log.commit(caller, decide), events.PROFILE_UPDATE)

    async def delete(self, caller: Caller, identifier: str) -> None:
        """Deletes a profile no CA issues by."""

        async def decide() -> Decision:
            basis = await self._rights.pki(caller)
            stored = await self._existing(identifier)
            expect(caller, stored.revision)
            if await self._store.profile_in_use(stored.id):
                raise Conflict("a CA issues by this profile")
            basis[PROFILE.of(stored.id)] = stored.revision
            state = ProfileState(id=stored.id, name=stored.name, profile=stored.profile, created_at=stored.created_at)
            return Decision((events.PROFILE_DELETE.event(PROFILE.of(stored.id), state),), basis)

        await self._log.commit(caller, decide)

    async def _existing(self, name: str) -> StoredProfile:
        stored = await self._store.profile(name)
        if stored is None:
            raise NotFound("issuance profile not found")
        return stored


def _check_name(name: str) -> None:
    if not name.strip() or len(name.encode()) > 254 or not name.isprintable():
        raise Malformed("struct validation error", "name is 1 to 254 bytes of text in one line")


def _first(records: Sequence[Record], kind: EventType[ProfileState]) -> StoredProfile:
    state = kind.read(records[0])
    return StoredProfile(
        id=state.id,
        name=state.name,
        profile=state.profile,
        created_at=state.created_at,
        revision=records[0].sequence,
    )
