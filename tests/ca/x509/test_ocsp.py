"""OCSP messages: read as RFC 6960 has them or malformed; answers say what they were told."""

import base64
import hashlib
import os
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from hypothesis import example, given
from hypothesis import strategies as st

from blazon.ca.x509 import (
    CertId,
    CertState,
    CertStatus,
    Issuer,
    OcspError,
    Reason,
    Responder,
    decode_ocsp_path,
    draft_responder,
    new_serial,
    ocsp_error,
    read_ocsp_request,
    sign_draft,
    sign_ocsp,
)
from blazon.ca.x509.der import explicit, integer, object_identifier, octets, sequence, tlv
from blazon.errors import Malformed
from tests.ca.support import outside_ca
from tests.ca.x509.asking import cert_id, request
from tests.ca.x509.support import DAY, NOW, key, software

MADE = software()
LEAF = MADE.leaf()
ISSUER = MADE.sub.certificate
REQUEST = request(LEAF, ISSUER)
CERT_ID = cert_id(LEAF, ISSUER)
NONCE_OID = object_identifier("1.3.6.1.5.5.7.48.1.2")


def _request(*parts: bytes, extensions: bytes = b"", signature: bytes = b"") -> bytes:
    return sequence(sequence(*parts, extensions and explicit(2, sequence(extensions))), signature)


def _nonce(value: bytes) -> bytes:
    return sequence(NONCE_OID, octets(value))


ONE = sequence(sequence(CERT_ID.der))


@pytest.mark.parametrize("hashed", [SHA1(), SHA256(), SHA384(), SHA512()], ids=lambda each: each.name)
def test_a_request_names_its_ca_by_any_hash(hashed: HashAlgorithm) -> None:
    found = read_ocsp_request(request(LEAF, ISSUER, hashed))
    assert found.nonce is None
    (asked,) = found.cert_ids
    assert asked.serial == LEAF.serial_number
    assert asked.issuer in MADE.sub.cert_id_keys()
    assert asked.issuer[0] == hashed.name
    assert asked.issuer not in MADE.root.cert_id_keys()


def test_a_hash_nobody_uses_is_no_ca_of_ours_and_no_error() -> None:
    odd = sequence(sequence(object_identifier("1.2.3.4")), octets(b"x" * 16), octets(b"y" * 16), integer(-5))
    (asked,) = read_ocsp_request(_request(sequence(sequence(odd)))).cert_ids
    assert asked == CertId(("1.2.3.4", b"x" * 16, b"y" * 16), -5, odd)
    assert asked.issuer not in MADE.sub.cert_id_keys()


@pytest.mark.parametrize("length", [1, 16, 32, 128])
def test_a_nonce_is_given_back(length: int) -> None:
    nonce = os.urandom(length)
    asked = read_ocsp_request(request(LEAF, ISSUER, nonce=nonce))
    assert asked.nonce == nonce
    status = CertStatus(asked.cert_ids[0], CertState.GOOD, NOW, NOW + DAY)
    answer = sign_ocsp(Responder.of(MADE.sub, MADE.sub_key), [status], produced_at=NOW, nonce=asked.nonce)
    read = ocsp.load_der_ocsp_response(answer)
    assert read.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == nonce


def test_a_request_may_name_its_sender_be_signed_and_ask_for_more() -> None:
    name = explicit(1, explicit(4, ISSUER.subject.public_bytes()))
    crl_refs = explicit(0, sequence(sequence(object_identifier("1.3.6.1.5.5.7.48.1.7"), octets(b"\x30\x00"))))
    signature = explicit(
        0,
        sequence(
            sequence(object_identifier("1.2.840.10045.4.3.2")),
            tlv(3, b"\0sig"),
            explicit(0, sequence(ISSUER.public_bytes(Encoding.DER))),
        ),
    )
    both = sequence(sequence(CERT_ID.der, crl_refs), sequence(CERT_ID.der))
    unknown = sequence(object_identifier("1.2.3"), octets(b"any"))
    found = read_ocsp_request(_request(name, both, extensions=unknown + _nonce(octets(b"n")), signature=signature))
    assert found.cert_ids == (CERT_ID, CERT_ID)
    assert found.nonce == b"n"
    for kind, value in ((1, b"a@b.c"), (2, b"b.c"), (6, b"https://b.c"), (7, b"\x0a\0\0\1")):
        assert read_ocsp_request(_request(explicit(1, tlv(0x80 | kind, value)), ONE)).cert_ids == (CERT_ID,)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x30\x00",
        REQUEST + b"\0",
        REQUEST[:-1],
        b"\x30\x80" + REQUEST[2:] + b"\0\0",
        _request(sequence()),
        _request(sequence(*[sequence(CERT_ID.der)] * 65)),
        _request(explicit(0, integer(1)), ONE),
        _request(explicit(0, integer(0)), ONE),
        _request(ONE, extensions=_nonce(octets(b""))),
        _request(ONE, extensions=_nonce(octets(b"x" * 129))),
        _request(ONE, extensions=_nonce(b"bare")),
        _request(ONE, extensions=_nonce(octets(b"a")) + _nonce(octets(b"b"))),
        _request(sequence(sequence(sequence(b"")))),
        _request(sequence(sequence(octets(b"no CertID")))),
        b"\x30" * 5000,
        b"\0" * 20_000,
        b"GET / HTTP/1.1",
    ],
    ids=range(18),
)
def test_a_request_that_is_none_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed, match="OCSP request"):
        read_ocsp_request(data)


def _extension(oid: str, critical: bool | None, value: bytes = b"any") -> bytes:
    """`critical` None leaves the default out, as DER wants; False writes it all the same."""
    flag = b"" if critical is None else tlv(1, b"\xff" if critical else b"\0")
    return sequence(object_identifier(oid), flag, octets(value))


@pytest.mark.parametrize("oid", ["1.3.6.1.4.1.99999.5", "1.3.6.1.5.5.7.48.1.7", "1.3.6.1.5.5.7.48.1.8"])
@pytest.mark.parametrize("critical", [None, False, True])
def test_an_unknown_extension_is_passed_over_unless_it_is_critical(oid: str, critical: bool | None) -> None:
    """Of the whole request, of one certificate, and of the second of two."""
    extension = _extension(oid, critical)
    single = sequence(CERT_ID.der, explicit(0, sequence(extension)))
    nonce = _nonce(octets(b"n"))
    asked = [
        _request(ONE, extensions=extension),
        _request(ONE, extensions=nonce + extension),
        _request(sequence(single)),
        _request(sequence(sequence(CERT_ID.der), single)),
    ]
    for der in asked:
        if critical:
            with pytest.raises(Malformed, match=f"{oid} is critical"):
                read_ocsp_request(der)
        else:
            assert CERT_ID in read_ocsp_request(der).cert_ids


@pytest.mark.parametrize("critical", [None, False, True])
def test_a_known_extension_may_be_critical(critical: bool | None) -> None:
    nonce = _extension("1.3.6.1.5.5.7.48.1.2", critical, octets(b"n"))
    basic = sequence(object_identifier("1.3.6.1.5.5.7.48.1.1"))
    acceptable = _extension("1.3.6.1.5.5.7.48.1.4", critical, basic)
    assert read_ocsp_request(_request(ONE, extensions=acceptable + nonce)).nonce == b"n"


def test_as_many_as_64_may_be_asked_for() -> None:
    assert len(read_ocsp_request(_request(sequence(*[sequence(CERT_ID.der)] * 64))).cert_ids) == 64


@given(st.binary(max_size=200))
@example(REQUEST)
def test_bytes_are_a_request_or_malformed(data: bytes) -> None:
    try:
        assert read_ocsp_request(data).cert_ids
    except Malformed:
        assert data != REQUEST


@given(st.integers(0, len(REQUEST) - 1), st.integers(0, 255))
def test_a_changed_request_is_read_as_cryptography_does_or_malformed(position: int, octet: int) -> None:
    changed = bytearray(REQUEST)
    changed[position] = octet
    try:
        found = read_ocsp_request(bytes(changed))
    except Malformed:
        return
    other = ocsp.load_der_ocsp_request(bytes(changed))
    assert [each.serial for each in found.cert_ids] == [other.serial_number]
    assert found.cert_ids[0].issuer[1:] == (other.issuer_name_hash, other.issuer_key_hash)


@given(st.binary(min_size=1, max_size=100).map(lambda rest: b"\x30" + rest))  # a request is a SEQUENCE
def test_a_path_is_decoded_as_clients_and_proxies_write_it(data: bytes) -> None:
    plain = base64.b64encode(data).decode()
    for text in (plain, quote(plain, safe=""), "/" + plain, plain.replace("+", " "), plain.rstrip("=")):
        assert decode_ocsp_path(text) == data


@pytest.mark.parametrize("text", ["*", "AAA*", "A", "%zz", "é", "AA==A"])
def test_a_path_that_is_no_base64_is_malformed(text: str) -> None:
    with pytest.raises(Malformed, match="not base64"):
        decode_ocsp_path(text)


@pytest.mark.parametrize("reason", [None, *Reason])
@pytest.mark.parametrize("state", CertState)
def test_an_answer_says_what_it_was_told(state: CertState, reason: Reason | None) -> None:
    revoked_at = NOW - 5 * DAY
    status = CertStatus(CERT_ID, state, NOW, NOW + DAY, revoked_at, reason or Reason.UNSPECIFIED)
    read = ocsp.load_der_ocsp_response(sign_ocsp(Responder.of(MADE.sub, MADE.sub_key), [status], produced_at=NOW + 3))
    assert read.response_status is ocsp.OCSPResponseStatus.SUCCESSFUL
    assert read.certificate_status.name == state.name
    assert read.serial_number == LEAF.serial_number
    assert read.produced_at_utc == datetime.fromtimestamp(NOW + 3, UTC)
    assert read.this_update_utc == datetime.fromtimestamp(NOW, UTC)
    assert read.next_update_utc == datetime.fromtimestamp(NOW + DAY, UTC)
    assert read.responder_key_hash == MADE.sub.key_id
    if state is CertState.REVOKED:
        assert read.revocation_time_utc == datetime.fromtimestamp(revoked_at, UTC)
        names = {"CACompromise": "ca_compromise", "AACompromise": "aa_compromise", "RemoveFromCRL": "remove_from_crl"}
        if reason in (None, Reason.UNSPECIFIED):
            assert read.revocation_reason is None
        else:
            assert read.revocation_reason is not None
            found = read.revocation_reason.name
            assert found == names.get(reason.value, found)
            assert found.replace("_", "") == reason.value.lower()
    else:
        assert read.revocation_time_utc is None


def test_a_delegated_responder_shows_its_certificate() -> None:
    draft = draft_responder(MADE.sub, key().public_key(), serial=new_serial(), now=NOW, valid_to=NOW + DAY)
    certificate = sign_draft(draft, MADE.sub_key)
    status = CertStatus(CERT_ID, CertState.GOOD, NOW, NOW + DAY)
    read = ocsp.load_der_ocsp_response(
        sign_ocsp(Responder.of(MADE.sub, key(), certificate), [status, status], produced_at=NOW)
    )
    assert read.certificates == [certificate]
    assert read.responder_key_hash == draft.find(x509.SubjectKeyIdentifier).digest
    assert len(list(read.responses)) == 2
    public_key = key().public_key()
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    public_key.verify(read.signature, read.tbs_response_bytes, ec.ECDSA(SHA256()))


@pytest.mark.parametrize("identifier", [bytes(range(1, 21)), b"\x01", hashlib.sha256(b"key").digest()], ids=len)
def test_a_signer_is_named_by_its_key_whatever_its_key_identifier(identifier: bytes) -> None:
    """RFC 6960 §4.2.1: KeyHash is the SHA-1 of the public key; a subject key identifier may be anything."""
    certificate, private_key = outside_ca(key_id=identifier)
    issuer = Issuer.of(certificate)
    assert issuer.key_id == identifier
    begins = issuer.valid_from
    draft = draft_responder(issuer, key().public_key(), serial=new_serial(), now=begins, valid_to=begins + DAY)
    for responder, public_key in (
        (Responder.of(issuer, private_key), issuer.public_key),
        (Responder.of(issuer, key(), sign_draft(draft, private_key)), key().public_key()),
    ):
        status = CertStatus(CERT_ID, CertState.GOOD, NOW, NOW + DAY)
        read = ocsp.load_der_ocsp_response(sign_ocsp(responder, [status], produced_at=NOW))
        assert read.responder_key_hash == x509.SubjectKeyIdentifier.from_public_key(public_key).digest


@pytest.mark.parametrize("error", OcspError)
def test_errors_are_answers_without_a_signature(error: OcspError) -> None:
    read = ocsp.load_der_ocsp_response(ocsp_error(error))
    assert read.response_status.name == error.name
