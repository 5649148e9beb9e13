"""What is recorded of a list that was read, and what the wires show of that."""

from collections.abc import Mapping

import msgspec

from blazon.log import Fields, Record

__all__ = ["Listed", "listed", "listed_fields"]


class Listed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A list was read: its size, the page, and the filters that were used, by their wire names.

    `hidden` names the filters whose values are not recorded.
    """

    total: int
    offset: int
    limit: int
    filters: dict[str, str] = {}
    hidden: tuple[str, ...] = ()


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


def listed_fields(_: Record, data: Listed) -> Fields:
    """What the wires show of a list that was read."""
    page = {"total": data.total, "offset": data.offset, "limit": data.limit}
    return {**page, **data.filters, "hidden_filters": data.hidden}
