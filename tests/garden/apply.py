"""Events → tables."""

from collections.abc import Iterable
from typing import Final

from blazon.log import Apply, Record
from blazon.storage import Statement
from tests.garden.events import PLANTED, WATERED, Planted, Watered

__all__ = ["APPLIERS"]


def _plant(record: Record, data: Planted) -> Iterable[Statement]:
    yield Statement("INSERT INTO plants (id, watered, revision) VALUES (?, 0, ?)", (data.id, record.sequence))


def _water(record: Record, data: Watered) -> Iterable[Statement]:
    yield Statement(
        "UPDATE plants SET watered = ?, revision = ? WHERE id = ?", (data.watered, record.sequence, data.id)
    )


APPLIERS: Final[dict[tuple[str, str], Apply]] = {
    ("garden", PLANTED.name): _plant,
    ("garden", WATERED.name): _water,
}
