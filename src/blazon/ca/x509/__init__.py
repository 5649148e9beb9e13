"""X.509 by RFC 5280, 6960 and their kin: pure functions over certificates, requests, CRLs and OCSP messages.

It reads what others send, strictly; drafts, checks and signs what a CA issues; builds CRLs and OCSP answers; and knows
the words of the CA API: subjects, serial numbers, durations, key strengths, reasons. It has no clock, no storage and no
network: time and serial numbers are given to it, and only a private key that lies in an engine can make it wait.

Times are Unix seconds, as X.509 has no finer ones and its last, 9999-12-31T23:59:59Z, must fit. Errors are Malformed
(cannot be read), RuleBroken (can be read, a rule says no) and what a key raises (EngineUnavailable).
"""

from blazon.ca.x509.acceptance import refusal_by_clients
from blazon.ca.x509.bundles import Bundle, CertificateFiles, certificate_for, read_bundle, read_found
from blazon.ca.x509.chains import (
    chain_above,
    check_ca_certificate,
    check_key_pair,
    is_ca,
    is_self_issued,
)
from blazon.ca.x509.constraints import NameConstraints
from blazon.ca.x509.durations import (
    NO_END,
    Expiration,
    ExpirationType,
    check_issuance_expiration,
    format_time,
    parse_time,
    read_expiration,
)
from blazon.ca.x509.extensions import KeyUsage, Urls
from blazon.ca.x509.general_names import NameType
from blazon.ca.x509.issuer import Issuer
from blazon.ca.x509.issuing import (
    CaOptions,
    Draft,
    check_draft,
    draft_leaf,
    draft_responder,
    draft_root,
    draft_subordinate,
    request_ca,
    sign_draft,
)
from blazon.ca.x509.keys import Strength, check_public_key, strength_of
from blazon.ca.x509.names import Subject, check_shown, name_of, subject_of
from blazon.ca.x509.ocsp import (
    CertId,
    CertState,
    CertStatus,
    OcspError,
    OcspRequest,
    Responder,
    decode_ocsp_path,
    ocsp_error,
    read_ocsp_request,
    sign_ocsp,
)
from blazon.ca.x509.profiles import DEFAULT_PROFILE, BeyondCa, Honoured, KeyRule, Profile, check_profile
from blazon.ca.x509.reading import (
    CertificationRequest,
    from_base64,
    pem_of,
    read_certificate,
    read_certificates,
    read_csr,
    read_private_key,
)
from blazon.ca.x509.revocation import Reason, build_crl, crl_entry
from blazon.durations import format_duration, parse_duration
from blazon.pkix import is_issued_by, lowest
from blazon.serials import format_serial, new_serial, parse_serial, read_serial

__all__ = [
    "DEFAULT_PROFILE",
    "NO_END",
    "BeyondCa",
    "Bundle",
    "CaOptions",
    "CertId",
    "CertState",
    "CertStatus",
    "CertificateFiles",
    "CertificationRequest",
    "Draft",
    "Expiration",
    "ExpirationType",
    "Honoured",
    "Issuer",
    "KeyRule",
    "KeyUsage",
    "NameConstraints",
    "NameType",
    "OcspError",
    "OcspRequest",
    "Profile",
    "Reason",
    "Responder",
    "Strength",
    "Subject",
    "Urls",
    "build_crl",
    "certificate_for",
    "chain_above",
    "check_ca_certificate",
    "check_draft",
    "check_issuance_expiration",
    "check_key_pair",
    "check_profile",
    "check_public_key",
    "check_shown",
    "crl_entry",
    "decode_ocsp_path",
    "draft_leaf",
    "draft_responder",
    "draft_root",
    "draft_subordinate",
    "format_duration",
    "format_serial",
    "format_time",
    "from_base64",
    "is_ca",
    "is_issued_by",
    "is_self_issued",
    "lowest",
    "name_of",
    "new_serial",
    "ocsp_error",
    "parse_duration",
    "parse_serial",
    "parse_time",
    "pem_of",
    "read_bundle",
    "read_certificate",
    "read_certificates",
    "read_csr",
    "read_expiration",
    "read_found",
    "read_ocsp_request",
    "read_private_key",
    "read_serial",
    "refusal_by_clients",
    "request_ca",
    "sign_draft",
    "sign_ocsp",
    "strength_of",
    "subject_of",
]
