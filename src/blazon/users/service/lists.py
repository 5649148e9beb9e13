"""What every list of this room has in common: page, status, name, metadata."""

from enum import StrEnum

import msgspec

from blazon.storage import Dialect
from blazon.users.store import Where

__all__ = ["ListFilter", "StatusFilter", "filters_of"]


class StatusFilter(StrEnum):
    """Which states a list shows."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    ALL = "all"


class ListFilter(msgspec.Struct, frozen=True, kw_only=True):
    """A page and the filters every list takes. `metadata` is canonical JSON text that must be contained."""

    offset: int = 0
    limit: int = 10
    status: StatusFilter = StatusFilter.ENABLED
    name: str | None = None
    metadata: str | None = None

    def add_common(self, where: Where, dialect: Dialect, alias: str) -> None:
        """Adds the conditions of status and metadata for the table `alias`."""
        if self.status is not StatusFilter.ALL:
            where.add(f"{alias}.status = ?", self.status.value)
        if self.metadata is not None:
            where.add(dialect.contains(f"{alias}.metadata"), self.metadata)


def filters_of(wanted: ListFilter, **more: str | None) -> dict[str, str]:
    """The filters that were used, by their wire names."""
    used = {"status": wanted.status.value, "name": wanted.name, "metadata": wanted.metadata, **more}
    return {name: value for name, value in used.items() if value}
