"""The rules of CAs and certificates that need nothing but their arguments. Pure functions.

Each raises Malformed where the CA API answers 400, RuleBroken where its code fell to 500 (decision C12).
"""

import re
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.serialization import Encoding

from blazon.ca.models import (
    UNKNOWN,
    Authority,
    Certificate,
    DeletedAuthority,
    IssuanceFacts,
    Owner,
    Status,
    status_at,
)
from blazon.ca.x509 import Expiration, ExpirationType, Reason, Subject, format_serial, subject_of
from blazon.engines import KeySpec
from blazon.errors import Malformed, RuleBroken
from blazon.pkix import Certificate as X509Certificate

__all__ = [
    "Deltas",
    "Issuing",
    "changed_status",
    "check_can_live",
    "check_can_sign",
    "check_deletable",
    "check_id",
    "check_subject",
    "fallen",
    "fallen_at",
    "full_issuance_until",
    "is_over",
    "issued_fields",
    "read_reason",
]

_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_PATH_WORDS: Final = frozenset({
    "cacerts", "certificate", "certificates", "chain", "cn", "crl", "csrattrs", "expiration", "fullcmc", "health",
    "import", "metadata", "ocsp", "serverkeygen", "sign", "signature", "simpleenroll", "simplereenroll", "sn", "status",
    "verify",
})  # fmt: skip
"""The words beside the id of a CA or below it in paths, those of EST (RFC 7030 §3.2.2) included.

A CA with such an id could not be reached, or would be taken for something else.
"""

_ENDINGS: Final = (".crl", ".cer")
"""What may stand behind the id of a CA in the address of its CRL or its certificate."""


# What clients compare with the texts they know (fact sheet §2c.1).
_CA_STATUS: Final = "CA Status inconsistent"
_CA_TRANSITION: Final = "status transition not allowed for CA"
_TRANSITION: Final = "new status transition not allowed for certificate"

_HELD: Final = "it is held; end the hold with ACTIVE, or revoke it for good"


class Deltas(msgspec.Struct, frozen=True):
    """How long before its end a certificate is near it and critical, in seconds."""

    near: int
    critical: int

    def clipped(self, valid_from: int, valid_to: int) -> tuple[int, int]:
        """When a certificate is near its end and when critical: never longer than a third and a tenth of its life."""
        life = valid_to - valid_from
        near_at = valid_to - min(self.near, life // 3)
        return near_at, max(near_at, valid_to - min(self.critical, life // 10))

    def of(self, authority: Authority) -> "Deltas":
        """Those of a CA, where it has its own."""
        near = self.near if authority.near is None else authority.near
        return Deltas(near, self.critical if authority.critical is None else authority.critical)


class Issuing(msgspec.Struct, frozen=True):
    """Who issued a certificate: id and serial of the CA, `-` for a serial that is not known."""

    issuer_id: str
    issuer_serial: str


def issued_fields(
    certificate: X509Certificate, spec: KeySpec, issuing: Issuing, deltas: Deltas, now: int
) -> dict[str, Any]:
    """The fields of a new row that a certificate says by itself. `now` is in Unix nanoseconds."""
    valid_from = int(certificate.not_valid_before_utc.timestamp())
    valid_to = int(certificate.not_valid_after_utc.timestamp())
    near_at, critical_at = deltas.clipped(valid_from, valid_to)
    return {
        "serial": format_serial(certificate.serial_number),
        "issuer_serial": issuing.issuer_serial,
        "issuer_id": issuing.issuer_id,
        "status": status_at(now // 1_000_000_000, near_at, critical_at, valid_to),
        "certificate": certificate.public_bytes(Encoding.DER),
        "key_spec": spec,
        "subject": subject_of(certificate.subject),
        "valid_from": valid_from,
        "valid_to": valid_to,
        "near_at": near_at,
        "critical_at": critical_at,
        "created_at": now,
    }


def check_id(identifier: str) -> str:
    """An id somebody chose for a CA; the name of its key in the engine begins with it."""
    # `.` and `..` are steps in a path, which clients take before they ask.
    if not _ID.fullmatch(identifier) or identifier in (".", "..", UNKNOWN) or identifier.endswith(_ENDINGS):
        raise Malformed(
            "the id of a CA is 1 to 64 letters, digits and _ . -, is not . or .. or -, and does not end in .crl or .cer"
        )
    if identifier in _PATH_WORDS:
        raise Malformed(f"the id of a CA cannot be {identifier!r}, which is a word of the paths of this API")
    return identifier


def check_subject(subject: Subject) -> Subject:
    """A CA is called by its common name."""
    if not subject.common_name.strip():
        raise Malformed("struct validation error", "subject.common_name is missing")
    return subject


def full_issuance_until(facts: IssuanceFacts, validity: Expiration | None, now: int) -> int:
    """From when on a CA cannot issue for its usual time, once that is near; else 0. Times are Unix seconds.

    It is near for as long before as a certificate is near its end before that. `validity` is that of the CA's profile.
    """
    usual = validity or facts.issuance_expiration
    if usual.type is ExpirationType.TIME:  # there is an end that stays, and no usual time
        return 0
    seconds = usual.duration // 1_000_000_000
    return facts.valid_to - seconds if now >= facts.near_at - seconds else 0


def read_reason(text: str | None) -> Reason:
    """A reason by its name, in any case; none is Unspecified."""
    if not text:
        return Reason.UNSPECIFIED
    found = next((reason for reason in Reason if reason.lower() == text.lower()), None)
    if found is None:
        raise Malformed(f"revocation_reason is one of {', '.join(Reason)}")
    if found is Reason.REMOVE_FROM_CRL:
        raise Malformed("RemoveFromCRL is how a hold ends: set the status to ACTIVE")
    return found


def changed_status(entity: Authority | Certificate, wanted: Status, reason: Reason, now: int) -> dict[str, Any]:
    """What changes when somebody sets a status; `now` is in Unix nanoseconds.

    REVOKED can be set, ACTIVE to end a hold, and EXPIRED before the clock does. EXPIRED is final; REVOKED is final
    unless the reason was CertificateHold, and what is held cannot become EXPIRED, which would take it off the CRL. The
    date of a hold stays when it becomes final (RFC 5280 §5.3.1 asks for the first, as the doubt began there).
    """
    is_ca = isinstance(entity, Authority)
    kind = RuleBroken if is_ca else Malformed
    refused = _CA_TRANSITION if is_ca else _TRANSITION
    held = entity.status is Status.REVOKED and entity.reason is Reason.CERTIFICATE_HOLD
    if wanted is Status.REVOKED:
        if entity.status is Status.REVOKED and (not held or reason is Reason.CERTIFICATE_HOLD):
            raise Malformed("CA already revoked" if is_ca else "certificate already revoked")
        if entity.status is Status.EXPIRED:
            raise kind(refused, "it is EXPIRED, which is final")
        return {
            "status": Status.REVOKED,
            "reason": reason,
            "revoked_at": entity.revoked_at if held else now,
        }
    if wanted is Status.ACTIVE and held:
        status = status_at(now // 1_000_000_000, entity.near_at, entity.critical_at, entity.valid_to)
        return {"status": status, "reason": None, "revoked_at": 0}
    if entity.status is Status.REVOKED:
        raise kind(refused, _HELD if held else "it is REVOKED, which is final unless the reason was CertificateHold")
    if wanted is Status.EXPIRED and entity.status.living:
        return {"status": Status.EXPIRED}
    raise kind(refused, f"from {entity.status} to {wanted}; REVOKED and EXPIRED can be set, and ACTIVE to end a hold")


def is_over(authority: Authority | DeletedAuthority) -> bool:
    """Whether it was revoked for good, and with it all that stands below it (decision B13)."""
    return authority.status is Status.REVOKED and authority.reason is not Reason.CERTIFICATE_HOLD


def fallen(entity: Authority | Certificate, now: int) -> dict[str, Any]:
    """What changes of what stands below a CA that was revoked for good; the date of a hold stays, as above."""
    return fallen_at(entity.revoked_at if entity.status is Status.REVOKED else now)


def fallen_at(time: int) -> dict[str, Any]:
    """What stands below a CA that was revoked for good, from a time on (Unix nanoseconds)."""
    return {"status": Status.REVOKED, "reason": Reason.CESSATION_OF_OPERATION, "revoked_at": time}


def check_can_live(entity: Authority | Certificate, over: Authority | DeletedAuthority | None) -> None:
    """Nothing lives below a CA that was revoked for good. `over` is that CA."""
    if over is not None and isinstance(entity, Authority):
        raise RuleBroken(_CA_TRANSITION, f"the CA {over.id} above it is REVOKED for good")
    if over is not None:
        raise Malformed(_TRANSITION, f"the CA {over.id} is REVOKED for good")


def check_can_sign(authority: Authority, over: Authority | DeletedAuthority | None = None) -> None:
    """A CA signs as long as it lives and has its key here, and `over`, a CA above it, was not revoked for good."""
    if not authority.status.living:
        raise Malformed(_CA_STATUS, f"the CA is {authority.status}")
    if over is not None:
        raise Malformed(_CA_STATUS, f"the CA {over.id} above it is REVOKED")
    if authority.key is None or authority.type is Owner.EXTERNAL:
        raise Malformed("CA type inconsistent", "the CA is EXTERNAL, its key is not here")


def check_deletable(authority: Authority) -> None:
    """A CA is deleted once it is over."""
    if authority.status is not Status.EXPIRED and not is_over(authority):
        raise Malformed(_CA_STATUS, f"the CA is {authority.status}; revoke it before you delete it")
