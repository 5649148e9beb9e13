"""From rows of the tables to the nouns of this room."""

import base64
from typing import Any, Final

import msgspec

from blazon.ca.models import (
    Authority,
    Certificate,
    DeletedAuthority,
    Intent,
    IntentKind,
    IssuanceFacts,
    Owner,
    PendingRequest,
    Status,
    StoredProfile,
    StoredResponder,
)
from blazon.ca.x509 import Expiration, Profile, Reason, Subject
from blazon.engines import KeySpec, KeyType, StoredKey

__all__ = [
    "AUTHORITY_COLUMNS",
    "CERTIFICATE_COLUMNS",
    "DELETED_COLUMNS",
    "INTENT_COLUMNS",
    "REQUEST_COLUMNS",
    "authority_of_row",
    "certificate_of_row",
    "deleted_of_row",
    "intent_of_row",
    "issuance_of_row",
    "profile_of_row",
    "request_of_row",
    "responder_of_row",
]

_ISSUED: Final = (
    "serial, issuer_serial, issuer_id, status, certificate, key_type, key_bits, subject, valid_from, valid_to, near_at,"
    " critical_at, revoked_at, reason, type, engine_id, metadata, created_at"
)
AUTHORITY_COLUMNS: Final = (
    f"{_ISSUED}, id, issuance_expiration, key, chain, level, profile_id, near, critical, full_issuance_until, revision"
)
CERTIFICATE_COLUMNS: Final = f"{_ISSUED}, created, revision"
REQUEST_COLUMNS: Final = (
    "id, subject, key, request, metadata, issuance_expiration, profile_id, near, critical, created_at, revision"
)
DELETED_COLUMNS: Final = "sequence, id, serial, issuer_id, status, certificate, revoked_at, reason, valid_to"
INTENT_COLUMNS: Final = "id, kind, ca_id, engine_id, serial, created_at, revision, key_name"

_subject = msgspec.json.Decoder(Subject).decode
_expiration = msgspec.json.Decoder(Expiration).decode
_key = msgspec.json.Decoder(StoredKey).decode
_chain = msgspec.json.Decoder(tuple[bytes, ...]).decode
_profile = msgspec.json.Decoder(Profile).decode


def _raw(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


def _issued(row: Any) -> dict[str, Any]:
    return {
        "serial": row[0],
        "issuer_serial": row[1],
        "issuer_id": row[2],
        "status": Status(row[3]),
        "certificate": bytes(row[4]),
        "key_spec": KeySpec(KeyType(row[5]), row[6]),
        "subject": _subject(row[7]),
        "valid_from": row[8],
        "valid_to": row[9],
        "near_at": row[10],
        "critical_at": row[11],
        "revoked_at": row[12],
        "reason": Reason(row[13]) if row[13] else None,
        "type": Owner(row[14]),
        "engine_id": row[15],
        "metadata": _raw(row[16]),
        "created_at": row[17],
    }


def authority_of_row(row: Any) -> Authority:
    """A CA."""
    return Authority(
        **_issued(row),
        id=row[18],
        issuance_expiration=_expiration(row[19]),
        key=_key(row[20]) if row[20] else None,
        chain=_chain(row[21]),
        level=row[22],
        profile_id=row[23],
        near=row[24],
        critical=row[25],
        full_issuance_until=row[26],
        revision=row[27],
    )


def certificate_of_row(row: Any) -> Certificate:
    """A certificate."""
    return Certificate(**_issued(row), created=row[18], revision=row[19])


def deleted_of_row(row: Any) -> DeletedAuthority:
    """A CA that was deleted."""
    return DeletedAuthority(
        sequence=row[0],
        id=row[1],
        serial=row[2],
        issuer_id=row[3],
        status=Status(row[4]),
        certificate=base64.b64decode(row[5]),
        revoked_at=row[6],
        reason=Reason(row[7]) if row[7] else None,
        valid_to=row[8],
    )


def responder_of_row(row: Any) -> StoredResponder:
    """The responder of a CA; the last column says whether its certificate is revoked."""
    return StoredResponder(
        ca_id=row[0],
        certificate=bytes(row[1]),
        key=_key(row[2]),
        valid_from=row[3],
        valid_to=row[4],
        revision=row[5],
        is_revoked=bool(row[6]),
    )


def issuance_of_row(row: Any) -> IssuanceFacts:
    """A CA that issues."""
    return IssuanceFacts(row[0], row[1], row[2], _expiration(row[3]), row[4], row[5])


def request_of_row(row: Any) -> PendingRequest:
    """A CA that waits."""
    return PendingRequest(
        id=row[0],
        subject=_subject(row[1]),
        key=_key(row[2]),
        request=row[3],
        metadata=_raw(row[4]),
        issuance_expiration=_expiration(row[5]),
        profile_id=row[6],
        near=row[7],
        critical=row[8],
        created_at=row[9],
        revision=row[10],
    )


def profile_of_row(row: Any) -> StoredProfile:
    """An issuance profile."""
    return StoredProfile(id=row[0], name=row[1], profile=_profile(row[2]), created_at=row[3], revision=row[4])


def intent_of_row(row: Any) -> Intent:
    """An intent."""
    return Intent(
        id=row[0],
        kind=IntentKind(row[1]),
        ca_id=row[2],
        engine_id=row[3],
        serial=row[4],
        created_at=row[5],
        revision=row[6],
        key_name=row[7],
    )
