"""What people and devices have: certificates, certificate requests and private keys, in files and in messages.

It finds them in any usual form, names what is something else, and rewrites as strict DER what strict parsers refuse and
OpenSSL takes. It does not judge what it reads, knows no clock, no storage and no network, and imports nothing of the
rooms: the API and the command line both read with it.
"""

from blazon.pkix.bundles import is_issued_by, lowest
from blazon.pkix.certificate import (
    Certificate,
    LenientCertificate,
    Request,
    SignatureState,
    is_signed_by,
    issuer_der,
    signature_state,
    strict_of,
    subject_der,
    version_of,
    weak_hash,
)
from blazon.pkix.files import LARGEST, Contents, read_contents
from blazon.pkix.keys import EncodedKey, read_key
from blazon.pkix.lenient import is_strict_name
from blazon.pkix.loading import load_certificate, load_request
from blazon.pkix.pem import only_block

__all__ = [
    "LARGEST",
    "Certificate",
    "Contents",
    "EncodedKey",
    "LenientCertificate",
    "Request",
    "SignatureState",
    "is_issued_by",
    "is_signed_by",
    "is_strict_name",
    "issuer_der",
    "load_certificate",
    "load_request",
    "lowest",
    "only_block",
    "read_contents",
    "read_key",
    "signature_state",
    "strict_of",
    "subject_der",
    "version_of",
    "weak_hash",
]
