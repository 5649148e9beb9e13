"""Where a CA publishes its CRL, OCSP answers and certificate: the addresses that stand in what it issues."""

from urllib.parse import quote

import structlog

from blazon.addresses import is_loopback
from blazon.ca.models import Authority
from blazon.ca.x509 import Issuer, Urls
from blazon.pkix import load_certificate

__all__ = ["Addresses"]

_log = structlog.get_logger("blazon.ca")


class Addresses:
    """The addresses below a base URL; there are none when it is empty."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._told = False

    def of(self, identifier: str) -> Urls:
        """Those of a CA that signs CRLs."""
        if not self._base:
            return Urls()
        name = quote(identifier, safe="")
        return Urls(
            crl=(f"{self._base}/api/va/crl/{name}",),
            ocsp=(f"{self._base}/api/va/ocsp",),
            ca_issuers=(f"{self._base}/api/va/ca/{name}",),
        )

    def named_by(self, authority: Authority) -> Urls:
        """Those that stand in what a CA issues. A CA whose key is elsewhere issues nothing here."""
        if authority.key is None:
            return Urls()
        urls = self.of(authority.id)
        issuer = Issuer.of(load_certificate(authority.certificate), urls=urls)
        return urls if issuer.signs_crls else Urls(ocsp=urls.ocsp, ca_issuers=urls.ca_issuers)

    def warn(self, made: Authority) -> None:
        """Warns, once, of addresses others cannot reach, when a CA is made that issues here."""
        if self._told or made.key is None or (self._base and not is_loopback(self._base)):
            return
        self._told = True
        _log.warning(
            "certificates name no address that other machines reach for CRLs and OCSP; set pki.url before you issue"
            " any: it cannot be changed in a certificate afterwards",
            address=self._base,
        )
