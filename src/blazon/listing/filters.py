"""What every list can be narrowed by: status, name, metadata, and whose entities it shows."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from blazon.access import Principal
from blazon.listing.where import Where
from blazon.storage import Dialect, Value

__all__ = ["ListFilter", "StatusFilter", "Visibility", "visibility_filters"]


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
