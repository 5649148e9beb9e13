"""Every CA by the names others call it: what OCSP requests and CRL paths say.

Several CAs here may have one name and one key: a CA, and the cross-certificate an outside parent made for it. They are
one to whoever checks a certificate, as a certificate names its issuer by both and by nothing else.
"""

import asyncio
from collections.abc import Sequence
from typing import TypeVar

from blazon.ca.models import Authority
from blazon.ca.store import Store
from blazon.ca.x509 import Issuer
from blazon.errors import NotFound
from blazon.log import Record
from blazon.pkix import load_certificate

__all__ = ["Issuers"]

N = TypeVar("N")


class Issuers:
    """Ids of CAs by the hashes of OCSP requests and by subject key identifier, kept current by the log."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._by_hashes: dict[tuple[str, bytes, bytes], tuple[str, ...]] = {}
        self._by_key: dict[str, tuple[str, ...]] = {}
        # How often CAs came or went, and how often they had when we read them last.
        self._changed = 1
        self._read = 0
        self._reading = asyncio.Lock()

    async def of_request(self, issuer: tuple[str, bytes, bytes]) -> tuple[str, ...]:
        """The CAs an OCSP request names by hashes, those with their key here first; none when it is none of ours."""
        await self._refresh()
        return self._by_hashes.get(issuer, ())

    async def named(self, name: str) -> str:
        """The id of a CA by its id, or by its subject key identifier in hexadecimal digits. Raises NotFound.

        Of several with one key that is the one that has it here, so that it can say something.
        """
        if await self._store.authority(name) is not None:
            return name
        await self._refresh()
        found = self._by_key.get(name.lower())
        if found is None:
            raise NotFound("CA not found")
        return found[0]

    async def _refresh(self) -> None:
        wanted = self._changed
        if self._read >= wanted:
            return
        # Who comes while another one reads waits for it: what is known so far may lack the very CA it asks for.
        async with self._reading:
            if self._read >= wanted:
                return
            changed = self._changed
            by_hashes: dict[tuple[str, bytes, bytes], tuple[str, ...]] = {}
            by_key: dict[str, tuple[str, ...]] = {}
            for authority in sorted(await self._store.all_authorities(), key=_speaks_first):
                issuer = Issuer.of(load_certificate(authority.certificate))
                for hashes in issuer.cert_id_keys():
                    _add(by_hashes, hashes, authority.id)
                _add(by_key, issuer.key_id.hex(), authority.id)
            self._by_hashes, self._by_key, self._read = by_hashes, by_key, changed

    async def reload(self) -> int:
        """Has every CA looked up anew."""
        self._changed += 1
        return 0

    def hear(self, records: Sequence[Record]) -> None:
        """CAs that come or go are looked up anew."""
        if any(record.service == "ca" and record.type in ("ca.create", "ca.import", "ca.delete") for record in records):
            self._changed += 1


def _speaks_first(authority: Authority) -> tuple[bool, int, str]:
    """The order of CAs: with their key here before those without, then as they came."""
    return authority.key is None, authority.created_at, authority.id


def _add(table: dict[N, tuple[str, ...]], name: N, identifier: str) -> None:
    table[name] = (*table.get(name, ()), identifier)
