"""Engines, counts and raw signatures over HTTP."""

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from blazon.ca.api.shapes import API, octets_of, text_base64
from blazon.ca.service import Keyring, Messages, Rights
from blazon.ca.store import Store
from blazon.engines import EngineInfo, Engines, MessageType, SignatureAlgorithm
from blazon.errors import Conflict, Forbidden, NotFound, RuleBroken
from blazon.web import AnyRoute, Call, NoBody, NoQuery, Reply, Route

__all__ = ["EngineApi"]


class CaStats(Struct, frozen=True):
    """How many CAs there are."""

    total: int
    engine_distribution: dict[str, int]
    status_distribution: dict[str, int]


class CertificateStats(Struct, frozen=True):
    """How many certificates there are."""

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
    signature_algorithm: SignatureAlgorithm


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
        infos = await self._engines.infos()
        return Reply(200, infos)

    async def view_stats(self, call: Call[NoBody, NoQuery]) -> Reply:
        await self._rights.pki(call.caller)
        authorities = await self._store.all_authorities()
        counts = await self._store.counts()
        by_ca, by_status = Counter[str](), Counter[str]()
        for ca, status, count in counts:
            by_ca[ca or "-"] += count
            by_status[status] += count
        cas = CaStats(
            len(authorities),
            Counter(each.engine_id or "-" for each in authorities),
            Counter(each.status.value for each in authorities),
        )
        return Reply(200, StatsBody(cas, CertificateStats(by_status.total(), by_ca, by_status)))

    async def view_stats_of_ca(self, call: Call[NoBody, NoQuery]) -> Reply:
        await self._rights.pki(call.caller)
        authority = await self._keyring.resolve(call.path["id"])
        counts = await self._store.counts(authority.id)
        return Reply(200, {status: count for _, status, count in counts})

    async def sign_message(self, call: Call[SignMessageBody, NoQuery]) -> Reply:
        body = call.body
        message = octets_of("message", body.message)
        signature = await self._messages.sign(
            call.caller, call.path["id"], body.signature_algorithm, body.message_type, message
        )
        return Reply(200, SignedBody(text_base64(signature)))

    async def verify_message(self, call: Call[VerifyMessageBody, NoQuery]) -> Reply:
        body = call.body
        valid = await self._messages.verify(
            call.caller,
            call.path["id"],
            body.signature_algorithm,
            body.message_type,
            octets_of("message", body.message),
            octets_of("signature", body.signature),
        )
        return Reply(200, ValidBody(valid))

    def routes(self) -> Sequence[AnyRoute]:
        """The routes of engines, counts and raw signatures."""
        signature = f"{API}/cas/{{id}}/signature"
        return (
            Route(
                method="GET",
                path=f"{API}/engines",
                summary="List the crypto engines",
                handler=self.list_engines,
                tag="engines",
                answer=list[EngineInfo],
                errors=(Forbidden,),
            ),
            Route(
                method="GET",
                path=f"{API}/stats",
                summary="Count CAs and certificates",
                handler=self.view_stats,
                tag="cas",
                answer=StatsBody,
                errors=(Forbidden,),
            ),
            Route(
                method="GET",
                path=f"{API}/stats/{{id}}",
                summary="Count the certificates of a CA by status",
                handler=self.view_stats_of_ca,
                tag="cas",
                answer=dict[str, int],
                errors=(Forbidden, NotFound, Conflict),
            ),
            Route(
                method="POST",
                path=f"{signature}/sign",
                summary="Sign a message with the key of a CA",
                handler=self.sign_message,
                tag="cas",
                body=SignMessageBody,
                answer=SignedBody,
                errors=(Forbidden, NotFound, Conflict, RuleBroken),
            ),
            Route(
                method="POST",
                path=f"{signature}/verify",
                summary="Verify a signature with the key of a CA",
                handler=self.verify_message,
                tag="cas",
                body=VerifyMessageBody,
                answer=ValidBody,
                errors=(Forbidden, NotFound, Conflict, RuleBroken),
            ),
        )
