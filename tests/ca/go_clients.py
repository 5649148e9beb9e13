"""The existing Go clients of the CA API, generations 2.3 and 2.4: what they send, and what they can decode.

Go's encoding/json refuses what this refuses: a text where a number is wanted, a kind of key or a reason that is not
known, a time that is not RFC 3339, a certificate that is not base64 of PEM. What is not there it takes for nothing, and
this does not: every field the clients read must be there. Both pass over fields they do not know.
"""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.running import Answer, Running

T = TypeVar("T")

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
_PARTS: Final = re.compile(r"(\d+)(ns|us|ms|s|m|h|d|w|y)")
_SECONDS: Final = {"y": 31_449_600, "w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}


class Time(str):
    """A time (RFC 3339), as it was written."""

    __slots__ = ()

    @property
    def moment(self) -> datetime:
        """The time."""
        return datetime.fromisoformat(self)


class Duration(int):
    """A duration in seconds."""


class KeyType(Enum):
    """The kinds of keys both generations decode."""

    RSA = "RSA"
    ECDSA = "ECDSA"


class Reason(Enum):
    """Why something is revoked."""

    UNSPECIFIED = "Unspecified"
    KEY_COMPROMISE = "KeyCompromise"
    CA_COMPROMISE = "CACompromise"
    AFFILIATION_CHANGED = "AffiliationChanged"
    SUPERSEDED = "Superseded"
    CESSATION_OF_OPERATION = "CessationOfOperation"
    CERTIFICATE_HOLD = "CertificateHold"
    REMOVE_FROM_CRL = "RemoveFromCRL"
    PRIVILEGE_WITHDRAWN = "PrivilegeWithdrawn"
    AA_COMPROMISE = "AACompromise"


class Subject(msgspec.Struct, frozen=True):
    """A name."""

    common_name: str
    organization: str
    organization_unit: str
    country: str
    state: str
    locality: str


class KeyStrength(msgspec.Struct, frozen=True):
    """A key."""

    type: KeyType
    bits: int
    strength: str


class Expiration(msgspec.Struct, frozen=True):
    """When something expires: a Time or a Duration, and of the two what goes with it."""

    type: str
    duration: Duration | None = None
    time: Time | None = None


class Issuer23(msgspec.Struct, frozen=True):
    """Who issued something, to generation 2.3."""

    serial_number: str
    ca_id: str


class Issuer24(msgspec.Struct, frozen=True):
    """Who issued something, to generation 2.4."""

    serial_number: str
    id: str
    level: int


class _Certificate(msgspec.Struct, frozen=True, kw_only=True):
    serial_number: str
    metadata: dict[str, Any] | None
    status: str
    certificate: x509.Certificate
    key_metadata: KeyStrength
    subject: Subject
    valid_from: Time
    valid_to: Time
    revocation_timestamp: Time
    revocation_reason: Reason = Reason.UNSPECIFIED
    type: str
    engine_id: str


class Certificate23(_Certificate, frozen=True, kw_only=True):
    """A certificate, to generation 2.3."""

    issuer_metadata: Issuer23


class Certificate24(_Certificate, frozen=True, kw_only=True):
    """A certificate, to generation 2.4."""

    issuer_metadata: Issuer24


class Authority23(Certificate23, frozen=True, kw_only=True):
    """A CA, to generation 2.3."""

    id: str
    issuance_expiration: Expiration
    creation_ts: Time


class Authority24(Certificate24, frozen=True, kw_only=True):
    """A CA, to generation 2.4."""

    id: str
    issuance_expiration: Expiration
    creation_ts: Time
    level: int


class Supported(msgspec.Struct, frozen=True):
    """A kind of key an engine makes."""

    type: KeyType
    sizes: list[int]


class Engine(msgspec.Struct, frozen=True):
    """An engine."""

    type: str
    security_level: int
    provider: str
    name: str
    metadata: dict[str, Any]
    supported_key_types: list[Supported]
    id: str
    default: bool


class _CaStats(msgspec.Struct, frozen=True):
    total: int
    engine_distribution: dict[str, int]
    status_distribution: dict[str, int]


class _CertificateStats(msgspec.Struct, frozen=True):
    total: int
    ca_distribution: dict[str, int]
    status_distribution: dict[str, int]


class Stats(msgspec.Struct, frozen=True):
    """How many there are."""

    cas: _CaStats
    certificates: _CertificateStats


class _Page(msgspec.Struct, frozen=True):
    next: str
    list: list[msgspec.Raw]


class _Error(msgspec.Struct, frozen=True):
    err: str


class _Signed(msgspec.Struct, frozen=True):
    signed_data: str


class _Valid(msgspec.Struct, frozen=True):
    valid: bool


class Known(Exception):
    """One of the errors a client has a name for: the status and the whole text are those it compares with."""


class Unexpected(Exception):
    """An error a client has no name for. `err` is its text."""

    def __init__(self, status: int, err: str) -> None:
        super().__init__(f"{status} {err}")
        self.status = status
        self.err = err


class Generation(msgspec.Struct, frozen=True):
    """Where the clients of two generations differ."""

    name: str
    certificate: type[Any]
    authority: type[Any]
    metadata_by: str
    known: Mapping[str, Mapping[int, Sequence[str]]]


_CREATE: Final = {
    400: ("incompatible expiration time ref", "issuance expiration greater than CA expiration"),
    409: ("CA already exists",),
}
_NO_CA: Final = {404: ("CA not found",)}
GENERATIONS: Final = (
    Generation("2.3", Certificate23, Authority23, "POST", {"create": _CREATE}),
    Generation(
        "2.4",
        Certificate24,
        Authority24,
        "PUT",
        {
            "create": _CREATE,
            "by_serial": _NO_CA,
            "set_ca_metadata": _NO_CA,
            "of_ca": _NO_CA,
            "delete": {**_NO_CA, 400: ("CA Status inconsistent",)},
            "certificate": {404: ("certificate not found",)},
            "set_metadata": {404: ("certificate not found",), 400: ("struct validation error",)},
        },
    ),
)


def _converted(kind: type, value: Any) -> Any:
    """msgspec asks here for what it does not know itself."""
    if not isinstance(value, str):
        raise TypeError(f"a text is wanted, not {value!r}")
    if kind is Time:
        if not _TIME.fullmatch(value):
            raise ValueError(f"{value!r} is no time")
        datetime.fromisoformat(value)
        return Time(value)
    if kind is Duration:
        parts = _PARTS.findall(value)
        if not parts or "".join(number + unit for number, unit in parts) != value:
            raise ValueError(f"{value!r} is no duration")
        return Duration(sum(int(number) * _SECONDS.get(unit, 0) for number, unit in parts))
    assert kind is x509.Certificate
    return x509.load_pem_x509_certificate(base64.b64decode(value, validate=True))


def decoded(body: bytes, shape: type[T]) -> T:
    """A body as a client decodes it. Raises msgspec.ValidationError where the client would fail."""
    return msgspec.json.decode(body, type=shape, dec_hook=_converted)


def encoded_key(private_key: Any) -> str:
    """A key as the clients send it: RSA in PKCS #1, ECDSA in SEC 1, in base64 of PEM."""
    pem = private_key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return base64.b64encode(pem).decode()


def encoded_certificate(certificate: x509.Certificate) -> str:
    """A certificate as the clients send it."""
    return base64.b64encode(certificate.public_bytes(Encoding.PEM)).decode()


NAMES: Final = ("common_name", "organization", "organization_unit", "country", "state", "locality")


class GoClient:
    """A client of one generation."""

    def __init__(self, blazon: Running, generation: Generation) -> None:
        self._blazon = blazon
        self.generation = generation

    async def engines(self) -> list[Engine]:
        return await self._get("/v1/engines", list[Engine])

    async def stats(self) -> Stats:
        return await self._get("/v1/stats", Stats)

    async def stats_of(self, ca: str) -> dict[str, int]:
        return await self._get(f"/v1/stats/{ca}", dict[str, int])

    async def create(
        self,
        name: str,
        *,
        key: tuple[str, int] = ("ECDSA", 256),
        ca_expiration: Mapping[str, str],
        issuance_expiration: Mapping[str, str],
        identifier: str = "",
        engine: str = "",
        parent: str = "",
    ) -> Any:
        body: dict[str, Any] = {
            "id": identifier,
            "subject": {**dict.fromkeys(NAMES, ""), "common_name": name, "country": "ES"},
            "key_metadata": {"type": key[0], "bits": key[1]},
            "ca_expiration": ca_expiration,
            "issuance_expiration": issuance_expiration,
            "engine_id": engine,
        }
        if self.generation.name != "2.3":
            body |= {"parent_id": parent, "metadata": None}
        return await self._send("POST", "/v1/cas", body, self.generation.authority, "create")

    async def import_ca(
        self,
        certificate: x509.Certificate,
        *,
        private_key: Any = None,
        chain: Sequence[x509.Certificate] | None = None,
        kind: str,
        issuance_expiration: Mapping[str, str] | None = None,
    ) -> Any:
        body = {
            "id": "",
            "engine_id": "",
            "private_key": "" if private_key is None else encoded_key(private_key),
            "ca": encoded_certificate(certificate),
            "ca_chain": None if chain is None else [encoded_certificate(each) for each in chain],
            "ca_type": kind,
            # What was not said: the zero value of a structure with a type of text.
            "issuance_expiration": issuance_expiration or {"type": ""},
        }
        return await self._send("POST", "/v1/cas/import", body, self.generation.authority)

    async def ca(self, identifier: str) -> Any:
        return await self._get(f"/v1/cas/{quote(identifier)}", self.generation.authority)

    async def ca_by_serial(self, serial: str) -> Any:
        return await self._get(f"/v1/cas/sn/{serial}", self.generation.authority, "by_serial")

    async def cas(self) -> list[Any]:
        return await self._every("/v1/cas", self.generation.authority)

    async def cas_by_common_name(self, name: str) -> list[Any]:
        return await self._every(f"/v1/cas/cn/{quote(name)}", self.generation.authority)

    async def set_ca_status(self, ca: str, status: str, reason: Reason = Reason.UNSPECIFIED) -> Any:
        body = {"status": status, "revocation_reason": reason.value}
        return await self._send("POST", f"/v1/cas/{ca}/status", body, self.generation.authority)

    async def set_ca_metadata(self, ca: str, metadata: Mapping[str, Any] | None) -> Any:
        by, shape = self.generation.metadata_by, self.generation.authority
        return await self._send(by, f"/v1/cas/{ca}/metadata", {"metadata": metadata}, shape, "set_ca_metadata")

    async def delete(self, ca: str) -> None:
        answer = await self._blazon.call("DELETE", f"/api/ca/v1/cas/{ca}", headers=_JSON)
        if answer.status != 200:
            self._fail(answer, "delete")

    async def sign(self, ca: str, csr: str, subject: Mapping[str, str] | None = None) -> Any:
        body = {"sign_verbatim": subject is None, "csr": csr, "subject": subject}
        return await self._send("POST", f"/v1/cas/{ca}/certificates/sign", body, self.generation.certificate)

    async def import_certificate(self, certificate: x509.Certificate, metadata: Mapping[str, Any] | None) -> Any:
        body = {"metadata": metadata, "certificate": encoded_certificate(certificate)}
        return await self._send("POST", "/v1/certificates/import", body, self.generation.certificate)

    async def certificate(self, serial: str) -> Any:
        return await self._get(f"/v1/certificates/{serial}", self.generation.certificate, "certificate")

    async def certificates(self) -> list[Any]:
        return await self._every("/v1/certificates", self.generation.certificate)

    async def certificates_of(self, ca: str, status: str = "") -> list[Any]:
        path = f"/v1/cas/{ca}/certificates" + (f"/status/{status}" if status else "")
        return await self._every(path, self.generation.certificate, "of_ca")

    async def certificates_with(self, status: str) -> list[Any]:
        return await self._every(f"/v1/certificates/status/{status}", self.generation.certificate)

    async def certificates_that_end(self, after: datetime, before: datetime) -> list[Any]:
        ends = {"expires_after": _written(after), "expires_before": _written(before)}
        return await self._every("/v1/certificates/expiration", self.generation.certificate, "", ends)

    async def set_status(self, serial: str, status: str, reason: Reason = Reason.UNSPECIFIED) -> Any:
        body = {"status": status, "revocation_reason": reason.value}
        return await self._send("PUT", f"/v1/certificates/{serial}/status", body, self.generation.certificate)

    async def set_metadata(self, serial: str, metadata: Mapping[str, Any] | None) -> Any:
        path, shape = f"/v1/certificates/{serial}/metadata", self.generation.certificate
        return await self._send("PUT", path, {"metadata": metadata}, shape, "set_metadata")

    async def sign_message(self, ca: str, algorithm: str, message: bytes, kind: str = "raw") -> bytes:
        body = {"message": _base64(message), "message_type": kind, "signature_algorithm": algorithm}
        signed: _Signed = await self._send("POST", f"/v1/cas/{ca}/signature/sign", body, _Signed)
        return base64.b64decode(signed.signed_data, validate=True)

    async def verify_message(self, ca: str, algorithm: str, message: bytes, signature: bytes) -> bool:
        body = {
            "signature": _base64(signature),
            "message": _base64(message),
            "message_type": "raw",
            "signature_algorithm": algorithm,
        }
        valid: _Valid = await self._send("POST", f"/v1/cas/{ca}/signature/verify", body, _Valid)
        return valid.valid

    async def page(self, path: str, shape: type[T], size: int = 0, bookmark: str = "") -> tuple[list[T], str]:
        """One page of a list, and the bookmark of the next."""
        query = {**({"bookmark": bookmark} if bookmark else {}), **({"page_size": str(size)} if size else {})}
        page = await self._get(f"{path}?{urlencode(query)}" if query else path, _Page)
        return [decoded(bytes(each), shape) for each in page.list], page.next

    async def _every(
        self, path: str, shape: type[T], call: str = "", query: Mapping[str, str] | None = None
    ) -> list[T]:
        """Every page, by the bookmark of the one before, with the query each time, until there is none."""
        found: list[T] = []
        bookmark = ""
        while True:
            asked = {**(query or {}), **({"bookmark": bookmark} if bookmark else {})}
            page = await self._get(f"{path}?{urlencode(asked)}" if asked else path, _Page, call)
            found += [decoded(bytes(each), shape) for each in page.list]
            bookmark = page.next
            if not bookmark:
                return found

    async def _get(self, path: str, shape: type[T], call: str = "") -> T:
        answer = await self._blazon.call("GET", f"/api/ca{path}", headers=_JSON)
        if answer.status != 200:
            self._fail(answer, call)
        return decoded(answer.body, shape)

    async def _send(self, method: str, path: str, body: Any, shape: type[T], call: str = "") -> T:
        data = json.dumps(body).encode()
        answer = await self._blazon.call(method, f"/api/ca{path}", data=data, headers=_JSON)
        if answer.status not in (200, 201):
            self._fail(answer, call)
        return decoded(answer.body, shape)

    def _fail(self, answer: Answer, call: str) -> None:
        said = decoded(answer.body, _Error).err
        if said in self.generation.known.get(call, {}).get(answer.status, ()):
            raise Known(said)
        raise Unexpected(answer.status, said)


_JSON: Final = {"Content-Type": "application/json"}


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
