"""The nouns of the room."""

from typing import Final

from msgspec import Struct

from blazon.log import SubjectKind

__all__ = ["PLANT", "Plant"]

PLANT: Final = SubjectKind("plant", "plants")


class Plant(Struct, frozen=True):
    """A plant, and how often it was watered."""

    id: str
    watered: int
    revision: int
