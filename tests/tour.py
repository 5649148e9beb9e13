"""Reading the consoles of a Markdown page, and comparing what they show with what happens."""

import re
from collections.abc import Iterator

import msgspec

_BLOCK = re.compile(r"<!-- (?P<mark>[a-z]+) -->\n```console\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
_ANY = "…"

# What differs from run to run: ids, tokens and passwords, times, hashes, speeds.
_VARIES = {
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}": "an id",
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z *": "a time",
    r"00-[0-9a-f]{32}-[0-9a-f]{16}-01": "a trace",
    r"\b[0-9a-f]{64}\b": "a hash",
    r"\b\d{13}-(?=\d)": "milliseconds",
    r"\b\d{19}\b": "nanoseconds",
    r"\d+\.\d+ s\b": "seconds",
    r"\([\d,]+/s\)": "a rate",
    r"(?<=password )\S+": "a password",
}


class Step(msgspec.Struct, frozen=True):
    """A command and what it prints."""

    command: str
    shown: tuple[str, ...]


def consoles(page: str) -> Iterator[tuple[str, list[Step]]]:
    """The consoles that are marked, with their marks."""
    for block in _BLOCK.finditer(page):
        steps: list[tuple[list[str], list[str]]] = []
        for line in block["text"].splitlines():
            if line.startswith("$ "):
                steps.append(([line[2:]], []))
            elif not steps[-1][1] and steps[-1][0][-1].endswith("\\"):
                steps[-1][0].append(line)
            else:
                steps[-1][1].append(line)
        yield block["mark"], [Step("\n".join(command), tuple(shown)) for command, shown in steps]


def is_shown(shown: tuple[str, ...], printed: str) -> bool:
    """Whether what was printed is what is shown, but for what varies and what was left out."""
    wanted = _same("\n".join(shown)).split(_ANY)
    return re.fullmatch(".*?".join(map(re.escape, wanted)), _same(printed.rstrip("\n")), re.DOTALL) is not None


def _same(text: str) -> str:
    for pattern, name in _VARIES.items():
        text = re.sub(pattern, f"<{name}>", text)
    return text.rstrip("\n")
