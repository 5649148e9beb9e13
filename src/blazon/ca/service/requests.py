"""CAs whose certificate an outside parent makes: first a request, then the certificate for it."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from blazon.ca import events
from blazon.ca.events import AuthorityState, RequestState
from blazon.ca.models import (
    AUTHORITY,
    EXISTS,
    NAME_KEY,
    REQUEST,
    Authority,
    IntentKind,
    Owner,
    PendingRequest,
)
from blazon.ca.service import rules
from blazon.ca.service.binding import Binding
from blazon.ca.service.founding import Certified, Founding, der_of, end_of, first_authority
from blazon.ca.service.intents import Intents, Open
from blazon.ca.service.procedure import KeyProcedure
from blazon.ca.service.rights import Rights, expect
from blazon.ca.store import Store
from blazon.ca.x509 import (
    CaOptions,
    CertificateFiles,
    Expiration,
    Subject,
    certificate_for,
    chain_above,
    check_ca_certificate,
    check_issuance_expiration,
    check_key_pair,
    check_shown,
    format_serial,
    name_of,
    read_found,
    request_ca,
    subject_of,
)
from blazon.caller import Caller
from blazon.engines import Engines, KeySpec, StoredKey, cpu_threads
from blazon.errors import Conflict, NotFound
from blazon.log import Basis, Decision, EventType, Log, Record, state_of
from blazon.pkix import Certificate as X509Certificate

__all__ = ["CompleteDraft", "RequestDraft", "Requests"]

_ANOTHER: Final = "ask the parent for another certificate"


class RequestDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A CA somebody wants an outside parent to certify."""

    id: str = ""
    subject: Subject
    spec: KeySpec
    issuance_expiration: Expiration
    engine_id: str = ""
    metadata: dict[str, Any] | None = None
    profile: str = ""
    options: CaOptions = CaOptions()
    near: int | None = None
    critical: int | None = None


class CompleteDraft(msgspec.Struct, frozen=True, kw_only=True):
    """The certificate of an outside parent with those above it, and what shall be otherwise than it was requested."""

    files: CertificateFiles
    issuance_expiration: Expiration | None = None
    profile: str | None = None
    near: int | None = None
    critical: int | None = None


class Requests:
    """The rules of CAs that wait for their certificate."""

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

    async def create(self, caller: Caller, draft: RequestDraft) -> PendingRequest:
        """Makes a key in an engine and a request signed with it."""
        return await self._intents.to_the_end(self._create(caller, draft))

    async def _create(self, caller: Caller, draft: RequestDraft) -> PendingRequest:
        identifier = rules.check_id(draft.id) if draft.id else self._log.new_id()
        rules.check_subject(draft.subject)
        name_of(draft.subject)
        kept = self._log.metadata.kept(
            {NAME_KEY: draft.subject.common_name} if draft.metadata is None else draft.metadata
        )
        engine = self._engines.get(draft.engine_id)
        threads = self._engines.threads(engine.id)

        async def check() -> tuple[str, Basis]:
            basis = await self._rights.pki(caller)
            profile_id = await self._founding.profile_of(draft.profile, basis)
            await self._founding.check_free(identifier, draft.subject.common_name, basis)
            await threads.run(engine.check_makes, draft.spec)
            return profile_id, basis | {REQUEST.of(identifier): 0}

        async def act(_: tuple[str, Basis], intents: Open) -> tuple[StoredKey, bytes]:
            intent = await intents.begin(IntentKind.REQUEST, identifier, engine.id)
            key = await threads.run(engine.create, intent.key_name, draft.spec)
            opened = await threads.run(self._engines.open, key)
            return key, await threads.run(request_ca, opened, draft.subject, draft.options)

        def record(checked: tuple[str, Basis], done: tuple[StoredKey, bytes]) -> Decision:
            (profile_id, basis), (key, pem) = checked, done
            state = RequestState(
                id=identifier,
                subject=draft.subject,
                key=key,
                request=pem.decode("ascii"),
                metadata=kept,
                issuance_expiration=draft.issuance_expiration,
                profile_id=profile_id,
                near=draft.near,
                critical=draft.critical,
                created_at=self._log.clock.now(),
            )
            return Decision((events.REQUEST_CREATE.event(REQUEST.of(identifier), state),), basis)

        procedure = KeyProcedure(self._intents, caller, check=check, act=act, record=record)
        return _first(await self._log.perform(caller, procedure), events.REQUEST_CREATE)

    async def view(self, caller: Caller, identifier: str) -> PendingRequest:
        """A CA that waits."""
        await self._rights.pki(caller)
        return await self._existing(identifier)

    async def browse(self, caller: Caller) -> list[PendingRequest]:
        """Every CA that waits."""
        await self._rights.pki(caller)
        return await self._store.requests()

    async def complete(self, caller: Caller, identifier: str, draft: CompleteDraft) -> Authority:
        """Takes the certificate the outside parent made; the CA is MANAGED, as its key was made here.

        The parent may certify for a shorter time than the CA was to issue for: then give another expiration.
        """
        await self._rights.pki(caller)
        found, others = await cpu_threads().run(read_found, draft.files)
        wanted = await self._existing(identifier)
        certificate = certificate_for(found, wanted.key.load_public_key())
        chain = chain_above(certificate, (*found, *others))
        issuer = check_ca_certificate(certificate, now=self._founding.seconds, chain=chain)
        subject = subject_of(certificate.subject)
        check_shown(subject)

        async def decide() -> Decision:
            basis = await self._rights.pki(caller)
            pending = await self._existing(identifier)
            check_key_pair(certificate, pending.key.load_public_key())
            await self._founding.check_name(identifier, subject.common_name)
            expiration = draft.issuance_expiration or pending.issuance_expiration
            check_issuance_expiration(expiration, now=self._founding.seconds, ca_valid_to=issuer.valid_to)
            profile_id = pending.profile_id
            if draft.profile is not None:
                profile_id = await self._founding.profile_of(draft.profile, basis)
            issuing, level = await self._founding.placed(certificate, chain, identifier, basis)
            above = await self._founding.above(issuing, identifier, chain)
            await self._founding.check_accepted(certificate, above, profile_id, _ANOTHER)
            fate = await self._founding.fate(certificate, issuing, identifier, basis)
            known = await self._known(certificate, basis)
            certified = Certified(
                id=identifier,
                type=Owner.MANAGED,
                issuing=issuing,
                level=level,
                chain=tuple(map(der_of, chain)),
                key=pending.key,
                issuance_expiration=expiration,
                profile_id=profile_id,
                metadata=pending.metadata,
            )
            near = pending.near if draft.near is None else draft.near
            critical = pending.critical if draft.critical is None else draft.critical
            state = self._founding.state_of_new(certificate, certified, near=near, critical=critical)
            state = msgspec.structs.replace(state, **fate, **({} if known is None else end_of(known)))
            basis |= {AUTHORITY.of(identifier): 0, REQUEST.of(identifier): pending.revision}
            found = [
                events.CA_IMPORT.event(AUTHORITY.of(identifier), state),
                events.REQUEST_DELETE.event(REQUEST.of(identifier), _state(pending)),
            ]
            if known is not None:
                found.append(events.CA_DELETE.event(AUTHORITY.of(known.id), state_of(AuthorityState, known)))
            return Decision(tuple(found), basis)

        authority = first_authority(await self._log.commit(caller, decide), events.CA_IMPORT)
        await self._binding.bind(authority)
        return authority

    async def _known(self, certificate: X509Certificate, basis: Basis) -> Authority | None:
        """The CA that was imported with this certificate, without the key: it gives way to the one that has it."""
        found = await self._store.authority_with(format_serial(certificate.serial_number), der_of(certificate))
        known = None if found is None else await self._store.authority(found)
        if known is None:
            return None
        if known.key is not None:
            raise Conflict(EXISTS, f"this certificate is that of the CA {known.id}")
        basis[AUTHORITY.of(known.id)] = known.revision
        return known

    async def delete(self, caller: Caller, identifier: str) -> None:
        """Gives a request up, and destroys its key."""
        await self._intents.to_the_end(self._delete(caller, identifier))

    async def _delete(self, caller: Caller, identifier: str) -> None:
        async def check() -> tuple[PendingRequest, Basis]:
            basis = await self._rights.pki(caller)
            pending = await self._existing(identifier)
            expect(caller, pending.revision)
            return pending, basis | {REQUEST.of(pending.id): pending.revision}

        async def act(checked: tuple[PendingRequest, Basis], intents: Open) -> None:
            pending, _ = checked
            await intents.begin(IntentKind.DELETE, pending.id, pending.key.engine_id, key_name=pending.key.name)

        def record(checked: tuple[PendingRequest, Basis], _: None) -> Decision:
            pending, basis = checked
            return Decision((events.REQUEST_DELETE.event(REQUEST.of(pending.id), _state(pending)),), basis)

        await self._log.perform(caller, KeyProcedure(self._intents, caller, check=check, act=act, record=record))

    async def _existing(self, identifier: str) -> PendingRequest:
        pending = await self._store.request(identifier)
        if pending is None:
            raise NotFound("CA request not found")
        return pending


def _state(pending: PendingRequest) -> RequestState:
    return RequestState(**{name: getattr(pending, name) for name in RequestState.__struct_fields__})


def _first(records: Sequence[Record], kind: EventType[RequestState]) -> PendingRequest:
    state = kind.read(records[0])
    fields = {name: getattr(state, name) for name in RequestState.__struct_fields__}
    return PendingRequest(**fields, revision=records[0].sequence)
