"""The body of errors, as clients of this room read it (decision C2)."""

from typing import Final, Self

from msgspec import Struct

from blazon.errors import BlazonError
from blazon.web import IncompleteBody

__all__ = ["PkiFailure"]

_INCOMPLETE: Final = "struct validation error"
"""The text by which clients recognise that a body lacks a field (fact sheet §2c.1)."""


class PkiFailure(Struct, frozen=True, omit_defaults=True):
    """What went wrong: `err` in the words that clients compare, if there are such, and `detail` the rest."""

    err: str
    detail: str = ""

    @classmethod
    def of(cls, error: BlazonError) -> Self:
        """The body for an error. Clients compare `err` with the texts they know, so it holds nothing else (C16)."""
        if isinstance(error, IncompleteBody):
            return cls(_INCOMPLETE, error.text)
        return cls(error.reason or error.title, error.detail)
