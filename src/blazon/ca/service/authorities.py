"""Certificate authorities: made, read, changed, deleted."""

import asyncio
from functools import cache
from typing import Any, Final, NamedTuple

import msgspec
from cryptography import x509

from blazon.ca import events
from blazon.ca.events import AuthorityState
from blazon.ca.listing import Listing, bookmark_of
from blazon.ca.models import AUTHORITY, NAME_KEY, Authority, IntentKind, Owner, Status
from blazon.ca.service import rules
from blazon.ca.service.founding import Certified, Founding, first_authority
from blazon.ca.service.intents import Intents, Open
from blazon.ca.service.issuers import Issuers
from blazon.ca.service.keyring import Keyring, Loaded
from blazon.ca.service.procedure import KeyProcedure
from blazon.ca.service.rights import Rights, expect
from blazon.ca.service.rules import Issuing
from blazon.ca.store import Store
from blazon.ca.x509 import (
    CaOptions,
    Draft,
    Expiration,
    Reason,
    Subject,
    check_issuance_expiration,
    draft_root,
    draft_subordinate,
    format_serial,
    name_of,
    new_serial,
    sign_draft,
)
from blazon.caller import Caller
from blazon.engines import Engines, KeySpec, KeyType, PublicKey, StoredKey, generate_key
from blazon.errors import Conflict, NotFound
from blazon.log import Basis, Decision, EventType, Log, state_of
from blazon.pkix import Certificate as X509Certificate
from blazon.pkix import load_certificate

__all__ = ["Authorities", "AuthorityDraft"]


_CASCADE: Final = 2.0
"""Seconds the deletion of a CA waits for what stands below it to be revoked."""


class AuthorityDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A CA somebody asks for. An empty id is made up, an empty parent makes a root."""

    id: str = ""
    subject: Subject
    spec: KeySpec
    expiration: Expiration
    issuance_expiration: Expiration
    engine_id: str = ""
    parent: str = ""
    metadata: dict[str, Any] | None = None
    profile: str = ""
    options: CaOptions = CaOptions()
    near: int | None = None
    critical: int | None = None


class _Creation(NamedTuple):
    """What a CA is about to be made from, and what that rests on."""

    parent: Loaded | None
    profile_id: str
    basis: Basis


class Authorities:
    """The rules of CAs."""

    def __init__(
        self,
        log: Log,
        store: Store,
        rights: Rights,
        keyring: Keyring,
        founding: Founding,
        issuers: Issuers,
        engines: Engines,
        intents: Intents,
    ) -> None:
        self._log = log
        self._store = store
        self._rights = rights
        self._keyring = keyring
        self._issuers = issuers
        self._engines = engines
        self._intents = intents
        self._founding = founding

    async def create(self, caller: Caller, draft: AuthorityDraft) -> Authority:
        """Makes a CA with a key of its own in an engine: a root, or below a parent that signs here.

        Steps: check, on a draft with another key, and what the engine makes → intent → key → draft, checked →
        signature → record and answer.
        """
        return await self._intents.to_the_end(self._create(caller, draft))

    async def _create(self, caller: Caller, draft: AuthorityDraft) -> Authority:
        identifier = rules.check_id(draft.id) if draft.id else self._log.new_id()
        rules.check_subject(draft.subject)
        name_of(draft.subject)
        metadata = {NAME_KEY: draft.subject.common_name} if draft.metadata is None else draft.metadata
        kept = self._log.metadata.kept(metadata)
        engine = self._engines.get(draft.engine_id)
        threads = self._engines.threads(engine.id)

        async def check() -> _Creation:
            basis = await self._rights.pki(caller)
            profile_id = await self._founding.profile_of(draft.profile, basis)
            parent = await self._parent(draft.parent, basis)
            self._check_times(draft, parent)
            await self._founding.check_free(identifier, draft.subject.common_name, basis)
            # What a rule forbids is refused before anything is recorded: the rules look at all but the key.
            self._draft(draft, _stand_in(), parent)
            await threads.run(engine.check_makes, draft.spec)
            return _Creation(parent, profile_id, basis)

        async def act(checked: _Creation, intents: Open) -> tuple[StoredKey, x509.Certificate]:
            intent = await intents.begin(IntentKind.CREATE, identifier, engine.id)
            key = await threads.run(engine.create, intent.key_name, draft.spec)
            return key, await self._certify(draft, key, checked.parent, intents)

        def record(checked: _Creation, done: tuple[StoredKey, x509.Certificate]) -> Decision:
            key, certificate = done
            issuing, level = _below(checked.parent, identifier, format_serial(certificate.serial_number))
            certified = Certified(
                id=identifier,
                type=Owner.MANAGED,
                issuing=issuing,
                level=level,
                chain=(),
                key=key,
                issuance_expiration=draft.issuance_expiration,
                profile_id=checked.profile_id,
                metadata=kept,
            )
            state = self._founding.state_of_new(certificate, certified, near=draft.near, critical=draft.critical)
            return Decision((events.CA_CREATE.event(AUTHORITY.of(identifier), state),), checked.basis)

        procedure = KeyProcedure(self._intents, caller, check=check, act=act, record=record)
        return first_authority(await self._log.perform(caller, procedure), events.CA_CREATE)

    def _check_times(self, draft: AuthorityDraft, parent: Loaded | None) -> None:
        now = self._founding.seconds
        ends = draft.expiration.ends_at(now)
        check_issuance_expiration(draft.issuance_expiration, now=now, ca_valid_to=ends)
        if parent is not None:
            rules.check_can_sign(parent.authority, parent.over)

    async def _parent(self, name: str, basis: Basis) -> Loaded | None:
        if not name:
            return None
        try:
            parent = await self._keyring.get(name)
        except NotFound:
            raise NotFound("CA not found", "there is none with the id or the name in parent_id") from None
        basis[AUTHORITY.of(parent.authority.id)] = parent.authority.revision
        return parent

    async def _certify(
        self, draft: AuthorityDraft, key: StoredKey, parent: Loaded | None, intents: Open
    ) -> x509.Certificate:
        drafted = self._draft(draft, key.load_public_key(), parent)
        if parent is None:
            threads = self._engines.threads(key.engine_id)
            signer = await threads.run(self._engines.open, key)
        else:
            signer, threads = parent.signer, parent.threads
            if not parent.quick:
                above, serial = parent.authority, format_serial(drafted.serial)
                await intents.begin(IntentKind.SIGN, above.id, above.engine_id, serial)
        return await threads.run(sign_draft, drafted, signer)

    def _draft(self, draft: AuthorityDraft, public_key: PublicKey, parent: Loaded | None) -> Draft:
        now = self._founding.seconds
        times = {"now": now, "valid_to": draft.expiration.ends_at(now)}
        if parent is None:
            return draft_root(public_key, draft.subject, serial=new_serial(), **times, options=draft.options)
        return draft_subordinate(
            parent.issuer, public_key, draft.subject, serial=new_serial(), **times, options=draft.options
        )

    async def view(self, caller: Caller, name: str) -> Authority:
        """A CA by its id or its common name."""
        await self._rights.pki(caller)
        return await self._keyring.resolve(name)

    async def by_serial(self, caller: Caller, serial: str) -> Authority:
        """A CA by its serial number."""
        await self._rights.pki(caller)
        found = await self._store.authorities_by("serial", serial)
        if not found:
            raise NotFound("CA not found")
        if len(found) > 1:
            raise Conflict("several CAs, of different issuers, have this serial number; use the id of one")
        return found[0]

    async def browse(
        self, caller: Caller, listing: Listing, common_name: str | None = None
    ) -> tuple[list[Authority], str]:
        """A page of CAs, and the bookmark of the next page, empty at the end."""
        await self._rights.pki(caller)
        conditions = {} if common_name is None else {"common_name = ?": common_name}
        found, last = await self._store.page_of_authorities(listing, conditions)
        return found, "" if last is None else bookmark_of(listing, last)

    async def chain(self, caller: Caller, name: str) -> list[X509Certificate]:
        """The certificate of a CA and those above it."""
        authority = await self.view(caller, name)
        own = load_certificate(authority.certificate)
        return [own, *await self._keyring.chain(authority)]

    async def set_metadata(self, caller: Caller, name: str, metadata: dict[str, Any]) -> Authority:
        """Replaces the metadata."""
        kept = self._log.metadata.kept(metadata)
        return await self._change(caller, name, events.CA_UPDATE_METADATA, lambda _: {"metadata": kept})

    async def set_status(self, caller: Caller, name: str, status: Status, reason: Reason) -> Authority:
        """Revokes a CA, holds it, ends its hold, or marks it as expired.

        What stands below a CA that is revoked for good is revoked by itself (decision B13).
        """

        def change(authority: Authority) -> dict[str, Any]:
            return rules.changed_status(authority, status, reason, self._log.clock.now())

        return await self._change(caller, name, events.CA_UPDATE_STATUS, change, lives=status is not Status.REVOKED)

    async def _change(
        self, caller: Caller, name: str, kind: EventType[AuthorityState], change: Any, *, lives: bool = False
    ) -> Authority:
        async def decide() -> Decision:
            basis = await self._rights.pki(caller)
            authority = await self._fresh(name)
            expect(caller, authority.revision)
            basis[AUTHORITY.of(authority.id)] = authority.revision
            state = state_of(AuthorityState, authority, **change(authority))
            if lives:
                rules.check_can_live(authority, await self._keyring.over(authority.issuer_id, basis))
            return Decision((kind.event(AUTHORITY.of(authority.id), state),), basis)

        return first_authority(await self._log.commit(caller, decide), kind)

    async def _fresh(self, name: str) -> Authority:
        """A CA as it stands in the database: what is remembered may be a moment old."""
        resolved = await self._keyring.resolve(name)
        found = await self._store.authority(resolved.id)
        if found is None:
            raise NotFound("CA not found")
        return found

    async def delete(self, caller: Caller, name: str) -> None:
        """Deletes a CA that is over, with its key. Its certificates stay, and are revoked before when it was."""
        await self._intents.to_the_end(self._delete(caller, name))

    async def _delete(self, caller: Caller, name: str) -> None:
        until = asyncio.get_running_loop().time() + _CASCADE

        async def check() -> tuple[Authority, Basis]:
            basis = await self._rights.pki(caller)
            authority = await self._fresh(name)
            expect(caller, authority.revision)
            await self._check_deletable(authority, until)
            return authority, basis | {AUTHORITY.of(authority.id): authority.revision}

        async def act(checked: tuple[Authority, Basis], intents: Open) -> None:
            authority, _ = checked
            if authority.key is not None:
                key_name = authority.key.name
                await intents.begin(IntentKind.DELETE, authority.id, authority.engine_id, key_name=key_name)

        def record(checked: tuple[Authority, Basis], _: None) -> Decision:
            authority, basis = checked
            gone = events.CA_DELETE.event(AUTHORITY.of(authority.id), state_of(AuthorityState, authority))
            return Decision((gone,), basis)

        await self._log.perform(caller, KeyProcedure(self._intents, caller, check=check, act=act, record=record))

    async def _check_deletable(self, authority: Authority, until: float) -> None:
        """Whether nothing lives below a CA, and nobody takes for good what it revoked once its key is gone."""
        rules.check_deletable(authority)
        if await self._stands_above(authority):
            raise Conflict("there are CAs below this one; delete those first")
        if rules.is_over(authority) and await self._lives_below(authority.id, until):
            raise Conflict("the certificates of the CA are still being revoked; try again in a moment")
        # Of a CA that was revoked nobody takes anything; one that was marked as expired is trusted by others still.
        if not rules.is_over(authority) and await self._issuers.silences(authority):
            raise Conflict(
                "the CA revoked certificates that have not ended, and without its key nobody would hear of that;"
                " delete it when they have"
            )

    async def _stands_above(self, authority: Authority) -> bool:
        """Whether there are CAs below a CA, other than those that certified it in turn."""
        above = {each.id async for each in self._keyring.above(authority)}
        return any(each.id not in above for each in await self._store.below(authority.id))

    async def _lives_below(self, identifier: str, until: float) -> bool:
        """Waits a little until nothing lives below a CA that was revoked. Whether something does still."""
        while lives := await self._store.lives_below(identifier):
            if asyncio.get_running_loop().time() > until:
                break
            await asyncio.sleep(0.1)
        return lives


@cache
def _stand_in() -> PublicKey:
    """A key that takes the place of one that is still to be made."""
    return generate_key(KeySpec(KeyType.ECDSA, 256)).public_key()


def _below(parent: Loaded | None, identifier: str, serial: str) -> tuple[Issuing, int]:
    if parent is None:
        return Issuing(identifier, serial), 0
    above = parent.authority
    return Issuing(above.id, above.serial), above.level + 1 if above.level >= 0 else -1
