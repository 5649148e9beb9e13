"""What every list has in common: conditions, page, status, name, metadata."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from blazon.access import Principal
from blazon.grouping.events import Listed
from blazon.storage import Dialect, Value

__all__ = ["ListFilter", "StatusFilter", "Visibility", "Where", "listed", "visibility_filters"]


class Where:
    """The conditions of a list, gathered one after the other."""

    def __init__(self) -> None:
        self._conditions: list[str] = []
        self.parameters: list[Value] = []

    def add(self, condition: str, *parameters: Value) -> None:
        """One more condition that must hold."""
        self._conditions.append(condition)
        self.parameters += parameters

    def add_given(self, given: Mapping[str, Value]) -> None:
        """Equality for each column whose value was given."""
        for column, value in given.items():
            if value is not None:
                self.add(f"{column} = ?", value)

    def __str__(self) -> str:
        return " WHERE " + " AND ".join(self._conditions) if self._conditions else ""


class StatusFilter(StrEnum):
    """Which states a list shows."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    ALL = "all"


class Visibility(StrEnum):
    """Which users or things of others a list shows."""

    MINE = "mine"
    SHARED = "shared"
    ALL = "all"


class ListFilter(msgspec.Struct, frozen=True, kw_only=True):
    """A page and the filters every list takes. `metadata` is canonical JSON text that must be contained."""

    offset: int = 0
    limit: int = 10
    status: StatusFilter = StatusFilter.ENABLED
    name: str | None = None
    metadata: str | None = None

    def where(self, dialect: Dialect, alias: str, given: Mapping[str, Value] | None = None) -> Where:
        """The conditions of status, name and metadata for the table `alias`, and equality for what is given."""
        where = Where()
        where.add_given({f"{alias}.name": self.name, **(given or {})})
        if self.status is not StatusFilter.ALL:
            where.add(f"{alias}.status = ?", self.status.value)
        if self.metadata is not None:
            where.add(dialect.contains(f"{alias}.metadata"), self.metadata)
        return where


def visibility_filters(visibility: Visibility | None, principal: Principal) -> dict[str, str | None]:
    """The filters a visibility stands for, by their wire names."""
    mine, shared = (Visibility.MINE, Visibility.ALL), (Visibility.SHARED, Visibility.ALL)
    return {
        "owner": principal.id if visibility in mine else None,
        "sharedBy": principal.id if visibility in shared else None,
    }


def listed(
    total: int, offset: int, limit: int, *, known: Mapping[str, str | None], asked: Mapping[str, str | None]
) -> Listed:
    """What is recorded of a list that was read: how many there are in all, the page, and the filters.

    `known` are filters whose values are ours, such as a status or the id of a group that is there. `asked` are texts of
    the caller, each of which was a condition of the list. Such a text can be anything, the key of a thing too, so it is
    recorded only when something was found by it: then it is a part of what was found, which stands on the wires anyway.
    Else its name is recorded.
    """
    shown = {name: value for name, value in known.items() if value}
    given = {name: value for name, value in asked.items() if value}
    if total:
        return Listed(total=total, offset=offset, limit=limit, filters=given | shown)
    return Listed(total=total, offset=offset, limit=limit, filters=shown, hidden=tuple(sorted(given.keys() - shown)))
