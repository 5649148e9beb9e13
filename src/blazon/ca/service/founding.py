"""What making and importing CAs have in common: free ids, places in a hierarchy, new rows."""

import base64
from collections.abc import Sequence
from typing import Any

import msgspec
from cryptography.hazmat.primitives.serialization import Encoding

from blazon.ca.events import AuthorityState
from blazon.ca.models import AUTHORITY, EXISTS, PROFILE, Authority, DeletedAuthority, Owner, Status
from blazon.ca.published import Published
from blazon.ca.service import rules
from blazon.ca.service.issuers import Issuers
from blazon.ca.service.keyring import Keyring
from blazon.ca.service.rules import Deltas, Issuing
from blazon.ca.store import Store
from blazon.ca.x509 import (
    DEFAULT_PROFILE,
    Expiration,
    check_public_key,
    format_serial,
    is_issued_by,
    is_self_issued,
    refusal_by_clients,
)
from blazon.clock import NANOSECONDS
from blazon.engines import StoredKey
from blazon.errors import Conflict, Malformed, NotFound, RuleBroken
from blazon.log import Basis, EventType, Log, Record
from blazon.pkix import Certificate as X509Certificate
from blazon.pkix import load_certificate

__all__ = ["Certified", "Founding", "authority_of", "der_of", "end_of", "first_authority"]


class Certified(msgspec.Struct, frozen=True, kw_only=True):
    """What a new row of a CA is put together of, besides its certificate."""

    id: str
    type: Owner
    issuing: Issuing
    level: int
    chain: tuple[bytes, ...]
    key: StoredKey | None
    issuance_expiration: Expiration
    profile_id: str
    metadata: msgspec.Raw


def authority_of(record: Record, state: AuthorityState) -> Authority:
    """The CA as a record left it."""
    fields = {name: getattr(state, name) for name in AuthorityState.__struct_fields__}
    return Authority(**fields, revision=record.sequence)


class Founding:
    """Answers what a new CA may be called, where it stands, and what its row is."""

    def __init__(
        self, log: Log, store: Store, published: Published, issuers: Issuers, keyring: Keyring, deltas: Deltas
    ) -> None:
        self._log = log
        self._store = store
        self._published = published
        self._issuers = issuers
        self._keyring = keyring
        self._deltas = deltas

    @property
    def seconds(self) -> int:
        """The time now in Unix seconds."""
        return self._log.clock.now() // NANOSECONDS

    async def check_free(self, identifier: str, common_name: str, basis: Basis) -> None:
        """That an id is nobody's, and that neither it nor the common name can be taken for another CA's.

        Raises Conflict.
        """
        if await self._store.id_is_taken(identifier):
            raise Conflict(EXISTS)
        basis[AUTHORITY.of(identifier)] = 0
        if await self._store.authorities_by("common_name", identifier):
            raise Conflict(EXISTS, "the id is the common name of another; choose another id")
        await self.check_name(identifier, common_name)

    async def check_name(self, identifier: str, common_name: str) -> None:
        """That a common name is not the id of another CA: it would say two (decision B11). Raises Conflict."""
        if common_name != identifier and await self._store.id_is_taken(common_name):
            raise Conflict(EXISTS, "the common name is the id of another; choose another name")

    def state_of_new(
        self, certificate: X509Certificate, certified: Certified, *, near: int | None, critical: int | None
    ) -> AuthorityState:
        """The state of a CA that begins with a certificate."""
        own = Deltas(
            self._deltas.near if near is None else near, self._deltas.critical if critical is None else critical
        )
        spec = check_public_key(certificate.public_key())
        return AuthorityState(
            **rules.issued_fields(certificate, spec, certified.issuing, own, self._log.clock.now()),
            id=certified.id,
            type=certified.type,
            engine_id="" if certified.key is None else certified.key.engine_id,
            metadata=certified.metadata,
            issuance_expiration=certified.issuance_expiration,
            key=certified.key,
            chain=certified.chain,
            level=certified.level,
            profile_id=certified.profile_id,
            near=near,
            critical=critical,
        )

    async def placed(
        self, certificate: X509Certificate, chain: Sequence[X509Certificate], identifier: str, basis: Basis
    ) -> tuple[Issuing, int]:
        """Who issued a certificate from elsewhere: itself, a CA here, one that was deleted, or nobody that is known."""
        if is_self_issued(certificate):
            return Issuing(identifier, format_serial(certificate.serial_number)), 0
        named = await self._issuers.by_subject(certificate.issuer)
        found = [each for name in named if (each := await self._store.authority(name)) is not None]
        above = [known for known in found if _is_issued_by(certificate, known)]
        if above:
            known = min(above, key=lambda each: _likelihood(certificate, each))
            basis[AUTHORITY.of(known.id)] = known.revision
            return Issuing(known.id, known.serial), known.level + 1 if known.level >= 0 else -1
        for name in named:
            gone = await self._published.deleted_authority(name)
            if gone is not None and _is_issued_by(certificate, gone):
                return Issuing(gone.id, gone.serial), -1
        return Issuing("", format_serial(chain[0].serial_number) if chain else "-"), -1

    async def fate(
        self, certificate: X509Certificate, issuing: Issuing, identifier: str, basis: Basis
    ) -> dict[str, Any]:
        """What a certificate from elsewhere is from the beginning: revoked, when it was before or its issuer is.

        The fields of a state that say so, or none. `identifier` is the id of a CA, empty of another certificate.
        """
        serial, der = format_serial(certificate.serial_number), base64.b64encode(der_of(certificate)).decode()
        before = await self._published.revoked_before(serial, der)
        if before is not None:
            return {"status": Status.REVOKED, "reason": before.reason, "revoked_at": before.revoked_at}
        signs_itself = issuing.issuer_id == identifier
        if not signs_itself and await self._keyring.over(issuing.issuer_id, basis) is not None:
            return rules.fallen_at(self._log.clock.now())
        return {}

    async def above(
        self, issuing: Issuing, identifier: str, chain: Sequence[X509Certificate]
    ) -> Sequence[X509Certificate]:
        """The certificates above one from elsewhere: of the CAs here, or else those that came with it."""
        known = None if issuing.issuer_id == identifier else await self._store.authority(issuing.issuer_id)
        if known is None:
            return chain
        return [load_certificate(known.certificate), *await self._keyring.chain(known)]

    async def check_accepted(
        self, certificate: X509Certificate, above: Sequence[X509Certificate], profile_id: str, way_out: str
    ) -> None:
        """Whether clients accept what a CA issues by its profile. Raises RuleBroken, which names the way out."""
        stored = await self._store.profile(profile_id) if profile_id else None
        reason = refusal_by_clients(certificate, above, DEFAULT_PROFILE if stored is None else stored.profile)
        if reason:
            raise RuleBroken(f"clients would refuse what the CA issues: {reason}; {way_out}")

    async def profile_of(self, name: str, basis: Basis) -> str:
        """The id of a profile by id or name; empty for none. Raises NotFound."""
        if not name:
            return ""
        stored = await self._store.profile(name)
        if stored is None:
            raise NotFound("issuance profile not found")
        basis[PROFILE.of(stored.id)] = stored.revision
        return stored.id


def end_of(authority: Authority) -> dict[str, Any]:
    """The fields of a state that say that a CA is revoked, held or marked as expired; none of one that lives."""
    if authority.status.living:
        return {}
    return {"status": authority.status, "reason": authority.reason, "revoked_at": authority.revoked_at}


def der_of(certificate: X509Certificate) -> bytes:
    """A certificate as DER."""
    return certificate.public_bytes(Encoding.DER)


def _is_issued_by(certificate: X509Certificate, known: Authority | DeletedAuthority) -> bool:
    return is_issued_by(certificate, load_certificate(known.certificate))


def _likelihood(certificate: X509Certificate, known: Authority) -> tuple[bool, bool, bool, int, str]:
    """Of CAs with one name and key, the least is who issued a certificate most likely.

    It has the key, it was valid then, it is not revoked, it was here first.
    """
    then = int(certificate.not_valid_before_utc.timestamp())
    was_valid = known.valid_from <= then <= known.valid_to
    return known.key is None, not was_valid, known.status is Status.REVOKED, known.created_at, known.id


def first_authority(records: Sequence[Record], kind: EventType[AuthorityState]) -> Authority:
    """The CA the first record of an operation left."""
    record = records[0]
    if record.type != kind.name:
        raise Malformed("this Idempotency-Key was used for something else")
    return authority_of(record, kind.read(record))
