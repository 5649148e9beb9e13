"""JSON shapes that several routes of this room share (fact sheet §2c.1, §2d.1)."""

import asyncio
import base64
import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

from blazon.ca.events import wire_of_authority, wire_of_certificate
from blazon.ca.listing import LARGEST_PAGE, Field, Listing, read_listing
from blazon.ca.models import UNKNOWN, Authority, Certificate, Issued, Status
from blazon.ca.service.rules import read_reason
from blazon.ca.x509 import (
    Expiration,
    ExpirationType,
    Reason,
    Subject,
    Urls,
    format_duration,
    format_time,
    from_base64,
    parse_duration,
    read_expiration,
)
from blazon.engines import KeySpec, KeyType
from blazon.errors import Malformed
from blazon.web import Reply

__all__ = [
    "API",
    "AuthorityBody",
    "AuthorityPage",
    "CertificateBody",
    "CertificatePage",
    "Encoded",
    "ExpirationBody",
    "ExpirationShown",
    "KeyBody",
    "ListQuery",
    "Metadata",
    "MetadataBody",
    "Nothing",
    "Password",
    "StatusBody",
    "SubjectBody",
    "authority_body",
    "authority_reply",
    "bodies_of",
    "certificate_body",
    "certificate_reply",
    "expiration_shown",
    "file_of",
    "listing_of",
    "octets_of",
    "seconds_of",
    "text_base64",
]

T = TypeVar("T")
B = TypeVar("B")

API = "/api/ca/v1"

_SLICE: Final = 100
"""Entities whose bodies are made at once, in a millisecond."""

Metadata = dict[str, Any]
Encoded = Annotated[str, Meta(description="Base64 of PEM or DER, or of another file as people have them.")]
Password = Annotated[str, Meta(description="Opens what is encrypted among the files.")] | None
Notice = Annotated[
    str,
    Meta(
        description="In the answer that revokes, when no CRL and no OCSP response of this Blazon shows it: why, and"
        " what to do."
    ),
]


class SubjectBody(Struct, frozen=True):
    """A distinguished name; what is empty is left out of it."""

    common_name: str = ""
    organization: str = ""
    organization_unit: str = ""
    country: str = ""
    state: str = ""
    locality: str = ""

    def read(self) -> Subject:
        """As the rules know it."""
        return Subject(**msgspec.structs.asdict(self))


class KeyBody(Struct, frozen=True):
    """A kind of key: RSA 2048 to 4096, ECDSA 256, 384 or 521, Ed25519 256, ML-DSA 44, 65 or 87."""

    type: KeyType
    bits: Annotated[int, Meta(ge=0, le=16384)]

    def read(self) -> KeySpec:
        """As the rules know it."""
        return KeySpec(self.type, self.bits)


class ExpirationBody(Struct, frozen=True):
    """When something expires: `Time` with a time (RFC 3339), or `Duration` with a duration such as `1y2w` or `90d`."""

    type: str
    time: str | None = None
    duration: str | None = None

    def read(self) -> Expiration:
        """As the rules know it. Raises Malformed (incompatible expiration time ref)."""
        return read_expiration(self.type, self.time, self.duration)

    def read_if_given(self) -> Expiration | None:
        """As `read`; None when every field is empty, as Go clients send an expiration they leave out."""
        return self.read() if self.type or self.time or self.duration else None


class IssuerMetadata(Struct, frozen=True):
    """The issuing CA: its serial number and id, `-` when it is not known, and its level, -1 when that is not known.

    One generation of clients reads the id as `ca_id`, the next one as `id`.
    """

    serial_number: str
    ca_id: str
    id: str
    level: int


class KeyMetadata(Struct, frozen=True):
    """The kind of its key."""

    type: str
    bits: int
    strength: str


class ExpirationShown(Struct, frozen=True, omit_defaults=True):
    """An expiration: `time` (RFC 3339) is there of a Time, `duration` of a Duration."""

    type: str
    time: str = ""
    duration: str = ""


class AddressesBody(Struct, frozen=True):
    """The URLs that certificates of a CA name: of its CRL, of OCSP, of its certificate. Each list may be empty."""

    crl: tuple[str, ...]
    ocsp: tuple[str, ...]
    ca_issuers: tuple[str, ...]


class AuthorityBody(Struct, frozen=True, kw_only=True):
    """A CA. `certificate` is base64 of PEM; `addresses` is there of one CA, not in lists."""

    serial_number: str
    issuer_metadata: IssuerMetadata
    status: Status
    certificate: str
    key_metadata: msgspec.Raw | KeyMetadata
    subject: msgspec.Raw | SubjectBody
    valid_from: str
    valid_to: str
    revocation_timestamp: str
    revocation_reason: str | msgspec.UnsetType = msgspec.UNSET
    engine_id: str
    id: str
    metadata: msgspec.Raw | Metadata
    issuance_expiration: ExpirationShown
    type: str
    creation_ts: str
    level: int
    full_issuance_until: (
        Annotated[str, Meta(description="From when on it cannot issue for its usual time; there once that is near.")]
        | msgspec.UnsetType
    ) = msgspec.UNSET
    profile_id: str
    addresses: AddressesBody | msgspec.UnsetType = msgspec.UNSET
    revocation_notice: Notice | msgspec.UnsetType = msgspec.UNSET


class CertificateBody(Struct, frozen=True, kw_only=True):
    """A certificate. `certificate` is base64 of PEM; `private_key` is there once, when the server made the key."""

    serial_number: str
    metadata: msgspec.Raw | Metadata
    issuer_metadata: IssuerMetadata
    status: Status
    certificate: str
    key_metadata: msgspec.Raw | KeyMetadata
    subject: msgspec.Raw | SubjectBody
    valid_from: str
    valid_to: str
    revocation_timestamp: str
    revocation_reason: str | msgspec.UnsetType = msgspec.UNSET
    type: str
    engine_id: str
    private_key: str | msgspec.UnsetType = msgspec.UNSET
    revocation_notice: Notice | msgspec.UnsetType = msgspec.UNSET


class AuthorityPage(Struct, frozen=True):
    """A page of CAs; `next` is the bookmark of the next one, empty at the end."""

    next: str
    list: list[AuthorityBody]


class CertificatePage(Struct, frozen=True):
    """A page of certificates; `next` is the bookmark of the next one, empty at the end."""

    next: str
    list: list[CertificateBody]


class MetadataBody(Struct, frozen=True):
    """The metadata in the place of what there was."""

    metadata: Metadata


class StatusBody(Struct, frozen=True):
    """A status to set: REVOKED with a reason, ACTIVE to end a hold, or EXPIRED before the clock sets it."""

    status: Status
    revocation_reason: Annotated[str, Meta(description="With REVOKED; ignored with any other status.")] | None = None

    def reason(self) -> Reason:
        """Why it is revoked. Clients send a reason with every status. Raises Malformed."""
        return read_reason(self.revocation_reason) if self.status is Status.REVOKED else Reason.UNSPECIFIED


class Nothing(Struct, frozen=True):
    """It was done; there is nothing to say."""


class SortMode(StrEnum):
    """Which way a list is sorted."""

    ASCENDING = "asc"
    DESCENDING = "desc"


class ListQuery(Struct, kw_only=True, frozen=True):
    """A page of a list: what comes first, how many, which."""

    sort_by: Annotated[str, Meta(description="The field to sort by; creation when it is not given.")] | None = None
    sort_mode: Annotated[SortMode, Meta(description="Which way to sort.")] = SortMode.ASCENDING
    page_size: Annotated[int, Meta(ge=1, le=LARGEST_PAGE, description="How many to return at most.")] = 25
    bookmark: Annotated[str, Meta(description="`next` of the page before; it wins over the rest.")] | None = None
    filter: Annotated[
        tuple[str, ...], Meta(description="field[operator]value, such as status[eq]ACTIVE; may be there several times.")
    ] = ()


def listing_of(query: ListQuery, fields: Mapping[str, Field]) -> Listing:
    """The page a query asks for. Raises Malformed."""
    return read_listing(
        fields,
        sort_by=query.sort_by,
        descending=query.sort_mode is SortMode.DESCENDING,
        size=query.page_size,
        filters=query.filter,
        bookmark=query.bookmark,
    )


async def bodies_of(found: Sequence[T], make: Callable[[T], B]) -> list[B]:
    """The bodies of the entities on a page. A long page takes ten milliseconds: others are served in between."""
    made: list[B] = []
    for place in range(0, len(found), _SLICE):
        if place:
            await asyncio.sleep(0)
        made += map(make, found[place : place + _SLICE])
    return made


def authority_body(authority: Authority, notice: str = "") -> AuthorityBody:
    """A CA as answers show it: as events do, but for the `time` of a Duration, which clients would take for a time."""
    expiration = expiration_shown(authority.issuance_expiration)
    issuer = _issuer(authority, authority.issuer_level)
    fields = {**wire_of_authority(authority), "issuance_expiration": expiration, "issuer_metadata": issuer}
    return AuthorityBody(**fields, profile_id=authority.profile_id, revocation_notice=notice or msgspec.UNSET)


def _issuer(issued: Issued, level: int) -> IssuerMetadata:
    identifier = issued.issuer_id or UNKNOWN
    return IssuerMetadata(issued.issuer_serial, identifier, identifier, level)


def expiration_shown(expiration: Expiration) -> ExpirationShown:
    """An expiration as answers show it."""
    if expiration.type is ExpirationType.TIME:
        return ExpirationShown(expiration.type.value, time=format_time(expiration.time))
    return ExpirationShown(expiration.type.value, duration=format_duration(expiration.duration))


def certificate_body(
    certificate: Certificate, issuer_level: int, private_key: str = "", notice: str = ""
) -> CertificateBody:
    """A certificate as answers show it."""
    fields = {**wire_of_certificate(certificate), "issuer_metadata": _issuer(certificate, issuer_level)}
    return CertificateBody(
        **fields, private_key=private_key or msgspec.UNSET, revocation_notice=notice or msgspec.UNSET
    )


def authority_reply(
    authority: Authority, addresses: Urls, status: int = 200, *, made: bool = False, notice: str = ""
) -> Reply:
    """An answer with one CA, the addresses its certificates name, and its ETag: the revision."""
    headers = [("etag", f'"{authority.revision}"')]
    if made:
        headers.append(("location", f"{API}/cas/{authority.id}"))
    shown = AddressesBody(addresses.crl, addresses.ocsp, addresses.ca_issuers)
    return Reply(status, msgspec.structs.replace(authority_body(authority, notice), addresses=shown), tuple(headers))


def certificate_reply(
    certificate: Certificate, issuer_level: int, status: int = 200, private_key: str = "", *, notice: str = ""
) -> Reply:
    """An answer with one certificate and its ETag: the revision."""
    headers = [("etag", f'"{certificate.revision}"')]
    if status == 201:
        headers.append(("location", f"{API}/certificates/{certificate.serial}"))
    return Reply(status, certificate_body(certificate, issuer_level, private_key, notice), tuple(headers))


def octets_of(name: str, text: str) -> bytes:
    """The octets of a field in base64. Raises Malformed, which names the field."""
    try:
        return from_base64(re.sub(r"\s", "", text))
    except Malformed:
        raise Malformed(f"{name} is not base64") from None


def file_of(name: str, text: str) -> tuple[str, bytes]:
    """The name of a field, and the file in it. Raises Malformed."""
    return name, octets_of(name, text)


def seconds_of(name: str, text: str | None) -> int | None:
    """A duration in whole seconds. Raises Malformed."""
    if not text:
        return None
    seconds = parse_duration(text) // 1_000_000_000
    if seconds < 1:
        raise Malformed(f"{name} is less than a second")
    return seconds


def text_base64(text: str | bytes) -> str:
    """Base64 of PEM."""
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()
