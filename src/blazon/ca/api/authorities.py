"""CAs over HTTP."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct

from blazon.ca.api.shapes import (
    API,
    AuthorityBody,
    AuthorityPage,
    Encoded,
    ExpirationBody,
    KeyBody,
    ListQuery,
    Metadata,
    MetadataBody,
    Nothing,
    Password,
    StatusBody,
    SubjectBody,
    authority_body,
    authority_reply,
    bodies_of,
    file_of,
    listing_of,
    seconds_of,
    text_base64,
)
from blazon.ca.api.table import also_by_post, pki_table
from blazon.ca.listing import AUTHORITY_FIELDS
from blazon.ca.models import Authority, PendingRequest
from blazon.ca.service import (
    Addresses,
    Authorities,
    AuthorityDraft,
    CompleteDraft,
    ImportDraft,
    Imports,
    Issuers,
    RequestDraft,
    Requests,
)
from blazon.ca.x509 import CaOptions, CertificateFiles, NameConstraints, format_serial, parse_serial, pem_of
from blazon.clock import rfc3339
from blazon.errors import Conflict, Forbidden, NotFound, RuleBroken
from blazon.web import AnyRoute, Call, NoBody, NoQuery, Reply

__all__ = ["AuthorityApi"]


class CreateCaBody(Struct, frozen=True, kw_only=True):
    """A CA to make; without `parent_id` a root."""

    id: str | None = None
    subject: SubjectBody
    key_metadata: KeyBody
    ca_expiration: ExpirationBody
    issuance_expiration: ExpirationBody
    engine_id: str | None = None
    parent_id: Annotated[str, Meta(description="Id or common name of the CA above.")] | None = None
    metadata: Metadata | None = None
    profile_id: Annotated[str, Meta(description="Issuance profile, by id or name.")] | None = None
    path_length: Annotated[int, Meta(ge=0, le=255, description="How many CAs may follow it.")] | None = None
    name_constraints: NameConstraints | None = None
    near_expiration: Annotated[str, Meta(description="A duration, such as 30d.")] | None = None
    critical_expiration: Annotated[str, Meta(description="A duration, such as 7d.")] | None = None


class ImportCaBody(Struct, frozen=True, kw_only=True):
    """A CA made elsewhere: IMPORTED with its private key, EXTERNAL without. `ca_chain` is in any order."""

    ca: Encoded
    id: str | None = None
    engine_id: str | None = None
    private_key: Annotated[str, Meta(description="Base64 of PEM or DER; or it stands in `ca`.")] | None = None
    password: Password = None
    ca_chain: tuple[Encoded, ...] | None = None
    ca_type: Annotated[str, Meta(description="IMPORTED or EXTERNAL; it is told by the private key.")] | None = None
    issuance_expiration: ExpirationBody | None = None
    metadata: Metadata | None = None
    profile_id: str | None = None
    near_expiration: str | None = None
    critical_expiration: str | None = None


class RequestCaBody(Struct, frozen=True, kw_only=True):
    """A CA for which an outside parent is to be asked."""

    id: str | None = None
    subject: SubjectBody
    key_metadata: KeyBody
    issuance_expiration: ExpirationBody
    engine_id: str | None = None
    metadata: Metadata | None = None
    profile_id: str | None = None
    path_length: Annotated[int, Meta(ge=0, le=255)] | None = None
    near_expiration: str | None = None
    critical_expiration: str | None = None


class CompleteBody(Struct, frozen=True, kw_only=True):
    """The certificate of an outside parent, those above it in any order, and what replaces what was requested."""

    certificate: Encoded
    ca_chain: tuple[Encoded, ...] | None = None
    password: Password = None
    issuance_expiration: ExpirationBody | None = None
    profile_id: str | None = None
    near_expiration: str | None = None
    critical_expiration: str | None = None


class RequestBody(Struct, frozen=True):
    """A CA that waits for its certificate. `csr` is base64 of PEM."""

    id: str
    subject: SubjectBody
    csr: str
    engine_id: str
    creation_ts: str


class RequestList(Struct, frozen=True):
    """The CAs that wait."""

    list: list[RequestBody]


class ChainBody(Struct, frozen=True):
    """A CA's certificate and those above it, nearest first, each base64 of PEM."""

    chain: list[str]


class AuthorityApi:
    """Handlers of the CA routes."""

    def __init__(
        self,
        authorities: Authorities,
        imports: Imports,
        requests: Requests,
        issuers: Issuers,
        addresses: Addresses,
    ) -> None:
        self._authorities = authorities
        self._issuers = issuers
        self._imports = imports
        self._requests = requests
        self._addresses = addresses

    async def create_ca(self, call: Call[CreateCaBody, NoQuery]) -> Reply:
        body = call.body
        draft = AuthorityDraft(
            id=body.id or "",
            subject=body.subject.read(),
            spec=body.key_metadata.read(),
            expiration=body.ca_expiration.read(),
            issuance_expiration=body.issuance_expiration.read(),
            engine_id=body.engine_id or "",
            parent=body.parent_id or "",
            metadata=body.metadata,
            profile=body.profile_id or "",
            options=CaOptions(body.path_length, body.name_constraints or NameConstraints()),
            near=seconds_of("near_expiration", body.near_expiration),
            critical=seconds_of("critical_expiration", body.critical_expiration),
        )
        return self._one(await self._authorities.create(call.caller, draft), 201, made=True)

    async def import_ca(self, call: Call[ImportCaBody, NoQuery]) -> Reply:
        body = call.body
        draft = ImportDraft(
            id=body.id or "",
            files=CertificateFiles(
                file_of("ca", body.ca),
                tuple(file_of("ca_chain", each) for each in body.ca_chain or ()),
                file_of("private_key", body.private_key) if body.private_key else None,
                body.password,
            ),
            type=body.ca_type or "",
            issuance_expiration=None if body.issuance_expiration is None else body.issuance_expiration.read_if_given(),
            engine_id=body.engine_id or "",
            metadata=body.metadata,
            profile=body.profile_id or "",
            near=seconds_of("near_expiration", body.near_expiration),
            critical=seconds_of("critical_expiration", body.critical_expiration),
        )
        return self._one(await self._imports.import_(call.caller, draft), 201, made=True)

    async def list_cas(self, call: Call[NoBody, ListQuery]) -> Reply:
        return await self._list(call, None)

    async def list_cas_by_common_name(self, call: Call[NoBody, ListQuery]) -> Reply:
        return await self._list(call, call.path["cn"])

    async def _list(self, call: Call[NoBody, ListQuery], common_name: str | None) -> Reply:
        listing = listing_of(call.query, AUTHORITY_FIELDS)
        found, bookmark = await self._authorities.browse(call.caller, listing, common_name)
        return Reply(200, AuthorityPage(bookmark, await bodies_of(found, authority_body)))

    async def view_ca(self, call: Call[NoBody, NoQuery]) -> Reply:
        return self._one(await self._authorities.view(call.caller, call.path["id"]))

    async def view_ca_by_serial(self, call: Call[NoBody, NoQuery]) -> Reply:
        serial = format_serial(parse_serial(call.path["sn"]))
        return self._one(await self._authorities.by_serial(call.caller, serial))

    async def view_ca_chain(self, call: Call[NoBody, NoQuery]) -> Reply:
        chain = await self._authorities.chain(call.caller, call.path["id"])
        return Reply(200, ChainBody([text_base64(pem_of(each)) for each in chain]))

    async def update_ca_metadata(self, call: Call[MetadataBody, NoQuery]) -> Reply:
        return self._one(await self._authorities.set_metadata(call.caller, call.path["id"], call.body.metadata))

    async def update_ca_status(self, call: Call[StatusBody, NoQuery]) -> Reply:
        wanted = call.body
        authority = await self._authorities.set_status(call.caller, call.path["id"], wanted.status, wanted.reason())
        return self._one(authority, 201, notice=await self._issuers.silence_about(authority))

    async def delete_ca(self, call: Call[NoBody, NoQuery]) -> Reply:
        await self._authorities.delete(call.caller, call.path["id"])
        return Reply(200, Nothing())

    async def create_ca_request(self, call: Call[RequestCaBody, NoQuery]) -> Reply:
        body = call.body
        draft = RequestDraft(
            id=body.id or "",
            subject=body.subject.read(),
            spec=body.key_metadata.read(),
            issuance_expiration=body.issuance_expiration.read(),
            engine_id=body.engine_id or "",
            metadata=body.metadata,
            profile=body.profile_id or "",
            options=CaOptions(body.path_length),
            near=seconds_of("near_expiration", body.near_expiration),
            critical=seconds_of("critical_expiration", body.critical_expiration),
        )
        return Reply(201, _request(await self._requests.create(call.caller, draft)))

    async def list_ca_requests(self, call: Call[NoBody, NoQuery]) -> Reply:
        return Reply(200, RequestList([_request(each) for each in await self._requests.browse(call.caller)]))

    async def view_ca_request(self, call: Call[NoBody, NoQuery]) -> Reply:
        return Reply(200, _request(await self._requests.view(call.caller, call.path["id"])))

    async def complete_ca_request(self, call: Call[CompleteBody, NoQuery]) -> Reply:
        body = call.body
        draft = CompleteDraft(
            files=CertificateFiles(
                file_of("certificate", body.certificate),
                tuple(file_of("ca_chain", each) for each in body.ca_chain or ()),
                password=body.password,
            ),
            issuance_expiration=None if body.issuance_expiration is None else body.issuance_expiration.read_if_given(),
            profile=body.profile_id,
            near=seconds_of("near_expiration", body.near_expiration),
            critical=seconds_of("critical_expiration", body.critical_expiration),
        )
        authority = await self._requests.complete(call.caller, call.path["id"], draft)
        return self._one(authority, 201, made=True)

    async def delete_ca_request(self, call: Call[NoBody, NoQuery]) -> Reply:
        await self._requests.delete(call.caller, call.path["id"])
        return Reply(200, Nothing())

    def _one(self, authority: Authority, status: int = 200, *, made: bool = False, notice: str = "") -> Reply:
        if made:
            self._addresses.warn(authority)
        return authority_reply(authority, self._addresses.named_by(authority), status, made=made, notice=notice)

    def routes(self) -> Sequence[AnyRoute]:
        """The routes of CAs."""
        every, one, waiting = f"{API}/cas", f"{API}/cas/{{id}}", f"{API}/requests"
        table = pki_table("cas", answer=AuthorityBody, errors=(Forbidden, NotFound, Conflict))
        table.get(every, "List CAs", self.list_cas, query=ListQuery, answer=AuthorityPage)
        table.get(
            f"{every}/cn/{{cn}}",
            "List the CAs with a common name",
            self.list_cas_by_common_name,
            query=ListQuery,
            answer=AuthorityPage,
        )
        table.get(f"{every}/sn/{{sn}}", "View a CA by its serial number", self.view_ca_by_serial)
        table.get(one, "View a CA by id or common name", self.view_ca)
        table.get(f"{one}/chain", "View a CA's certificate and those above it", self.view_ca_chain, answer=ChainBody)
        for path, summary, make, body, answer in (
            (every, "Create a CA", self.create_ca, CreateCaBody, AuthorityBody),
            (f"{every}/import", "Import a CA", self.import_ca, ImportCaBody, AuthorityBody),
            (
                f"{one}/status",
                "Revoke a CA, end its hold, or mark it as expired",
                self.update_ca_status,
                StatusBody,
                AuthorityBody,
            ),
            (waiting, "Request a CA from an outside parent", self.create_ca_request, RequestCaBody, RequestBody),
            (
                f"{waiting}/{{id}}/certificate",
                "Give a CA the certificate of its outside parent",
                self.complete_ca_request,
                CompleteBody,
                AuthorityBody,
            ),
        ):
            table.post(path, summary, make, body=body, answer=answer, status=201, errors=(RuleBroken,))
        also_by_post(
            table,
            f"{one}/metadata",
            "Replace the metadata of a CA",
            self.update_ca_metadata,
            body=MetadataBody,
            errors=(RuleBroken,),
        )
        table.delete(one, "Delete a CA that is expired or revoked", self.delete_ca, answer=Nothing)
        return (
            table.get(waiting, "List the CAs that wait for a certificate", self.list_ca_requests, answer=RequestList)
            .get(
                f"{waiting}/{{id}}",
                "View a CA that waits for a certificate",
                self.view_ca_request,
                answer=RequestBody,
            )
            .delete(
                f"{waiting}/{{id}}",
                "Give a CA up that waits for a certificate",
                self.delete_ca_request,
                answer=Nothing,
            )
            .routes
        )


def _request(pending: PendingRequest) -> RequestBody:
    subject = SubjectBody(**{name: getattr(pending.subject, name) for name in SubjectBody.__struct_fields__})
    csr = text_base64(pending.request)
    return RequestBody(pending.id, subject, csr, pending.key.engine_id, rfc3339(pending.created_at))
