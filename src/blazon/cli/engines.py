"""`blazon engines`."""

from typing import Any, Final

import click

from blazon.cli.client import Api, server
from blazon.cli.options import as_json
from blazon.cli.output import counted, print_json, print_table
from blazon.cli.pki.arguments import API

__all__ = ["command"]

_UNAVAILABLE: Final = "blazon.io/unavailable"


@click.command("engines")
@server
@as_json
def command(url: str | None, json_output: bool) -> None:
    """List the crypto engines: where the keys of CAs lie, which keys each makes, and whether it can be reached.

    LEVEL says how well keys are kept: SL0 is in the process of Blazon, SL2 is in a module they never leave. STATE says
    why an engine cannot be reached.

    \b
    blazon engines
    blazon ca create Root --engine pkcs11
    """
    found = Api(url).call("GET", f"{API}/engines")
    if json_output:
        print_json(found)
        return
    rows = [
        (
            engine["id"],
            f"{engine['provider']} {engine['name']}".strip(),
            _level(engine["security_level"]),
            _keys(engine),
            "yes" if engine.get("default") else "no",
            f"away: {engine['metadata'][_UNAVAILABLE]}" if _UNAVAILABLE in engine["metadata"] else "ready",
        )
        for engine in found
    ]
    print_table(("ID", "WHAT", "LEVEL", "KEYS", "DEFAULT", "STATE"), rows, counted(len(rows), "engine"))


def _level(level: str | int) -> str:
    return level if isinstance(level, str) else f"SL{level}"


def _keys(engine: dict[str, Any]) -> str:
    kinds = (*engine["supported_key_types"], *engine.get("additional_key_types", ()))
    return ", ".join(f"{kind['type']} {'/'.join(map(str, kind['sizes']))}" for kind in kinds)
