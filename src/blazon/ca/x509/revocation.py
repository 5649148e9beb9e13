"""Certificate revocation lists (RFC 5280 §5).

An entry is a few dozen bytes that never change, so they are encoded one by one, may be kept, and a list is made by
joining them: 100 000 entries cost a copy of 4 MB and one signature, not 100 000 objects.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from blazon.ca.x509.algorithms import algorithm_identifier, sign_bytes
from blazon.ca.x509.der import (
    BOOLEAN_TRUE,
    ENUMERATED,
    SEQUENCE,
    bit_string,
    explicit,
    integer,
    object_identifier,
    octets,
    sequence,
    time,
    tlv,
)
from blazon.ca.x509.issuer import Issuer
from blazon.engines import PrivateKey

__all__ = ["Reason", "build_crl", "crl_entry"]


class Reason(StrEnum):
    """Why a certificate is revoked (RFC 5280 §5.3.1), by the words of the wires."""

    UNSPECIFIED = "Unspecified"
    KEY_COMPROMISE = "KeyCompromise"
    CA_COMPROMISE = "CACompromise"
    AFFILIATION_CHANGED = "AffiliationChanged"
    SUPERSEDED = "Superseded"
    CESSATION_OF_OPERATION = "CessationOfOperation"
    CERTIFICATE_HOLD = "CertificateHold"
    REMOVE_FROM_CRL = "RemoveFromCRL"
    PRIVILEGE_WITHDRAWN = "PrivilegeWithdrawn"
    AA_COMPROMISE = "AACompromise"

    @property
    def code(self) -> int:
        """The number of CRLReason; 7 is not used."""
        return _CODES[self]


_CODES: Final = dict(zip(Reason, (0, 1, 2, 3, 4, 5, 6, 8, 9, 10), strict=True))


def _extension(oid: str, value: bytes, *, critical: bool) -> bytes:
    return sequence(object_identifier(oid), BOOLEAN_TRUE if critical else b"", octets(value))


_REASON_EXTENSIONS: Final = {
    reason: b""
    # §5.3.1: the extension is absent rather than unspecified.
    if reason is Reason.UNSPECIFIED
    else sequence(_extension("2.5.29.21", tlv(ENUMERATED, bytes((reason.code,))), critical=False))
    for reason in Reason
}


def crl_entry(serial: int, revoked_at: int, reason: Reason) -> bytes:
    """One revoked certificate, as DER. `revoked_at` is in Unix seconds. REMOVE_FROM_CRL is for delta CRLs only."""
    return tlv(SEQUENCE, integer(serial) + time(revoked_at) + _REASON_EXTENSIONS[reason])


def build_crl(
    issuer: Issuer,
    private_key: PrivateKey,
    *,
    number: int,
    this_update: int,
    next_update: int,
    entries: Iterable[bytes],
    base_number: int | None = None,
) -> bytes:
    """A CRL as DER: everything the issuer revoked, or with `base_number` what changed since that full CRL.

    Times are Unix seconds; `entries` are of `crl_entry`, each serial once. Numbers grow from CRL to CRL, full and delta
    alike (§5.2.3). Blocks: 10 ms for 100 000 entries, and as the key does. Raises EngineUnavailable.

    There is no issuing distribution point (§5.2.5): the list is complete, and that extension must be critical. Clients
    that do not know the extension refuse the list, and those that do refuse it for every certificate that names another
    distribution point or none, such as the root's own.
    """
    if not 0 <= number < 1 << 159:
        raise ValueError("a CRL number has at most 20 octets")
    algorithm = algorithm_identifier(issuer.public_key)
    revoked = b"".join(entries)
    signed = sequence(
        integer(1),  # version 2, as there are extensions (§5.1.2.1)
        algorithm,
        issuer.name_der,
        time(this_update),
        time(next_update),
        # §5.1.2.6: absent, not empty, when nothing is revoked.
        tlv(SEQUENCE, revoked) if revoked else b"",
        explicit(0, sequence(*_extensions(issuer, number, base_number))),
    )
    signature = sign_bytes(private_key, issuer.public_key, signed)
    return sequence(signed, algorithm, bit_string(signature))


def _extensions(issuer: Issuer, number: int, base_number: int | None) -> Iterable[bytes]:
    # authorityKeyIdentifier with [0] keyIdentifier (§5.2.1), cRLNumber (§5.2.3).
    yield _extension("2.5.29.35", sequence(tlv(0x80, issuer.key_id)), critical=False)
    yield _extension("2.5.29.20", integer(number), critical=False)
    if base_number is not None:
        yield _extension("2.5.29.27", integer(base_number), critical=True)  # §5.2.4
