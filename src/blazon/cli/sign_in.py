"""The sign-in `blazon token` keeps for the other commands: one file, readable by its owner only."""

import contextlib
import json
import os
from pathlib import Path
from typing import NamedTuple

from blazon.errors import BlazonError

__all__ = ["Kept", "NotKept", "forget", "keep", "kept", "sign_in_file"]


class NotKept(BlazonError):
    """The file cannot be read or written."""

    title = "the sign-in cannot be kept"


class Kept(NamedTuple):
    """A sign-in: where, and with what."""

    url: str
    access_token: str
    refresh_token: str


def sign_in_file() -> Path:
    """Where a sign-in is kept: `blazon/login.json` in XDG_CONFIG_HOME, else in ~/.config. Raises NotKept."""
    base = os.environ.get("XDG_CONFIG_HOME")
    if base:
        return Path(base) / "blazon" / "login.json"
    try:
        return Path.home() / ".config" / "blazon" / "login.json"
    except RuntimeError:
        raise NotKept(
            "there is no home folder to keep a sign-in in; set XDG_CONFIG_HOME to a folder, or BLAZON_TOKEN to a token"
        ) from None


def kept() -> Kept | None:
    """The sign-in that is kept; None when there is none. Raises NotKept when the file may not be read."""
    try:
        path = sign_in_file()
    except NotKept:
        return None
    try:
        found = json.loads(path.read_bytes())
        return Kept(*(str(found[name]) for name in Kept._fields))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise NotKept(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        return None  # damaged: to sign in again makes it anew


def keep(sign_in: Kept) -> None:
    """Keeps a sign-in instead of the one before. Raises NotKept."""
    path = sign_in_file()
    draft = path.with_suffix(f".{os.getpid()}.new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(sign_in._asdict(), file)
        draft.replace(path)  # commands run side by side: none reads half a file
    except OSError as error:
        raise NotKept(f"cannot keep the sign-in in {path}: {error.strerror}; set XDG_CONFIG_HOME elsewhere") from None


def forget() -> None:
    """Throws the sign-in away."""
    with contextlib.suppress(OSError):
        sign_in_file().unlink()
