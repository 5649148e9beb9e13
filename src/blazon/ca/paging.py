"""Pages of the lists of CAs and certificates, as SQL: which go through an index, and which look at every row.

A list goes on after the last row that was shown, by what it is sorted by and a tie-breaker, so any page costs the same,
as long as an index has the rows in that order. Each index is paid for by every certificate that is issued, so there
are those that are asked for often: sorted by creation, serial number, common name, end, status or CA, and those of one
CA or one status by creation. The rest are scans; the store runs one of them at a time, beside the event loop.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from blazon.ca.listing import Condition, Listing
from blazon.ca.rows import AUTHORITY_COLUMNS, CERTIFICATE_COLUMNS
from blazon.storage import Dialect, Value

__all__ = [
    "AUTHORITY_LIST",
    "CERTIFICATE_LIST",
    "Conditions",
    "List",
    "PageQuery",
    "page_query",
]

Conditions = Mapping[str, Value]
"""What must hold of a list besides its filters: comparisons with one `?` each, and their values."""


class List(msgspec.Struct, frozen=True, kw_only=True):
    """A list that is shown in pages.

    `order` is how it is sorted when nobody says, `tie` what rows that are alike are sorted by. `unique` are columns in
    which no two rows are alike. `instead` are columns another one has the order of. `indexed` are the columns an index
    sorts by, and `within` those that may stand before `order` in one, with one value.
    """

    table: str
    columns: str
    order: str
    tie: str
    unique: frozenset[str]
    instead: Mapping[str, str]
    indexed: frozenset[str]
    within: frozenset[str]


AUTHORITY_LIST: Final = List(
    table="cas",
    columns=AUTHORITY_COLUMNS,
    order="created_at",
    tie="id",
    unique=frozenset({"id"}),
    instead={},
    indexed=frozenset({"created_at", "id", "serial", "common_name"}),
    within=frozenset(),
)
CERTIFICATE_LIST: Final = List(
    table="certificates",
    columns=CERTIFICATE_COLUMNS,
    order="created",
    tie="created",
    unique=frozenset({"created", "serial"}),
    # The log is in the order in which they were made, and has an index.
    instead={"created_at": "created"},
    indexed=frozenset({"created", "serial", "common_name", "valid_to", "status", "issuer_id"}),
    within=frozenset({"issuer_id", "status", "common_name"}),
)


class PageQuery(msgspec.Struct, frozen=True):
    """A page: the query, its values, and whether an index gives the rows in order, with nothing left to look for."""

    sql: str
    values: tuple[Value, ...]
    is_indexed: bool


def page_query(of: List, listing: Listing, conditions: Conditions, dialect: Dialect) -> PageQuery:
    """A page of a list and one row more. The last two columns are what the next page goes on after."""
    sort = of.instead.get(listing.sort, listing.sort) or of.order
    where, values = list(conditions), list(conditions.values())
    for each in listing.conditions:
        where.append(_comparison(each, dialect))
        values.append(each.value)
    sign, way = ("<", "DESC") if listing.descending else (">", "ASC")
    alone = sort in of.unique
    if listing.after:
        where.append(f"{sort} {sign} ?" if alone else f"({sort}, {of.tie}) {sign} (?, ?)")
        values += listing.after[:1] if alone else listing.after
    filtered = f" WHERE {' AND '.join(where)}" if where else ""
    ordered = f"{sort} {way}" if alone else f"{sort} {way}, {of.tie} {way}"
    sql = f"SELECT {of.columns}, {sort}, {of.tie} FROM {of.table}{filtered} ORDER BY {ordered} LIMIT ?"
    return PageQuery(sql, (*values, listing.size + 1), _is_indexed(of, sort, conditions, listing.conditions))


def _comparison(condition: Condition, dialect: Dialect) -> str:
    if condition.comparison not in ("contains", "lacks"):
        return f"{condition.column} {condition.comparison}"
    found = f"instr({condition.column}, ?)" if dialect.name == "sqlite" else f"strpos({condition.column}, ?)"
    return f"{found} {'> 0' if condition.comparison == 'contains' else '= 0'}"


def _is_indexed(of: List, sort: str, conditions: Conditions, filters: Sequence[Condition]) -> bool:
    wanted = {(each.column, each.comparison) for each in filters}
    wanted |= {(column, comparison) for column, _, comparison in (each.partition(" ") for each in conditions)}
    if any(comparison == "= ?" and column in of.unique for column, comparison in wanted):
        return True
    # What is living is nearly all that ends from now on.
    others = {each for each in wanted if each[0] != sort and each != ("due", "> ?")}
    if others:
        return sort == of.order and all(column in of.within and like == "= ?" for column, like in others)
    return sort in of.indexed and not any(like in ("contains", "lacks", "<> ?") for _, like in wanted)
