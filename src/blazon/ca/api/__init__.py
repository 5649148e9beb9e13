"""HTTP of this room: what stands in requests and answers, and the routes (fact sheet §2c.1, §2c.3)."""

from blazon.ca.api.authorities import AuthorityApi
from blazon.ca.api.certificates import CertificateApi
from blazon.ca.api.engines import EngineApi
from blazon.ca.api.failure import PkiFailure
from blazon.ca.api.profiles import ProfileApi
from blazon.ca.api.validation import ValidationApi

__all__ = ["AuthorityApi", "CertificateApi", "EngineApi", "PkiFailure", "ProfileApi", "ValidationApi"]
