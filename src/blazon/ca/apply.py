"""Events → tables. The only code that writes the tables of this room."""

import base64
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from blazon.ca import events
from blazon.ca.events import (
    AuthorityState,
    CertificateState,
    IntentBegun,
    IntentEnded,
    NumberTaken,
    ProfileState,
    RequestState,
    ResponderCreated,
)
from blazon.ca.models import due_of
from blazon.log import Apply, EventType, Record
from blazon.storage import Statement, Value

__all__ = ["APPLIERS"]

_ISSUED: Final = (
    "serial, issuer_serial, issuer_id, status, certificate, key_type, key_bits, common_name, subject, valid_from,"
    " valid_to, near_at, critical_at, due, revoked_at, reason, type, engine_id, metadata, created_at"
)
_AUTHORITY: Final = (
    f"{_ISSUED}, id, issuance_expiration, key, chain, level, profile_id, near, critical, full_issuance_until, revision"
)
# A CA that is here without its key is imported again with it.
_AUTHORITY_CREATE: Final = (
    f"INSERT INTO cas ({_AUTHORITY}) VALUES ({', '.join('?' * 30)}) ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in _AUTHORITY.split(", ") if column != "id")
)
_AUTHORITY_CHANGE: Final = (
    "UPDATE cas SET status = ?, due = ?, revoked_at = ?, reason = ?, metadata = ?, issuance_expiration = ?,"
    " profile_id = ?, near = ?, critical = ?, full_issuance_until = ?, revision = ? WHERE id = ?"
)
_AUTHORITY_BIND: Final = "UPDATE cas SET issuer_id = ?, issuer_serial = ?, level = ?, revision = ? WHERE id = ?"
_AUTHORITY_DELETE: Final = "DELETE FROM cas WHERE id = ?"
_AUTHORITY_REMEMBER: Final = (
    "INSERT INTO deleted_cas (sequence, id, serial, issuer_id, status, certificate, revoked_at, reason, valid_to)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_CERTIFICATE_CREATE: Final = f"INSERT INTO certificates ({_ISSUED}, created, revision) VALUES ({', '.join('?' * 22)})"
_CERTIFICATE_CHANGE: Final = (
    "UPDATE certificates SET status = ?, due = ?, revoked_at = ?, reason = ?, metadata = ?, revision = ?"
    " WHERE serial = ?"
)
_CERTIFICATE_BIND: Final = "UPDATE certificates SET issuer_id = ?, issuer_serial = ?, revision = ? WHERE serial = ?"
_REQUEST_CREATE: Final = (
    "INSERT INTO ca_requests (id, subject, key, request, metadata, issuance_expiration, profile_id, near, critical,"
    " created_at, revision) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_REQUEST_DELETE: Final = "DELETE FROM ca_requests WHERE id = ?"
_PROFILE_CREATE: Final = "INSERT INTO ca_profiles (id, name, profile, created_at, revision) VALUES (?, ?, ?, ?, ?)"
_PROFILE_CHANGE: Final = "UPDATE ca_profiles SET name = ?, profile = ?, revision = ? WHERE id = ?"
_PROFILE_DELETE: Final = "DELETE FROM ca_profiles WHERE id = ?"
_INTENT_BEGIN: Final = (
    "INSERT INTO ca_intents (id, kind, ca_id, engine_id, serial, created_at, revision, key_name)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_INTENT_END: Final = "DELETE FROM ca_intents WHERE id = ?"
_NUMBER_TAKE: Final = (
    "INSERT INTO ca_crls (id, number, this_update, next_update, revision) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (id) DO UPDATE SET number = excluded.number, this_update = excluded.this_update,"
    " next_update = excluded.next_update, revision = excluded.revision"
)
_RESPONDER_CREATE: Final = (
    "INSERT INTO ca_responders (id, serial, certificate, key, valid_from, valid_to, revision)"
    " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET serial = excluded.serial,"
    " certificate = excluded.certificate, key = excluded.key, valid_from = excluded.valid_from,"
    " valid_to = excluded.valid_to, revision = excluded.revision"
)

_encode = msgspec.json.Encoder().encode


def _json(value: Any) -> str:
    return _encode(value).decode()


def _text(raw: msgspec.Raw) -> str:
    return bytes(raw).decode()


def _issued(state: AuthorityState | CertificateState) -> tuple[Value, ...]:
    return (
        state.serial,
        state.issuer_serial,
        state.issuer_id,
        state.status.value,
        state.certificate,
        state.key_spec.type.value,
        state.key_spec.bits,
        state.subject.common_name,
        _json(state.subject),
        state.valid_from,
        state.valid_to,
        state.near_at,
        state.critical_at,
        _due(state),
        state.revoked_at,
        _reason(state),
        state.type.value,
        state.engine_id,
        _text(state.metadata),
        state.created_at,
    )


def _due(state: AuthorityState | CertificateState) -> int:
    return due_of(state.status, state.near_at, state.critical_at, state.valid_to)


def _reason(state: AuthorityState | CertificateState) -> str:
    return "" if state.reason is None else state.reason.value


def _create_authority(record: Record, state: AuthorityState) -> Iterable[Statement]:
    values = (
        *_issued(state),
        state.id,
        _json(state.issuance_expiration),
        "" if state.key is None else _json(state.key),
        _json(state.chain),
        state.level,
        state.profile_id,
        state.near,
        state.critical,
        state.full_issuance_until,
        record.sequence,
    )
    yield Statement(_AUTHORITY_CREATE, values)


def _change_authority(record: Record, state: AuthorityState) -> Iterable[Statement]:
    values = (
        state.status.value,
        _due(state),
        state.revoked_at,
        _reason(state),
        _text(state.metadata),
        _json(state.issuance_expiration),
        state.profile_id,
        state.near,
        state.critical,
        state.full_issuance_until,
        record.sequence,
        state.id,
    )
    yield Statement(_AUTHORITY_CHANGE, values)


def _bind_authority(record: Record, state: AuthorityState) -> Iterable[Statement]:
    yield Statement(_AUTHORITY_BIND, (state.issuer_id, state.issuer_serial, state.level, record.sequence, state.id))


def _delete_authority(record: Record, state: AuthorityState) -> Iterable[Statement]:
    yield Statement(_AUTHORITY_DELETE, (state.id,))
    values = (
        record.sequence,
        state.id,
        state.serial,
        state.issuer_id,
        state.status.value,
        # As the event has it, so that a migration could fill the table from events by SQL alone.
        base64.b64encode(state.certificate).decode(),
        state.revoked_at,
        _reason(state),
        state.valid_to,
    )
    yield Statement(_AUTHORITY_REMEMBER, values)


def _create_certificate(record: Record, state: CertificateState) -> Iterable[Statement]:
    yield Statement(_CERTIFICATE_CREATE, (*_issued(state), record.sequence, record.sequence))


def _change_certificate(record: Record, state: CertificateState) -> Iterable[Statement]:
    values = (
        state.status.value,
        _due(state),
        state.revoked_at,
        _reason(state),
        _text(state.metadata),
        record.sequence,
        state.serial,
    )
    yield Statement(_CERTIFICATE_CHANGE, values)


def _bind_certificate(record: Record, state: CertificateState) -> Iterable[Statement]:
    yield Statement(_CERTIFICATE_BIND, (state.issuer_id, state.issuer_serial, record.sequence, state.serial))


def _create_request(record: Record, state: RequestState) -> Iterable[Statement]:
    values = (
        state.id,
        _json(state.subject),
        _json(state.key),
        state.request,
        _text(state.metadata),
        _json(state.issuance_expiration),
        state.profile_id,
        state.near,
        state.critical,
        state.created_at,
        record.sequence,
    )
    yield Statement(_REQUEST_CREATE, values)


def _delete_request(_: Record, state: RequestState) -> Iterable[Statement]:
    yield Statement(_REQUEST_DELETE, (state.id,))


def _create_profile(record: Record, state: ProfileState) -> Iterable[Statement]:
    values = (state.id, state.name, _json(state.profile), state.created_at, record.sequence)
    yield Statement(_PROFILE_CREATE, values)


def _change_profile(record: Record, state: ProfileState) -> Iterable[Statement]:
    yield Statement(_PROFILE_CHANGE, (state.name, _json(state.profile), record.sequence, state.id))


def _delete_profile(_: Record, state: ProfileState) -> Iterable[Statement]:
    yield Statement(_PROFILE_DELETE, (state.id,))


def _begin_intent(record: Record, data: IntentBegun) -> Iterable[Statement]:
    values = (
        data.id,
        data.kind.value,
        data.ca_id,
        data.engine_id,
        data.serial,
        data.created_at,
        record.sequence,
        data.key_name,
    )
    yield Statement(_INTENT_BEGIN, values)


def _end_intent(_: Record, data: IntentEnded) -> Iterable[Statement]:
    yield Statement(_INTENT_END, (data.id,))


def _take_number(record: Record, data: NumberTaken) -> Iterable[Statement]:
    values = (data.ca_id, data.number, data.this_update, data.next_update, record.sequence)
    yield Statement(_NUMBER_TAKE, values)


def _create_responder(record: Record, data: ResponderCreated) -> Iterable[Statement]:
    values = (
        data.ca_id,
        data.serial,
        data.certificate,
        _json(data.key),
        data.valid_from,
        data.valid_to,
        record.sequence,
    )
    yield Statement(_RESPONDER_CREATE, values)


_BY_TYPE: Final[dict[EventType[Any], Apply]] = {
    events.CA_CREATE: _create_authority,
    events.CA_IMPORT: _create_authority,
    events.CA_UPDATE_STATUS: _change_authority,
    events.CA_UPDATE_METADATA: _change_authority,
    events.CA_UPDATE_ISSUER: _bind_authority,
    events.CA_UPDATE_ISSUANCE: _change_authority,
    events.CA_DELETE: _delete_authority,
    events.CA_SIGN_CERTIFICATE: _create_certificate,
    events.CERTIFICATE_IMPORT: _create_certificate,
    events.CERTIFICATE_UPDATE_STATUS: _change_certificate,
    events.CERTIFICATE_UPDATE_METADATA: _change_certificate,
    events.CERTIFICATE_UPDATE_ISSUER: _bind_certificate,
    events.REQUEST_CREATE: _create_request,
    events.REQUEST_DELETE: _delete_request,
    events.PROFILE_CREATE: _create_profile,
    events.PROFILE_UPDATE: _change_profile,
    events.PROFILE_DELETE: _delete_profile,
    events.INTENT_BEGIN: _begin_intent,
    events.INTENT_END: _end_intent,
    events.CRL_NUMBER: _take_number,
    events.RESPONDER_CREATE: _create_responder,
}

APPLIERS: Final[dict[tuple[str, str], Apply]] = {
    (declared.service, declared.name): apply for declared, apply in _BY_TYPE.items()
}
"""By service and type. Only `ca.signature.sign` is a fact that changes no table."""
