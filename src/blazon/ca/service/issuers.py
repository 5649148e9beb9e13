"""Every CA by the names others call it: what OCSP requests and CRL paths say."""

import asyncio
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
        # How often CAs came or went, and how often they had when we read them last.
        self._changed = 1
        self._read = 0
        self._reading = asyncio.Lock()

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
        wanted = self._changed
        if self._read >= wanted:
            return
        # Who comes while another one reads waits for it: what is known so far may lack the very CA it asks for.
        async with self._reading:
            if self._read >= wanted:
                return
            changed = self._changed
            by_hashes: dict[tuple[str, bytes, bytes], str] = {}
            by_key: dict[str, str] = {}
            for authority in await self._store.all_authorities():
                issuer = Issuer.of(x509.load_der_x509_certificate(authority.certificate))
                by_hashes |= dict.fromkeys(issuer.cert_id_keys(), authority.id)
                by_key[issuer.key_id.hex()] = authority.id
            self._by_hashes, self._by_key, self._read = by_hashes, by_key, changed

    def hear(self, records: Sequence[Record]) -> None:
        """A listener of the log: CAs that come or go are looked up anew."""
        if any(record.service == "ca" and record.type in ("ca.create", "ca.import", "ca.delete") for record in records):
            self._changed += 1
