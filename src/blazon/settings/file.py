"""Reading a settings file, and finding the line a setting stands on."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from blazon.errors import SettingsError

__all__ = ["SettingsFile"]

_LARGEST: Final = 1024 * 1024
"""Bytes: a file beyond it holds something else."""

_LINES: Final = 2000
"""In a file with more lines than that no line is looked for: it would take long."""


class SettingsFile:
    """A TOML file that was read."""

    def __init__(self, path: Path) -> None:
        """Reads it. Raises SettingsError with the line of a mistake."""
        self.path = path
        text = _text(path)
        self._lines = text.splitlines(keepends=True)
        try:
            self.tables: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(self._broken(str(error))) from None
        except (ValueError, RecursionError):  # a number of thousands of digits; brackets a thousand deep
            raise SettingsError(
                f"{path}: this is not a settings file; `blazon settings` shows what may stand in it"
            ) from None

    def _broken(self, message: str) -> str:
        # tomllib ends its message with "(at line 3, column 7)" or "(at end of document)".
        place = re.search(r"\(at line (\d+), column \d+\)", message)
        where = f"line {place[1]}" if place else f"line {max(1, len(self._lines))}, its end"
        reason = re.sub(r" \(at [^)]*\)$", "", message)
        reason = reason[:1].lower() + reason[1:]
        return (
            f"{self.path}, {where}: this is not TOML: {reason}. Write tables as [http], texts as"
            ' listen = "127.0.0.1:8080", numbers and true or false without quotes'
        )

    def place(self, *parts: str) -> str:
        """Where a table, or a name in one, stands: the file, and the line its statement begins on.

        The statement ends with the first line up to which the file has the name. So dotted keys, inline tables and
        texts of several lines are found as the parser reads them.
        """
        low, high = 0, len(self._lines)
        if high > _LINES or not _has(self.tables, parts):
            return str(self.path)
        while high - low > 1:  # the beginning up to `low` lacks the key, the one up to `high` has it
            middle = (low + high) // 2
            if _has(self._beginning(middle)[1], parts):
                high = middle
            else:
                low = middle
        first = self._beginning(high - 1)[0] + 1
        while first < high and re.fullmatch(r"\s*(#.*)?", self._lines[first - 1].rstrip("\r\n")):
            first += 1
        return f"{self.path}, line {first}"

    def _beginning(self, lines: int) -> tuple[int, Mapping[str, Any]]:
        """The longest beginning of at most so many lines that is TOML by itself, and what it says."""
        for count in range(lines, 0, -1):
            try:
                return count, tomllib.loads("".join(self._lines[:count]))
            except tomllib.TOMLDecodeError:
                continue
        return 0, {}


def _has(tables: Mapping[str, Any], parts: Sequence[str]) -> bool:
    found: Any = tables
    for part in parts:
        if not isinstance(found, Mapping) or part not in found:
            return False
        found = found[part]
    return True


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise SettingsError(
            f"there is no settings file {path}; give another with --settings or BLAZON_SETTINGS"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SettingsError(f"cannot read the settings file {path}: {reason}") from None
    if len(raw) > _LARGEST:
        raise SettingsError(f"{path} is larger than {_LARGEST} bytes: it is not a settings file")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{path}, line {line}: this is not UTF-8; save the file as UTF-8") from None
