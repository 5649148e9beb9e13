"""Certificates over HTTP."""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Annotated

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from msgspec import Meta, Struct

from blazon.ca.api.shapes import (
    API,
    CertificateBody,
    CertificatePage,
    Encoded,
    KeyBody,
    ListQuery,
    Metadata,
    MetadataBody,
    Password,
    StatusBody,
    SubjectBody,
    bodies_of,
    certificate_body,
    certificate_reply,
    file_of,
    listing_of,
    octets_of,
    text_base64,
)
from blazon.ca.api.table import also_by_post, pki_table
from blazon.ca.listing import CERTIFICATE_FIELDS
from blazon.ca.models import Certificate, Status
from blazon.ca.service import Certificates, Issuers, KeyedDraft, SignDraft
from blazon.ca.x509 import CertificateFiles, format_serial, parse_serial, parse_time, read_csr
from blazon.errors import Conflict, Forbidden, Malformed, NotFound, RuleBroken
from blazon.web import AnyRoute, Call, NoBody, NoQuery, Reply

__all__ = ["CertificateApi"]

_MOST_NAMES = 1000


class SignBody(Struct, frozen=True, kw_only=True):
    """A request (PKCS #10) to issue a certificate for: with its own subject (`sign_verbatim`), or with `subject`."""

    csr: Encoded
    sign_verbatim: bool = False
    subject: SubjectBody | None = None
    profile_id: Annotated[str, Meta(description="Issuance profile by id or name; else that of the CA.")] | None = None
    valid_to: Annotated[str, Meta(description="An earlier end (RFC 3339).")] | None = None
    metadata: Metadata | None = None


class CreateCertificateBody(Struct, frozen=True, kw_only=True):
    """A certificate whose key the server makes and hands out once."""

    subject: SubjectBody
    key_metadata: KeyBody
    dns_names: Annotated[tuple[str, ...], Meta(max_length=_MOST_NAMES)] = ()
    ip_addresses: Annotated[tuple[str, ...], Meta(max_length=_MOST_NAMES)] = ()
    emails: Annotated[tuple[str, ...], Meta(max_length=_MOST_NAMES)] = ()
    uris: Annotated[tuple[str, ...], Meta(max_length=_MOST_NAMES)] = ()
    profile_id: str | None = None
    valid_to: str | None = None
    metadata: Metadata | None = None


class ImportCertificateBody(Struct, frozen=True):
    """A certificate made elsewhere."""

    certificate: Encoded
    password: Password = None
    metadata: Metadata | None = None


class ExpirationQuery(ListQuery, kw_only=True, frozen=True):
    """A window of time in which certificates end."""

    expires_after: Annotated[str, Meta(description="A time (RFC 3339).")] | None = None
    expires_before: Annotated[str, Meta(description="A time (RFC 3339).")] | None = None


class CertificateApi:
    """Handlers of the certificate routes."""

    def __init__(self, certificates: Certificates, issuers: Issuers) -> None:
        self._certificates = certificates
        self._issuers = issuers

    async def sign_certificate(self, call: Call[SignBody, NoQuery]) -> Reply:
        body = call.body
        if not body.sign_verbatim and body.subject is None:
            raise Malformed("struct validation error", "give a subject, or sign_verbatim true for that of the CSR")
        draft = SignDraft(
            request=read_csr(octets_of("csr", body.csr)),
            subject=None if body.sign_verbatim or body.subject is None else body.subject.read(),
            profile=body.profile_id or "",
            valid_to=parse_time(body.valid_to) if body.valid_to else None,
            metadata=body.metadata,
        )
        return await self._reply(await self._certificates.sign(call.caller, call.path["id"], draft), 201)

    async def create_certificate(self, call: Call[CreateCertificateBody, NoQuery]) -> Reply:
        body = call.body
        draft = KeyedDraft(
            subject=body.subject.read(),
            spec=body.key_metadata.read(),
            names=_names(body),
            profile=body.profile_id or "",
            valid_to=parse_time(body.valid_to) if body.valid_to else None,
            metadata=body.metadata,
        )
        certificate, key = await self._certificates.create(call.caller, call.path["id"], draft)
        pem = "" if key is None else text_base64(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return await self._reply(certificate, 201, pem)

    async def import_certificate(self, call: Call[ImportCertificateBody, NoQuery]) -> Reply:
        files = CertificateFiles(file_of("certificate", call.body.certificate), password=call.body.password)
        return await self._reply(await self._certificates.import_(call.caller, files, call.body.metadata), 201)

    async def list_certificates(self, call: Call[NoBody, ListQuery]) -> Reply:
        listing = listing_of(call.query, CERTIFICATE_FIELDS)
        return await self._page(*await self._certificates.browse(call.caller, listing))

    async def list_certificates_by_status(self, call: Call[NoBody, ListQuery]) -> Reply:
        listing, status = listing_of(call.query, CERTIFICATE_FIELDS), _status(call.path["status"])
        return await self._page(*await self._certificates.browse(call.caller, listing, status=status))

    async def list_certificates_of_ca(self, call: Call[NoBody, ListQuery]) -> Reply:
        listing = listing_of(call.query, CERTIFICATE_FIELDS)
        return await self._page(*await self._certificates.browse(call.caller, listing, ca=call.path["id"]))

    async def list_certificates_of_ca_by_status(self, call: Call[NoBody, ListQuery]) -> Reply:
        listing = listing_of(call.query, CERTIFICATE_FIELDS)
        ca, status = call.path["id"], _status(call.path["status"])
        return await self._page(*await self._certificates.browse(call.caller, listing, ca=ca, status=status))

    async def list_certificates_by_expiration(self, call: Call[NoBody, ExpirationQuery]) -> Reply:
        listing = listing_of(call.query, CERTIFICATE_FIELDS)
        after = parse_time(call.query.expires_after) if call.query.expires_after else None
        before = parse_time(call.query.expires_before) if call.query.expires_before else None
        return await self._page(*await self._certificates.expiring(call.caller, listing, after, before))

    async def view_certificate(self, call: Call[NoBody, NoQuery]) -> Reply:
        return await self._reply(await self._certificates.view(call.caller, _serial(call.path["sn"])))

    async def view_certificate_of_ca(self, call: Call[NoBody, NoQuery]) -> Reply:
        return await self.view_certificate(call)

    async def update_certificate_status(self, call: Call[StatusBody, NoQuery]) -> Reply:
        serial, wanted = _serial(call.path["sn"]), call.body
        certificate = await self._certificates.set_status(call.caller, serial, wanted.status, wanted.reason())
        return await self._reply(certificate, notice=await self._issuers.silence_about(certificate))

    async def update_certificate_metadata(self, call: Call[MetadataBody, NoQuery]) -> Reply:
        serial = _serial(call.path["sn"])
        return await self._reply(await self._certificates.set_metadata(call.caller, serial, call.body.metadata))

    async def _reply(
        self, certificate: Certificate, status: int = 200, private_key: str = "", *, notice: str = ""
    ) -> Reply:
        (level,) = await self._certificates.issuer_levels((certificate,))
        return certificate_reply(certificate, level, status, private_key, notice=notice)

    async def _page(self, found: list[Certificate], bookmark: str) -> Reply:
        shown = list(zip(found, await self._certificates.issuer_levels(found), strict=True))
        return Reply(200, CertificatePage(bookmark, await bodies_of(shown, lambda each: certificate_body(*each))))

    def routes(self) -> Sequence[AnyRoute]:
        """The routes of certificates."""
        ca, one = f"{API}/cas/{{id}}/certificates", f"{API}/certificates/{{sn}}"
        table = pki_table("certificates", answer=CertificateBody, errors=(Forbidden, NotFound))
        for path, summary, issue, body in (
            (f"{ca}/sign", "Issue a certificate for a CSR", self.sign_certificate, SignBody),
            (ca, "Issue a certificate with a key", self.create_certificate, CreateCertificateBody),
            (f"{API}/certificates/import", "Import a certificate", self.import_certificate, ImportCertificateBody),
        ):
            table.post(path, summary, issue, body=body, status=201, errors=(Conflict, RuleBroken))
        for path, summary, browse, query in (
            (f"{API}/certificates", "List certificates", self.list_certificates, ListQuery),
            (
                f"{API}/certificates/status/{{status}}",
                "List the certificates with a status",
                self.list_certificates_by_status,
                ListQuery,
            ),
            (
                f"{API}/certificates/expiration",
                "List the certificates that end in a window of time",
                self.list_certificates_by_expiration,
                ExpirationQuery,
            ),
            (ca, "List the certificates of a CA", self.list_certificates_of_ca, ListQuery),
            (
                f"{ca}/status/{{status}}",
                "List the certificates of a CA with a status",
                self.list_certificates_of_ca_by_status,
                ListQuery,
            ),
        ):
            table.get(path, summary, browse, query=query, answer=CertificatePage, errors=(Conflict,))
        table.get(f"{ca}/{{sn}}", "View a certificate; the CA is not looked at", self.view_certificate_of_ca)
        table.get(one, "View a certificate", self.view_certificate)
        also_by_post(
            table,
            f"{one}/status",
            "Revoke a certificate, end its hold, or mark it as expired",
            self.update_certificate_status,
            body=StatusBody,
            errors=(Conflict, RuleBroken),
        )
        also_by_post(
            table,
            f"{one}/metadata",
            "Replace the metadata of a certificate",
            self.update_certificate_metadata,
            body=MetadataBody,
            errors=(Conflict, RuleBroken),
        )
        return table.routes


def _serial(text: str) -> str:
    return format_serial(parse_serial(text))


def _status(text: str) -> Status:
    found = next((status for status in Status if status == text.upper()), None)
    if found is None:
        raise NotFound(f"the status is one of {', '.join(Status)}")
    return found


def _names(body: CreateCertificateBody) -> tuple[x509.GeneralName, ...]:
    try:
        return (
            *map(x509.DNSName, body.dns_names),
            *(x509.IPAddress(ip_address(each)) for each in body.ip_addresses),
            *map(x509.RFC822Name, body.emails),
            *map(x509.UniformResourceIdentifier, body.uris),
        )
    except ValueError as error:
        raise Malformed(f"an alternative name is none: {str(error)[:200]}") from None
