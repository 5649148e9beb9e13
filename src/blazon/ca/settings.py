"""What can be set about certificate authorities and crypto engines."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from blazon.settings import Duration, secret_meta, span, span_meta, url_meta

__all__ = ["EngineSettings", "PkiSettings"]


class PkiSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Certificate authorities and certificates."""

    url: Annotated[
        str,
        url_meta(
            "Where devices fetch CRLs and OCSP answers; it stands in what is issued. Empty: http.public_url, else the"
            " address Blazon listens on.",
            "http",
            "https",
        ),
    ] = ""
    near: Annotated[Duration, span_meta("How long before its end a certificate is near it.", "1s")] = span("30d")
    critical: Annotated[Duration, span_meta("How long before its end a certificate is critical.", "1s")] = span("7d")
    crl_time: Annotated[Duration, span_meta("How long a CRL is good.", "1m")] = span("48h")
    ocsp_time: Annotated[Duration, span_meta("How long an OCSP answer is good.", "1m")] = span("24h")
    ocsp_max_age: Annotated[
        Duration,
        span_meta(
            "How long HTTP caches may hand an OCSP answer out without asking: as late may they be with a revocation."
            " At most half of pki.ocsp_time.",
            "0s",
        ),
    ] = span("0s")


class EngineSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Crypto engines. The software engine is always there, under the id software."""

    default: Annotated[Literal["software", "pkcs11", "kms"], Meta(description="The engine of CAs that name none.")] = (
        "software"
    )
    pkcs11_module: Annotated[str, Meta(description="Path of a PKCS#11 module; empty is none.")] = ""
    pkcs11_token: Annotated[str, Meta(description="Label of the PKCS#11 token.")] = ""
    pkcs11_pin: Annotated[str, secret_meta("PIN of the PKCS#11 token.")] = ""
    kms_region: Annotated[str, Meta(description="AWS region of the KMS; empty is none.")] = ""
    kms_endpoint: Annotated[str, url_meta("Where the KMS is, when it is not that of AWS.", "http", "https")] = ""
    kms_access_key: Annotated[str, Meta(description="AWS access key id; empty is what boto3 finds itself.")] = ""
    kms_secret_key: Annotated[str, secret_meta("AWS secret access key; empty is what boto3 finds itself.")] = ""
