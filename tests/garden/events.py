"""What can happen in this room."""

from typing import Final

from msgspec import Struct

from blazon.log import Service

__all__ = ["PLANTED", "TYPES", "WATERED", "Planted", "Watered"]

_SERVICE: Final = Service("garden")


class Planted(Struct, frozen=True):
    """A plant was planted."""

    id: str


class Watered(Struct, frozen=True):
    """A plant was watered, so often by now."""

    id: str
    watered: int


PLANTED: Final = _SERVICE.fact("plant.create", Planted, lambda _, data: {"id": data.id})
WATERED: Final = _SERVICE.fact("plant.water", Watered, lambda _, data: {"id": data.id, "watered": data.watered})
TYPES: Final = (PLANTED, WATERED)
