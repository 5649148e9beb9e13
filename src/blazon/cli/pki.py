"""What `blazon ca` and `blazon cert` share: files, names of keys, bars, and how entities are shown."""

import base64
import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click

from blazon.cli.client import Api
from blazon.cli.output import print_json, print_pairs

__all__ = [
    "API",
    "Key",
    "Serial",
    "bar",
    "content_of",
    "days_left",
    "every_page",
    "names_of",
    "pem_of",
    "print_issued",
    "subject_options",
    "subject_shown",
    "target",
    "write",
]

API: Final = "/api/ca/v1"
_NEVER: Final = "0001-01-01T00:00:00Z"
_CELLS: Final = 10
_KINDS: Final = {"rsa": "RSA", "ecdsa": "ECDSA", "ed25519": "Ed25519", "ml-dsa": "ML-DSA"}
_USUAL: Final = {"RSA": 3072, "ECDSA": 256, "Ed25519": 256, "ML-DSA": 65}
_SUBJECT: Final = {
    "organization": "Organization (O).",
    "organization_unit": "Unit of the organization (OU).",
    "country": "Country, two capital letters (C).",
    "state": "State or province (ST).",
    "locality": "Town (L).",
}


class Key(click.ParamType[dict[str, Any]]):
    """A kind of key: `ecdsa:256`, `rsa:3072`, `ed25519`, `ml-dsa:65`."""

    name = "KIND"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The type and size the API takes."""
        if isinstance(value, dict):
            return value
        name, _, bits = str(value).lower().partition(":")
        kind = _KINDS.get(name)
        if kind is None or (bits and not bits.isdecimal()):
            self.fail("write a kind of key such as ecdsa:256, rsa:3072, ed25519 or ml-dsa:65", param, ctx)
        return {"type": kind, "bits": int(bits) if bits else _USUAL[kind]}


class Serial(click.ParamType[str]):
    """A serial number in pairs of hexadecimal digits, or a file with the certificate that has it."""

    name = "SERIAL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The serial number as the API writes it."""
        text = str(value)
        if re.fullmatch(r"[0-9a-fA-F]{2}([-:]?[0-9a-fA-F]{2})*", text) and not Path(text).exists():
            return text.lower().replace(":", "-")
        if not Path(text).is_file():
            self.fail(f"{text!r} is neither a serial number nor a file with a certificate", param, ctx)
        from cryptography import x509

        try:
            number = x509.load_pem_x509_certificate(Path(text).read_bytes()).serial_number
        except ValueError:
            self.fail(f"{text} holds no certificate in PEM", param, ctx)
        return number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big").hex("-")


def subject_options(command: Any) -> Any:
    """The options for the parts of a subject besides the common name."""
    for name, meaning in reversed(_SUBJECT.items()):
        command = click.option("--" + name.replace("_", "-"), name, default="", help=meaning)(command)
    return command


def names_of(given: dict[str, str], common_name: str) -> dict[str, str]:
    """The subject the options say."""
    return {"common_name": common_name, **{name: given[name] for name in _SUBJECT if given.get(name)}}


def content_of(path: Path) -> str:
    """A file as the API takes it: base64."""
    data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    return base64.b64encode(data).decode()


def pem_of(entity: dict[str, Any]) -> str:
    """The certificate of an answer."""
    return base64.b64decode(entity["certificate"]).decode()


def write(text: str | bytes, out: Path | None, *, secret: bool = False) -> None:
    """Writes to a file, or to standard output. A secret file is for its owner only."""
    data = text.encode() if isinstance(text, str) else text
    if out is None:
        click.echo(data, nl=False)
        return
    if secret:
        out.touch(mode=0o600)
    out.write_bytes(data)


def target(name: str) -> str:
    """A name as one step of a path."""
    return quote(name, safe="")


def days_left(entity: dict[str, Any]) -> tuple[float, float]:
    """How many days are left, and which part of its life that is."""
    begin, end = (datetime.fromisoformat(entity[name]) for name in ("valid_from", "valid_to"))
    left = (end - datetime.now(UTC)).total_seconds()
    return left / 86400, max(0.0, min(1.0, left / max(1.0, (end - begin).total_seconds())))


def bar(entity: dict[str, Any]) -> str:
    """What is left of a life, drawn: `███████░░░ 2 557 d`."""
    days, part = days_left(entity)
    full = round(part * _CELLS)
    left = f"{days:,.0f} d".replace(",", " ") if days >= 2 else f"{max(0.0, days) * 24:.0f} h"
    return f"{'█' * full}{'░' * (_CELLS - full)} {left}"


def subject_shown(entity: dict[str, Any]) -> str:
    """The subject in one line."""
    short = {
        "common_name": "CN",
        "organization": "O",
        "organization_unit": "OU",
        "country": "C",
        "state": "ST",
        "locality": "L",
    }
    return ", ".join(f"{short[name]}={value}" for name, value in entity["subject"].items() if value)


def print_issued(entity: dict[str, Any], *, as_json: bool) -> None:
    """One CA or certificate."""
    if as_json:
        print_json(entity)
        return
    key, issuer = entity["key_metadata"], entity["issuer_metadata"]
    pairs = {
        "id": entity.get("id", ""),
        "serial": entity["serial_number"],
        "subject": subject_shown(entity),
        "status": entity["status"],
        "reason": entity.get("revocation_reason", ""),
        "revoked": "" if entity["revocation_timestamp"] == _NEVER else entity["revocation_timestamp"],
        "issuer": issuer["ca_id"],
        "key": f"{key['type']} {key['bits']}, {key['strength'].lower()}",
        "valid from": entity["valid_from"],
        "valid to": entity["valid_to"],
        "left": bar(entity),
        "type": entity["type"],
        "engine": entity["engine_id"],
        "metadata": json.dumps(entity["metadata"], ensure_ascii=False) if entity["metadata"] else "",
    }
    print_pairs((name, value) for name, value in pairs.items() if value)


def every_page(api: Api, path: str) -> list[dict[str, Any]]:
    """Every page of a list."""
    found: list[dict[str, Any]] = []
    query: dict[str, Any] = {"page_size": 100}
    while True:
        page = api.call("GET", path, query=query)
        found += page["list"]
        if not page["next"]:
            return found
        query = {"bookmark": page["next"]}
