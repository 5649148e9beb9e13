"""What those who check certificates fetch: CRLs, OCSP answers, CA certificates (RFC 5280 §5, RFC 6960 appendix A)."""

import hashlib
from collections.abc import Sequence
from email.utils import formatdate
from functools import lru_cache

import msgspec

from blazon import __version__
from blazon.ca.service import Answer, Crls, Issuers, Ocsp
from blazon.ca.store import Store
from blazon.ca.x509 import OcspError, decode_ocsp_path, ocsp_error
from blazon.errors import Malformed, NotFound
from blazon.web import BinaryReply, BinaryRoute

__all__ = ["ValidationApi"]

_OCSP = "application/ocsp-response"
_CRL = "application/pkix-crl"
_CERTIFICATE = "application/pkix-cert"

_FRESH = (("cache-control", "no-cache"),)
"""A revocation counts at once: whoever keeps an answer asks again."""

_SIGNATURE = 64
"""Octets at the end of a CRL that are of its signature, whatever its key: no two lists have the same."""


class ValidationApi:
    """Handlers of what is fetched without signing in."""

    def __init__(self, ocsp: Ocsp, crls: Crls, issuers: Issuers, store: Store, max_age: int) -> None:
        self._ocsp = ocsp
        self._max_age = max_age
        self._crls = crls
        self._issuers = issuers
        self._store = store

    async def post_ocsp(self, _: tuple[str, ...], body: bytes) -> BinaryReply:
        return BinaryReply((await self._ocsp.answer(body)).response, _OCSP, _FRESH)

    def post_ocsp_at_once(self, _: tuple[str, ...], body: bytes) -> BinaryReply | None:
        answer = self._ocsp.kept(body)
        return None if answer is None else BinaryReply(answer.response, _OCSP, _FRESH)

    async def get_ocsp(self, values: tuple[str, ...], _: bytes) -> BinaryReply:
        try:
            request = decode_ocsp_path(values[0])
        except Malformed:
            return BinaryReply(ocsp_error(OcspError.MALFORMED_REQUEST), _OCSP, _FRESH)
        answer = await self._ocsp.answer(request)
        return BinaryReply(answer.response, _OCSP, self._headers(answer))

    def get_ocsp_at_once(self, values: tuple[str, ...], _: bytes) -> BinaryReply | None:
        try:
            answer = self._ocsp.kept(decode_ocsp_path(values[0]))
        except Malformed:
            return None
        return None if answer is None else BinaryReply(answer.response, _OCSP, self._headers(answer))

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

    async def get_crl(self, values: tuple[str, ...], _: bytes) -> BinaryReply:
        crl = await self._crls.get(values[0].removesuffix(".crl"))
        return BinaryReply(crl, _CRL, (*_FRESH, ("etag", _etag(crl[-_SIGNATURE:]))))

    async def get_ca(self, values: tuple[str, ...], _: bytes) -> BinaryReply:
        authority = await self._store.authority(await self._issuers.named(values[0].removesuffix(".cer")))
        if authority is None:
            raise NotFound("CA not found")
        return BinaryReply(authority.certificate, _CERTIFICATE)

    async def get_health(self, _: tuple[str, ...], __: bytes) -> BinaryReply:
        await self._store.intents(0)  # without its database it is not well
        health = {"health": True, "version": __version__, "build": "", "build_time": ""}
        return BinaryReply(msgspec.json.encode(health), "application/json", _FRESH)

    def routes(self) -> Sequence[BinaryRoute]:
        """The routes of validation. With `v1` in their path they are as one generation of the dialect has them."""
        return (
            *(route for base in ("/api/va", "/api/va/v1") for route in self._routes_at(base)),
            BinaryRoute(method="GET", path="/api/va/ca/{id}", handler=self.get_ca),
            BinaryRoute(method="GET", path="/api/ca/health", handler=self.get_health),
        )

    def _routes_at(self, base: str) -> Sequence[BinaryRoute]:
        return (
            BinaryRoute(method="POST", path=f"{base}/ocsp", handler=self.post_ocsp, at_once=self.post_ocsp_at_once),
            BinaryRoute(
                method="GET", path=f"{base}/ocsp/{{request*}}", handler=self.get_ocsp, at_once=self.get_ocsp_at_once
            ),
            BinaryRoute(method="GET", path=f"{base}/crl/{{id}}", handler=self.get_crl),
        )


def _etag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


@lru_cache(maxsize=1024)  # answers that are asked for at once were signed in few seconds
def _http_date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)
