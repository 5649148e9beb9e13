"""CRLs: read back as they were meant, whatever is in them."""

from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat import asn1
from hypothesis import example, given
from hypothesis import strategies as st

from blazon.ca.x509 import NO_END, Reason, build_crl, crl_entry
from blazon.ca.x509.der import integer, object_identifier, tlv
from tests.ca.x509.support import DAY, NOW, software

_MADE = software()


def _crl(entries: list[bytes], number: int = 1, **more: object) -> x509.CertificateRevocationList:
    update = {"number": number, "this_update": NOW, "next_update": NOW + DAY} | more
    der = build_crl(_MADE.sub, _MADE.sub_key, entries=entries, **update)  # type: ignore[arg-type]
    return x509.load_der_x509_crl(der)


_entries = st.lists(
    st.tuples(st.integers(1, 2**159 - 1), st.integers(0, NO_END), st.sampled_from(Reason)),
    max_size=20,
    unique_by=lambda entry: entry[0],
)


@given(_entries, st.integers(0, 2**159 - 1))
@example([(0x7F, 2_524_607_999, Reason.UNSPECIFIED), (0x80, 2_524_608_000, Reason.KEY_COMPROMISE)], 0x80)
def test_what_is_put_in_comes_out(entries: list[tuple[int, int, Reason]], number: int) -> None:
    crl = _crl([crl_entry(*entry) for entry in entries], number)
    assert crl.is_signature_valid(_MADE.sub.certificate.public_key())  # type: ignore[arg-type]
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == number
    assert [(each.serial_number, each.revocation_date_utc) for each in crl] == [
        (serial, datetime.fromtimestamp(at, UTC)) for serial, at, _ in entries
    ]
    for each, (_, _, reason) in zip(crl, entries, strict=True):
        if reason is Reason.UNSPECIFIED:
            assert not list(each.extensions)
        else:
            found = each.extensions.get_extension_for_class(x509.CRLReason).value.reason
            assert found.name.replace("_", "") == reason.value.lower()


def test_a_list_says_whose_it_is_and_is_for_every_certificate_of_its_issuer() -> None:
    crl = _crl([])
    assert len(crl) == 0
    assert crl.issuer == _MADE.sub.name
    assert crl.last_update_utc == datetime.fromtimestamp(NOW, UTC)
    assert crl.next_update_utc == datetime.fromtimestamp(NOW + DAY, UTC)
    authority = crl.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    assert (authority.critical, authority.value.key_identifier) == (False, _MADE.sub.key_id)
    assert {each.oid for each in crl.extensions} == {x509.CRLNumber.oid, x509.AuthorityKeyIdentifier.oid}
    assert not any(each.critical for each in crl.extensions)


def test_a_delta_names_its_base() -> None:
    delta = _crl([crl_entry(5, NOW, Reason.REMOVE_FROM_CRL)], number=8, base_number=7)
    indicator = delta.extensions.get_extension_for_class(x509.DeltaCRLIndicator)
    assert (indicator.critical, indicator.value.crl_number) == (True, 7)


def test_a_list_of_a_hundred_thousand_is_found_in() -> None:
    crl = _crl([crl_entry(serial, NOW, Reason.SUPERSEDED) for serial in range(1, 100_001)])
    assert len(crl) == 100_000
    found = crl.get_revoked_certificate_by_serial_number(77_777)
    assert found is not None
    assert found.revocation_date_utc == datetime.fromtimestamp(NOW, UTC)
    assert crl.get_revoked_certificate_by_serial_number(100_001) is None


@pytest.mark.parametrize("number", [-1, 1 << 159])
def test_a_number_fits_twenty_octets(number: int) -> None:
    with pytest.raises(ValueError, match="20 octets"):
        _crl([], number)


@given(st.integers(-(2**200), 2**200))
@example(0)
@example(-128)
@example(-129)
@example(127)
@example(128)
def test_integers_are_as_short_as_they_can_be(number: int) -> None:
    assert integer(number) == asn1.encode_der(number)


@pytest.mark.parametrize(
    "oid", ["1.2.840.113549.1.1.11", "2.16.840.1.101.3.4.3.19", "2.999.1", "0.9.2342", "2.5.29.20"]
)
def test_object_identifiers_are_as_others_write_them(oid: str) -> None:
    assert object_identifier(oid) == asn1.encode_der(x509.ObjectIdentifier(oid))


@pytest.mark.parametrize("length", [0, 1, 127, 128, 255, 256, 65535, 65536, 1 << 24])
def test_lengths_are_as_others_write_them(length: int) -> None:
    assert tlv(4, bytes(length)) == asn1.encode_der(bytes(length))
