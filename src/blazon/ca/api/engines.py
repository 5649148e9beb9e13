"""Engines, counts and raw signatures over HTTP."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from blazon.ca.api.shapes import API, octets_of, text_base64
from blazon.ca.api.table import pki_table
from blazon.ca.models import UNKNOWN, Status
from blazon.ca.service import Keyring, Messages, Rights
from blazon.ca.store import Store
from blazon.engines import EngineInfo, Engines, KeyType, MessageType, SecurityLevel, SignatureAlgorithm, SupportedKeys
from blazon.errors import Conflict, Forbidden, NotFound, RuleBroken
from blazon.web import AnyRoute, Call, NoBody, NoQuery, Reply

__all__ = ["EngineApi"]


_KNOWN: Final = (KeyType.RSA, KeyType.ECDSA)
"""The kinds of keys every client can decode; another one among them fails the whole answer (decision C17)."""


class EngineBody(Struct, frozen=True):
    """A crypto engine. `additional_key_types` are those that not every client can decode."""

    type: str
    security_level: SecurityLevel
    provider: str
    name: str
    metadata: dict[str, str]
    supported_key_types: list[SupportedKeys]
    additional_key_types: list[SupportedKeys]
    id: str
    default: bool

    @classmethod
    def of(cls, info: EngineInfo) -> "EngineBody":
        """As answers show it."""
        fields = msgspec.structs.asdict(info)
        kinds = fields.pop("supported_key_types")
        return cls(
            **fields,
            supported_key_types=[kind for kind in kinds if kind.type in _KNOWN],
            additional_key_types=[kind for kind in kinds if kind.type not in _KNOWN],
        )


class CaStats(Struct, frozen=True):
    """How many CAs there are: by engine, `-` where the key is elsewhere, and by status. Zeros are shown."""

    total: int
    engine_distribution: dict[str, int]
    status_distribution: dict[str, int]


class CertificateStats(Struct, frozen=True):
    """How many certificates there are: by CA, `-` for one that is not known, and by status. Zeros are shown."""

    total: int
    ca_distribution: dict[str, int]
    status_distribution: dict[str, int]


class StatsBody(Struct, frozen=True):
    """How many CAs and certificates there are."""

    cas: CaStats
    certificates: CertificateStats


class SignMessageBody(Struct, frozen=True):
    """A message to sign: base64 of the text (`raw`) or of its digest (`hash`)."""

    message: str
    message_type: MessageType
    signature_algorithm: Annotated[str, Meta(extra_json_schema={"enum": list(SignatureAlgorithm)})]

    def algorithm(self) -> SignatureAlgorithm:
        """The algorithm. Raises RuleBroken."""
        try:
            return SignatureAlgorithm(self.signature_algorithm)
        except ValueError:
            known = ", ".join(SignatureAlgorithm)
            raise RuleBroken("signing algorithm not supported", f"it is one of {known}") from None


class VerifyMessageBody(SignMessageBody, frozen=True, kw_only=True):
    """A message and its signature in base64."""

    signature: str


class SignedBody(Struct, frozen=True):
    """A signature in base64."""

    signed_data: str


class ValidBody(Struct, frozen=True):
    """Whether a signature is good."""

    valid: bool


class EngineApi:
    """Handlers of engines, counts and raw signatures."""

    def __init__(self, rights: Rights, engines: Engines, store: Store, keyring: Keyring, messages: Messages) -> None:
        self._rights = rights
        self._engines = engines
        self._store = store
        self._keyring = keyring
        self._messages = messages

    async def list_engines(self, call: Call[NoBody, NoQuery]) -> Reply:
        await self._rights.pki(call.caller)
        return Reply(200, list(map(EngineBody.of, await self._engines.infos())))

    async def view_stats(self, call: Call[NoBody, NoQuery]) -> Reply:
        await self._rights.pki(call.caller)
        authorities = await self._store.all_authorities()
        counts = await self._store.counts()
        cas = CaStats(
            len(authorities),
            _summed((each.id for each in self._engines), ((each.engine_id or UNKNOWN, 1) for each in authorities)),
            _summed(Status, ((each.status, 1) for each in authorities)),
        )
        certificates = CertificateStats(
            sum(count for _, _, count in counts),
            _summed((each.id for each in authorities), ((ca or UNKNOWN, count) for ca, _, count in counts)),
            _summed(Status, ((status, count) for _, status, count in counts)),
        )
        return Reply(200, StatsBody(cas, certificates))

    async def view_stats_of_ca(self, call: Call[NoBody, NoQuery]) -> Reply:
        await self._rights.pki(call.caller)
        authority = await self._keyring.resolve(call.path["id"])
        counts = await self._store.counts(authority.id)
        return Reply(200, _summed(Status, ((status, count) for _, status, count in counts)))

    async def sign_message(self, call: Call[SignMessageBody, NoQuery]) -> Reply:
        body = call.body
        message = octets_of("message", body.message)
        signature = await self._messages.sign(
            call.caller, call.path["id"], body.algorithm(), body.message_type, message
        )
        return Reply(200, SignedBody(text_base64(signature)))

    async def verify_message(self, call: Call[VerifyMessageBody, NoQuery]) -> Reply:
        body = call.body
        valid = await self._messages.verify(
            call.caller,
            call.path["id"],
            body.algorithm(),
            body.message_type,
            octets_of("message", body.message),
            octets_of("signature", body.signature),
        )
        return Reply(200, ValidBody(valid))

    def routes(self) -> Sequence[AnyRoute]:
        """The routes of engines, counts and raw signatures."""
        signature = f"{API}/cas/{{id}}/signature"
        return (
            pki_table("cas", errors=(Forbidden,))
            .get(
                f"{API}/engines",
                "List the crypto engines",
                self.list_engines,
                answer=list[EngineBody],
                tag="engines",
            )
            .get(f"{API}/stats", "Count CAs and certificates", self.view_stats, answer=StatsBody)
            .get(
                f"{API}/stats/{{id}}",
                "Count the certificates of a CA by status",
                self.view_stats_of_ca,
                answer=dict[str, int],
                errors=(NotFound, Conflict),
            )
            .post(
                f"{signature}/sign",
                "Sign a message with the key of a CA",
                self.sign_message,
                body=SignMessageBody,
                answer=SignedBody,
                errors=(NotFound, Conflict, RuleBroken),
            )
            .post(
                f"{signature}/verify",
                "Verify a signature with the key of a CA",
                self.verify_message,
                body=VerifyMessageBody,
                answer=ValidBody,
                errors=(NotFound, Conflict, RuleBroken),
            )
            .routes
        )


def _summed(names: Iterable[str], counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    """The sum of the counts of each name, 0 for a name without a count."""
    found = dict.fromkeys(map(str, names), 0)
    for name, count in counts:
        found[name] = found.get(name, 0) + count
    return found
