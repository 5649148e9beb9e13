"""Every CA by the names others call it: what OCSP requests and CRL paths say."""

from collections.abc import Sequence

from cryptography import x509

from blazon.ca.store import Store
from blazon.ca.x509 import Issuer
from blazon.errors import NotFound
from blazon.log import Record

__all__ = ["Issuers"]


class Issuers:
    """Ids of CAs by the hashes of OCSP requests and by subject key identifier, kept current by the log."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._by_hashes: dict[tuple[str, bytes, bytes], str] = {}
        self._by_key: dict[str, str] = {}
        self._stale = True

    async def of_request(self, issuer: tuple[str, bytes, bytes]) -> str | None:
        """The CA an OCSP request names by hashes; None when it is none of ours."""
        await self._refresh()
        return self._by_hashes.get(issuer)

    async def named(self, name: str) -> str:
        """The id of a CA by its id, or by its subject key identifier in hexadecimal digits. Raises NotFound."""
        await self._refresh()
        name = self._by_key.get(name.lower(), name)
        if await self._store.authority(name) is None:
            raise NotFound("CA not found")
        return name

    async def _refresh(self) -> None:
        if not self._stale:
            return
        self._stale = False
        by_hashes: dict[tuple[str, bytes, bytes], str] = {}
        by_key: dict[str, str] = {}
        try:
            for authority in await self._store.all_authorities():
                issuer = Issuer.of(x509.load_der_x509_certificate(authority.certificate))
                by_hashes |= dict.fromkeys(issuer.cert_id_keys(), authority.id)
                by_key[issuer.key_id.hex()] = authority.id
        except BaseException:
            self._stale = True
            raise
        self._by_hashes, self._by_key = by_hashes, by_key

    def hear(self, records: Sequence[Record]) -> None:
        """A listener of the log: CAs that come or go are looked up anew."""
        if any(record.service == "ca" and record.type in ("ca.create", "ca.import", "ca.delete") for record in records):
            self._stale = True
