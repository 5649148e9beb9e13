"""CAs made elsewhere: imported with their key, or without."""

from functools import partial
from typing import Any, Final

import msgspec

from blazon.ca import events
from blazon.ca.models import AUTHORITY, EXISTS, INTENT, NAME_KEY, Authority, IntentKind, Owner
from blazon.ca.service import rules
from blazon.ca.service.founding import Certified, Founding, der_of, first_authority
from blazon.ca.service.intents import Intents, ended
from blazon.ca.service.rights import Rights
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
from blazon.engines import Engines, cpu_threads, spec_of
from blazon.errors import Conflict, Malformed
from blazon.log import Decision, Log
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


class Imports:
    """The rules of importing."""

    def __init__(
        self, log: Log, store: Store, rights: Rights, founding: Founding, engines: Engines, intents: Intents
    ) -> None:
        self._log = log
        self._store = store
        self._rights = rights
        self._founding = founding
        self._engines = engines
        self._intents = intents

    async def import_(self, caller: Caller, draft: ImportDraft) -> Authority:
        """Takes a CA made elsewhere: IMPORTED with its key, EXTERNAL without."""
        return await self._intents.to_the_end(self._import(caller, draft))

    async def _import(self, caller: Caller, draft: ImportDraft) -> Authority:
        identifier = rules.check_id(draft.id) if draft.id else self._log.new_id()
        bundle = await self._read(caller, draft)
        certificate, private_key = bundle.certificate, bundle.private_key
        chain = chain_above(certificate, bundle.others)
        issuer = check_ca_certificate(certificate, now=self._founding.seconds, chain=chain)
        expiration = draft.issuance_expiration or Expiration(ExpirationType.TIME, time=issuer.valid_to)
        if private_key is not None:
            check_issuance_expiration(expiration, now=self._founding.seconds, ca_valid_to=issuer.valid_to)
        subject = subject_of(certificate.subject)
        check_shown(subject)
        metadata = {NAME_KEY: subject.common_name} if draft.metadata is None else draft.metadata
        kept = self._log.metadata.kept(metadata)
        engine = self._engines.get(draft.engine_id)
        async with self._intents.open(caller) as intents:

            async def decide() -> Decision:
                await intents.drop()
                basis = await self._rights.pki(caller)
                profile_id = await self._founding.profile_of(draft.profile, basis)
                issuing, level = await self._founding.placed(certificate, chain, identifier, basis)
                await self._check_new(certificate)
                await self._founding.check_free(identifier, subject.common_name, basis)
                key = None
                if private_key is not None:
                    above = await self._founding.above(issuing, identifier, chain)
                    await self._founding.check_accepted(certificate, above, profile_id, _KNOWN_ONLY)
                    threads = self._engines.threads(engine.id)
                    await threads.run(engine.check_takes, spec_of(private_key.public_key()))
                    intent = await intents.begin(IntentKind.IMPORT, identifier, engine.id)
                    basis[INTENT.of(intent.id)] = intent.revision
                    key = await threads.run(engine.import_key, intent.key_name, private_key)
                certified = Certified(
                    id=identifier,
                    type=Owner.EXTERNAL if key is None else Owner.IMPORTED,
                    issuing=issuing,
                    level=level,
                    chain=tuple(map(der_of, chain)) if not issuing.issuer_id else (),
                    key=key,
                    issuance_expiration=expiration,
                    profile_id=profile_id,
                    metadata=kept,
                )
                state = self._founding.state_of_new(certificate, certified, near=draft.near, critical=draft.critical)
                made = events.CA_IMPORT.event(AUTHORITY.of(identifier), state)
                return Decision((made, *(ended(each, done=True) for each in intents.begun)), basis)

            records = await self._log.commit(caller, decide)
            intents.settle()
        return first_authority(records, events.CA_IMPORT)

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

    async def _check_new(self, certificate: X509Certificate) -> None:
        known = await self._store.authority_with(format_serial(certificate.serial_number), der_of(certificate))
        if known is not None:
            raise Conflict(EXISTS, f"this certificate is that of the CA {known}")
