"""Files that commands read and write."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import click

from blazon.cli.output import print_json

__all__ = ["EXISTING_FILE", "OUTPUT_FILE", "deliver", "new_private_file", "read_octets"]

EXISTING_FILE: Final = click.Path(path_type=Path, dir_okay=False, exists=True, allow_dash=True)
"""A file to read; - is standard input."""

OUTPUT_FILE: Final = click.Path(path_type=Path, dir_okay=False)
"""A file to write."""


def read_octets(path: Path) -> bytes:
    """What is in a file, or what comes on standard input when it is called `-`."""
    return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()


def deliver(data: bytes, out: Path | None, said: str, entity: Any, *, json_output: bool) -> None:
    """Writes octets to a file and says so, or prints them when there is no file; with `json_output` prints `entity`."""
    if out is not None:
        out.write_bytes(data)
    if json_output:
        print_json(entity)
    elif out is not None:
        click.echo(said)
    else:
        click.echo(data, nl=False)


@contextmanager
def new_private_file(path: Path) -> Iterator[BinaryIO]:
    """A new file that only its owner can read: it will hold keys. When the block fails, an empty one is removed.

    Make it before the key is made: a key that cannot be written down is lost. Raises ClickException when a file with
    this name is there already, as it may hold a key that is in use.
    """
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise click.ClickException(f"{path} is there already, and may hold keys; name another file") from None
    try:
        with os.fdopen(number, "wb") as file:
            yield file
    except BaseException:
        if not path.stat().st_size:
            path.unlink()
        raise
