"""What can happen in this room: stream `mainflux.ca`, CloudEvents of source `/blazon/ca`.

Eight types are those of the CA chapter of the event document, with the keys of its samples in their order (decisions B3
to B5, B13). The others are ours: an issuer that became known, a CA that soon cannot issue for its usual time, requests
for an outside parent, profiles, intents, raw signatures, OCSP responders, and the numbers of CRLs. Data is the complete
change: the whole row after it.
"""

import base64
import ssl
from typing import Any, Final

import msgspec

from blazon.ca.models import UNKNOWN, Authority, Certificate, IntentKind, Issued, Owner, Status
from blazon.ca.x509 import Expiration, Profile, Reason, Subject, format_time, strength_of
from blazon.clock import rfc3339
from blazon.engines import KeySpec, StoredKey
from blazon.log import Fields, Record, Service, canonical

__all__ = [
    "CA_CREATE",
    "CA_DELETE",
    "CA_IMPORT",
    "CA_SIGN_CERTIFICATE",
    "CA_UPDATE_ISSUANCE",
    "CA_UPDATE_ISSUER",
    "CA_UPDATE_METADATA",
    "CA_UPDATE_STATUS",
    "CERTIFICATE_IMPORT",
    "CERTIFICATE_UPDATE_ISSUER",
    "CERTIFICATE_UPDATE_METADATA",
    "CERTIFICATE_UPDATE_STATUS",
    "CRL_NUMBER",
    "INTENT_BEGIN",
    "INTENT_END",
    "PROFILE_CREATE",
    "PROFILE_DELETE",
    "PROFILE_UPDATE",
    "REQUEST_CREATE",
    "REQUEST_DELETE",
    "RESPONDER_CREATE",
    "SERVICE",
    "SIGNATURE_SIGN",
    "TYPES",
    "AuthorityState",
    "CertificateState",
    "IntentBegun",
    "IntentEnded",
    "NumberTaken",
    "ProfileState",
    "RequestState",
    "ResponderCreated",
    "Signed",
    "pem_base64",
    "wire_of_authority",
    "wire_of_certificate",
]

SERVICE: Final = "ca"
_SERVICE: Final = Service(SERVICE)


class _State(msgspec.Struct, frozen=True, kw_only=True):
    """What both kinds of state have: the fields of `Issued`, as they are after a change."""

    serial: str
    issuer_serial: str
    issuer_id: str
    status: Status
    certificate: bytes
    key_spec: KeySpec
    subject: Subject
    valid_from: int
    valid_to: int
    near_at: int
    critical_at: int
    revoked_at: int = 0
    reason: Reason | None = None
    type: Owner
    engine_id: str = ""
    metadata: msgspec.Raw
    created_at: int


class AuthorityState(_State, frozen=True, kw_only=True):
    """A CA after a change. The handle of its key is sealed, or a place in an engine."""

    id: str
    issuance_expiration: Expiration
    key: StoredKey | None = None
    chain: tuple[bytes, ...] = ()
    level: int = 0
    profile_id: str = ""
    near: int | None = None
    critical: int | None = None
    full_issuance_until: int = 0


class CertificateState(_State, frozen=True, kw_only=True):
    """A certificate after a change."""


class RequestState(msgspec.Struct, frozen=True, kw_only=True):
    """A CA that waits for its certificate from an outside parent."""

    id: str
    subject: Subject
    key: StoredKey
    request: str
    metadata: msgspec.Raw
    issuance_expiration: Expiration
    profile_id: str = ""
    near: int | None = None
    critical: int | None = None
    created_at: int


class ProfileState(msgspec.Struct, frozen=True, kw_only=True):
    """An issuance profile after a change, or as it was when it was deleted."""

    id: str
    name: str
    profile: Profile
    created_at: int


class IntentBegun(msgspec.Struct, frozen=True, kw_only=True):
    """Something is about to be done with a key outside this process."""

    id: str
    kind: IntentKind
    ca_id: str
    engine_id: str
    serial: str
    created_at: int
    key_name: str = ""


class IntentEnded(msgspec.Struct, frozen=True, kw_only=True):
    """It was done and recorded, or it was given up and what it left was cleaned away."""

    id: str
    kind: IntentKind
    ca_id: str
    serial: str
    done: bool


class NumberTaken(msgspec.Struct, frozen=True, kw_only=True):
    """A CRL of a CA has this number. Times are Unix seconds."""

    ca_id: str
    number: int
    this_update: int
    next_update: int


class ResponderCreated(msgspec.Struct, frozen=True, kw_only=True):
    """A CA delegated its OCSP responses to a key. The handle of the key is sealed. Times are Unix seconds."""

    ca_id: str
    serial: str
    certificate: bytes
    key: StoredKey
    valid_from: int
    valid_to: int


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """A CA's key signed a message somebody gave. `digest` is its SHA-256 in hexadecimal digits."""

    id: str
    algorithm: str
    message_type: str
    digest: str


def pem_base64(der: bytes) -> str:
    """A certificate as the wires have it: its PEM text, in base64."""
    return base64.b64encode(ssl.DER_cert_to_PEM_cert(der).encode()).decode()


_encode = msgspec.json.Encoder().encode


def _raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(_encode(value))


def _identity(issued: Issued | _State) -> dict[str, Any]:
    return {
        "serial_number": issued.serial,
        "issuer_metadata": _raw({"serial_number": issued.issuer_serial, "ca_id": issued.issuer_id or UNKNOWN}),
        "status": issued.status.value,
        "certificate": pem_base64(issued.certificate),
        "key_metadata": _raw(
            {
                "type": issued.key_spec.type.value,
                "bits": issued.key_spec.bits,
                "strength": strength_of(issued.key_spec).value,
            }
        ),
        "subject": _raw(issued.subject),
        "valid_from": format_time(issued.valid_from),
        "valid_to": format_time(issued.valid_to),
        "revocation_timestamp": rfc3339(issued.revoked_at),
        **({} if issued.reason is None else {"revocation_reason": issued.reason.value}),
    }


def wire_of_authority(authority: Authority | AuthorityState) -> dict[str, Any]:
    """A CA by the names of the document's sample, in its order; `level` is added (fact sheet §2d.1).

    So is `full_issuance_until`, once the CA was warned of.
    """
    until = authority.full_issuance_until
    return {
        **_identity(authority),
        "engine_id": authority.engine_id,
        "id": authority.id,
        "metadata": authority.metadata,
        "issuance_expiration": _raw(authority.issuance_expiration.wire()),
        "type": authority.type.value,
        "creation_ts": rfc3339(authority.created_at),
        "level": authority.level,
        **({"full_issuance_until": format_time(until)} if until else {}),
    }


def wire_of_certificate(certificate: Certificate | CertificateState) -> dict[str, Any]:
    """A certificate by the names of the document's sample, in its order, with `type` and `engine_id` (decision B4)."""
    fields = _identity(certificate)
    return {
        "serial_number": fields.pop("serial_number"),
        "metadata": certificate.metadata,
        **fields,
        "type": certificate.type.value,
        "engine_id": certificate.engine_id,
    }


def _authority(_: Record, data: AuthorityState) -> Fields:
    return wire_of_authority(data)


def _certificate(_: Record, data: CertificateState) -> Fields:
    return wire_of_certificate(data)


def _request(_: Record, data: RequestState) -> Fields:
    return {"id": data.id, "subject": _raw(data.subject), "engine_id": data.key.engine_id, "metadata": data.metadata}


def _profile(_: Record, data: ProfileState) -> Fields:
    return {"id": data.id, "name": data.name, "profile": canonical(msgspec.to_builtins(data.profile))}


def _begun(_: Record, data: IntentBegun) -> Fields:
    return {
        "id": data.id,
        "kind": data.kind.value,
        "ca_id": data.ca_id,
        "engine_id": data.engine_id,
        "serial_number": data.serial,
    }


def _ended(_: Record, data: IntentEnded) -> Fields:
    return {
        "id": data.id,
        "kind": data.kind.value,
        "ca_id": data.ca_id,
        "serial_number": data.serial,
        "outcome": "done" if data.done else "cancelled",
    }


def _number(_: Record, data: NumberTaken) -> Fields:
    return {
        "ca_id": data.ca_id,
        "number": data.number,
        "this_update": format_time(data.this_update),
        "next_update": format_time(data.next_update),
    }


def _responder(_: Record, data: ResponderCreated) -> Fields:
    return {
        "ca_id": data.ca_id,
        "serial_number": data.serial,
        "certificate": pem_base64(data.certificate),
        "valid_from": format_time(data.valid_from),
        "valid_to": format_time(data.valid_to),
    }


def _signed(_: Record, data: Signed) -> Fields:
    return {
        "id": data.id,
        "signature_algorithm": data.algorithm,
        "message_type": data.message_type,
        "digest": data.digest,
    }


_ALWAYS: Final = frozenset({"engine_id"})
"""The document lists it of every CA; of one whose key is elsewhere it is empty."""

CA_CREATE: Final = _SERVICE.fact("ca.create", AuthorityState, _authority, _ALWAYS)
CA_IMPORT: Final = _SERVICE.fact("ca.import", AuthorityState, _authority, _ALWAYS)
CA_UPDATE_STATUS: Final = _SERVICE.fact("ca.update.status", AuthorityState, _authority, _ALWAYS)
CA_UPDATE_METADATA: Final = _SERVICE.fact("ca.update.metadata", AuthorityState, _authority, _ALWAYS)
CA_UPDATE_ISSUER: Final = _SERVICE.fact("ca.update.issuer", AuthorityState, _authority, _ALWAYS)
CA_UPDATE_ISSUANCE: Final = _SERVICE.fact("ca.update.issuance", AuthorityState, _authority, _ALWAYS)
CA_DELETE: Final = _SERVICE.fact("ca.delete", AuthorityState, _authority, _ALWAYS)
CA_SIGN_CERTIFICATE: Final = _SERVICE.fact("ca.sign-certificate", CertificateState, _certificate, _ALWAYS)
CERTIFICATE_IMPORT: Final = _SERVICE.fact("ca.certificate.import", CertificateState, _certificate, _ALWAYS)
CERTIFICATE_UPDATE_STATUS: Final = _SERVICE.fact("certificate.update.status", CertificateState, _certificate, _ALWAYS)
CERTIFICATE_UPDATE_METADATA: Final = _SERVICE.fact(
    "certificate.update.metadata", CertificateState, _certificate, _ALWAYS
)
CERTIFICATE_UPDATE_ISSUER: Final = _SERVICE.fact("certificate.update.issuer", CertificateState, _certificate, _ALWAYS)
REQUEST_CREATE: Final = _SERVICE.fact("ca.request.create", RequestState, _request)
REQUEST_DELETE: Final = _SERVICE.fact("ca.request.delete", RequestState, _request)
PROFILE_CREATE: Final = _SERVICE.fact("ca.profile.create", ProfileState, _profile)
PROFILE_UPDATE: Final = _SERVICE.fact("ca.profile.update", ProfileState, _profile)
PROFILE_DELETE: Final = _SERVICE.fact("ca.profile.delete", ProfileState, _profile)
INTENT_BEGIN: Final = _SERVICE.fact("ca.intent.begin", IntentBegun, _begun)
INTENT_END: Final = _SERVICE.fact("ca.intent.end", IntentEnded, _ended)
SIGNATURE_SIGN: Final = _SERVICE.fact("ca.signature.sign", Signed, _signed)
CRL_NUMBER: Final = _SERVICE.fact("ca.crl.number", NumberTaken, _number)
RESPONDER_CREATE: Final = _SERVICE.fact("ca.responder.create", ResponderCreated, _responder)

TYPES: Final = (
    CA_CREATE,
    CA_IMPORT,
    CA_UPDATE_STATUS,
    CA_UPDATE_METADATA,
    CA_UPDATE_ISSUER,
    CA_UPDATE_ISSUANCE,
    CA_DELETE,
    CA_SIGN_CERTIFICATE,
    CERTIFICATE_IMPORT,
    CERTIFICATE_UPDATE_STATUS,
    CERTIFICATE_UPDATE_METADATA,
    CERTIFICATE_UPDATE_ISSUER,
    REQUEST_CREATE,
    REQUEST_DELETE,
    PROFILE_CREATE,
    PROFILE_UPDATE,
    PROFILE_DELETE,
    INTENT_BEGIN,
    INTENT_END,
    SIGNATURE_SIGN,
    CRL_NUMBER,
    RESPONDER_CREATE,
)
