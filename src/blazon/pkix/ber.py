"""Reading BER (X.690 §8) into elements and writing elements as DER: as much of both as X.509 and its kin need.

It takes what DER forbids and BER allows: lengths written long or left open, strings in pieces. It does not know what an
element means, so it leaves contents alone. Depth and number of elements are bounded.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

__all__ = [
    "BIT_STRING",
    "BOOLEAN",
    "ENUMERATED",
    "INTEGER",
    "NULL",
    "OBJECT_IDENTIFIER",
    "OCTET_STRING",
    "SEQUENCE",
    "SET",
    "BerError",
    "Element",
    "context",
    "context_tag",
    "dotted",
    "primitive",
    "read_element",
    "read_next",
    "sequence",
    "whole_integer",
]

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
NULL: Final = 0x05
OBJECT_IDENTIFIER: Final = 0x06
ENUMERATED: Final = 0x0A
SEQUENCE: Final = 0x30
SET: Final = 0x31

_CONSTRUCTED: Final = 0x20
_LONG_TAG: Final = 0x1F
_LONGEST_TAG: Final = 5
_DEEPEST: Final = 48
_MOST: Final = 100_000


class BerError(ValueError):
    """The octets are not BER. The text says why and at which octet, counted from 0."""


class Element(msgspec.Struct, frozen=True):
    """One value with its tag.

    `tag` is the identifier octet, or several of them as one number. A primitive element has `content`, a constructed
    one `parts`. `start` and `end` are where it stood in what was read; both are 0 in an element that was made.
    """

    tag: int
    content: bytes = b""
    parts: tuple["Element", ...] = ()
    start: int = 0
    end: int = 0

    @property
    def constructed(self) -> bool:
        """Whether it is put together of elements."""
        return bool(_first(self.tag) & _CONSTRUCTED)

    def is_like(self, *tags: int) -> bool:
        """Whether it is constructed of parts with these tags, and perhaps more after them."""
        return len(self.parts) >= len(tags) and all(
            part.tag == tag for part, tag in zip(self.parts, tags, strict=False)
        )

    def octets(self) -> bytes:
        """The content of a string; of one in pieces, that of its pieces (X.690 §8.7.3). Not for a BIT STRING."""
        return b"".join(part.octets() for part in self.parts) if self.constructed else self.content

    def encoded(self) -> bytes:
        """As DER, if contents and order are as DER wants them."""
        content = b"".join(part.encoded() for part in self.parts) if self.constructed else self.content
        length = len(content)
        identifier = bytes((self.tag,)) if self.tag < 0x100 else self.tag.to_bytes(_size(self.tag), "big")
        if length < 0x80:
            return identifier + bytes((length,)) + content
        octets = length.to_bytes(_size(length), "big")
        return identifier + bytes((0x80 | len(octets),)) + octets + content

    def walk(self) -> Iterator["Element"]:
        """This element and everything in it, the outer before the inner."""
        yield self
        for part in self.parts:
            yield from part.walk()


def _size(number: int) -> int:
    """How many octets a number takes."""
    return (number.bit_length() + 7) // 8


def _first(tag: int) -> int:
    """The first identifier octet."""
    return tag if tag < 0x100 else tag >> 8 * (_size(tag) - 1)


def sequence(*parts: Element) -> Element:
    """A SEQUENCE of parts."""
    return Element(SEQUENCE, parts=parts)


def context_tag(number: int) -> int:
    """The identifier octet of a constructed element with a context-specific tag."""
    return 0xA0 | number


def context(number: int, *parts: Element) -> Element:
    """A constructed element with a context-specific tag."""
    return Element(context_tag(number), parts=parts)


def primitive(tag: int, content: bytes) -> Element:
    """A primitive element."""
    return Element(tag, content)


def whole_integer(element: Element) -> int:
    """The number of an INTEGER; one without octets is 0."""
    return int.from_bytes(element.content, "big", signed=True)


def dotted(element: Element) -> str:
    """An OBJECT IDENTIFIER in digits and dots; empty when its content is none."""
    content = element.content
    if element.tag != OBJECT_IDENTIFIER or not content or content[-1] & 0x80 or len(content) > 64:
        return ""
    arcs: list[int] = []
    number, fresh = 0, True
    for octet in content:
        if fresh and octet == 0x80:  # padded: two ways to write one identifier
            return ""
        number = number << 7 | octet & 0x7F
        fresh = not octet & 0x80
        if fresh:
            arcs.append(number)
            number = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - first * 40, *arcs[1:])))


def read_element(data: bytes) -> Element:
    """The one element that the octets are. Raises BerError."""
    element = _Reader(data).element(0, len(data), 0)
    if element.end != len(data):
        raise BerError(f"{_octets(len(data) - element.end)} too many follow its end at octet {element.end}")
    return element


def read_next(data: bytes, position: int) -> Element:
    """The element that begins at an octet, whatever follows its end. Raises BerError."""
    return _Reader(data).element(position, len(data), 0)


def _octets(count: int) -> str:
    return "1 octet" if count == 1 else f"{count} octets"


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = _MOST

    def element(self, position: int, limit: int, depth: int) -> Element:
        self._left -= 1
        if self._left < 0 or depth > _DEEPEST:
            raise BerError(f"there are too many elements, or they are nested too deep, at octet {position}")
        tag, length, begin = self._head(position, limit)
        if length is None:
            parts, end = self._until_end(begin, limit, depth)
            return Element(tag, parts=parts, start=position, end=end)
        end = begin + length
        if end > limit:
            raise BerError(f"the element at octet {position} is cut short: it needs {_octets(end - limit)} more")
        if not _first(tag) & _CONSTRUCTED:
            return Element(tag, self._data[begin:end], start=position, end=end)
        inner, at = [], begin
        while at < end:
            inner.append(self.element(at, end, depth + 1))
            at = inner[-1].end
        return Element(tag, parts=tuple(inner), start=position, end=end)

    def _head(self, position: int, limit: int) -> tuple[int, int | None, int]:
        """The tag, the length (None when it is left open), and where the content begins."""
        data = self._data
        if position + 2 > limit:
            raise BerError(f"the octets end where an element should begin, at octet {position}")
        tag, at = data[position], position + 1
        if tag == 0:
            raise BerError(f"an end-of-contents stands where nothing was open, at octet {position}")
        if tag & _LONG_TAG == _LONG_TAG:
            tag, at = self._long_tag(position, limit)
        first = data[at]
        if first < 0x80:
            return tag, first, at + 1
        count = first & 0x7F
        begin = at + 1 + count
        if count == 0:
            if not _first(tag) & _CONSTRUCTED:
                raise BerError(f"a primitive element has no length, at octet {position}")
            return tag, None, begin
        if count == 0x7F or begin > limit:
            raise BerError(f"the length at octet {at} cannot be read")
        return tag, int.from_bytes(data[at + 1 : begin], "big"), begin

    def _long_tag(self, position: int, limit: int) -> tuple[int, int]:
        """A tag of several octets (X.690 §8.1.2.4), and where its length begins."""
        at = position + 1
        while at < limit and self._data[at] & 0x80 and at - position < _LONGEST_TAG:
            at += 1
        if at + 1 >= limit or self._data[at] & 0x80:
            raise BerError(f"the tag at octet {position} cannot be read")
        return int.from_bytes(self._data[position : at + 1], "big"), at + 1

    def _until_end(self, position: int, limit: int, depth: int) -> tuple[tuple[Element, ...], int]:
        inner = []
        while self._data[position : position + 2] != b"\0\0":
            inner.append(self.element(position, limit, depth + 1))
            position = inner[-1].end
        if position + 2 > limit:
            raise BerError(f"the end-of-contents at octet {position} is outside of what it should end")
        return tuple(inner), position + 2
