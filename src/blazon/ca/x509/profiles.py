"""Issuance profiles: what a CA puts into certificates, and how much of a request it honours.

A profile is data, kept as it is. `check_profile` says whether it makes sense; whoever keeps one has asked it before.
"""

import re
from enum import StrEnum
from typing import Final

import msgspec
from cryptography import x509

from blazon.ca.x509.durations import NO_END, Expiration, ExpirationType
from blazon.ca.x509.extensions import KeyUsage
from blazon.ca.x509.general_names import NameType
from blazon.ca.x509.names import Subject, name_of
from blazon.durations import LONGEST, SECOND
from blazon.engines import KeySpec, KeyType
from blazon.errors import RuleBroken

__all__ = [
    "DEFAULT_PROFILE",
    "TIME_STAMPING",
    "TIME_STAMPING_USAGES",
    "BeyondCa",
    "Honoured",
    "KeyRule",
    "Profile",
    "check_profile",
    "purposes_of",
]

EXTENDED_KEY_USAGES: Final = {
    "serverAuth": "1.3.6.1.5.5.7.3.1",
    "clientAuth": "1.3.6.1.5.5.7.3.2",
    "codeSigning": "1.3.6.1.5.5.7.3.3",
    "emailProtection": "1.3.6.1.5.5.7.3.4",
    "timeStamping": "1.3.6.1.5.5.7.3.8",
}
"""Extended key usages that have names here (RFC 5280 §4.2.1.12); others are written as object identifiers.

`OCSPSigning` has none: only a responder of the CA itself gets it. Nor has `anyExtendedKeyUsage`.
"""

TIME_STAMPING: Final = EXTENDED_KEY_USAGES["timeStamping"]

_RESERVED_USAGES: Final = frozenset(("1.3.6.1.5.5.7.3.9", "2.5.29.37.0"))
_OID: Final = re.compile(r"[0-2](\.(0|[1-9]\d{0,9})){1,30}", re.ASCII)
_CA_USAGES: Final = frozenset((KeyUsage.KEY_CERT_SIGN, KeyUsage.CRL_SIGN))
TIME_STAMPING_USAGES: Final = frozenset((KeyUsage.DIGITAL_SIGNATURE, KeyUsage.CONTENT_COMMITMENT))
_MOST_NAMES: Final = 1000
_MOST_ENTRIES: Final = 64
_LONGEST_BACKDATE: Final = 86400


class BeyondCa(StrEnum):
    """What happens to a certificate that would outlive its CA."""

    REFUSE = "refuse"
    CLIP = "clip"


class Honoured(StrEnum):
    """Extensions of a request that a profile may take over. All others in the request are left out."""

    SUBJECT_ALTERNATIVE_NAME = "subjectAltName"
    KEY_USAGE = "keyUsage"
    EXTENDED_KEY_USAGE = "extendedKeyUsage"


class KeyRule(msgspec.Struct, frozen=True):
    """A kind of key that is certified, from `least` to `most` bits, both included (see KeySpec.bits)."""

    type: KeyType
    least: int
    most: int

    def allows(self, spec: KeySpec) -> bool:
        """Whether a key is of this kind and size."""
        return spec.type is self.type and self.least <= spec.bits <= self.most


_ALL_RULES: Final = (
    KeyRule(KeyType.RSA, 2048, 8192),
    KeyRule(KeyType.ECDSA, 256, 521),
    KeyRule(KeyType.ED25519, 256, 256),
    KeyRule(KeyType.ML_DSA, 44, 87),
)


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What certificates look like.

    * `validity`: None is the CA's issuance expiration. `backdate`: seconds by which a certificate begins earlier, for
      clocks that are slow; never earlier than its CA. `beyond_ca`: for what would outlive the CA.
    * `key_usage`, `extended_key_usage`: what is put in; of the key usages those the key can have. With KEY_USAGE or
      EXTENDED_KEY_USAGE honoured, a request may ask for fewer of them.
    * `honour_subject`: whether the request's subject is taken; `subject`: parts that are always set to this.
    * `honour_extensions`: what is taken over; `name_types`, `most_names`, `wildcards`: which alternative names.
    * `allowed_keys`: which keys are certified. `policies`: object identifiers of certificate policies.
    """

    validity: Expiration | None = None
    backdate: int = 60
    beyond_ca: BeyondCa = BeyondCa.REFUSE
    key_usage: tuple[KeyUsage, ...] = (KeyUsage.DIGITAL_SIGNATURE, KeyUsage.KEY_ENCIPHERMENT)
    extended_key_usage: tuple[str, ...] = ("clientAuth", "serverAuth")
    honour_subject: bool = True
    subject: Subject = Subject()
    honour_extensions: tuple[Honoured, ...] = (Honoured.SUBJECT_ALTERNATIVE_NAME,)
    name_types: tuple[NameType, ...] = tuple(NameType)
    most_names: int = 100
    wildcards: bool = False
    allowed_keys: tuple[KeyRule, ...] = _ALL_RULES
    policies: tuple[str, ...] = ()


DEFAULT_PROFILE: Final = Profile(beyond_ca=BeyondCa.CLIP)
"""TLS for devices: client and server, the names of the request honoured, as long as the CA says and lives."""


def purposes_of(profile: Profile) -> tuple[str, ...]:
    """The extended key usages of a profile as object identifiers, each once."""
    return tuple(dict.fromkeys(EXTENDED_KEY_USAGES.get(usage, usage) for usage in profile.extended_key_usage))


def check_profile(profile: Profile) -> None:
    """Whether a profile makes sense. Raises RuleBroken."""
    _check_lengths(profile)
    if profile.validity is not None:
        _check_validity(profile.validity)
    if not 0 <= profile.backdate <= _LONGEST_BACKDATE:
        raise RuleBroken(f"backdate is 0 to {_LONGEST_BACKDATE} seconds")
    if not 0 <= profile.most_names <= _MOST_NAMES:
        raise RuleBroken(f"most_names is 0 to {_MOST_NAMES}")
    if not profile.key_usage:
        raise RuleBroken("key_usage names at least one usage")
    if _CA_USAGES.intersection(profile.key_usage):
        raise RuleBroken("keyCertSign and cRLSign are for CAs; a profile makes other certificates")
    _check_purposes(profile)
    if not all(map(_is_oid, profile.policies)):
        raise RuleBroken("policies are object identifiers of at most 63 octets, such as 1.3.6.1.4.1.1.2")
    if not profile.allowed_keys or any(rule.least > rule.most for rule in profile.allowed_keys):
        raise RuleBroken("allowed_keys names at least one kind of key, from least to most bits")
    if len(set(profile.policies)) != len(profile.policies):
        raise RuleBroken("policies name each only once")
    name_of(profile.subject)


def _check_purposes(profile: Profile) -> None:
    for usage in profile.extended_key_usage:
        oid = EXTENDED_KEY_USAGES.get(usage, usage)
        if oid in _RESERVED_USAGES or not _is_oid(oid):
            raise RuleBroken(
                f"extended_key_usage {usage[:60]!r}: use {', '.join(EXTENDED_KEY_USAGES)} or an object identifier of"
                " another usage than OCSPSigning and anyExtendedKeyUsage"
            )
    purposes = purposes_of(profile)
    if len(purposes) != len(profile.extended_key_usage):
        raise RuleBroken("extended_key_usage names each only once")
    if TIME_STAMPING in purposes and len(purposes) > 1:
        raise RuleBroken("timeStamping stands alone in extended_key_usage, or no client accepts it (RFC 3161 §2.3)")
    if TIME_STAMPING in purposes and not TIME_STAMPING_USAGES.intersection(profile.key_usage):
        raise RuleBroken("with timeStamping, key_usage names digitalSignature or contentCommitment (RFC 3161 §2.3)")


def _check_lengths(profile: Profile) -> None:
    """A profile goes into events whole: its lists are bounded."""
    for name in ("key_usage", "extended_key_usage", "honour_extensions", "name_types", "allowed_keys", "policies"):
        if len(getattr(profile, name)) > _MOST_ENTRIES:
            raise RuleBroken(f"{name} has more than {_MOST_ENTRIES} entries")


def _check_validity(validity: Expiration) -> None:
    if validity.type is ExpirationType.TIME:
        good = 0 < validity.time <= NO_END and not validity.duration
    else:
        good = SECOND <= validity.duration <= LONGEST and not validity.time
    if not good:
        raise RuleBroken(
            "validity is of type Time with a time until 9999, or of type Duration with a duration of a second or more"
        )


def _is_oid(text: str) -> bool:
    if not _OID.fullmatch(text):
        return False
    try:
        x509.ObjectIdentifier(text)  # it also knows how many octets an identifier may take
    except ValueError:
        return False
    return True
