"""The folder of the embedded Redis: whether what is in it is whole, and putting a damaged one aside.

Redis refuses most damage itself. It does not refuse a manifest that is missing or lacks lines: it begins anew then, and
writes over the files it does not know of. That is found out here, before it starts. The names and the manifest are
those of the append-only file of several parts (Redis 7.0 and newer, and Valkey).
"""

import contextlib
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from blazon.errors import StartError

__all__ = ["Unusable", "holds_data", "is_torn", "kept_aside", "open_log", "put_aside"]

_KEPT: Final = 3
"""How many damaged folders are kept; beyond it the oldest is removed, so that they do not fill the disk."""

_LISTED: Final = re.compile(r"^file (\S+) seq \d+ type ([bhi])$", re.MULTILINE)


class Unusable(StartError):
    """The folder is no folder, or a file in it cannot be opened."""


def open_log(path: Path) -> IO[bytes]:
    """Opens what the server's output is appended to. Raises OSError."""
    return open(path, "a+b")


def is_torn(folder: Path) -> bool:
    """Whether Redis would start on this folder and leave out, and then write over, data that is in it.

    After a kill there may be a file the manifest does not name yet: a base that was about to replace another, or an
    increment that is still empty. Any other file it does not name was lost from it.
    """
    files = folder / "appendonlydir"
    if not files.is_dir():
        return False
    names = {path.name for path in files.glob("appendonly.aof.*") if path.is_file() and path.stat().st_size}
    try:
        manifest = (files / "appendonly.aof.manifest").read_text(errors="replace")
    except (FileNotFoundError, IsADirectoryError):
        manifest = ""
    except OSError:
        return False  # Redis cannot read it either, and says so
    listed = {name: kind for name, kind in _LISTED.findall(manifest)}
    unlisted = names - listed.keys() - {"appendonly.aof.manifest"}
    has_base = "b" in listed.values()
    return any(".incr." in name or (".base." in name and not has_base and ".1.base." not in name) for name in unlisted)


def holds_data(folder: Path) -> bool:
    """Whether there is anything that could be damaged."""
    files = folder / "appendonlydir"
    if not files.is_dir():
        return files.exists()
    return any(not path.is_file() or path.stat().st_size for path in files.iterdir())


def put_aside(folder: Path) -> Path:
    """Renames the folder, so that Redis can begin a new one, and returns its new path. Raises StartError."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    aside = folder.with_name(f"{folder.name}-damaged-{stamp}")
    try:
        folder.rename(aside)
    except OSError as error:
        raise StartError(
            f"the embedded Redis cannot use its data in {folder}, and the folder cannot be put aside"
            f" ({error.strerror}): move it away"
        ) from None
    for old in kept_aside(folder)[:-_KEPT]:
        with contextlib.suppress(OSError):
            shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
    return aside


def kept_aside(folder: Path) -> list[Path]:
    """The folders that were put aside and are still there, the oldest first."""
    return sorted(folder.parent.glob(f"{folder.name}-damaged-*"))
