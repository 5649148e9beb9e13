"""What is in a file or a field of a request: certificates, certificate requests and private keys, in any usual form.

One reader for the API and for the command line. It takes PEM with anything around it, DER and BER, several objects one
after the other, PKCS #7, PKCS #12, and base64 without the lines of PEM. The shape of an object says what it is, not the
label. It does not look into certificates and requests: who reads them does. Anything else is refused by a sentence that
names what it is.
"""

from collections import Counter
from typing import Final

import msgspec

from blazon.errors import Malformed
from blazon.pkix.ber import SEQUENCE, BerError, Element, read_next
from blazon.pkix.foreign import foreign_kind, kind_of_label
from blazon.pkix.keys import EncodedKey, read_pkcs12
from blazon.pkix.kinds import Kind, kind_of
from blazon.pkix.pem import Block, bare_base64, blocks_of, plain_text

__all__ = ["LARGEST", "Contents", "read_contents"]

LARGEST: Final = 256 * 1024
"""Octets of a file that is read."""

_MOST: Final = 64
_SEQUENCE: Final = bytes((SEQUENCE,))
_PADDING: Final = b"\0 \t\r\n"
_PEM: Final = b"-----BEGIN "
_CERTIFICATES: Final = 0xA0
_LABELS: Final = {
    "CERTIFICATE": Kind.CERTIFICATE,
    "X509 CERTIFICATE": Kind.CERTIFICATE,
    "TRUSTED CERTIFICATE": Kind.CERTIFICATE,
    "CERTIFICATE REQUEST": Kind.REQUEST,
    "NEW CERTIFICATE REQUEST": Kind.REQUEST,
    "PRIVATE KEY": Kind.PRIVATE_KEY,
    "RSA PRIVATE KEY": Kind.PRIVATE_KEY,
    "EC PRIVATE KEY": Kind.PRIVATE_KEY,
    "ENCRYPTED PRIVATE KEY": Kind.ENCRYPTED_KEY,
}


class Contents(msgspec.Struct, frozen=True):
    """What was found, each kind in the order of the file, certificates and keys once: DER, or BER as it stood.

    `others` names what is there besides and cannot be used.
    """

    certificates: tuple[bytes, ...] = ()
    requests: tuple[bytes, ...] = ()
    keys: tuple[EncodedKey, ...] = ()
    others: tuple[str, ...] = ()

    def described(self) -> str:
        """What is there, in words: `a private key and 2 certificates`."""
        counted = [
            *_counted(Kind.CERTIFICATE.value, len(self.certificates)),
            *_counted(Kind.REQUEST.value, len(self.requests)),
            *_counted(Kind.PRIVATE_KEY.value, len(self.keys)),
            *Counter(self.others),
        ]
        if len(counted) > 1:
            return ", ".join(counted[:-1]) + " and " + counted[-1]
        return counted[0] if counted else "a file with nothing in it"

    def some_certificates(self) -> tuple[bytes, ...]:
        """The certificates. Raises Malformed when there is none."""
        if not self.certificates:
            raise Malformed(f"this is {self.described()}, not a certificate")
        return self.certificates

    def one_request(self) -> bytes:
        """The only certificate request. Raises Malformed."""
        if not self.requests:
            raise Malformed(f"this is {self.described()}, not a certificate request")
        if len(self.requests) > 1:
            raise Malformed(f"there are {len(self.requests)} certificate requests; give one")
        return self.requests[0]

    def one_key(self) -> EncodedKey:
        """The only private key. Raises Malformed."""
        if not self.keys:
            raise Malformed(f"this is {self.described()}, not a private key")
        if len(self.keys) > 1:
            raise Malformed(f"there are {len(self.keys)} private keys; give one")
        return self.keys[0]


def _counted(name: str, count: int) -> list[str]:
    if count > 1:
        return [f"{count} {name.removeprefix('a ')}s"]
    return [name] * count


def read_contents(data: bytes, password: str | None = None) -> Contents:
    """What is in a file. `password` opens a PKCS #12 file; keys that are encrypted stay so (see `read_key`).

    Raises Malformed: it is empty, larger than LARGEST, damaged, or of another kind. Call it on a thread when it may be
    PKCS #12.
    """
    if len(data) > LARGEST:
        raise Malformed(f"this is larger than {LARGEST} bytes, as no certificate, request or key is")
    found = _Found(password)
    first = _first_element(data)
    if first is None or (kind_of(first) is Kind.UNKNOWN and _PEM in data):
        _read_text(plain_text(data), found)
    else:
        found.add_der(data)
    return found.contents()


def _first_element(data: bytes) -> Element | None:
    if data[:1] != _SEQUENCE:
        return None
    try:
        return read_next(data, 0)
    except BerError:
        return None


def _read_text(data: bytes, found: "_Found") -> None:
    if not data.strip(_PADDING):
        raise Malformed("this is empty")
    blocks = blocks_of(data)
    for block in blocks:
        found.add_block(block)
    if blocks:
        return
    octets = data if data[:1] == _SEQUENCE else bare_base64(data)
    if octets is None or octets[:1] != _SEQUENCE:
        raise Malformed(
            f"this is {foreign_kind(data)}; give a certificate, a certificate request or a key in PEM or DER"
        )
    found.add_der(octets)


class _Found:
    """Collects what is found."""

    def __init__(self, password: str | None) -> None:
        self._password = password
        self._certificates: list[bytes] = []
        self._requests: list[bytes] = []
        self._keys: list[EncodedKey] = []
        self._others: list[str] = []

    def contents(self) -> Contents:
        """All that was found."""
        for kind in (self._certificates, self._requests, self._keys):
            if len(kind) > _MOST:
                raise Malformed(f"there are more than {_MOST} certificates, requests or keys of a kind")
        keys = {key.octets: key for key in self._keys}
        certificates = tuple(dict.fromkeys(self._certificates))
        return Contents(certificates, tuple(self._requests), tuple(keys.values()), tuple(self._others))

    def add_block(self, block: Block) -> None:
        """A PEM block."""
        label = block.label.upper()
        if "DEK-Info" in block.headers:
            self._keys.append(EncodedKey(block.octets, encrypted=True, label=block.label, headers=block.headers))
            return
        other = kind_of_label(label)
        if other:
            self._others.append(other)
            return
        try:
            element = read_next(block.octets, 0)
        except BerError:
            element = Element(SEQUENCE, end=len(block.octets))
        kind = kind_of(element)
        if kind is Kind.UNKNOWN:
            kind = _LABELS.get(label, kind)  # who reads it will say what is wrong with it
        if kind is Kind.UNKNOWN:
            self._others.append(f"a PEM block {block.label}")
            return
        # What follows a trusted certificate is OpenSSL's own: for which purposes it is trusted.
        if label != "TRUSTED CERTIFICATE" and block.octets[element.end :].strip(_PADDING):
            raise Malformed(
                f"the PEM block {block.label} in line {block.line} goes on after {kind}, at octet {element.end}"
            )
        self._add(kind, element, block.octets)

    def add_der(self, data: bytes) -> None:
        """Objects one after the other; zeros and white space may follow, as in a buffer or after an editor."""
        position, kind = 0, Kind.UNKNOWN
        while data[position:].strip(_PADDING):
            try:
                element = read_next(data, position)
            except BerError as error:
                where = f"{kind}, but what follows it is none" if position else "neither PEM nor DER"
                raise Malformed(f"this is {where}: {error}") from None
            following = kind_of(element)
            if position and following is Kind.UNKNOWN:
                raise Malformed(f"this is {kind}, but it goes on with something unknown at octet {position}")
            kind = following
            self._add(kind, element, data)
            position = element.end

    def _add(self, kind: Kind, element: Element, data: bytes) -> None:
        octets = data[element.start : element.end]
        match kind:
            case Kind.CERTIFICATE:
                self._certificates.append(octets)
            case Kind.REQUEST:
                self._requests.append(octets)
            case Kind.PRIVATE_KEY | Kind.ENCRYPTED_KEY:
                self._keys.append(EncodedKey(octets, encrypted=kind is Kind.ENCRYPTED_KEY))
            case Kind.PKCS12:
                certificates, keys = read_pkcs12(octets, self._password)
                self._certificates += certificates
                self._keys += keys
            case Kind.PKCS7:
                bundled = _bundled(element)
                self._certificates += [data[each.start : each.end] for each in bundled]
                if not bundled:
                    self._others.append(f"{kind} without a certificate")
            case _:
                self._others.append(kind.value)


def _bundled(message: Element) -> list[Element]:
    """The certificates of a SignedData (RFC 5652 §5.1)."""
    content = next((part.parts[0] for part in message.parts[1:2] if part.parts), message)
    sets = [part for part in content.parts if part.tag == _CERTIFICATES]
    return [each for found in sets[:1] for each in found.parts if each.tag == SEQUENCE]
