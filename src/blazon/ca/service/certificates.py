"""Certificates: signed, imported, read, changed."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from blazon.ca import events
from blazon.ca.events import CertificateState
from blazon.ca.listing import Condition, Listing, bookmark_of
from blazon.ca.models import (
    AUTHORITY,
    CERTIFICATE,
    PROFILE,
    Certificate,
    IntentKind,
    Owner,
    Status,
)
from blazon.ca.service import rules
from blazon.ca.service.founding import Founding
from blazon.ca.service.intents import Intents, Open
from blazon.ca.service.keyring import Keyring, Loaded
from blazon.ca.service.procedure import KeyProcedure
from blazon.ca.service.rights import Rights, expect
from blazon.ca.service.rules import Deltas, Issuing
from blazon.ca.store import Store
from blazon.ca.x509 import (
    CertificateFiles,
    CertificationRequest,
    Draft,
    Profile,
    Reason,
    Subject,
    check_public_key,
    check_shown,
    draft_leaf,
    format_serial,
    is_ca,
    lowest,
    name_of,
    new_serial,
    read_csr,
    read_found,
    sign_draft,
    subject_of,
)
from blazon.caller import Caller
from blazon.clock import NANOSECONDS
from blazon.engines import ALL_KEYS, KeySpec, PrivateKey, check_supported, cpu_threads, generate_key
from blazon.errors import Conflict, NotFound, RuleBroken
from blazon.log import Basis, Decision, EventType, Log, Record, state_of

__all__ = ["Certificates", "KeyedDraft", "SignDraft"]

_NOT_FOUND: Final = "certificate not found"


class SignDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate somebody asks for. `subject` None takes that of the request; `valid_to` is in Unix seconds."""

    request: CertificationRequest
    subject: Subject | None = None
    profile: str = ""
    valid_to: int | None = None
    metadata: dict[str, Any] | None = None


class KeyedDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate somebody asks for with its key. `names` are alternative names."""

    subject: Subject
    spec: KeySpec
    names: tuple[x509.GeneralName, ...] = ()
    profile: str = ""
    valid_to: int | None = None
    metadata: dict[str, Any] | None = None


class _Signing(NamedTuple):
    """What is about to be signed, and what that rests on."""

    loaded: Loaded
    drafted: Draft
    basis: Basis


class Certificates:
    """The rules of certificates."""

    def __init__(
        self,
        log: Log,
        store: Store,
        rights: Rights,
        keyring: Keyring,
        founding: Founding,
        intents: Intents,
        deltas: Deltas,
    ) -> None:
        self._log = log
        self._store = store
        self._rights = rights
        self._keyring = keyring
        self._founding = founding
        self._intents = intents
        self._deltas = deltas

    async def sign(self, caller: Caller, ca: str, draft: SignDraft, *, owner: Owner = Owner.EXTERNAL) -> Certificate:
        """Issues a certificate.

        1. the caller, the CA and the profile are checked, and what will be signed is drafted and checked;
        2. unless the key lies in this process, the intent is recorded;
        3. the engine signs;
        4. the certificate is recorded, if the CA is still what it was, and answered.
        """
        signing = self._sign(caller, ca, draft, owner)
        # With a quick key there is nothing to wait for, and nothing is left behind.
        return await (signing if self._keyring.is_quick(ca) else self._intents.to_the_end(signing))

    async def _sign(self, caller: Caller, ca: str, draft: SignDraft, owner: Owner) -> Certificate:
        records = await self._log.perform(caller, self.signing(caller, ca, draft, owner=owner))
        return _first(records, events.CA_SIGN_CERTIFICATE)

    def signing(
        self, caller: Caller, ca: str, draft: SignDraft, *, owner: Owner = Owner.EXTERNAL
    ) -> KeyProcedure[_Signing, x509.Certificate]:
        """The procedure that issues a certificate."""
        metadata = self._log.metadata.kept(draft.metadata)

        async def check() -> _Signing:
            basis = await self._rights.pki(caller)
            loaded = await self._keyring.get(ca)
            rules.check_can_sign(loaded.authority, loaded.over)
            basis[AUTHORITY.of(loaded.authority.id)] = loaded.authority.revision
            drafted = self._draft(loaded, draft, await self._profile(loaded, draft.profile, basis))
            return _Signing(loaded, drafted, basis)

        def record(checked: _Signing, certificate: x509.Certificate) -> Decision:
            state = self._state(certificate, checked.loaded, draft.request.spec, owner, metadata)
            subject = CERTIFICATE.of(state.serial)
            made = events.CA_SIGN_CERTIFICATE.event(subject, state)
            return Decision((made,), checked.basis | {subject: 0})

        return KeyProcedure(self._intents, caller, check=check, act=self._signed, record=record)

    async def _profile(self, loaded: Loaded, name: str, basis: Basis) -> Profile:
        if not name:
            if loaded.authority.profile_id:
                basis[PROFILE.of(loaded.authority.profile_id)] = loaded.profile_revision
            return loaded.profile
        stored = await self._store.profile(name)
        if stored is None:
            raise NotFound("issuance profile not found")
        basis[PROFILE.of(stored.id)] = stored.revision
        return stored.profile

    def _draft(self, loaded: Loaded, draft: SignDraft, profile: Profile) -> Draft:
        return draft_leaf(
            loaded.issuer,
            draft.request,
            profile,
            serial=new_serial(),
            now=self._log.clock.now() // NANOSECONDS,
            default_validity=loaded.authority.issuance_expiration,
            subject=draft.subject,
            valid_to=draft.valid_to,
        )

    async def _signed(self, checked: _Signing, intents: Open) -> x509.Certificate:
        loaded, drafted = checked.loaded, checked.drafted
        if loaded.quick:
            return sign_draft(drafted, loaded.signer)
        authority = loaded.authority
        await intents.begin(IntentKind.SIGN, authority.id, authority.engine_id, format_serial(drafted.serial))
        return await loaded.threads.run(sign_draft, drafted, loaded.signer)

    def _state(
        self, certificate: x509.Certificate, loaded: Loaded, spec: KeySpec, owner: Owner, metadata: msgspec.Raw
    ) -> CertificateState:
        authority = loaded.authority
        issuing, deltas = Issuing(authority.id, authority.serial), self._deltas.of(authority)
        return CertificateState(
            **rules.issued_fields(certificate, spec, issuing, deltas, self._log.clock.now()),
            type=owner,
            engine_id=authority.engine_id,
            metadata=metadata,
        )

    async def create(self, caller: Caller, ca: str, draft: KeyedDraft) -> tuple[Certificate, PrivateKey | None]:
        """Makes a key and issues a certificate for it. The key is not kept: a repeated request gets it no more."""
        check_supported("server", ALL_KEYS, draft.spec)
        await self._rights.pki(caller)
        private_key = await cpu_threads().run(generate_key, draft.spec)
        request = await cpu_threads().run(_request, private_key, draft)
        wanted = SignDraft(request=request, profile=draft.profile, valid_to=draft.valid_to, metadata=draft.metadata)
        certificate = await self.sign(caller, ca, wanted, owner=Owner.MANAGED)
        own = x509.load_der_x509_certificate(certificate.certificate).public_key() == private_key.public_key()
        return certificate, private_key if own else None

    async def import_(self, caller: Caller, files: CertificateFiles, metadata: dict[str, Any] | None) -> Certificate:
        """Takes a certificate made elsewhere, or by a CA here before. Raises RuleBroken for that of a CA.

        One certificate is in one list, so that it has one status. Those above it that came with it are not kept.
        """
        await self._rights.pki(caller)
        found, _ = await cpu_threads().run(read_found, files)
        certificate = lowest(found)
        spec, kept = check_public_key(certificate.public_key()), self._log.metadata.kept(metadata)
        check_shown(subject_of(certificate.subject))

        async def decide() -> Decision:
            basis = await self._rights.pki(caller)
            if is_ca(certificate):
                raise RuleBroken("the certificate is that of a CA; import it with POST /cas/import")
            serial = format_serial(certificate.serial_number)
            known = await self._store.certificate(serial)
            if known is not None and known.certificate == certificate.public_bytes(Encoding.DER):
                raise Conflict("certificate already exists")
            if known is not None:
                # Of 160 random bits two are never the same; who counts from one meets others who do.
                raise Conflict("another certificate, of another issuer, has this serial number; by it they are called")
            issuing, _ = await self._founding.placed(certificate, (), "", basis)
            state = CertificateState(
                **rules.issued_fields(certificate, spec, issuing, self._deltas, self._log.clock.now()),
                type=Owner.EXTERNAL,
                metadata=kept,
            )
            state = msgspec.structs.replace(state, **await self._founding.fate(certificate, issuing, "", basis))
            basis[CERTIFICATE.of(serial)] = 0
            return Decision((events.CERTIFICATE_IMPORT.event(CERTIFICATE.of(serial), state),), basis)

        return _first(await self._log.commit(caller, decide), events.CERTIFICATE_IMPORT)

    async def view(self, caller: Caller, serial: str) -> Certificate:
        """A certificate by its serial number."""
        await self._rights.pki(caller)
        return await self._existing(serial)

    async def issuer_levels(self, certificates: Sequence[Certificate]) -> list[int]:
        """The level of the CA that issued each of these, -1 when that is not here."""
        levels = await self._keyring.levels(each.issuer_id for each in certificates)
        return [levels.get(each.issuer_id, -1) for each in certificates]

    async def browse(
        self, caller: Caller, listing: Listing, *, ca: str | None = None, status: Status | None = None
    ) -> tuple[list[Certificate], str]:
        """A page of certificates, and the bookmark of the next page, empty at the end."""
        await self._rights.pki(caller)
        conditions: dict[str, str | int | float | bytes | None] = {}
        if ca is not None:
            conditions["issuer_id = ?"] = (await self._keyring.resolve(ca)).id
        if status is not None:
            conditions["status = ?"] = status.value
        return await self._page(listing, conditions)

    async def expiring(
        self, caller: Caller, listing: Listing, after: int | None, before: int | None
    ) -> tuple[list[Certificate], str]:
        """A page of the living certificates that end in a window (Unix seconds), the first to end first."""
        await self._rights.pki(caller)
        if not listing.after:
            window = [
                *(() if after is None else (Condition("valid_to", "> ?", after),)),
                *(() if before is None else (Condition("valid_to", "< ?", before),)),
            ]
            # They go into the bookmark, so that a page that is asked for by one needs nothing else.
            conditions = (*window, *listing.conditions)
            listing = msgspec.structs.replace(listing, sort=listing.sort or "valid_to", conditions=conditions)
        # Nothing that lives ended before the clock changes the first of them: the dead need not be walked through.
        return await self._page(listing, {"due > ?": 0, "valid_to >= ?": await self._store.first_due() - 1})

    async def _page(
        self, listing: Listing, conditions: dict[str, str | int | float | bytes | None]
    ) -> tuple[list[Certificate], str]:
        found, last = await self._store.page_of_certificates(listing, conditions)
        return found, "" if last is None else bookmark_of(listing, last)

    async def set_metadata(self, caller: Caller, serial: str, metadata: dict[str, Any]) -> Certificate:
        """Replaces the metadata."""
        kept = self._log.metadata.kept(metadata)
        return await self._change(caller, serial, events.CERTIFICATE_UPDATE_METADATA, lambda _: {"metadata": kept})

    async def set_status(self, caller: Caller, serial: str, status: Status, reason: Reason) -> Certificate:
        """Revokes a certificate, holds it, ends its hold, or marks it as expired."""

        def change(certificate: Certificate) -> dict[str, Any]:
            return rules.changed_status(certificate, status, reason, self._log.clock.now())

        lives = status is not Status.REVOKED
        return await self._change(caller, serial, events.CERTIFICATE_UPDATE_STATUS, change, lives=lives)

    async def _change(
        self,
        caller: Caller,
        serial: str,
        kind: EventType[CertificateState],
        change: Callable[[Certificate], dict[str, Any]],
        *,
        lives: bool = False,
    ) -> Certificate:
        async def decide() -> Decision:
            basis = await self._rights.pki(caller)
            certificate = await self._existing(serial)
            expect(caller, certificate.revision)
            subject = CERTIFICATE.of(certificate.serial)
            basis[subject] = certificate.revision
            changed = state_of(CertificateState, certificate, **change(certificate))
            if lives:
                rules.check_can_live(certificate, await self._keyring.over(certificate.issuer_id, basis))
            return Decision((kind.event(subject, changed),), basis)

        return _first(await self._log.commit(caller, decide), kind)

    async def _existing(self, serial: str) -> Certificate:
        certificate = await self._store.certificate(serial)
        if certificate is None:
            raise NotFound(_NOT_FOUND)
        return certificate


def _request(private_key: PrivateKey, draft: KeyedDraft) -> CertificationRequest:
    """The request a client would have sent: what the server makes takes the same way as what is sent to it."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.hashes import SHA256

    builder = x509.CertificateSigningRequestBuilder().subject_name(name_of(draft.subject))
    if draft.names:
        builder = builder.add_extension(x509.SubjectAlternativeName(draft.names), critical=False)
    hashed = SHA256() if isinstance(private_key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) else None
    return read_csr(builder.sign(private_key, hashed).public_bytes(Encoding.DER))


def _first(records: Sequence[Record], kind: EventType[CertificateState]) -> Certificate:
    record = records[0]
    state = kind.read(record)
    fields = {name: getattr(state, name) for name in CertificateState.__struct_fields__}
    return Certificate(**fields, created=record.sequence, revision=record.sequence)
