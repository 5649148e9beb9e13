"""CAs made elsewhere: imported with their key, or without."""

from functools import partial
from typing import Any, Final

import msgspec

from blazon.ca import events
from blazon.ca.events import AuthorityState
from blazon.ca.models import AUTHORITY, EXISTS, NAME_KEY, Authority, IntentKind, Owner
from blazon.ca.service import rules
from blazon.ca.service.binding import Binding
from blazon.ca.service.founding import Certified, Founding, der_of, end_of, first_authority
from blazon.ca.service.intents import Intents, Open
from blazon.ca.service.procedure import KeyProcedure
from blazon.ca.service.rights import Rights
from blazon.ca.service.rules import Issuing
from blazon.ca.store import Store
from blazon.ca.x509 import (
    Bundle,
    CertificateFiles,
    Expiration,
    ExpirationType,
    chain_above,
    check_ca_certificate,
    check_issuance_expiration,
    check_shown,
    format_serial,
    read_bundle,
    subject_of,
)
from blazon.caller import Caller
from blazon.engines import Engine, Engines, PrivateKey, StoredKey, cpu_threads, spec_of
from blazon.errors import Conflict, Malformed
from blazon.log import Basis, Decision, Log
from blazon.pkix import Certificate as X509Certificate

__all__ = ["ImportDraft", "Imports"]

_KNOWN_ONLY: Final = "import it without its private key to have it known as EXTERNAL"


class ImportDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A CA made elsewhere, with its key or without. `type` is what somebody says it is, empty when nobody does."""

    id: str = ""
    files: CertificateFiles
    type: str = ""
    issuance_expiration: Expiration | None = None
    engine_id: str = ""
    metadata: dict[str, Any] | None = None
    profile: str = ""
    near: int | None = None
    critical: int | None = None


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    """An import that was read and checked. `key` is None where there is none, `metadata` where it is not given."""

    draft: ImportDraft
    certificate: X509Certificate
    chain: list[X509Certificate]
    key: PrivateKey | None
    expiration: Expiration
    metadata: msgspec.Raw | None
    engine: Engine

    @property
    def common_name(self) -> str:
        """The common name of the CA."""
        return subject_of(self.certificate.subject).common_name


class Imports:
    """The rules of importing."""

    def __init__(
        self,
        log: Log,
        store: Store,
        rights: Rights,
        founding: Founding,
        binding: Binding,
        engines: Engines,
        intents: Intents,
    ) -> None:
        self._log = log
        self._store = store
        self._rights = rights
        self._founding = founding
        self._binding = binding
        self._engines = engines
        self._intents = intents

    async def import_(self, caller: Caller, draft: ImportDraft) -> Authority:
        """Takes a CA made elsewhere: IMPORTED with its key, EXTERNAL without.

        What it issued and was here before is bound to it. A CA that is EXTERNAL here gets the key it is imported with.
        One that was revoked here and deleted is revoked still.
        """
        return await self._intents.to_the_end(self._import(caller, draft))

    async def _import(self, caller: Caller, draft: ImportDraft) -> Authority:
        asked = await self._asked(caller, draft)
        identifier = draft.id or self._log.new_id()

        async def check() -> tuple[AuthorityState, Basis]:
            basis = await self._rights.pki(caller)
            known = await self._known(asked)
            if known is not None:
                state = await self._with_its_key(asked, known, basis)
            else:
                state = await self._new(asked, identifier, basis)
            if asked.key is not None:
                spec = spec_of(asked.key.public_key())
                await self._engines.threads(asked.engine.id).run(asked.engine.check_takes, spec)
            return state, basis

        async def act(checked: tuple[AuthorityState, Basis], intents: Open) -> StoredKey | None:
            state, basis = checked
            return await self._key(asked, state.id, intents, basis[AUTHORITY.of(state.id)])

        def record(checked: tuple[AuthorityState, Basis], key: StoredKey | None) -> Decision:
            state, basis = checked
            if key is not None:
                state = msgspec.structs.replace(state, key=key, engine_id=key.engine_id)
            return Decision((events.CA_IMPORT.event(AUTHORITY.of(state.id), state),), basis)

        procedure = KeyProcedure(self._intents, caller, check=check, act=act, record=record)
        authority = first_authority(await self._log.perform(caller, procedure), events.CA_IMPORT)
        await self._binding.bind(authority)
        return authority

    async def _asked(self, caller: Caller, draft: ImportDraft) -> _Asked:
        if draft.id:
            rules.check_id(draft.id)
        bundle = await self._read(caller, draft)
        certificate, private_key = bundle.certificate, bundle.private_key
        chain = chain_above(certificate, bundle.others)
        issuer = check_ca_certificate(certificate, now=self._founding.seconds, chain=chain)
        expiration = draft.issuance_expiration or Expiration(ExpirationType.TIME, time=issuer.valid_to)
        if private_key is not None:
            check_issuance_expiration(expiration, now=self._founding.seconds, ca_valid_to=issuer.valid_to)
        check_shown(subject_of(certificate.subject))
        return _Asked(
            draft=draft,
            certificate=certificate,
            chain=chain,
            key=private_key,
            expiration=expiration,
            metadata=None if draft.metadata is None else self._log.metadata.kept(draft.metadata),
            engine=self._engines.get(draft.engine_id),
        )

    async def _read(self, caller: Caller, draft: ImportDraft) -> Bundle:
        # To open a file and to look at a key takes longer than anything else: not for anybody.
        await self._rights.pki(caller)
        external = draft.type == Owner.EXTERNAL
        bundle = await cpu_threads().run(partial(read_bundle, draft.files, with_key=not external))
        if draft.type and draft.type != (Owner.EXTERNAL if bundle.private_key is None else Owner.IMPORTED):
            raise Malformed(
                "CA type inconsistent",
                f"ca_type is {draft.type[:60]!r}; it is IMPORTED with a private key, and EXTERNAL without",
            )
        return bundle

    async def _known(self, asked: _Asked) -> Authority | None:
        """The CA here that is to get its key; None for one that is new. Raises Conflict for one that needs nothing."""
        serial = format_serial(asked.certificate.serial_number)
        found = await self._store.authority_with(serial, der_of(asked.certificate))
        known = None if found is None else await self._store.authority(found)
        if known is None:
            return None
        if asked.key is None or known.key is not None or asked.draft.id not in ("", known.id):
            raise Conflict(EXISTS, f"this certificate is that of the CA {known.id}")
        return known

    async def _new(self, asked: _Asked, identifier: str, basis: Basis) -> AuthorityState:
        """The state of a CA that is new here, but for its key."""
        draft = asked.draft
        profile_id = await self._founding.profile_of(draft.profile, basis)
        issuing, level = await self._founding.placed(asked.certificate, asked.chain, identifier, basis)
        fate = await self._founding.fate(asked.certificate, issuing, identifier, basis)
        await self._founding.check_free(identifier, asked.common_name, basis)
        if asked.key is not None:
            await self._check_issues(asked, issuing, identifier, profile_id)
        metadata = self._log.metadata.kept({NAME_KEY: asked.common_name}) if asked.metadata is None else asked.metadata
        certified = Certified(
            id=identifier,
            type=Owner.EXTERNAL if asked.key is None else Owner.IMPORTED,
            issuing=issuing,
            level=level,
            chain=tuple(map(der_of, asked.chain)),
            key=None,
            issuance_expiration=asked.expiration,
            profile_id=profile_id,
            metadata=metadata,
        )
        state = self._founding.state_of_new(asked.certificate, certified, near=draft.near, critical=draft.critical)
        return msgspec.structs.replace(state, **fate)

    async def _with_its_key(self, asked: _Asked, known: Authority, basis: Basis) -> AuthorityState:
        """The state of a CA that was EXTERNAL, but for its key; what the import does not say stays as it was."""
        draft = asked.draft
        profile_id = await self._founding.profile_of(draft.profile, basis) or known.profile_id
        issuing = Issuing(known.issuer_id, known.issuer_serial)
        await self._check_issues(asked, issuing, known.id, profile_id)
        basis[AUTHORITY.of(known.id)] = known.revision
        certified = Certified(
            id=known.id,
            type=Owner.IMPORTED,
            issuing=issuing,
            level=known.level,
            chain=tuple(map(der_of, asked.chain)) or known.chain,
            key=None,
            issuance_expiration=asked.expiration,
            profile_id=profile_id,
            metadata=known.metadata if asked.metadata is None else asked.metadata,
        )
        near = known.near if draft.near is None else draft.near
        critical = known.critical if draft.critical is None else draft.critical
        state = self._founding.state_of_new(asked.certificate, certified, near=near, critical=critical)
        return msgspec.structs.replace(state, created_at=known.created_at, **end_of(known))

    async def _check_issues(self, asked: _Asked, issuing: Issuing, identifier: str, profile_id: str) -> None:
        above = await self._founding.above(issuing, identifier, asked.chain)
        await self._founding.check_accepted(asked.certificate, above, profile_id, _KNOWN_ONLY)

    async def _key(self, asked: _Asked, identifier: str, intents: Open, revision: int) -> StoredKey | None:
        """The key as its engine keeps it, None for a CA without one. `revision` is that of the CA, 0 of a new one."""
        if asked.key is None:
            return None
        engine = asked.engine
        intent = await intents.begin(IntentKind.IMPORT, identifier, engine.id, revision=revision)
        return await self._engines.threads(engine.id).run(engine.import_key, intent.key_name, asked.key)
