"""SQL of what is published: who is revoked, the numbers of CRLs, OCSP responders, and the CAs that were deleted.

CAs with one name and one key are one issuer to whoever checks a certificate, so what one of them revoked is asked for
by the ids of all of them, those that were deleted among them.
"""

from base64 import b64decode
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from blazon.ca.models import CrlNumber, DeletedAuthority, IssuerFacts, OcspFacts, Status, StoredResponder
from blazon.ca.rows import DELETED_COLUMNS as _DELETED
from blazon.ca.rows import deleted_of_row as _deleted
from blazon.ca.rows import responder_of_row as _responder
from blazon.ca.x509 import Reason
from blazon.storage import Database, Statement, Value

__all__ = ["Published"]

_PAGE: Final = 1_000
"""Rows of a long walk that are read at once: few, as whoever works on them, in whatever thread, holds the loop up."""

_NANOSECONDS: Final = 1_000_000_000

_FOR_GOOD: Final = "status = 'REVOKED' AND reason <> 'CertificateHold'"
"""Of deleted CAs. One on hold is deleted only when another one with its certificate takes its place, and its hold."""


class Published:
    """Reads what CRLs and OCSP responses tell."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def facts(self, ids: Sequence[str], orphans: Sequence[int], serial: str) -> OcspFacts | None:
        """What OCSP says about a certificate or a CA that one of some CAs issued; None when none of them did.

        `orphans` are CAs they issued besides (`Twins.orphans`).

        Of several rows the one that says the worst counts: a CA that was deleted and imported again has two.
        """
        columns, issued = "issuer_id, status, valid_to, revoked_at, reason", _among("issuer_id", ids)
        # To sort one row costs SQLite as much as to find it.
        rows = await self._database.rows(
            f"SELECT {columns} FROM cas WHERE serial = ? AND {issued} UNION ALL"
            f" SELECT {columns} FROM certificates WHERE serial = ? AND {issued} UNION ALL"
            f" SELECT {columns} FROM deleted_cas WHERE serial = ? AND {_issued('', ids, orphans)} AND {_FOR_GOOD}",
            (serial, *ids, serial, *ids, serial, *ids, *orphans),
        )
        if not rows:
            return None
        row = max(rows, key=_badness)
        return OcspFacts(row[0], Status(row[1]), row[2], row[3] // _NANOSECONDS, Reason(row[4]) if row[4] else None)

    async def entries(self, ids: Sequence[str], orphans: Sequence[int], since: int) -> AsyncIterator[str]:
        """Serial, time (Unix nanoseconds) and reason of all that some CAs revoked and that had not ended at `since`.

        A page is one text with a comma between those three and the next: a row for each would be a hundred thousand
        occasions to wait for others. Each serial number is there once.
        """
        yield await self._authorities(ids, orphans, since)
        for identifier in ids:
            position = ""
            while True:
                rows = await self._database.rows_aside(
                    "SELECT string_agg(serial || ' ' || revoked_at || ' ' || reason, ','), max(serial) FROM (SELECT"
                    " serial, revoked_at, reason FROM certificates WHERE issuer_id = ? AND status = 'REVOKED'"
                    " AND serial > ? AND valid_to >= ? ORDER BY serial LIMIT ?) AS page",
                    (identifier, position, since, _PAGE),
                )
                page, position = rows[0]
                if not page:
                    break
                yield page

    async def _authorities(self, ids: Sequence[str], orphans: Sequence[int], since: int) -> str:
        """The CAs that some CAs revoked, deleted ones too, as one page. A CA that signs itself is on no list."""
        revoked = (
            "c.id <> c.issuer_id AND c.status = 'REVOKED' AND c.valid_to >= ?"
            # Older versions let a CA be imported as any other certificate besides.
            " AND NOT EXISTS (SELECT 1 FROM certificates x WHERE x.serial = c.serial AND x.issuer_id = c.issuer_id"
            " AND x.status = 'REVOKED')"
        )
        rows = await self._database.rows_aside(
            f"SELECT c.serial, c.revoked_at, c.reason FROM cas c WHERE {_among('c.issuer_id', ids)} AND {revoked} UNION"
            " ALL SELECT c.serial, c.revoked_at, c.reason FROM deleted_cas c"
            f" WHERE {_issued('c.', ids, orphans)} AND {revoked} AND {_FOR_GOOD}",
            (*ids, since, *ids, *orphans, since),
        )
        # The first time a serial number was revoked for good is the one to tell.
        found: dict[str, tuple[bool, int, str]] = {}
        for serial, revoked_at, reason in rows:
            told = (reason == Reason.CERTIFICATE_HOLD, revoked_at, reason)
            found[serial] = min(told, found.get(serial, told))
        return ",".join(f"{serial} {revoked_at} {reason}" for serial, (_, revoked_at, reason) in found.items())

    async def has_revoked(self, ids: Sequence[str], orphans: Sequence[int], since: int) -> bool:
        """Whether some CAs revoked or held anything that had not ended at `since` (Unix seconds)."""
        if await self._authorities(ids, orphans, since):
            return True
        among = _among("issuer_id", ids)
        found = await self._database.row(
            f"SELECT 1 FROM certificates WHERE {among} AND status = 'REVOKED' AND valid_to >= ? LIMIT 1", (*ids, since)
        )
        return found is not None

    async def crl_numbers(self, ids: Sequence[str]) -> list[CrlNumber]:
        """The numbers of the last CRLs of some CAs, of those that had one."""
        rows = await self._database.rows(
            f"SELECT id, number, this_update, revision FROM ca_crls WHERE {_among('id', ids)}", tuple(ids)
        )
        return [CrlNumber(*row) for row in rows]

    async def crl_copy(self, name: str, after: int) -> tuple[bytes, int] | None:
        """A list that was kept and is good for longer than until a time, and until when (Unix seconds)."""
        row = await self._database.row(
            "SELECT der, next_update FROM crl_copies WHERE name = ? AND next_update > ?", (name, after)
        )
        return None if row is None else (bytes(row[0]), row[1])

    async def responder(self, ca_id: str) -> StoredResponder | None:
        """The key to which a CA last delegated its OCSP responses."""
        row = await self._database.row(
            "SELECT r.id, r.certificate, r.key, r.valid_from, r.valid_to, r.revision, EXISTS (SELECT 1 FROM"
            " certificates c WHERE c.serial = r.serial AND c.status = 'REVOKED') FROM ca_responders r WHERE r.id = ?",
            (ca_id,),
        )
        return None if row is None else _responder(row)

    async def delegating(self) -> list[str]:
        """The ids of the CAs that delegated their OCSP responses to a key and are not over."""
        rows = await self._database.rows_aside(
            "SELECT r.id FROM ca_responders r JOIN cas c ON c.id = r.id WHERE c.due > 0 ORDER BY r.id"
        )
        return [str(row[0]) for row in rows]

    async def issuers(self) -> list[IssuerFacts]:
        """Every CA that is here: those with their key first, those that are not revoked before others, as they came."""
        rows = await self._database.rows_aside(
            "SELECT id, certificate, key <> '', valid_to FROM cas ORDER BY key = '', status = 'REVOKED', created_at, id"
        )
        return [IssuerFacts(row[0], bytes(row[1]), bool(row[2]), row[3]) for row in rows]

    async def deleted_authorities(self) -> list[DeletedAuthority]:
        """The CAs that were deleted: of those with one id the last, and none whose id a CA has now."""
        rows = await self._database.rows_aside(
            f"SELECT {_DELETED} FROM deleted_cas d WHERE NOT EXISTS (SELECT 1 FROM cas c WHERE c.id = d.id) AND"
            " NOT EXISTS (SELECT 1 FROM deleted_cas l WHERE l.id = d.id AND l.sequence > d.sequence) ORDER BY sequence"
        )
        return [_deleted(row) for row in rows]

    async def orphans(self) -> list[tuple[int, bytes]]:
        """The CAs that were revoked for good and deleted before their issuer was here.

        Each is the number of the fact that deleted it, and its certificate in DER.
        """
        rows = await self._database.rows_aside(
            f"SELECT sequence, certificate FROM deleted_cas WHERE issuer_id = '' AND {_FOR_GOOD} ORDER BY sequence"
        )
        return [(row[0], b64decode(row[1])) for row in rows]

    async def deleted_authority(self, identifier: str) -> DeletedAuthority | None:
        """The last CA with an id that was deleted."""
        return await self._deleted("id = ? ORDER BY sequence DESC", (identifier,))

    async def revoked_before(self, serial: str, certificate: str) -> DeletedAuthority | None:
        """The CA with a certificate, as base64 of DER, that was revoked for good before it was deleted."""
        return await self._deleted(
            f"serial = ? AND certificate = ? AND {_FOR_GOOD} ORDER BY sequence", (serial, certificate)
        )

    @staticmethod
    def keep_crl(name: str, der: bytes, next_update: int) -> Statement:
        """Keeps a list: a table that is not made from the log is not written by `apply`."""
        return Statement(
            "INSERT INTO crl_copies (name, der, next_update) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET"
            " der = excluded.der, next_update = excluded.next_update",
            (name, der, next_update),
        )

    async def _deleted(self, which: str, values: tuple[Value, ...]) -> DeletedAuthority | None:
        row = await self._database.row(f"SELECT {_DELETED} FROM deleted_cas WHERE {which} LIMIT 1", values)
        return None if row is None else _deleted(row)


def _among(column: str, ids: Sequence[Value]) -> str:
    """A condition: a column is one of so many parameters."""
    return f"{column} IN ({', '.join('?' * len(ids))})"


def _issued(table: str, ids: Sequence[str], orphans: Sequence[int]) -> str:
    """A condition on deleted CAs: one of some CAs issued it, or it is one of some orphans."""
    issued = _among(f"{table}issuer_id", ids)
    return f"({issued} OR {_among(f'{table}sequence', orphans)})" if orphans else issued


def _badness(row: Any) -> tuple[bool, bool]:
    """What a row of `facts` says: the greatest is the one to tell."""
    revoked = row[1] == Status.REVOKED
    return revoked and row[4] != Reason.CERTIFICATE_HOLD, revoked
