"""PEM as people have it: blocks with anything around them (RFC 7468 §2, §5.2), and what editors and forms did to them.

Taken besides the strict form: text before, between and after blocks; lines of any length, indented lines, a block on
one line, line feeds written as a backslash and an n, padding left out; UTF-8 with a byte order mark, and UTF-16.
Refused are a block without its end, one inside another, and what is not base64; the sentence names the line.
"""

import base64
import binascii
import codecs
import re
from typing import Final

import msgspec

from blazon.errors import Malformed

__all__ = ["Block", "bare_base64", "blocks_of", "only_block", "plain_text"]

_BEGIN: Final = re.compile(rb"-----BEGIN ([A-Za-z0-9][A-Za-z0-9 .#/]{0,62})-----")
_HEADER: Final = re.compile(rb"\s*([A-Za-z][A-Za-z0-9-]*):[ \t]*([^\r\n]*(?:\r?\n[ \t]+[^\r\n]*)*)\r?\n")
_SPACE: Final = b" \t\r\n\v\f"
_ALPHABET: Final = re.compile(rb"[A-Za-z0-9+/]*={0,2}")
_NEARLY: Final = re.compile(r"BEGIN ([A-Z0-9 ]{0,40}(?:CERTIFICATE|REQUEST|KEY|PKCS ?#?7|CMS))\b")
_UTF_16: Final = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_MOST_BLOCKS: Final = 256
_MOST_HEADERS: Final = 16
_HYPHENS: Final = "-----BEGIN"


class Block(msgspec.Struct, frozen=True):
    """A PEM block: its label, its headers (RFC 1421 §4.4), its octets, and in which line it begins, counted from 1."""

    label: str
    octets: bytes
    headers: dict[str, str]
    line: int

    def __repr__(self) -> str:
        return f"Block({self.label!r}, line={self.line})"  # its octets may be a key


def plain_text(data: bytes) -> bytes:
    """The data without a byte order mark, and as UTF-8 when it was UTF-16. Raises Malformed."""
    marked = [name for mark, name in _UTF_16 if data.startswith(mark)]
    # Without a mark, hyphens tell; each character takes two octets, so one that is whole begins at an even place.
    for name in marked or [name for _, name in _UTF_16 if data.find(_HYPHENS.encode(name)) % 2 == 0]:
        try:
            return data.decode(name).removeprefix("\ufeff").encode()
        except UnicodeError:
            raise Malformed("this is text in UTF-16, and it is damaged; save it as UTF-8") from None
    return data.removeprefix(codecs.BOM_UTF8)


def blocks_of(data: bytes) -> list[Block]:
    """Every PEM block, in order; none when there is none. Raises Malformed."""
    found: list[Block] = []
    position = 0
    while (begin := _BEGIN.search(data, position)) is not None:
        end_line = b"-----END " + begin[1] + b"-----"
        end = data.find(end_line, begin.end())
        if len(found) == _MOST_BLOCKS:
            raise Malformed(f"there are more than {_MOST_BLOCKS} PEM blocks")
        label, line = begin[1].decode(), data.count(b"\n", 0, begin.start()) + 1
        if end < 0 or _BEGIN.search(data, begin.end(), end) is not None:
            raise Malformed(
                f"the PEM block {label} in line {line} has no line -----END {label}-----; was the file cut off?"
            )
        found.append(_block(label, data[begin.end() : end], line))
        position = end + len(end_line)
    if not found and (nearly := _NEARLY.search(data[:4096].decode(errors="replace"))):
        raise Malformed(
            f"the line BEGIN {nearly[1]} does not have five hyphens on each side, as PEM wants; did a word processor"
            " change them?"
        )
    return found


def only_block(data: bytes) -> Block | None:
    """The block of a text that has one; None when there is none, several or a broken one.

    It is the short way for who reads thousands in a second, and asks `read_contents` where this is not enough.
    """
    try:
        found = blocks_of(data)
    except Malformed:
        return None
    return found[0] if len(found) == 1 else None


def _block(label: str, body: bytes, line: int) -> Block:
    if b"\\" in body:
        body = body.replace(b"\\r", b"").replace(b"\\n", b"\n")
    headers: dict[str, str] = {}
    while len(headers) < _MOST_HEADERS and b":" in body and (header := _HEADER.match(body)) is not None:
        headers[header[1].decode()] = " ".join(header[2].decode(errors="replace").split())
        body = body[header.end() :]
    octets = _decoded(body.translate(None, _SPACE))
    if octets is None:
        raise Malformed(f"the PEM block {label} in line {line} is not base64{_place(body, line)}")
    return Block(label, octets, headers, line)


def _place(body: bytes, line: int) -> str:
    """Which line of a body is the first that is not base64, as words to append."""
    for number, text in enumerate(body.split(b"\n")):
        if not _ALPHABET.fullmatch(text.translate(None, _SPACE)):
            return f": line {line + number} holds something else"
    return ": characters are missing, or there are too many"


def _decoded(text: bytes) -> bytes | None:
    """The octets of base64, also without its padding; None when it is none."""
    if not _ALPHABET.fullmatch(text):
        return None
    text = text.rstrip(b"=")
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        return None


def bare_base64(data: bytes) -> bytes | None:
    """The octets of base64 that stands alone, without the lines of PEM; None when it is anything else."""
    return _decoded(data.translate(None, _SPACE))
