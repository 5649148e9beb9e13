"""What those who check certificates fetch: CRLs, OCSP answers, CA certificates (RFC 5280 §5, RFC 6960 appendix A)."""

import hashlib
from collections.abc import Awaitable, Sequence
from email.utils import formatdate
from functools import lru_cache

from msgspec import Struct

from blazon import __version__
from blazon.ca.api.table import pki_table
from blazon.ca.service import Answer, Crls, Issuers, Ocsp
from blazon.ca.store import Store
from blazon.ca.x509 import OcspError, decode_ocsp_path, ocsp_error
from blazon.errors import Malformed, NotFound
from blazon.web import AnyRoute, Auth, Call, NoBody, NoQuery, Reply

__all__ = ["ValidationApi"]

_OCSP = "application/ocsp-response"
_CRL = "application/pkix-crl"
_CERTIFICATE = "application/pkix-cert"

_FRESH = (("cache-control", "no-cache"),)
"""A revocation counts at once: whoever keeps an answer asks again."""

_SIGNATURE = 64
"""Octets at the end of a CRL that are of its signature, whatever its key: no two lists have the same."""


class HealthBody(Struct, frozen=True):
    """That the service is well."""

    health: bool
    version: str
    build: str = ""
    build_time: str = ""


class ValidationApi:
    """Handlers of what is fetched without signing in."""

    def __init__(self, ocsp: Ocsp, crls: Crls, issuers: Issuers, store: Store, max_age: int) -> None:
        self._ocsp = ocsp
        self._max_age = max_age
        self._crls = crls
        self._issuers = issuers
        self._store = store

    def post_ocsp(self, call: Call[bytes, NoQuery]) -> Reply | Awaitable[Reply]:
        kept = self._ocsp.kept(call.body)
        return self._sign_posted(call.body) if kept is None else Reply(body=kept.response, headers=_FRESH)

    async def _sign_posted(self, request: bytes) -> Reply:
        return Reply(body=(await self._ocsp.answer(request)).response, headers=_FRESH)

    def get_ocsp(self, call: Call[NoBody, NoQuery]) -> Reply | Awaitable[Reply]:
        try:
            request = decode_ocsp_path(call.path["request"])
        except Malformed:
            return Reply(body=ocsp_error(OcspError.MALFORMED_REQUEST), headers=_FRESH)
        kept = self._ocsp.kept(request)
        return self._sign_got(request) if kept is None else self._got(kept)

    async def _sign_got(self, request: bytes) -> Reply:
        return self._got(await self._ocsp.answer(request))

    def _got(self, answer: Answer) -> Reply:
        return Reply(body=answer.response, headers=self._headers(answer))

    def _headers(self, answer: Answer) -> tuple[tuple[str, str], ...]:
        """What caches may do with an answer (RFC 5019 §6.2). One that is not for everybody is for nobody else."""
        if not answer.may_be_kept:
            return _FRESH
        # We hand it out until half of its time is over, and a cache as long again ends before it does.
        age = min(self._max_age, answer.next_update - answer.until)
        return (
            ("cache-control", f"max-age={age}, public, no-transform, must-revalidate"),
            ("last-modified", _http_date(answer.this_update)),
            ("expires", _http_date(answer.next_update)),
            ("etag", _etag(answer.response)),
        )

    async def get_crl(self, call: Call[NoBody, NoQuery]) -> Reply:
        crl = await self._crls.get(call.path["id"].removesuffix(".crl"))
        return Reply(body=crl, headers=(*_FRESH, ("etag", _etag(crl[-_SIGNATURE:]))))

    async def get_ca(self, call: Call[NoBody, NoQuery]) -> Reply:
        authority = await self._store.authority(await self._issuers.named(call.path["id"].removesuffix(".cer")))
        if authority is None:
            raise NotFound("CA not found")
        return Reply(body=authority.certificate)

    async def get_health(self, call: Call[NoBody, NoQuery]) -> Reply:
        await self._store.intents(0)  # without its database it is not well
        return Reply(body=HealthBody(health=True, version=__version__), headers=_FRESH)

    def routes(self) -> Sequence[AnyRoute]:
        """The routes of validation. With `v1` in their path they are as one generation of the dialect has them."""
        table = pki_table("validation", answer=bytes, auth=Auth.NONE)
        for base, described in (("/api/va", True), ("/api/va/v1", False)):
            table.post(
                f"{base}/ocsp",
                "Ask for the status of certificates",
                self.post_ocsp,
                body=bytes,
                consumes=("application/ocsp-request",),
                produces=_OCSP,
                described=described,
            )
            table.get(
                f"{base}/ocsp/{{request*}}",
                "Ask for the status of a certificate",
                self.get_ocsp,
                produces=_OCSP,
                described=described,
            )
            table.get(
                f"{base}/crl/{{id}}",
                "Fetch the CRL of a CA",
                self.get_crl,
                produces=_CRL,
                errors=(NotFound,),
                described=described,
            )
        return (
            table.get(
                "/api/va/ca/{id}",
                "Fetch the certificate of a CA",
                self.get_ca,
                produces=_CERTIFICATE,
                errors=(NotFound,),
            )
            .get("/api/ca/health", "Read whether the CA is well", self.get_health, answer=HealthBody)
            .routes
        )


def _etag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


@lru_cache(maxsize=1024)  # answers that are asked for at once were signed in few seconds
def _http_date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)
