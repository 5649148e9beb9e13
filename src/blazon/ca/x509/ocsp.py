"""OCSP (RFC 6960): requests taken apart, answers put together and signed.

An answer speaks of serial numbers, so no certificate needs loading. Several certificates may be asked for at once.
"""

import base64
import binascii
from collections.abc import Sequence
from enum import IntEnum
from typing import Annotated, Final, Literal
from urllib.parse import unquote_to_bytes

import msgspec
from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.serialization import Encoding

from blazon.ca.x509.algorithms import algorithm_identifier, key_hash_of, sign_bytes
from blazon.ca.x509.der import (
    ENUMERATED,
    SEQUENCE,
    bit_string,
    explicit,
    generalized_time,
    object_identifier,
    octets,
    sequence,
    tlv,
)
from blazon.ca.x509.issuer import Issuer
from blazon.ca.x509.revocation import Reason
from blazon.engines import PrivateKey, PublicKey
from blazon.errors import Malformed
from blazon.pkix import Certificate

__all__ = [
    "CertId",
    "CertState",
    "CertStatus",
    "OcspError",
    "OcspRequest",
    "Responder",
    "decode_ocsp_path",
    "ocsp_error",
    "read_ocsp_request",
    "sign_ocsp",
]

_LARGEST: Final = 16 * 1024
_MOST_CERTIFICATES: Final = 64
_LONGEST_NONCE: Final = 128
_NONCE: Final = "1.3.6.1.5.5.7.48.1.2"
_ACCEPTABLE_RESPONSES: Final = "1.3.6.1.5.5.7.48.1.4"
_BASIC: Final = object_identifier("1.3.6.1.5.5.7.48.1.1")
_HASH_NAMES: Final = {
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}


class OcspError(IntEnum):
    """Answers that are no answer (RFC 6960 §4.2.1); they are not signed."""

    MALFORMED_REQUEST = 1
    INTERNAL_ERROR = 2
    TRY_LATER = 3
    UNAUTHORIZED = 6


class CertState(IntEnum):
    """What is known of a certificate (RFC 6960 §2.2)."""

    GOOD = 0
    REVOKED = 1
    UNKNOWN = 2


class CertId(msgspec.Struct, frozen=True):
    """A certificate as a request names it. `issuer` is one of `Issuer.cert_id_keys` when we know the CA.

    `der` is how it was written, and is written so in the answer.
    """

    issuer: tuple[str, bytes, bytes]
    serial: int
    der: bytes


class OcspRequest(msgspec.Struct, frozen=True):
    """What is asked: one to 64 certificates. `nonce` is to be sent back; None when there was none."""

    cert_ids: tuple[CertId, ...]
    nonce: bytes | None


class CertStatus(msgspec.Struct, frozen=True):
    """The answer for one certificate. Times are Unix seconds; the last two are for REVOKED."""

    cert_id: CertId
    state: CertState
    this_update: int
    next_update: int
    revoked_at: int = 0
    reason: Reason = Reason.UNSPECIFIED


class Responder(msgspec.Struct, frozen=True, eq=False):
    """Who signs answers: the CA itself, or a key the CA has delegated it to. Make it once with `Responder.of`.

    `key_hash` is the SHA-1 of its public key; `certificates` is that of a delegated key as an answer carries it.
    """

    private_key: PrivateKey
    public_key: PublicKey
    key_hash: bytes
    certificates: bytes

    @classmethod
    def of(cls, issuer: Issuer, private_key: PrivateKey, certificate: Certificate | None = None) -> "Responder":
        """A responder for a CA. `certificate` is that of a delegated key and travels in each answer."""
        if certificate is None:
            return cls(private_key, issuer.public_key, key_hash_of(issuer.public_key), b"")
        public_key = certificate.public_key()
        assert isinstance(public_key, PublicKey)
        certificates = explicit(0, sequence(certificate.public_bytes(Encoding.DER)))
        return cls(private_key, public_key, key_hash_of(public_key), certificates)


def decode_ocsp_path(text: str) -> bytes:
    """The request in the path of a GET (RFC 6960 appendix A.1): base64, then URL-encoded. Raises Malformed.

    Taken too: a slash before it, blanks where a proxy decoded `+` once too often, missing padding.
    """
    encoded = unquote_to_bytes(text).removeprefix(b"/").replace(b" ", b"+")
    try:
        return base64.b64decode(encoded + b"=" * (-len(encoded) % 4), validate=True)
    except binascii.Error:
        raise Malformed("the OCSP request in the path is not base64") from None


def read_ocsp_request(der: bytes) -> OcspRequest:
    """A request, strictly DER with nothing after it. A signature of the requestor is read and not looked at.

    An extension that is critical and not known here makes it malformed, of the whole request and of one certificate
    alike (RFC 6960 §4.4). Raises Malformed, for which `ocsp_error(OcspError.MALFORMED_REQUEST)` is the answer.
    """
    if len(der) > _LARGEST:
        raise Malformed(f"the OCSP request is larger than {_LARGEST} bytes")
    try:
        request = asn1.decode_der(_Request, der).tbs_request
        cert_ids = tuple(_cert_id(each.req_cert) for each in request.request_list)
        for single in request.request_list:
            _check_known(single.single_request_extensions or (), frozenset())
        extensions = request.request_extensions or ()
        _check_known(extensions, _KNOWN)
        nonce = _nonce(extensions)
    except (ValueError, OverflowError) as error:
        raise Malformed(f"the OCSP request is not as RFC 6960 has it: {str(error)[:200]}") from None
    if request.version != 0 or not 1 <= len(cert_ids) <= _MOST_CERTIFICATES:
        raise Malformed(f"an OCSP request is of version 1 and asks for 1 to {_MOST_CERTIFICATES} certificates")
    return OcspRequest(cert_ids, nonce)


def _cert_id(found: asn1.TLV) -> CertId:
    cert_id = found.parse(_CertId)
    oid = cert_id.hash_algorithm.algorithm.dotted_string
    issuer = (_HASH_NAMES.get(oid, oid), cert_id.issuer_name_hash, cert_id.issuer_key_hash)
    return CertId(issuer, cert_id.serial_number, tlv(SEQUENCE, bytes(found.data)))


_KNOWN: Final = frozenset((_NONCE, _ACCEPTABLE_RESPONSES))
"""The extensions of a request that are known. A client that names acceptable responses takes basic ones (§4.4.3)."""


def _check_known(extensions: Sequence["_Extension"], known: frozenset[str]) -> None:
    for each in extensions:
        oid = each.extn_id.dotted_string
        if each.critical and oid not in known:
            raise ValueError(f"the extension {oid} is critical and not known here")


def _nonce(extensions: Sequence["_Extension"]) -> bytes | None:
    found = [each for each in extensions if each.extn_id.dotted_string == _NONCE]
    if not found:
        return None
    if len(found) > 1:
        raise ValueError("two nonces")
    nonce = asn1.decode_der(bytes, found[0].extn_value)
    if not 1 <= len(nonce) <= _LONGEST_NONCE:  # RFC 9654 §2.1
        raise ValueError(f"a nonce has 1 to {_LONGEST_NONCE} octets")
    return nonce


def ocsp_error(error: OcspError) -> bytes:
    """An answer that is none, as DER."""
    return sequence(tlv(ENUMERATED, bytes((error,))))


def sign_ocsp(
    responder: Responder, statuses: Sequence[CertStatus], *, produced_at: int, nonce: bytes | None = None
) -> bytes:
    """A signed answer, as DER, for one or more certificates. `produced_at` is in Unix seconds.

    Without a nonce it may be kept and sent until the first of its next updates. Blocks as the key does. Raises
    EngineUnavailable.
    """
    signed = sequence(
        explicit(2, octets(responder.key_hash)),  # responderID byKey
        generalized_time(produced_at),
        sequence(*map(_single, statuses)),
        b"" if nonce is None else explicit(1, sequence(sequence(object_identifier(_NONCE), octets(octets(nonce))))),
    )
    signature = sign_bytes(responder.private_key, responder.public_key, signed)
    algorithm = algorithm_identifier(responder.public_key)
    basic = sequence(signed, algorithm, bit_string(signature), responder.certificates)
    return sequence(tlv(ENUMERATED, b"\x00"), explicit(0, sequence(_BASIC, octets(basic))))


def _single(status: CertStatus) -> bytes:
    return sequence(
        status.cert_id.der,
        _state(status),
        generalized_time(status.this_update),
        explicit(0, generalized_time(status.next_update)),
    )


def _state(status: CertStatus) -> bytes:
    if status.state is not CertState.REVOKED:
        return tlv(0x80 | status.state, b"")
    # RFC 5280 §5.3.1: no reason rather than unspecified.
    unspecified = status.reason is Reason.UNSPECIFIED
    reason = b"" if unspecified else explicit(0, tlv(ENUMERATED, bytes((status.reason.code,))))
    return explicit(1, generalized_time(status.revoked_at) + reason)


@asn1.sequence
class _Algorithm:
    """AlgorithmIdentifier of a hash: without parameters, or with NULL (RFC 6960 §4.1.1)."""

    algorithm: x509.ObjectIdentifier
    parameters: asn1.Null | None


@asn1.sequence
class _CertId:
    """CertID."""

    hash_algorithm: _Algorithm
    issuer_name_hash: bytes
    issuer_key_hash: bytes
    serial_number: int


@asn1.sequence
class _Extension:
    """Extension (RFC 5280 §4.1). That it is not critical may be written out, which DER forbids and clients do."""

    extn_id: x509.ObjectIdentifier
    critical: bool | None
    extn_value: bytes


@asn1.sequence
class _Single:
    """Request: one certificate."""

    req_cert: asn1.TLV
    single_request_extensions: Annotated[list[_Extension] | None, asn1.Explicit(0)]


_Name = (
    Annotated[asn1.Variant[asn1.IA5String, Literal["rfc822Name"]], asn1.Implicit(1)]
    | Annotated[asn1.Variant[asn1.IA5String, Literal["dNSName"]], asn1.Implicit(2)]
    | Annotated[asn1.Variant[asn1.TLV, Literal["directoryName"]], asn1.Explicit(4)]
    | Annotated[asn1.Variant[asn1.IA5String, Literal["uniformResourceIdentifier"]], asn1.Implicit(6)]
    | Annotated[asn1.Variant[bytes, Literal["iPAddress"]], asn1.Implicit(7)]
)
"""GeneralName, as far as a requestor may call itself so."""


@asn1.sequence
class _TbsRequest:
    """TBSRequest."""

    version: Annotated[int, asn1.Explicit(0), asn1.Default(0)]
    requestor_name: Annotated[_Name | None, asn1.Explicit(1)]
    request_list: list[_Single]
    request_extensions: Annotated[list[_Extension] | None, asn1.Explicit(2)]


@asn1.sequence
class _Signature:
    """Signature of the requestor."""

    signature_algorithm: asn1.TLV
    signature: asn1.BitString
    certs: Annotated[list[asn1.TLV] | None, asn1.Explicit(0)]


@asn1.sequence
class _Request:
    """OCSPRequest (RFC 6960 §4.1.1)."""

    tbs_request: _TbsRequest
    optional_signature: Annotated[_Signature | None, asn1.Explicit(0)]
