"""Finding what a person names: CAs, certificates, requests. An ambiguous name is refused, with the ids."""

import base64
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click

from blazon.cli.client import Api, ApiError
from blazon.cli.paging import by_bookmark
from blazon.cli.pki.arguments import API, NamedCertificate, named_in, segment
from blazon.errors import Malformed
from blazon.serials import format_serial, parse_serial

__all__ = [
    "Issued",
    "chain_above",
    "chain_of",
    "check_is_new",
    "der_of",
    "der_of_pem",
    "find_ca",
    "find_issued",
    "find_request",
]

Entity = dict[str, Any]


class Issued(NamedTuple):
    """A certificate, or a CA by its certificate."""

    entity: Entity
    is_ca: bool

    @property
    def path(self) -> str:
        """Where the API has it."""
        if self.is_ca:
            return f"{API}/cas/{segment(self.entity['id'])}"
        return f"{API}/certificates/{self.entity['serial_number']}"


def der_of(entity: Mapping[str, Any]) -> bytes:
    """The certificate of a CA or of a certificate."""
    return der_of_pem(base64.b64decode(entity["certificate"]).decode())


def der_of_pem(pem: str) -> bytes:
    """A certificate in PEM, as the API hands it out, in DER."""
    return ssl.PEM_cert_to_DER_cert(pem)


def find_ca(api: Api, named: str) -> Entity:
    """A CA by its id, by a name or serial number only one has, or by a file with its certificate.

    Raises ApiError when there is none, or when there are several: then with the ids.
    """
    if not named:
        raise click.UsageError("the name of the CA is empty; `blazon ca list` shows names and ids")
    try:
        found: Entity = api.call("GET", f"{API}/cas/{segment(named)}")
    except ApiError as error:
        if error.status not in (400, 404, 405, 409):  # what cannot be an id may be a name, a serial number or a file
            raise
    else:
        return found
    cas = _called(api, named) or _with_certificate(api, named)
    if len(cas) > 1:
        raise _ambiguous(named, cas)
    if not cas:
        raise _unknown(api, named)
    return _whole(api, cas[0])


def _called(api: Api, name: str) -> list[Entity]:
    """The CAs with a common name; unlike in a path, any character can stand in it."""
    return list(by_bookmark(api, f"{API}/cas", filter=f"subject.common_name[eq]{name}"))


def _with_certificate(api: Api, named: str) -> list[Entity]:
    """The CAs with the certificate in a file, or with a serial number."""
    if Path(named).is_file():
        return _cas_with(api, named_in(Path(named)))
    try:
        return _cas_with(api, NamedCertificate(named, format_serial(parse_serial(named))))
    except Malformed:
        return []


def _whole(api: Api, listed: Entity) -> Entity:
    """A CA with what lists leave out."""
    found: Entity = api.call("GET", f"{API}/cas/{segment(listed['id'])}")
    return found


def _cas_with(api: Api, named: NamedCertificate) -> list[Entity]:
    listed = by_bookmark(api, f"{API}/cas", filter=f"serial_number[eq]{named.serial}")
    return [ca for ca in listed if not named.der or der_of(ca) == named.der]


def _ambiguous(named: str, found: list[Entity]) -> ApiError:
    lines = [
        f"  {ca['id']}  {ca['status']}  until {ca['valid_to']}  serial number {ca['serial_number']}" for ca in found
    ]
    return ApiError(
        f"{len(found)} CAs are called {named!r}; use the id or the serial number of one:\n" + "\n".join(lines), 409
    )


def _unknown(api: Api, named: str) -> ApiError:
    waiting = [pending for pending in _requests(api) if named in (pending["id"], pending["subject"]["common_name"])]
    if waiting:
        return ApiError(
            f"the CA {named!r} waits for its certificate; `blazon ca csr` prints its request, `blazon ca complete`"
            " takes the certificate, `blazon ca cancel` gives it up",
            404,
        )
    return ApiError(
        f"CA not found: none has {named!r} as its id, common name or serial number; `blazon ca list` shows them", 404
    )


def find_issued(api: Api, named: NamedCertificate) -> Issued:
    """A certificate, or the CA whose certificate it is. Raises ApiError."""
    try:
        found: Entity = api.call("GET", f"{API}/certificates/{named.serial}")
    except ApiError as error:
        if error.status not in (400, 404):
            raise
    else:
        if not named.der or der_of(found) == named.der:
            return Issued(found, is_ca=False)
    cas = _cas_with(api, named)
    if len(cas) > 1:
        raise _ambiguous(named.said, cas)
    if not cas:
        raise ApiError(f"certificate not found: {_missing(named)}", 404)
    return Issued(_whole(api, cas[0]), is_ca=True)


def _missing(named: NamedCertificate) -> str:
    if named.der:
        return f"the one in {named.said} is not known here; `blazon cert import {named.said}` brings it here"
    return (
        f"no certificate and no CA here has the serial number {named.said}; `blazon cert list` and `blazon ca list`"
        " show them"
    )


def chain_of(api: Api, identifier: str) -> list[str]:
    """The certificates of a CA and of those above it in PEM, nearest first."""
    found = api.call("GET", f"{API}/cas/{segment(identifier)}/chain")["chain"]
    return [base64.b64decode(each).decode() for each in found]


def chain_above(api: Api, issued: Issued) -> list[str]:
    """The certificates above one in PEM, nearest first; none when its issuer is not here."""
    issuer = issued.entity["issuer_metadata"]["ca_id"]
    if issued.is_ca:
        return chain_of(api, issued.entity["id"])[1:]
    return [] if issuer == "-" else chain_of(api, issuer)


def _requests(api: Api) -> list[Entity]:
    found: list[Entity] = api.call("GET", f"{API}/requests")["list"]
    return found


def find_request(api: Api, named: str) -> Entity:
    """A CA that waits for its certificate, by id or by a name only one of them has. Raises ApiError."""
    waiting = _requests(api)
    found = [each for each in waiting if each["id"] == named]
    found = found or [each for each in waiting if each["subject"]["common_name"] == named]
    if len(found) > 1:
        lines = [f"  {each['id']}  since {each['creation_ts']}" for each in found]
        raise ApiError(f"{len(found)} requests are for {named!r}; use the id of one:\n" + "\n".join(lines), 409)
    if found:
        return found[0]
    try:
        find_ca(api, named)
    except ApiError as error:
        if error.status != 404:
            raise
        raise ApiError(
            f"no CA called {named!r} waits for its certificate; `blazon ca requests` shows those that do", 404
        ) from None
    raise ApiError(f"the CA {named!r} has its certificate already; `blazon ca show` shows it", 409)


def check_is_new(api: Api, name: str) -> None:
    """That no CA, and none that waits for its certificate, has this common name. Raises ApiError."""
    if not name.strip():
        raise click.UsageError("a CA needs a name")
    taken = [f"  {ca['id']}  {ca['status']}  until {ca['valid_to']}" for ca in _called(api, name)]
    waiting = (each for each in _requests(api) if each["subject"]["common_name"] == name)
    taken += [f"  {each['id']}  waits for its certificate" for each in waiting]
    if taken:
        raise ApiError(
            f"the name {name!r} is taken; CAs with one name can only be told apart by id or serial number. To use the"
            " name again nevertheless, add --same-name. Taken by:\n" + "\n".join(taken),
            409,
        )
