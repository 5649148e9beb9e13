"""Where the Blazon of a data folder answers: a file that is there while it runs."""

import contextlib
from pathlib import Path
from typing import Final

from blazon.addresses import url_of_listener
from blazon.settings import Settings

__all__ = ["address_of", "is_noted", "note_address", "remove_address"]

_FILE: Final = "address"


def note_address(settings: Settings, url: str) -> None:
    """Writes the address down for other commands. That it cannot is no reason not to run."""
    path = settings.data_path / _FILE
    draft = path.with_suffix(".new")
    with contextlib.suppress(OSError):
        draft.write_text(url + "\n")
        draft.replace(path)


def remove_address(settings: Settings) -> None:
    """Takes the address away when Blazon stops."""
    with contextlib.suppress(OSError):
        (settings.data_path / _FILE).unlink()


def is_noted(settings: Settings) -> bool:
    """Whether the Blazon of this data folder runs, or was killed."""
    return bool(_noted(settings.data_path / _FILE))


def address_of(settings: Settings) -> str:
    """Where the Blazon of these settings answers; empty when nobody can tell."""
    return _noted(settings.data_path / _FILE) or url_of_listener(settings.http.listen)


def _noted(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
