"""The nouns of this room: certificate authorities, certificates, requests, profiles, intents.

Ids are text, of a CA a UUID or what its maker chose. `valid_from`, `valid_to`, `near_at`, `critical_at` and `due` are
Unix seconds; `created_at` and `revoked_at` are Unix nanoseconds, 0 for never. Serial numbers are pairs of hexadecimal
digits with `-` between them. `revision` is the sequence number of the last fact.
"""

from enum import StrEnum
from typing import Final

import msgspec

from blazon.ca.x509 import Expiration, Profile, Reason, Subject
from blazon.engines import KeySpec, StoredKey
from blazon.log import SubjectKind

__all__ = [
    "AUTHORITY",
    "CERTIFICATE",
    "CRL",
    "EXISTS",
    "INTENT",
    "NAME_KEY",
    "PROFILE",
    "REQUEST",
    "RESPONDER",
    "UNKNOWN",
    "Authority",
    "Certificate",
    "CrlNumber",
    "DeletedAuthority",
    "Intent",
    "IntentKind",
    "IssuanceFacts",
    "Issued",
    "IssuerFacts",
    "OcspFacts",
    "Owner",
    "PendingRequest",
    "Status",
    "StoredProfile",
    "StoredResponder",
    "due_of",
    "status_at",
]

AUTHORITY: Final = SubjectKind("ca", "cas")
CERTIFICATE: Final = SubjectKind("certificate", "certificates", ("serial",))
REQUEST: Final = SubjectKind("ca-request", "ca_requests")
PROFILE: Final = SubjectKind("ca-profile", "ca_profiles")
INTENT: Final = SubjectKind("ca-intent", "ca_intents")
CRL: Final = SubjectKind("ca-crl", "ca_crls")
RESPONDER: Final = SubjectKind("ca-responder", "ca_responders")

EXISTS: Final = "CA already exists"
"""What a second one with an id is told (fact sheet §2c.1)."""

UNKNOWN: Final = "-"
"""What answers and events show in the place of the id of a CA that is not known."""

NAME_KEY: Final = "lamassu.io/name"
"""Where the metadata of a CA has its name, when whoever made it gave no metadata."""


class Owner(StrEnum):
    """Where a private key comes from, in the words of the wires."""

    MANAGED = "MANAGED"
    """Made here, in an engine; of a certificate: made here and handed out."""
    IMPORTED = "IMPORTED"
    """Made elsewhere and brought here with its certificate. Older logs have certificates of this type too."""
    EXTERNAL = "EXTERNAL"
    """Elsewhere: the CA cannot sign here; of a certificate: whoever made the request has it."""


class Status(StrEnum):
    """Where a certificate is in its life (decision B9)."""

    ACTIVE = "ACTIVE"
    NEARING_EXPIRATION = "NEARING_EXPIRATION"
    CRITICAL_EXPIRATION = "CRITICAL_EXPIRATION"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"

    @property
    def living(self) -> bool:
        """Whether the clock may still change it."""
        return self not in (Status.EXPIRED, Status.REVOKED)


def status_at(now: int, near_at: int, critical_at: int, valid_to: int) -> Status:
    """The status the clock gives a certificate. All are Unix seconds; the last second of its life is alive."""
    if now > valid_to:
        return Status.EXPIRED
    if now >= critical_at:
        return Status.CRITICAL_EXPIRATION
    return Status.NEARING_EXPIRATION if now >= near_at else Status.ACTIVE


def due_of(status: Status, near_at: int, critical_at: int, valid_to: int) -> int:
    """When the clock changes a status next; 0 when it never does."""
    match status:
        case Status.ACTIVE:
            return near_at
        case Status.NEARING_EXPIRATION:
            return critical_at
        case Status.CRITICAL_EXPIRATION:
            return valid_to + 1
        case _:
            return 0


class Issued(msgspec.Struct, frozen=True, kw_only=True):
    """What a CA's certificate and any other have in common. `certificate` is DER; `issuer_id` is empty when unknown."""

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


class Authority(Issued, frozen=True, kw_only=True):
    """A certificate authority.

    `key` is its private key as the engine keeps it, None when EXTERNAL. `chain` is the certificates above it that are
    not CAs here, nearest first, as DER. `near` and `critical` are its own deltas for what it issues, in seconds, None
    for those of the settings. `level` is 0 for a root, -1 when it is not known. `full_issuance_until` is from when on
    it cannot issue for its usual time, in Unix seconds: 0 as long as that is far away.
    """

    id: str
    issuance_expiration: Expiration
    key: StoredKey | None = None
    chain: tuple[bytes, ...] = ()
    level: int = 0
    profile_id: str = ""
    near: int | None = None
    critical: int | None = None
    full_issuance_until: int = 0
    revision: int

    @property
    def name(self) -> str:
        """The common name."""
        return self.subject.common_name

    @property
    def issuer_level(self) -> int:
        """The level of the CA above, which of a root is itself; -1 when it is not known."""
        if self.issuer_id == self.id:
            return self.level
        return self.level - 1 if self.issuer_id and self.level > 0 else -1


class DeletedAuthority(msgspec.Struct, frozen=True, kw_only=True):
    """A CA that was deleted, as it was then. It stays revoked, and what it issued goes on to name it.

    `sequence` is the number of the fact that deleted it.
    """

    sequence: int
    id: str
    serial: str
    issuer_id: str
    status: Status
    certificate: bytes
    revoked_at: int
    reason: Reason | None
    valid_to: int


class Certificate(Issued, frozen=True, kw_only=True):
    """A certificate that is not a CA's. `created` is the sequence number of the fact that made it."""

    created: int
    revision: int


class PendingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A CA that waits for its certificate from an outside parent. `request` is PKCS #10 in PEM.

    The profile and the deltas are those of the CA to be.
    """

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
    revision: int


class StoredProfile(msgspec.Struct, frozen=True, kw_only=True):
    """An issuance profile with its name."""

    id: str
    name: str
    profile: Profile
    created_at: int
    revision: int


class IntentKind(StrEnum):
    """What was about to be done with a key outside this process."""

    CREATE = "create"
    """A key for a CA is made in an engine, and signs or is certified."""
    IMPORT = "import"
    """A key is brought into an engine."""
    REQUEST = "request"
    """A key for a CA is made, and a request for an outside parent is signed."""
    SIGN = "sign"
    """A CA signs a certificate."""
    DELETE = "delete"
    """The key of a CA that is gone is destroyed."""


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was begun. `ca_id` is the CA it is about.

    `key_name` is what the engine calls the key that is made, brought or destroyed: no two intents make one of the same
    name, so whoever cancels one cannot destroy the key of another. Empty when no key is.
    """

    id: str
    kind: IntentKind
    ca_id: str
    engine_id: str
    serial: str
    created_at: int
    revision: int
    key_name: str = ""


class IssuanceFacts(msgspec.Struct, frozen=True):
    """A CA that issues, as much as tells for how long it can. Times are Unix seconds; see `Authority`."""

    id: str
    valid_to: int
    near_at: int
    issuance_expiration: Expiration
    profile_id: str
    full_issuance_until: int


class IssuerFacts(msgspec.Struct, frozen=True):
    """A CA as much as finding it by its names takes. `valid_to` is in Unix seconds."""

    id: str
    certificate: bytes
    has_key: bool
    valid_to: int


class CrlNumber(msgspec.Struct, frozen=True):
    """The number of the last CRL of a CA (RFC 5280 §5.2.3), and when it was issued, in Unix seconds."""

    ca_id: str
    number: int
    this_update: int
    revision: int


class StoredResponder(msgspec.Struct, frozen=True, kw_only=True):
    """The key to which a CA last delegated its OCSP responses, and the certificate that says so, as DER.

    `is_revoked` is whether that certificate is. Times are Unix seconds.
    """

    ca_id: str
    certificate: bytes
    key: StoredKey
    valid_from: int
    valid_to: int
    is_revoked: bool
    revision: int


class OcspFacts(msgspec.Struct, frozen=True):
    """What OCSP says about a certificate: as much as it needs. `revoked_at` is in Unix seconds."""

    issuer_id: str
    status: Status
    valid_to: int
    revoked_at: int
    reason: Reason | None
