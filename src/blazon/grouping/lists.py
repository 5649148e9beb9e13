"""What every list has in common: conditions, page, status, name, metadata."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from blazon.storage import Dialect, Value

__all__ = ["ListFilter", "StatusFilter", "Visibility", "Where", "filters_of"]


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


def filters_of(wanted: ListFilter, **more: str | None) -> dict[str, str]:
    """The filters that were used, by their wire names."""
    used = {"status": wanted.status.value, "name": wanted.name, "metadata": wanted.metadata, **more}
    return {name: value for name, value in used.items() if value}
