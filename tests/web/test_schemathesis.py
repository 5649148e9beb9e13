"""Schemathesis reads the OpenAPI document and tries to break what it promises: no 5xx, and answers as declared.

It runs as its own process against a running Blazon, as an admin, and again as nobody. Every check must hold but one:
that whatever the schemas allow is accepted, since there are rules that a schema cannot say.
"""

import asyncio
import sys
from pathlib import Path

from tests.running import Running

BOUND = 180.0
"""Seconds a run may take; it needs some ten."""

_BINARY = "/api/va/ocsp"
"""Its body is of a format that Schemathesis cannot make."""


async def test_as_an_admin(blazon: Running, tmp_path: Path) -> None:
    token = f"Authorization: Bearer {blazon.admin.token}"
    await hunt(blazon, tmp_path, "--header", token, "--phases", "coverage,fuzzing", "--max-examples", "25")


async def test_as_nobody(blazon: Running, tmp_path: Path) -> None:
    await hunt(blazon, tmp_path, "--phases", "fuzzing", "--max-examples", "10")


async def hunt(blazon: Running, folder: Path, *more: str) -> None:
    """Runs Schemathesis; its findings fail the test."""
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("schemathesis"),
        "run",
        f"{blazon.url}/openapi.json",
        *("--checks", "all", "--exclude-checks", "positive_data_acceptance"),
        *("--exclude-path", _BINARY),
        *("--generation-deterministic", "--continue-on-failure", "--no-color"),
        *more,
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(BOUND):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, output.decode()
    assert b"Fuzzing" in output
    # It must have met every other operation there is.
    document = (await blazon.call("GET", "/openapi.json")).json
    operations = sum(len(methods) for path, methods in document["paths"].items() if path != _BINARY)
    assert f"Tested: {operations}" in " ".join(output.decode().split())
