"""Reading kindly what strict parsers refuse and OpenSSL takes, where the meaning is beyond doubt.

Devices in the field cannot be taught DER. Their requests, and the certificates of the makers of smart cards, TPMs and
older CAs, are rewritten as strict DER before `cryptography` reads them. That is tried only when strict reading failed.
Where a meaning is in doubt, the request is refused by a sentence that names the place. What Blazon issues is strict.
"""

from blazon.pkix.lenient.names import is_strict_name
from blazon.pkix.lenient.structures import Rewritten, rewrite_certificate, rewrite_request

__all__ = ["Rewritten", "is_strict_name", "rewrite_certificate", "rewrite_request"]
