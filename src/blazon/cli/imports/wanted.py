"""What one import is asked to do."""

from pathlib import Path
from typing import NamedTuple

__all__ = ["Wanted"]


class Wanted(NamedTuple):
    """What was asked for."""

    noun: str
    file: Path
    form: str | None
    dry_run: bool
    lot: str
    report: Path | None
    out: Path | None
    url: str | None
    json_output: bool
