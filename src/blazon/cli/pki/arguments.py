"""Arguments and options of the commands for CAs and certificates."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import click
from click.shell_completion import CompletionItem

from blazon.cli.client import Api
from blazon.cli.files import EXISTING_FILE
from blazon.cli.options import OneOf
from blazon.cli.paging import by_bookmark
from blazon.errors import BlazonError, Malformed
from blazon.serials import format_serial, parse_serial

__all__ = [
    "API",
    "NamedCertificate",
    "ca_argument",
    "ca_option",
    "certificate_argument",
    "chain_option",
    "engine_option",
    "key_option",
    "key_password_option",
    "named_in",
    "names_of",
    "profile_argument",
    "profile_option",
    "reason_option",
    "request_argument",
    "segment",
    "status_option",
    "subject_options",
    "yes_option",
]

API: Final = "/api/ca/v1"
_PATIENCE: Final = 2.0
"""Seconds somebody waits at Tab."""

_MOST_COMPLETED: Final = 500
_KINDS: Final = {"rsa": "RSA", "ecdsa": "ECDSA", "ed25519": "Ed25519", "ml-dsa": "ML-DSA"}
_USUAL: Final = {"RSA": 3072, "ECDSA": 256, "Ed25519": 256, "ML-DSA": 65}
_SUBJECT: Final = {
    "organization": "Organization (O).",
    "organization_unit": "Unit of the organization (OU).",
    "country": "Country, two capital letters (C).",
    "state": "State or province (ST).",
    "locality": "Town (L).",
}
_REASONS: Final = (
    "Unspecified",
    "KeyCompromise",
    "CACompromise",
    "AffiliationChanged",
    "Superseded",
    "CessationOfOperation",
    "CertificateHold",
    "PrivilegeWithdrawn",
    "AACompromise",
)
_STATUSES: Final = ("ACTIVE", "NEARING_EXPIRATION", "CRITICAL_EXPIRATION", "EXPIRED", "REVOKED")


def segment(name: str) -> str:
    """A name as one step of a path."""
    return quote(name, safe="")


class _Key(click.ParamType[dict[str, Any]]):
    """A kind of key: `ecdsa:256`, `rsa:3072`, `ed25519`, `ml-dsa:65`."""

    name = "KIND"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The type and size the API takes."""
        if isinstance(value, dict):
            return value
        name, _, bits = str(value).lower().partition(":")
        kind = _KINDS.get(name)
        if kind is None or (bits and not re.fullmatch(r"[0-9]{1,5}", bits)):
            self.fail("write a kind of key such as ecdsa:256, rsa:3072, ed25519 or ml-dsa:65", param, ctx)
        return {"type": kind, "bits": int(bits) if bits else _USUAL[kind]}


class NamedCertificate(NamedTuple):
    """A certificate somebody named: by its serial number, or by a file it is in; then `der` is the certificate."""

    said: str
    serial: str
    der: bytes = b""


def named_in(path: Path) -> NamedCertificate:
    """The certificate in a file; of a chain the lowest. Raises BlazonError when there is none."""
    from cryptography.hazmat.primitives.serialization import Encoding

    from blazon.cli.pki.files import certificate_in

    found = certificate_in(path)
    return NamedCertificate(str(path), format_serial(found.serial_number), found.public_bytes(Encoding.DER))


class _Certificate(click.ParamType[NamedCertificate]):
    """A serial number in pairs of hexadecimal digits, or a file with a certificate."""

    name = "CERTIFICATE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """What was named. The certificate in the file is read, not checked."""
        if isinstance(value, NamedCertificate):
            return value
        text = str(value)
        if text != "-" and not Path(text).is_file():
            try:
                return NamedCertificate(text, format_serial(parse_serial(text)))
            except Malformed:
                self.fail(
                    f"{text!r} is neither a serial number, such as 5c-1f-00, nor a file with a certificate;"
                    " `blazon cert list` shows serial numbers",
                    param,
                    ctx,
                )
        return named_in(Path(text))


Find = Callable[[Api], Iterable[tuple[str, str]]]
"""Lists what can be named: each by its name, with a word that helps to choose."""


class _Named(click.ParamType[str]):
    """The name of something the server has: it is completed with what is there."""

    def __init__(self, name: str, find: Find) -> None:
        self.name = name
        self._find = find

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The names that begin so; none when the server cannot be asked."""
        found = []
        try:
            for name, about in self._find(Api(ctx.params.get("url"), patience=_PATIENCE)):
                if name.startswith(incomplete):
                    found.append(CompletionItem(name, help=about))
                if len(found) == _MOST_COMPLETED:
                    break
        except BlazonError:
            return []
        return found


def _cas(api: Api) -> Iterator[tuple[str, str]]:
    """The common names of CAs; of those with one name, the ids."""
    found = list(by_bookmark(api, f"{API}/cas"))
    names = [ca["subject"]["common_name"] for ca in found]
    for ca, name in zip(found, names, strict=True):
        yield (name, ca["status"]) if names.count(name) == 1 else (ca["id"], name)


def _requests(api: Api) -> Iterator[tuple[str, str]]:
    for pending in api.call("GET", f"{API}/requests")["list"]:
        yield pending["subject"]["common_name"], pending["id"]


def _profiles(api: Api) -> Iterator[tuple[str, str]]:
    for stored in api.call("GET", f"{API}/profiles")["list"]:
        yield stored["name"], stored["id"]


def _engines(api: Api) -> Iterator[tuple[str, str]]:
    for engine in api.call("GET", f"{API}/engines"):
        yield engine["id"], engine["provider"]


ca_argument = click.argument("ca", type=_Named("CA", _cas))
"""The argument CA: an id, a common name, a serial number, or a file with its certificate."""

request_argument = click.argument("request", type=_Named("REQUEST", _requests))
"""The argument REQUEST: the id or the common name of a CA that waits for its certificate."""

profile_argument = click.argument("profile", type=_Named("PROFILE", _profiles))
"""The argument PROFILE: the id or the name of an issuance profile."""

certificate_argument = click.argument("certificate", type=_Certificate())
"""The argument CERTIFICATE: a serial number, or a file with the certificate."""

profile_option = click.option(
    "--profile", type=_Named("PROFILE", _profiles), help="The issuance profile, by id or name; see `blazon profiles`."
)
"""The option --profile."""

engine_option = click.option(
    "--engine", type=_Named("ENGINE", _engines), help="The crypto engine that holds the key; see `blazon engines`."
)
"""The option --engine."""

chain_option = click.option(
    "--chain",
    "chain",
    type=EXISTING_FILE,
    multiple=True,
    help="A file with certificates of CAs above it; may be given several times.",
)
"""The option --chain, of what comes from outside."""

key_password_option = click.option(
    "--key-password",
    help="The password the private key is encrypted with; - reads it from standard input. Asked for if left out.",
)
"""The option --key-password."""

key_option = click.option(
    "--key", type=_Key(), default="ecdsa:256", show_default=True, help="ecdsa:256, rsa:3072, ed25519, ml-dsa:65, …"
)
"""The option --key."""

status_option = click.option("--status", type=OneOf(_STATUSES), help="Only those with this status.")
"""The option --status of lists."""

yes_option = click.option("--yes", "-y", is_flag=True, help="Do it without asking.")
"""The option --yes."""

reason_option = click.option("--reason", type=OneOf(_REASONS), default="Unspecified", show_default=True, help="Why.")
"""The option --reason."""


def ca_option(meaning: str, flag: str = "--ca") -> Callable[[Any], Any]:
    """An option that names a CA as the argument CA does."""
    return click.option(flag, type=_Named("CA", _cas), help=meaning)


def subject_options(command: Any) -> Any:
    """The options for the parts of a subject besides the common name."""
    for name, meaning in reversed(_SUBJECT.items()):
        command = click.option("--" + name.replace("_", "-"), name, default="", help=meaning)(command)
    return command


def names_of(given: dict[str, Any], common_name: str) -> dict[str, str]:
    """The subject the options say."""
    return {"common_name": common_name, **{name: given[name] for name in _SUBJECT if given.get(name)}}
