"""What those who check certificates fetch: CRLs, OCSP answers, CA certificates (RFC 5280 §5, RFC 6960 appendix A)."""

from collections.abc import Sequence

import msgspec

from blazon import __version__
from blazon.ca.service import Crls, Issuers, Ocsp
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


class ValidationApi:
    """Handlers of what is fetched without signing in."""

    def __init__(self, ocsp: Ocsp, crls: Crls, issuers: Issuers, store: Store) -> None:
        self._ocsp = ocsp
        self._crls = crls
        self._issuers = issuers
        self._store = store

    async def post_ocsp(self, _: tuple[str, ...], body: bytes) -> BinaryReply:
        return BinaryReply(await self._ocsp.answer(body), _OCSP, _FRESH)

    async def get_ocsp(self, values: tuple[str, ...], _: bytes) -> BinaryReply:
        try:
            request = decode_ocsp_path(values[0])
        except Malformed:
            return BinaryReply(ocsp_error(OcspError.MALFORMED_REQUEST), _OCSP, _FRESH)
        return BinaryReply(await self._ocsp.answer(request), _OCSP, _FRESH)

    async def get_crl(self, values: tuple[str, ...], _: bytes) -> BinaryReply:
        return BinaryReply(await self._crls.get(values[0].removesuffix(".crl")), _CRL, _FRESH)

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
            *(
                route
                for base in ("/api/va", "/api/va/v1")
                for route in (
                    BinaryRoute(method="POST", path=f"{base}/ocsp", handler=self.post_ocsp),
                    BinaryRoute(method="GET", path=f"{base}/ocsp/{{request*}}", handler=self.get_ocsp),
                    BinaryRoute(method="GET", path=f"{base}/crl/{{id}}", handler=self.get_crl),
                )
            ),
            BinaryRoute(method="GET", path="/api/va/ca/{id}", handler=self.get_ca),
            BinaryRoute(method="GET", path="/api/ca/health", handler=self.get_health),
        )
