"""SQL of this room: what is read. What is written is in `apply`, what is published is read in `published`."""

import asyncio
import contextlib
from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from blazon.ca.listing import Listing
from blazon.ca.models import (
    Authority,
    Certificate,
    Intent,
    IssuanceFacts,
    PendingRequest,
    StoredProfile,
)
from blazon.ca.paging import AUTHORITY_LIST, CERTIFICATE_LIST, Conditions, PageQuery, page_query
from blazon.ca.rows import AUTHORITY_COLUMNS as _AUTHORITY
from blazon.ca.rows import CERTIFICATE_COLUMNS as _CERTIFICATE
from blazon.ca.rows import INTENT_COLUMNS as _INTENT
from blazon.ca.rows import REQUEST_COLUMNS as _REQUEST
from blazon.ca.rows import authority_of_row as _authority
from blazon.ca.rows import certificate_of_row as _certificate
from blazon.ca.rows import intent_of_row as _intent
from blazon.ca.rows import issuance_of_row as _issuance
from blazon.ca.rows import profile_of_row as _stored_profile
from blazon.ca.rows import request_of_row as _request
from blazon.storage import Database, Row, Value

__all__ = ["Store"]

_PAGE: Final = 1_000
"""Rows of a long walk that are read at once."""


class Store:
    """Reads CAs, certificates and what belongs to them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.dialect = database.dialect
        self._scanning = asyncio.Semaphore(1)

    async def authority(self, identifier: str) -> Authority | None:
        """A CA by id."""
        row = await self._database.row(f"SELECT {_AUTHORITY} FROM cas WHERE id = ?", (identifier,))
        return None if row is None else _authority(row)

    async def authorities_by(self, column: str, value: str) -> list[Authority]:
        """The CAs with a value in a column: at most two, which is enough to know that it says too little."""
        rows = await self._database.rows(f"SELECT {_AUTHORITY} FROM cas WHERE {column} = ? LIMIT 2", (value,))
        return [_authority(row) for row in rows]

    async def authority_with(self, serial: str, certificate: bytes) -> str | None:
        """The id of the CA with this certificate; of other issuers any number may have the serial number."""
        row = await self._database.row(
            "SELECT id FROM cas WHERE serial = ? AND certificate = ? LIMIT 1", (serial, certificate)
        )
        return None if row is None else str(row[0])

    async def all_authorities(self) -> list[Authority]:
        """Every CA."""
        return [_authority(row) for row in await self._database.rows_aside(f"SELECT {_AUTHORITY} FROM cas ORDER BY id")]

    async def levels(self, identifiers: Collection[str]) -> dict[str, int]:
        """The levels of those of these CAs that are here."""
        if not identifiers:
            return {}
        sql = f"SELECT id, level FROM cas WHERE {self.dialect.one_of('id')}"
        wanted = msgspec.json.encode(list(identifiers)).decode()
        return {row[0]: row[1] for row in await self._database.rows(sql, (wanted,))}

    async def certificate(self, serial: str) -> Certificate | None:
        """A certificate by its serial number."""
        row = await self._database.row(f"SELECT {_CERTIFICATE} FROM certificates WHERE serial = ?", (serial,))
        return None if row is None else _certificate(row)

    async def id_is_taken(self, identifier: str) -> bool:
        """Whether a CA, a request for one, or an intent to make one has this id, or something refers to one that had.

        What a CA issued outlives it, and its CRLs lie in caches: both would be taken for those of the next one.
        """
        row = await self._database.row(
            "SELECT 1 FROM cas WHERE id = ? UNION ALL SELECT 1 FROM ca_requests WHERE id = ? UNION ALL"
            " SELECT 1 FROM ca_intents WHERE ca_id = ? AND kind <> 'sign' UNION ALL"
            " SELECT 1 FROM certificates WHERE issuer_id = ? UNION ALL SELECT 1 FROM cas WHERE issuer_id = ? UNION ALL"
            " SELECT 1 FROM deleted_cas WHERE issuer_id = ? AND id <> issuer_id UNION ALL"
            " SELECT 1 FROM ca_crls WHERE id = ? LIMIT 1",
            (identifier,) * 7,
        )
        return row is not None

    async def can_get_key(self, identifier: str, revision: int) -> bool:
        """Whether a CA still has this revision, and nobody is at work on a key for it."""
        row = await self._database.row(
            "SELECT 1 FROM cas WHERE id = ? AND revision = ? AND NOT EXISTS"
            " (SELECT 1 FROM ca_intents WHERE ca_id = ? AND kind <> 'sign')",
            (identifier, revision, identifier),
        )
        return row is not None

    async def request(self, identifier: str) -> PendingRequest | None:
        """A CA that waits for its certificate."""
        row = await self._database.row(f"SELECT {_REQUEST} FROM ca_requests WHERE id = ?", (identifier,))
        return None if row is None else _request(row)

    async def requests(self) -> list[PendingRequest]:
        """Every CA that waits for its certificate, the oldest first."""
        rows = await self._database.rows_aside(f"SELECT {_REQUEST} FROM ca_requests ORDER BY created_at, id")
        return [_request(row) for row in rows]

    async def profile(self, identifier: str) -> StoredProfile | None:
        """An issuance profile by id, or by name."""
        row = await self._database.row(
            "SELECT id, name, profile, created_at, revision FROM ca_profiles WHERE id = ? OR name = ?",
            (identifier, identifier),
        )
        return None if row is None else _stored_profile(row)

    async def profiles(self) -> list[StoredProfile]:
        """Every issuance profile, by name."""
        rows = await self._database.rows_aside(
            "SELECT id, name, profile, created_at, revision FROM ca_profiles ORDER BY name"
        )
        return [_stored_profile(row) for row in rows]

    async def profile_in_use(self, identifier: str) -> bool:
        """Whether a CA issues by this profile, or will once it has its certificate."""
        row = await self._database.row(
            "SELECT 1 FROM cas WHERE profile_id = ? UNION ALL SELECT 1 FROM ca_requests WHERE profile_id = ? LIMIT 1",
            (identifier, identifier),
        )
        return row is not None

    async def intents(self, before: int) -> list[Intent]:
        """What was begun before a time (Unix nanoseconds) and neither done nor cancelled, the oldest first."""
        rows = await self._database.rows(
            f"SELECT {_INTENT} FROM ca_intents WHERE created_at < ? ORDER BY revision", (before,)
        )
        return [_intent(row) for row in rows]

    async def intent_is_open(self, intent: Intent) -> bool:
        """Whether an intent was neither done nor cancelled; a later one may have its id."""
        wanted = (intent.id, intent.revision)
        return await self._database.row("SELECT 1 FROM ca_intents WHERE id = ? AND revision = ?", wanted) is not None

    async def page_of_authorities(
        self, listing: Listing, conditions: Conditions
    ) -> tuple[list[Authority], tuple[Value, Value] | None]:
        """A page of CAs, and where the next one begins: None when this is the last."""
        rows, last = await self._page(page_query(AUTHORITY_LIST, listing, conditions, self.dialect), listing.size)
        return [_authority(row) for row in rows], last

    async def page_of_certificates(
        self, listing: Listing, conditions: Conditions
    ) -> tuple[list[Certificate], tuple[Value, Value] | None]:
        """A page of certificates, and where the next one begins: None when this is the last."""
        rows, last = await self._page(page_query(CERTIFICATE_LIST, listing, conditions, self.dialect), listing.size)
        return [_certificate(row) for row in rows], last

    async def _page(self, query: PageQuery, size: int) -> tuple[Sequence[Row], tuple[Value, Value] | None]:
        # One scan at a time, so that there is always somebody left for the lists that are quick, and for CRLs.
        async with contextlib.nullcontext() if query.is_indexed else self._scanning:
            rows = await self._database.rows_aside(query.sql, query.values)
        if len(rows) <= size:
            return rows, None
        shown = rows[:size]
        return shown, (shown[-1][-2], shown[-1][-1])

    async def first_due(self) -> int:
        """When the clock changes a certificate next, in Unix seconds; 0 when it changes none."""
        row = await self._database.row("SELECT due FROM certificates WHERE due > 0 ORDER BY due LIMIT 1")
        return 0 if row is None else int(row[0])

    async def due(self, table: str, now: int, limit: int) -> list[Authority] | list[Certificate]:
        """What the clock changes, by when it does, for `cas` or `certificates`. `now` is in Unix seconds."""
        columns = _AUTHORITY if table == "cas" else _CERTIFICATE
        rows = await self._database.rows(
            f"SELECT {columns} FROM {table} WHERE due > 0 AND due <= ? ORDER BY due LIMIT ?", (now, limit)
        )
        return [_authority(row) for row in rows] if table == "cas" else [_certificate(row) for row in rows]

    async def below_revoked(self, limit: int) -> tuple[list[Authority], list[Certificate]]:
        """CAs and certificates that live, or are held, although the CA above them was revoked for good."""
        authorities: list[Authority] = []
        certificates: list[Certificate] = []
        revoked = await self._database.rows(
            "SELECT c.id FROM cas c WHERE c.status = 'REVOKED' AND c.reason <> 'CertificateHold' AND (EXISTS (SELECT 1"
            " FROM certificates x WHERE x.issuer_id = c.id AND x.due > 0) OR EXISTS (SELECT 1 FROM certificates h WHERE"
            " h.issuer_id = c.id AND h.reason = 'CertificateHold') OR EXISTS (SELECT 1 FROM cas b WHERE"
            " b.issuer_id = c.id AND b.id <> c.id AND (b.due > 0 OR b.reason = 'CertificateHold')))"
        )
        for (identifier,) in revoked:
            authorities += map(
                _authority,
                await self._database.rows(
                    f"SELECT {_AUTHORITY} FROM cas WHERE issuer_id = ? AND id <> ?"
                    " AND (due > 0 OR reason = 'CertificateHold') ORDER BY id",
                    (identifier, identifier),
                ),
            )
            for which in ("due > 0 ORDER BY due", "reason = 'CertificateHold'"):  # each has an index
                certificates += map(
                    _certificate,
                    await self._database.rows(
                        f"SELECT {_CERTIFICATE} FROM certificates WHERE issuer_id = ? AND {which} LIMIT ?",
                        (identifier, limit - len(certificates)),
                    ),
                )
            if len(certificates) >= limit:
                break
        return authorities, certificates

    async def lives_below(self, ca_id: str) -> bool:
        """Whether a certificate of this CA lives, or is held."""
        row = await self._database.row(
            "SELECT 1 WHERE EXISTS (SELECT 1 FROM certificates x WHERE x.issuer_id = ? AND x.due > 0) OR EXISTS"
            " (SELECT 1 FROM certificates h WHERE h.issuer_id = ? AND h.reason = 'CertificateHold')",
            (ca_id, ca_id),
        )
        return row is not None

    async def unbound_authorities(self, issuer_id: str) -> list[Authority]:
        """The CAs whose issuer is not known, or, of an issuer that was deleted, those that live or are held."""
        living = " AND (due > 0 OR reason = 'CertificateHold')" if issuer_id else ""
        rows = await self._database.rows(
            f"SELECT {_AUTHORITY} FROM cas WHERE issuer_id = ?{living} ORDER BY id", (issuer_id,)
        )
        return [_authority(row) for row in rows]

    async def unbound_certificates(self, after: int) -> list[Certificate]:
        """A page of the certificates whose issuer is not known, after the one that was made by a fact (`created`)."""
        rows = await self._database.rows_aside(
            f"SELECT {_CERTIFICATE} FROM certificates WHERE issuer_id = '' AND created > ? ORDER BY created LIMIT ?",
            (after, _PAGE),
        )
        return [_certificate(row) for row in rows]

    async def bereft_certificates(self, issuer_id: str) -> list[Certificate]:
        """Some of the certificates that live or are held, of an issuer that was deleted."""
        found: list[Certificate] = []
        for which in ("due > 0", "reason = 'CertificateHold'"):  # each has an index
            rows = await self._database.rows(
                f"SELECT {_CERTIFICATE} FROM certificates WHERE issuer_id = ? AND {which} LIMIT ?", (issuer_id, _PAGE)
            )
            found += map(_certificate, rows)
        return found

    async def below(self, ca_id: str) -> list[Authority]:
        """The CAs a CA issued, itself not among them."""
        rows = await self._database.rows(
            f"SELECT {_AUTHORITY} FROM cas WHERE issuer_id = ? AND id <> ? ORDER BY id", (ca_id, ca_id)
        )
        return [_authority(row) for row in rows]

    async def issuing(self) -> list[IssuanceFacts]:
        """The CAs that have their key here and live."""
        rows = await self._database.rows_aside(
            "SELECT id, valid_to, near_at, issuance_expiration, profile_id, full_issuance_until FROM cas"
            " WHERE due > 0 AND key <> ''"
        )
        return [_issuance(row) for row in rows]

    async def counts(self, ca_id: str | None = None) -> list[tuple[str, str, int]]:
        """How many certificates there are: by CA and by status."""
        where, values = (" WHERE issuer_id = ?", (ca_id,)) if ca_id is not None else ("", ())
        rows = await self._database.rows_aside(
            f"SELECT issuer_id, status, count(*) FROM certificates{where} GROUP BY issuer_id, status", values
        )
        return [(row[0], row[1], row[2]) for row in rows]
