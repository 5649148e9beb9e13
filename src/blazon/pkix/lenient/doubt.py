"""How reading kindly ends: where the meaning is in doubt, by a sentence that names the place."""

from typing import NoReturn

from blazon.errors import Malformed
from blazon.pkix.ber import Element

__all__ = ["expect", "refuse"]


def refuse(place: str, reason: str, element: Element | None = None) -> NoReturn:
    """Raises Malformed: `the subject's common name: it is not text (octet 27)`."""
    where = f" (octet {element.start})" if element is not None and element.end else ""
    raise Malformed(f"{place}: {reason}{where}")


def expect(element: Element, tag: int, place: str, what: str) -> Element:
    """The element, if it has this tag. Raises Malformed."""
    if element.tag != tag:
        refuse(place, f"{what} should stand here", element)
    return element
